//! `cargo xtask counts`: what the hot paths cost in instructions, against committed figures.
//!
//! the program `counts` of `benches` has a function for each path. callgrind, a tool of valgrind,
//! runs it path by path and counts what is executed within that function: instructions, and those
//! among them that lock the bus, which are the atomic read-modify-writes. Such counts are the same
//! in each run, on a busy machine too, so a few more of them are a change of the code or of the
//! compiler.

mod figures;
mod verdict;

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run::{AS_COMMAND, at_once, built, cargo, shown, watched};
use crate::{Failed, Outcome, root};
use figures::{Cost, Figures};

/// The committed figures.
const FIGURES: &str = "benches/counts.txt";
const RENEW: &str = "cargo xtask counts --save";
/// What the program that is counted calls its parts; the program `counts` of `benches` explains
/// them.
const MEASURED: &str = "counts::measured";
const COUNTED: &str = "counts::counted";
/// A path takes half a second.
const LIMIT: Duration = Duration::from_secs(120);

/// Why nothing can be counted here, if so.
pub(crate) fn missing() -> Option<&'static str> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the figures are those of x86_64");
    }
    let mut valgrind = Command::new("valgrind");
    let version = valgrind
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let there = version.status().is_ok_and(|status| status.success());
    (!there).then_some("valgrind is not installed")
}

pub(crate) fn counts(save: bool) -> Outcome {
    match missing() {
        Some(why) if save => {
            eprintln!("xtask: nothing can be counted: {why}");
            return Err(Failed::Check);
        }
        Some(why) => {
            println!("counts: skipped: {why}");
            return Ok(());
        }
        None => {}
    }
    let mut build = cargo(AS_COMMAND);
    build.args(["-p", "benches", "--bin", "counts"]);
    let program = built(build)?;
    let counted = Figures {
        rustc: rustc()?,
        paths: all_paths(&program, save)?,
    };
    if save {
        return written(&counted);
    }
    let text = match fs::read_to_string(root().join(FIGURES)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return failed(&format!("there is no {FIGURES}; `{RENEW}` makes it"));
        }
        Err(error) => return failed(&format!("{FIGURES} could not be read: {error}")),
    };
    match Figures::parse(&text) {
        Ok(figures) => judged(&figures, &counted),
        Err(error) => failed(&format!("{FIGURES}: {error}; `{RENEW}` writes it anew")),
    }
}

fn failed<T>(why: &str) -> Result<T, Failed> {
    eprintln!("xtask: {why}");
    Err(Failed::Check)
}

fn written(counted: &Figures) -> Outcome {
    if let Err(error) = fs::write(root().join(FIGURES), counted.to_string()) {
        return failed(&format!("{FIGURES} could not be written: {error}"));
    }
    println!("counts: {} paths written to {FIGURES}", counted.paths.len());
    Ok(())
}

/// Says what was counted and what that is against the figures.
fn judged(figures: &Figures, counted: &Figures) -> Outcome {
    print!("{}", counted.table());
    let verdict = verdict::compare(figures, counted);
    if !(verdict.failures.is_empty() && verdict.hints.is_empty()) {
        for line in &verdict.hints {
            println!("counts: {line}");
        }
        for line in &verdict.failures {
            println!("counts: FAILED, {line}");
        }
        if figures.rustc != counted.rustc {
            println!(
                "counts: the figures were made with {}, this is {}",
                figures.rustc, counted.rustc
            );
        }
        if let Some(flags) = env::var_os("RUSTFLAGS") {
            println!("counts: the figures were made without RUSTFLAGS, which are {flags:?} here");
        }
        println!("counts: if this is meant to be, renew the figures: {RENEW}");
    }
    if verdict.failures.is_empty() {
        println!("counts: {} paths, none has grown", counted.paths.len());
        Ok(())
    } else {
        println!(
            "counts: {} paths, failures: {}",
            counted.paths.len(),
            verdict.failures.len()
        );
        Err(Failed::Check)
    }
}

/// The compiler that cargo uses.
fn rustc() -> Result<String, Failed> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(root()).arg("--version");
    Ok(output(&mut command)?.trim().to_owned())
}

/// What a program wrote that must succeed.
fn output(command: &mut Command) -> Result<String, Failed> {
    match watched(command, LIMIT) {
        Ok(done) if done.succeeded() => Ok(done.output),
        Ok(done) => {
            let how = match done.status {
                Some(status) => format!("ended with {status}"),
                None => format!("was still running after {} s", LIMIT.as_secs()),
            };
            failed(&format!("{} {how}:\n{}", shown(command), done.output))
        }
        Err(error) => failed(&format!("{} could not be started: {error}", shown(command))),
    }
}

/// Counts each path; `twice`, since what differs is no count that could be kept.
fn all_paths(program: &Path, twice: bool) -> Result<Vec<(String, Cost)>, Failed> {
    let listing = output(&mut Command::new(program))?;
    let Some((operations, names)) = figures::listing(&listing) else {
        return failed(&format!("{} lists no paths:\n{listing}", program.display()));
    };
    let counted = at_once(&names, |name| {
        let first = one_path(program, name)?;
        let second = if twice {
            one_path(program, name)?
        } else {
            first
        };
        if first != second {
            return failed(&format!(
                "{name} costs something else each time: {first:?}, then {second:?}"
            ));
        }
        if first.instructions < operations {
            return failed(&format!(
                "{name}: callgrind found no function {COUNTED}::{name}"
            ));
        }
        Ok(((*name).to_owned(), first.each(operations)))
    });
    counted.into_iter().collect()
}

/// What all counted operations of a path cost together.
fn one_path(program: &Path, name: &str) -> Result<Cost, Failed> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-bus=yes"])
        .arg("--callgrind-out-file=/dev/null")
        .arg(format!("--zero-before={MEASURED}"))
        .arg(format!("--toggle-collect={COUNTED}::{name}"))
        .arg(program)
        .arg(name);
    let said = output(&mut command)?;
    match figures::collected(&said) {
        Some(cost) => Ok(cost),
        None => failed(&format!("{} counted nothing:\n{said}", shown(&command))),
    }
}
