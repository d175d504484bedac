//! `cargo xtask crash` and `torture`: both are `crossdock-verify`, built for release.

use crate::Outcome;
use crate::run::{cargo, pass_through};

const VERIFY: [&str; 6] = [
    "run",
    "--quiet",
    "--release",
    "-p",
    "crossdock-verify",
    "--",
];

pub(crate) fn crash(full: bool, args: &[String]) -> Outcome {
    let mut command = cargo(VERIFY);
    command.arg("crash");
    if full {
        command.arg("--full");
    }
    command.args(args);
    pass_through(command)
}

pub(crate) fn torture(what: &str, secs: u64, args: &[String]) -> Outcome {
    let mut command = cargo(VERIFY);
    command.args(["torture", what, "--secs", &secs.to_string()]);
    command.args(args);
    pass_through(command)
}
