//! The `crossdock` command.

mod contention;
mod demo;
mod look;
mod metrics;
mod operate;
mod top;
mod warehouse;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use crossdock::process;
use crossdock_cli::terminal::one_line;

/// Shared memory for separate processes: segments, demos and measurements.
#[derive(Debug, Parser)]
#[command(
    name = "crossdock",
    version,
    arg_required_else_help = false,
    next_line_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Warehouse(warehouse::Options),
    Demo(demo::Options),
    Contention(contention::Options),
    Ls(operate::ls::Options),
    Doctor(operate::doctor::Options),
    Repair(operate::repair::Options),
    Clean(operate::clean::Options),
    Top(top::Options),
    Inspect(look::InspectOptions),
    Peek(look::PeekOptions),
    Metrics(metrics::Options),
}

/// The exit code of a command that could not be parsed.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    process::init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.exit_code() == 0 => {
            print_ignoring_closed_pipes(&error.render().to_string());
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&one_line(&error, "a command")),
    };
    let outcome = match cli.command {
        Command::Warehouse(options) => match options.check() {
            Ok(()) => warehouse::run(&options).map_err(|failure| failure.to_string()),
            Err(message) => return usage(&message),
        },
        Command::Demo(options) => match options.check() {
            Ok(()) => demo::run(&options).map_err(|failure| failure.to_string()),
            Err(message) => return usage(&message),
        },
        Command::Contention(options) => match options.check() {
            Ok(ready) => contention::run(ready),
            Err(message) => return usage(&message),
        },
        Command::Inspect(options) => look::inspect(&options),
        Command::Peek(options) => look::peek(&options),
        Command::Metrics(options) => return ended(metrics::run(&options)),
        Command::Top(options) => return ended(top::run(&options)),
        Command::Ls(options) => return ended(operate::ls::run(&options)),
        Command::Doctor(options) => return operate::doctor::run(&options),
        Command::Repair(options) => return ended(operate::repair::run(&options)),
        Command::Clean(options) => return ended(operate::clean::run(&options)),
    };
    ended(outcome.map(|()| ExitCode::SUCCESS))
}

/// Prints why a command failed, if it did.
fn ended(outcome: Result<ExitCode, String>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        say(&error);
        ExitCode::FAILURE
    })
}

fn usage(message: &str) -> ExitCode {
    say(&format!("{message} (see --help)"));
    ExitCode::from(USAGE)
}

/// Prints one line on standard error. If that fails, only the exit code reports the error.
pub(crate) fn say(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "crossdock: {message}");
}

/// Formats an error and its causes on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let further = error.to_string();
        // Some errors contain the text of their cause.
        if !text.contains(&further) {
            text = format!("{text}: {further}");
        }
        cause = error.source();
    }
    text
}

/// Prints, also into a pipe without a reader. Any other failure ends the program: its output is
/// lost.
pub(crate) fn print_ignoring_closed_pipes(text: &str) {
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("standard output: {error}"));
            std::process::exit(1);
        }
        _ => {}
    }
}
