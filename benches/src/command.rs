//! The command line of the studies, and the table of them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use crossdock::process;
use crossdock_cli::Failure;
use crossdock_cli::terminal::one_line;
use indicatif::{ProgressBar, ProgressStyle};

use crate::measure::{self, Wrong};
use crate::peers::locks::failed;
use crate::peers::queues;
use crate::study::{Call, Effort, Options, Report, Study};
use crate::{arrays, chaos, contest, creation, kills, objects, pools, report, work};

/// crossdock beside what people would use instead.
#[derive(Debug, Parser)]
#[command(name = "studies", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures locks between processes, kills their owners, and writes docs/benchmarks.md.
    ///
    /// --secs 0.4 --runs 7 --processes 1,2,8 --kills 30, unless it is said.
    Locks(Options),
    /// Measures queues between processes, and writes their part of docs/benchmarks.md.
    ///
    /// --secs 0.08 --runs 15, unless it is said.
    Queues(Options),
    /// Measures large messages in place, and writes their part of docs/benchmarks.md.
    ///
    /// --secs 0.3 --runs 9, unless it is said.
    Work(Options),
    /// Measures copies of arrays and leased chunks, and writes their part of docs/benchmarks.md.
    ///
    /// --secs 0.3 --runs 9, unless it is said.
    Arrays(Options),
    /// Kills senders and receivers of queues, and writes their part of docs/benchmarks.md.
    ///
    /// --kills 30, unless it is said.
    Chaos(Options),
    /// Measures pools, kills their workers, and writes their part of docs/benchmarks.md.
    ///
    /// --runs 5 --kills 5 --python python3, unless it is said.
    Pools(Options),
    /// Measures shared objects beside other stores, kills writers, and writes their part of
    /// docs/benchmarks.md.
    ///
    /// --secs 0.2 --runs 5 --kills 20, unless it is said.
    Objects(Options),
    Measure(measure::Options),
}

/// Exit code of a call that could not be understood.
const USAGE: u8 = 2;

/// Runs the study that the command line names; returns 0, 1 if it failed, 2 if it was called
/// wrongly.
pub fn main() -> ExitCode {
    #[cfg(feature = "procspawn")]
    pools::init_procspawn();
    process::init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.exit_code() == 0 => {
            // A pipe without a reader is no failure.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let what = "something to compare: locks, queues, work, arrays, chaos, pools or objects";
            return usage(&one_line(&error, what));
        }
    };
    let (study, options): (&dyn Study, _) = match cli.what {
        What::Measure(options) => {
            return match options.run() {
                Ok(()) => ExitCode::SUCCESS,
                Err(Wrong::Usage(message)) => usage(&message),
                Err(Wrong::Failed(message)) => failure(&message),
            };
        }
        What::Locks(options) => (&Locks, options),
        What::Queues(options) => (&Queues, options),
        What::Work(options) => (&Work, options),
        What::Arrays(options) => (&Arrays, options),
        What::Chaos(options) => (&Chaos, options),
        What::Pools(options) => (&Pools, options),
        What::Objects(options) => (&Objects, options),
    };
    let call = match options.call(study) {
        Ok(call) => call,
        Err(message) => return usage(&message),
    };
    match printed(study, &options, call) {
        Ok(text) => {
            print_ignoring_closed_pipes(&text);
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error.to_string()),
    }
}

/// Runs a study, and returns what is to be printed of it.
fn printed(study: &dyn Study, options: &Options, call: Call) -> Result<String, Failure> {
    // On standard error, and only on a terminal.
    let bar = ProgressBar::new(study.steps(&call.effort));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    let report = study.run(call, &bar)?;
    bar.finish_and_clear();
    if options.json {
        let text = report.json().map_err(|error| failed("JSON", error))?;
        return Ok(text + "\n");
    }
    if options.no_write {
        return report.document(&options.output);
    }
    report.write(&options.output)?;
    Ok(format!("wrote {}\n", options.output.display()))
}

fn failure(error: &str) -> ExitCode {
    eprintln!("studies: {error}");
    ExitCode::FAILURE
}

fn usage(message: &str) -> ExitCode {
    eprintln!("studies: {message} (see --help)");
    ExitCode::from(USAGE)
}

/// Prints, also into a pipe without a reader.
pub(crate) fn print_ignoring_closed_pipes(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A study: its name, how much it measures, its steps, what it does, and how its report is made.
macro_rules! studies {
    ($($study:ident $name:literal { $($effort:tt)* } $steps:expr, $doing:literal, $run:expr;)*) => {$(
        struct $study;

        impl Study for $study {
            fn name(&self) -> &'static str {
                $name
            }

            fn effort(&self) -> Effort {
                Effort { $($effort)*, ..Effort::default() }
            }

            fn steps(&self, effort: &Effort) -> u64 {
                let steps: fn(&Effort) -> u64 = $steps;
                steps(effort)
            }

            fn run(&self, call: Call, bar: &ProgressBar) -> Result<Box<dyn Report>, Failure> {
                bar.set_message($doing);
                let run: fn(Call, &ProgressBar) -> Result<Box<dyn Report>, Failure> = $run;
                run(call, bar)
            }
        }
    )*};
}

studies! {
    Locks "locks" { secs: 0.4, runs: 7, processes: vec![1, 2, 8], kills: 30 }
        |effort| contest::count(effort) + kills::count() * u64::from(effort.kills),
        "contending",
        |call, bar| {
            let creation = creation::run()?;
            let settings = contest::run(&call.effort, || bar.inc(1))?;
            bar.set_message("killing");
            let kills = kills::run(call.effort.kills, || bar.inc(1))?;
            Ok(Box::new(report::Report::new(call, settings, creation, kills)))
        };
    // Many short runs rather than few long ones: ratios are taken within a round. Subjects that
    // take long to start have five at most.
    Queues "queues" { secs: 0.08, runs: 15 } queues::contest::count, "passing", |call, bar| {
        let found = queues::contest::run(&call.effort, || bar.inc(1))?;
        Ok(Box::new(report::queues::Report::new(call, found)))
    };
    Work "work" { secs: 0.3, runs: 9 } work::count, "handing over", |call, bar| {
        let found = work::run(&call.effort, || bar.inc(1))?;
        Ok(Box::new(report::work::Report::new(call, found)))
    };
    Arrays "arrays" { secs: 0.3, runs: 9 } arrays::count, "copying and computing", |call, bar| {
        let found = arrays::run(&call.effort, || bar.inc(1))?;
        Ok(Box::new(report::arrays::Report::new(call, found)))
    };
    Chaos "chaos" { kills: 30 } |effort| chaos::count(effort.kills), "killing", |call, bar| {
        let tolls = chaos::run(call.effort.kills, || bar.inc(1))?;
        Ok(Box::new(report::chaos::Report::new(call, tolls)))
    };
    Pools "pools" { runs: 5, kills: 5, python: "python3".to_owned() } pools::count, "running tasks",
        |call, bar| {
            let found = pools::run(&call.effort, || bar.inc(1))?;
            Ok(Box::new(report::pools::Report::new(call, found)))
        };
    Objects "objects" { secs: 0.2, runs: 5, kills: 20 } objects::count, "storing", |call, bar| {
        let found = objects::run(&call.effort, || bar.inc(1))?;
        Ok(Box::new(report::objects::Report::new(call, found)))
    };
}
