//! The command line of the studies.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use crossdock::process;
use crossdock_cli::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::measure::Wrong;
use crate::options::{
    ArraysOptions, ChaosOptions, Cli, LocksOptions, Output, PoolsOptions, QueuesOptions,
    SpinningOptions, USAGE, What, WorkOptions,
};
use crate::peers::locks::failed;
use crate::peers::queues;
use crate::report::{self, Report};
use crate::{arrays, chaos, contest, creation, kills, pools, spinning, work};

/// Runs the study that the command line names; returns 0, 1 if it failed, 2 if it was called wrongly.
pub fn main() -> ExitCode {
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
    if let Err(message) = cli.what.check() {
        return usage(&message);
    }
    let printed = match cli.what {
        What::Measure(options) => {
            return match options.run() {
                Ok(()) => ExitCode::SUCCESS,
                Err(Wrong::Usage(message)) => usage(&message),
                Err(Wrong::Failed(message)) => failure(&message),
            };
        }
        What::Locks(options) => locks(&options),
        What::Spinning(options) => spinning(&options),
        What::Queues(options) => queues(&options),
        What::Work(options) => work(&options),
        What::Arrays(options) => arrays(&options),
        What::Chaos(options) => chaos(&options),
        What::Pools(options) => pools(&options),
    };
    match printed {
        Ok(text) => {
            print_ignoring_closed_pipes(&text);
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error),
    }
}

fn failure(error: &dyn Display) -> ExitCode {
    eprintln!("studies: {error}");
    ExitCode::FAILURE
}

fn usage(message: &str) -> ExitCode {
    eprintln!("studies: {message} (see --help)");
    ExitCode::from(USAGE)
}

/// What clap says in several paragraphs, without its tips and its usage.
fn one_line(error: &clap::Error) -> String {
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return "expected something to compare: locks, spinning, queues, work, arrays, chaos or pools"
            .into();
    }
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let joined = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    joined.trim_start_matches("error: ").to_owned()
}

/// Prints, also into a pipe that nobody reads any more.
pub(crate) fn print_ignoring_closed_pipes(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Measures locks; returns what is to be printed.
fn locks(options: &LocksOptions) -> Result<String, Failure> {
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
    let document = |path: &Path| report.document(path);
    finish(&options.output, &report, document, |path| {
        report.write(path)
    })
}

/// Measures queues; returns what is to be printed.
fn queues(options: &QueuesOptions) -> Result<String, Failure> {
    let effort = options.effort();
    let bar = progress(queues::contest::count(&effort));
    bar.set_message("passing");
    let found = queues::contest::run(&effort, || bar.inc(1))?;
    bar.finish_and_clear();

    let report = report::queues::Report::new(options.command(), effort, found);
    let document = |path: &Path| report.document(path);
    finish(&options.output, &report, document, |path| {
        report.write(path)
    })
}

/// Measures large messages in place; returns what is to be printed.
fn work(options: &WorkOptions) -> Result<String, Failure> {
    let effort = options.effort();
    let bar = progress(work::count(&effort));
    bar.set_message("handing over");
    let found = work::run(&effort, || bar.inc(1))?;
    bar.finish_and_clear();

    let report = report::work::Report::new(options.command(), effort, found);
    let document = |path: &Path| report.document(path);
    finish(&options.output, &report, document, |path| {
        report.write(path)
    })
}

/// Measures arrays; returns what is to be printed.
fn arrays(options: &ArraysOptions) -> Result<String, Failure> {
    let effort = options.effort();
    let bar = progress(arrays::count(&effort));
    bar.set_message("copying and computing");
    let found = arrays::run(&effort, || bar.inc(1))?;
    bar.finish_and_clear();

    let report = report::arrays::Report::new(options.command(), effort, found);
    let document = |path: &Path| report.document(path);
    finish(&options.output, &report, document, |path| {
        report.write(path)
    })
}

/// Kills users of queues; returns what is to be printed.
fn chaos(options: &ChaosOptions) -> Result<String, Failure> {
    let bar = progress(chaos::count(options.kills));
    bar.set_message("killing");
    let tolls = chaos::run(options.kills, || bar.inc(1))?;
    bar.finish_and_clear();

    let report = report::chaos::Report::new(options.command(), options.kills, tolls);
    let document = |path: &Path| report.document(path);
    finish(&options.output, &report, document, |path| {
        report.write(path)
    })
}

/// Measures pools, and kills their workers; returns what is to be printed.
fn pools(options: &PoolsOptions) -> Result<String, Failure> {
    let effort = options.effort();
    let bar = progress(pools::count(&effort));
    bar.set_message("running tasks");
    let found = pools::run(&effort, || bar.inc(1))?;
    bar.finish_and_clear();

    let report = report::pools::Report::new(options.command(), effort, found);
    let document = |path: &Path| report.document(path);
    finish(&options.output, &report, document, |path| {
        report.write(path)
    })
}

/// What is to be printed of a report, which is written if that is asked for.
fn finish(
    output: &Output,
    report: &impl Serialize,
    document: impl FnOnce(&Path) -> Result<String, Failure>,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<String, Failure> {
    if output.json {
        return json(report);
    }
    if output.no_write {
        return document(&output.output);
    }
    write(&output.output)?;
    Ok(format!("wrote {}\n", output.output.display()))
}

fn json(report: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report);
    Ok(text.map_err(|error| failed("JSON", error))? + "\n")
}

/// Measures the strategies; returns what is to be printed.
fn spinning(options: &SpinningOptions) -> Result<String, Failure> {
    let SpinningOptions { secs, runs, .. } = *options;
    let bar = progress(spinning::count(runs));
    let command = format!("cargo xtask compare spinning --secs {secs} --runs {runs}");
    let trial = spinning::run(secs, runs, command, || bar.inc(1))?;
    bar.finish_and_clear();
    if options.json {
        return json(&trial);
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
