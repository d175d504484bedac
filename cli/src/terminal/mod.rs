//! What the programs that measure share at a terminal: options of runs, lists, tables, and errors.

pub mod lists;
pub mod runs;
pub mod tables;

use clap::error::ErrorKind;

/// Returns clap's message with its tip, and without its usage, in one line. If a subcommand is
/// missing, `expected` says what.
pub fn one_line(error: &clap::Error, expected: &str) -> String {
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return format!("expected {expected}");
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim);
    let text: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let text = text.join(" ");
    let text = text.trim_start_matches("error: ");
    match lines.find(|line| line.starts_with("tip: a similar")) {
        Some(tip) => format!("{text}; {}", tip.trim_start_matches("tip: ")),
        None => text.to_owned(),
    }
}
