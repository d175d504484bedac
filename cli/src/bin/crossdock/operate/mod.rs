//! The commands that look after segments: `ls`, `doctor`, `repair`, `clean`.
//!
//! All but `repair` and `clean` only read. Which process lives is the kernel's to say, here as in
//! the library: /proc adds what people know a process by.

pub(crate) mod clean;
pub(crate) mod doctor;
pub(crate) mod find;
pub(crate) mod ls;
pub(crate) mod processes;
pub(crate) mod repair;
pub(crate) mod text;

use std::process::ExitCode;

/// The outcome of a command: its exit code, or what it says on standard error, with exit code 1.
pub(crate) type Outcome = Result<ExitCode, String>;

/// Prints a JSON value on one line.
fn print_json(value: &serde_json::Value) {
    crate::print_ignoring_closed_pipes(&format!("{value}\n"));
}

fn failed(error: &dyn std::error::Error) -> String {
    crate::with_causes(error)
}
