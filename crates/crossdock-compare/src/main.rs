//! The same work done by crossdock and by what people would use instead, measured side by side.
//!
//! `cargo xtask compare locks` runs it. Unpublished: the others and what they bring along are
//! nobody's dependencies but this program's.

mod contest;
mod creation;
mod kills;
mod locks;
mod report;
mod spinning;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use crossdock::process;
use crossdock_bench::Failure;
use indicatif::{ProgressBar, ProgressStyle};

use crate::contest::Effort;
use crate::locks::failed;
use crate::report::Report;

/// crossdock beside what people would use instead.
#[derive(Debug, Parser)]
#[command(name = "crossdock-compare", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Locks(Options),
    Spinning(SpinningOptions),
}

/// Measures ways to wait for a contended lock, and prints a table.
#[derive(Debug, Args)]
struct SpinningOptions {
    /// How long each strategy is measured in each run, in seconds.
    #[arg(long, default_value_t = 0.2)]
    secs: f64,
    /// How often each strategy is measured; figures are medians.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn check_secs(secs: f64) -> Result<(), String> {
    if secs > 0.0 && secs <= MAX_SECS {
        return Ok(());
    }
    Err(format!(
        "expected more than 0 and at most {MAX_SECS} seconds, found {secs}"
    ))
}

fn check_runs(runs: u32) -> Result<(), String> {
    if (1..=MAX_RUNS).contains(&runs) {
        return Ok(());
    }
    Err(format!("expected 1 to {MAX_RUNS} runs, found {runs}"))
}

/// Measures locks between processes, kills their owners, and writes docs/benchmarks.md.
#[derive(Debug, Args)]
struct Options {
    /// How long each kind is measured in each run, in seconds.
    #[arg(long, default_value_t = 0.4)]
    secs: f64,
    /// How often each kind is measured; figures are medians.
    #[arg(long, default_value_t = 7)]
    runs: u32,
    /// With how many processes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 8])]
    processes: Vec<u32>,
    /// How many owners of each lock are killed.
    #[arg(long, default_value_t = 30)]
    kills: u32,
    /// Print one JSON object, and write no document.
    #[arg(long)]
    json: bool,
    /// Print the document instead of writing it.
    #[arg(long)]
    no_write: bool,
    /// Where the document is written; what is hand-written there stays.
    #[arg(long, value_name = "FILE", default_value = DOCUMENT)]
    output: PathBuf,
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");

/// Exit code of a call that could not be understood.
const USAGE: u8 = 2;
const MAX_PROCESSES: u32 = 64;
const MAX_RUNS: u32 = 1_000;
const MAX_KILLS: u32 = 10_000;
const MAX_SECS: f64 = 3_600.0;

impl Options {
    /// What clap cannot see.
    fn check(&self) -> Result<(), String> {
        check_secs(self.secs)?;
        check_runs(self.runs)?;
        for count in &self.processes {
            if !(1..=MAX_PROCESSES).contains(count) {
                return Err(format!(
                    "expected 1 to {MAX_PROCESSES} processes, found {count}"
                ));
            }
        }
        if self.kills > MAX_KILLS {
            return Err(format!(
                "expected at most {MAX_KILLS} kills, found {}",
                self.kills
            ));
        }
        Ok(())
    }

    fn effort(&self) -> Effort {
        let mut processes = self.processes.clone();
        processes.sort_unstable();
        processes.dedup();
        Effort {
            secs: self.secs,
            runs: self.runs,
            processes,
            kills: self.kills,
        }
    }

    fn writes(&self) -> bool {
        !self.json && !self.no_write
    }

    /// What was called, as one would type it; where the document goes is no part of it.
    fn command(&self) -> String {
        let mut command = String::from("cargo xtask compare locks");
        let defaults = Cli::parse_from(["crossdock-compare", "locks"]);
        let What::Locks(defaults) = defaults.what else {
            return command;
        };
        let mut add = |differs: bool, option: String| {
            if differs {
                command += &option;
            }
        };
        add(self.secs != defaults.secs, format!(" --secs {}", self.secs));
        add(self.runs != defaults.runs, format!(" --runs {}", self.runs));
        let counts: Vec<String> = self.processes.iter().map(u32::to_string).collect();
        add(
            self.processes != defaults.processes,
            format!(" --processes {}", counts.join(",")),
        );
        add(
            self.kills != defaults.kills,
            format!(" --kills {}", self.kills),
        );
        command
    }
}

fn main() -> ExitCode {
    process::init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.exit_code() == 0 => {
            // A pipe that nobody reads any more is no failure.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&one_line(&error)),
    };
    let checked = match &cli.what {
        What::Locks(options) => options.check().and_then(|()| {
            // Before minutes are spent on a document that cannot be written.
            if options.writes() {
                report::check(&options.output)
            } else {
                Ok(())
            }
        }),
        What::Spinning(options) => check_secs(options.secs).and_then(|()| check_runs(options.runs)),
    };
    if let Err(message) = checked {
        return usage(&message);
    }
    let printed = match &cli.what {
        What::Locks(options) => locks(options),
        What::Spinning(options) => spinning(options),
    };
    match printed {
        Ok(text) => {
            print_ignoring_closed_pipes(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("crossdock-compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(message: &str) -> ExitCode {
    eprintln!("crossdock-compare: {message} (see --help)");
    ExitCode::from(USAGE)
}

/// What clap says in several paragraphs, without its tips and its usage.
fn one_line(error: &clap::Error) -> String {
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return "expected something to compare: locks or spinning".into();
    }
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let joined = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    joined.trim_start_matches("error: ").to_owned()
}

/// Prints, also into a pipe that nobody reads any more.
fn print_ignoring_closed_pipes(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Measures everything; returns what is to be printed.
fn locks(options: &Options) -> Result<String, Failure> {
    let effort = options.effort();
    let bar = progress(contest::count(&effort) + kills::count() * u64::from(effort.kills));
    bar.set_message("making");
    let creation = creation::run()?;
    bar.set_message("contending");
    let settings = contest::run(&effort, || bar.inc(1))?;
    bar.set_message("killing");
    let kills = kills::run(effort.kills, || bar.inc(1))?;
    bar.finish_and_clear();

    let report = Report::new(options.command(), effort, settings, creation, kills);
    if options.json {
        let text = serde_json::to_string_pretty(&report);
        return Ok(text.map_err(|error| failed("JSON", error))? + "\n");
    }
    if options.no_write {
        return report.document(&options.output);
    }
    report.write(&options.output)?;
    Ok(format!("wrote {}\n", options.output.display()))
}

/// Measures the strategies; returns what is to be printed.
fn spinning(options: &SpinningOptions) -> Result<String, Failure> {
    let SpinningOptions { secs, runs, json } = *options;
    let bar = progress(spinning::count(runs));
    let command = format!("cargo xtask compare spinning --secs {secs} --runs {runs}");
    let trial = spinning::run(secs, runs, command, || bar.inc(1))?;
    bar.finish_and_clear();
    if json {
        let text = serde_json::to_string_pretty(&trial);
        return Ok(text.map_err(|error| failed("JSON", error))? + "\n");
    }
    Ok(trial.table())
}

/// On standard error, and only on a terminal.
fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
