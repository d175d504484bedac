//! The test programs, several of which run at once: cargo runs one after the other, and most of
//! the time passes while each waits for its longest test.

use std::env;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use crate::all::part::LONGEST;
use crate::run::{Built, all_built, at_once, cargo, shown, watched};
use crate::{Failed, Outcome};

/// How many tests of a program run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// What takes longest, longest first: the others fill what is left.
const LONG: [&str; 7] = [
    "tests/process/main.rs",
    "verify/tests/torture.rs",
    "benches/tests/command.rs",
    "tests/queue/main.rs",
    "tests/waiting/main.rs",
    "tests/manager/main.rs",
    "src/lib.rs",
];

/// What a test program is told by cargo; what xtask was told is about xtask.
const TOLD: &str = "CARGO_MANIFEST_DIR";

/// Builds all test programs and runs them, and the docs' examples: as many as there are processors,
/// and so many tests of each, unless the caller's environment says otherwise. Most tests wait for
/// other processes; with more of them at once, short tortures on a busy machine do not come to what
/// is to be seen. The command needs the feature `inspect` of the library, so these have it, and
/// tests/inspect is among them.
pub(super) fn tests() -> Outcome {
    let mut programs = all_built(cargo(["test", "--workspace", "--no-run"]))?;
    programs.retain(|built| built.is_test);
    if programs.is_empty() {
        eprintln!("xtask: there is no test program");
        return Err(Failed::Check);
    }
    let place = |built: &Built| LONG.iter().position(|long| built.source == Path::new(long));
    programs.sort_by_key(|built| place(built).unwrap_or(LONG.len()));
    // The docs' examples are built before they run, so they begin before all others.
    let jobs: Vec<Option<&Built>> = [None]
        .into_iter()
        .chain(programs.iter().map(Some))
        .collect();
    let failed = AtomicBool::new(false);
    at_once(&jobs, |job| {
        if !failed.load(Ordering::Relaxed) && !passes(*job) {
            failed.store(true, Ordering::Relaxed);
        }
    });
    if failed.into_inner() {
        return Err(Failed::Check);
    }
    println!("tests: {} programs, and the docs' examples", programs.len());
    Ok(())
}

/// Runs a test program or, for `None`, the docs' examples; prints what it has printed.
fn passes(job: Option<&Built>) -> bool {
    let (name, mut command) = match job {
        Some(built) => {
            let mut command = Command::new(&built.program);
            command
                .current_dir(&built.package)
                .env(TOLD, &built.package);
            (built.source.display().to_string(), command)
        }
        None => {
            let command = cargo(["test", "--workspace", "--doc"]);
            ("the docs' examples".to_owned(), command)
        }
    };
    if env::var_os(THREADS).is_none() {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        command.env(THREADS, processors.to_string());
    }
    match watched(&mut command, LONGEST) {
        Ok(done) => {
            let verdict = match done.status {
                Some(status) if status.success() => "ok".to_owned(),
                Some(status) => format!("FAILED, {status}"),
                None => "FAILED, its time was up".to_owned(),
            };
            let (took, output) = (done.took.as_secs_f64(), &done.output);
            print!("{output}tests: {name}: {verdict} ({took:.1} s)\n\n");
            done.succeeded()
        }
        Err(error) => {
            let command = shown(&command);
            println!("tests: {name}: FAILED, {command} could not be started: {error}");
            false
        }
    }
}
