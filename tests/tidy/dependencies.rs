//! What the library brings along: how many crates, and none of their unsound features.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use crate::{File, files, hold, read, root};

/// Crates besides crossdock itself, those that only build it included.
const BARE: usize = 7;
const WITH_DEFAULTS: usize = 20;
const UNSOUND: &str = "unsound_";

/// What `cargo tree` prints; it must be able to without the network.
fn tree(args: &[&str]) -> String {
    let cargo = env::var_os("CARGO").expect("cargo runs the tests");
    let mut command = Command::new(cargo);
    command
        .current_dir(root())
        .args(["tree", "--offline", "-p", "crossdock"])
        .args(args);
    let output = command.output().expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{said}");
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// The crates of a tree that was printed with `--prefix none`, besides crossdock.
fn crates(tree: &str) -> BTreeSet<String> {
    let name_and_version = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let lines = tree
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("crossdock "));
    lines.map(name_and_version).collect()
}

/// Rule: no feature that its own crate calls unsound is named.
fn unsound(path: &str, text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(UNSOUND));
    lines
        .map(|(at, _)| format!("{path}:{}: names an `{UNSOUND}` feature", at + 1))
        .collect()
}

#[test]
fn the_bare_library_brings_few_crates() {
    let found = crates(&tree(&[
        "-e",
        "normal,build",
        "--no-default-features",
        "--prefix",
        "none",
    ]));
    assert!(found.len() <= BARE, "more than {BARE}: {found:#?}");
    assert!(
        found.iter().any(|name| name.starts_with("libc ")),
        "no crates found: {found:?}"
    );
}

#[test]
fn the_library_with_its_defaults_brings_few_crates() {
    let found = crates(&tree(&["-e", "normal,build", "--prefix", "none"]));
    assert!(
        found.len() <= WITH_DEFAULTS,
        "more than {WITH_DEFAULTS}: {found:#?}"
    );
    assert!(
        found.iter().any(|name| name.starts_with("serde ")),
        "no crates found: {found:?}"
    );
}

#[test]
fn a_tree_counts_each_crate_once_and_not_its_root() {
    let tree = "crossdock v0.1.0 (/x)\nnix v0.31.3\nlibc v0.2.1\n\nlibc v0.2.1 (*)\nlibc v1.0.0\n";
    assert_eq!(crates(tree).len(), 3);
}

#[test]
fn no_unsound_feature_is_named() {
    let mut manifests = files(&[""], "Cargo.toml");
    assert!(manifests.len() > 1, "the members' manifests were not found");
    manifests.push(File {
        path: "Cargo.lock".into(),
        text: read("Cargo.lock"),
    });
    hold(&manifests, unsound);
}

#[test]
fn no_unsound_feature_is_switched_on_by_anyone() {
    let features = tree(&["-e", "features", "-i", "bytemuck", "--prefix", "none"]);
    assert!(
        features.contains("bytemuck feature"),
        "no features found:\n{features}"
    );
    assert!(
        !features.contains(UNSOUND),
        "an unsound feature is on:\n{features}"
    );
}

#[test]
fn a_named_unsound_feature_is_found() {
    let manifest = "[dependencies]\nbytemuck = { features = [\"unsound_ptr_pod_impl\"] }\n";
    let found = unsound("Cargo.toml", manifest);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("Cargo.toml:2: "), "{found:?}");
}
