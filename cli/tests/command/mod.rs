//! The command, as a user runs it.

use std::process::{Command, Output};

use serde_json::Value;

pub(crate) fn crossdock(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossdock"))
        .args(arguments)
        .output()
        .unwrap()
}

/// What it prints, all being well.
pub(crate) fn printed(arguments: &[&str]) -> String {
    let output = crossdock(arguments);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Has it refuse arguments: in one line, with exit code 2.
pub(crate) fn refused(arguments: &[&str]) {
    let output = crossdock(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("crossdock: "), "{arguments:?}: {said}");
}

/// The one object of one line.
pub(crate) fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(text).unwrap()
}
