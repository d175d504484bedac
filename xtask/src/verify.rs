//! `cargo xtask crash` and `torture`: both are `crossdock-verify`, optimised.

use crate::Outcome;
use crate::run::{cargo, pass_through};

/// What is not asked for takes as long to build as what is.
const VERIFY: [&str; 7] = [
    "run",
    "--quiet",
    "--release",
    "-p",
    "crossdock-verify",
    "--no-default-features",
    "--features",
];

pub(crate) fn crash(full: bool, args: &[String]) -> Outcome {
    let mut command = cargo(VERIFY);
    command.args(["crash", "--", "crash"]);
    if full {
        command.arg("--full");
    }
    command.args(args);
    pass_through(command)
}

pub(crate) fn torture(what: &str, secs: u64, args: &[String]) -> Outcome {
    let mut command = cargo(VERIFY);
    command.args([
        "torture",
        "--",
        "torture",
        what,
        "--secs",
        &secs.to_string(),
    ]);
    command.args(args);
    pass_through(command)
}
