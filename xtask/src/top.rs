//! `cargo xtask top`: the tests of `crossdock top`, which the default build leaves out.

use crate::Outcome;
use crate::run::{cargo, pass_through};

pub(crate) fn top() -> Outcome {
    pass_through(cargo([
        "test",
        "-p",
        "crossdock-cli",
        "--features",
        "top",
        "--bin",
        "crossdock",
        "--test",
        "top",
    ]))
}
