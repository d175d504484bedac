//! `cargo xtask fuzz`: the cargo-fuzz targets, on the stable toolchain.

use std::process::Command;

use crate::run::{cargo, cargo_has, pass_through, shown};
use crate::{Failed, Outcome};

/// cargo-fuzz wants a nightly compiler's flags; this lets the stable one accept them.
const BOOTSTRAP: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");

pub(crate) fn fuzz(target: Option<&str>, secs: u64) -> Outcome {
    if !cargo_has("fuzz") {
        eprintln!("xtask: cargo-fuzz is missing; install it with: cargo install cargo-fuzz");
        return Err(Failed::Check);
    }
    let targets = match target {
        Some(target) => vec![target.to_owned()],
        None => listed()?,
    };
    for target in &targets {
        println!("fuzz {target}: {secs} s");
        let limit = format!("-max_total_time={secs}");
        pass_through(cargo_fuzz(&["run", target, "--", &limit]))?;
    }
    Ok(())
}

fn listed() -> Result<Vec<String>, Failed> {
    let mut list = cargo_fuzz(&["list"]);
    let output = list.output().map_err(|error| {
        eprintln!("xtask: {} could not be started: {error}", shown(&list));
        Failed::Check
    })?;
    let targets: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim().into())
        .collect();
    if !output.status.success() || targets.is_empty() {
        eprintln!("xtask: {} names no target", shown(&list));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Failed::Check);
    }
    Ok(targets)
}

fn cargo_fuzz(args: &[&str]) -> Command {
    let mut command = cargo(["fuzz"]);
    command.args(args).env(BOOTSTRAP.0, BOOTSTRAP.1);
    command
}
