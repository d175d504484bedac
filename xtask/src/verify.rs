//! `cargo xtask crash` and `torture`: both are `crossdock-verify`, optimised.

use std::process::Command;

use crate::run::{AS_COMMAND, built, cargo, pass_through};
use crate::{Failed, Outcome};

/// The program with one of its features: what is not asked for takes as long to build as what is.
fn verify(feature: &str) -> Result<Command, Failed> {
    let mut build = cargo(AS_COMMAND);
    build.args(["-p", "crossdock-verify", "--bin", "crossdock-verify"]);
    build.args(["--features", &format!("crossdock-verify/{feature}")]);
    Ok(Command::new(built(build)?))
}

pub(crate) fn crash(full: bool, args: &[String]) -> Outcome {
    let mut command = verify("crash")?;
    command.arg("crash");
    if full {
        command.arg("--full");
    }
    command.args(args);
    pass_through(command)
}

pub(crate) fn torture(what: &str, secs: u64, args: &[String]) -> Outcome {
    let mut command = verify("torture")?;
    command.args(["torture", what, "--secs", &secs.to_string()]);
    command.args(args);
    pass_through(command)
}
