//! `cargo xtask compare`: that is the program `studies` of `benches`, built for release.

use std::fs::File;

use crate::run::{cargo, pass_through};
use crate::{Failed, Outcome, root};

/// What can be compared. Looked up here, so that a wrong name costs no build.
const WHATS: [&str; 7] = [
    "locks", "queues", "work", "arrays", "chaos", "pools", "objects",
];
/// The feature with the peers of a study that nothing else builds.
const FEATURES: [(&str, &str); 5] = [
    ("locks", "boost"),
    ("queues", "foreign"),
    ("chaos", "foreign"),
    ("pools", "procspawn"),
    ("objects", "stores"),
];

pub(crate) fn compare(what: &str, args: &[String]) -> Outcome {
    if !WHATS.contains(&what) {
        let known = WHATS.join(", ");
        eprintln!("xtask: expected something to compare ({known}), found `{what}`");
        return Err(Failed::Usage);
    }
    let feature = FEATURES.iter().find(|(study, _)| *study == what);
    run(feature.map(|(_, feature)| *feature), what, args)
}

/// `cargo xtask measure`.
pub(crate) fn measure(args: &[String]) -> Outcome {
    run(None, "measure", args)
}

/// `cargo xtask picture`: measures, and draws what was measured.
pub(crate) fn picture(args: &[String]) -> Outcome {
    let measured = root().join("target/contention.json");
    let file = File::create(&measured).map_err(|error| {
        eprintln!("xtask: {}: {error}", measured.display());
        Failed::Check
    })?;
    let call = [
        "run",
        "--quiet",
        "--release",
        "-p",
        "crossdock-cli",
        "--",
        "contention",
        "--json",
    ];
    let mut command = cargo(call);
    command.args(args).stdout(file);
    pass_through(command)?;
    let plot = ["plot", "target/contention.json", "docs/contention"];
    measure(&plot.map(str::to_owned))
}

fn run(feature: Option<&str>, what: &str, args: &[String]) -> Outcome {
    let mut command = cargo([
        "run",
        "--quiet",
        "--release",
        "-p",
        "benches",
        "--bin",
        "studies",
    ]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    command.arg("--").arg(what).args(args);
    pass_through(command)
}
