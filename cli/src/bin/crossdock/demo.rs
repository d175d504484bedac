//! `crossdock demo`: messages that workers must process. Workers are killed while they hold a
//! message; each message is still processed exactly once.

mod bakery;
mod driver;
mod ledger;
mod place;
mod report;
mod tasks;

use std::fmt;

use clap::{Args, Subcommand};

use ledger::Outcome;
use report::Report;

/// The maximum number of messages: each gets a line.
const MAX_MESSAGES: u32 = 10_000;
/// The maximum number of workers at once.
const MAX_WORKERS: u32 = 100;
/// The maximum number of kills: each starts a process.
const MAX_KILLS: u32 = 100;

/// Shows work queues whose workers are killed.
///
/// A worker that is killed while it holds a message is replaced, and the
/// message is processed once.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    #[command(subcommand)]
    demo: Demo,
}

#[derive(Clone, Debug, Subcommand)]
enum Demo {
    /// A cashier sends orders to a baker, as strings, and then "exit".
    Bakery {
        /// The number of orders that the cashier takes.
        #[arg(long, default_value_t = 6, value_name = "N")]
        orders: u32,
        #[command(flatten)]
        options: DemoOptions,
    },
    /// Workers take tasks, do them, and write the results into a log.
    Tasks {
        /// The number of tasks.
        #[arg(long, default_value_t = 12, value_name = "N")]
        tasks: u32,
        /// The number of workers.
        #[arg(long, default_value_t = 3, value_name = "N")]
        workers: u32,
        #[command(flatten)]
        options: DemoOptions,
    },
}

/// The options of all demos.
#[derive(Clone, Copy, Debug, Args)]
struct DemoOptions {
    /// Kill N workers (SIGKILL) while each holds a message; another worker
    /// completes it. N defaults to 1.
    #[arg(
        verbatim_doc_comment,
        long,
        default_value_t = 0,
        num_args = 0..=1,
        default_missing_value = "1",
        value_name = "N"
    )]
    kill: u32,
    #[command(flatten)]
    output: OutputOptions,
}

/// The options of the output.
#[derive(Clone, Copy, Debug, Args)]
struct OutputOptions {
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Print nothing but the last line.
    #[arg(long)]
    quiet: bool,
}

/// The error of a demo.
#[derive(Debug)]
pub(crate) enum Failure {
    Crossdock(crossdock::Error),
    /// A message was not processed exactly once.
    Wrong(Outcome),
    /// An impossible error of the driver or of a worker.
    Broken {
        process: String,
        message: String,
    },
}

impl Failure {
    fn broken(process: &str, error: &dyn std::error::Error) -> Self {
        Self::Broken {
            process: process.to_owned(),
            message: crate::with_causes(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crossdock(error) => f.write_str(&crate::with_causes(error)),
            Self::Wrong(outcome) => write!(f, "not everything was done exactly once: {outcome}"),
            Self::Broken { process, message } => write!(f, "{process}: {message}"),
        }
    }
}

impl<E: Into<crossdock::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Crossdock(error.into())
    }
}

impl Options {
    /// Checks what clap cannot: bounds, and options that exclude each other.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (messages, what, kills) = match self.demo {
            Demo::Bakery { orders, options } => (orders, "orders", options.kill),
            Demo::Tasks { tasks, options, .. } => (tasks, "tasks", options.kill),
        };
        within(messages, MAX_MESSAGES, what)?;
        if let Demo::Tasks { workers, .. } = self.demo {
            within(workers, MAX_WORKERS, "workers")?;
        }
        if kills > MAX_KILLS.min(messages) {
            return Err(format!(
                "expected at most {MAX_KILLS} kills, and one for each of {messages} {what}, found {kills}"
            ));
        }
        Ok(())
    }
}

impl OutputOptions {
    fn report(self) -> Report {
        Report::new(self.json, self.quiet)
    }
}

fn within(found: u32, most: u32, what: &str) -> Result<(), String> {
    if (1..=most).contains(&found) {
        return Ok(());
    }
    Err(format!("expected 1 to {most} {what}, found {found}"))
}

/// Runs the demo that the options select, and reports it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let outcome = match options.demo {
        Demo::Bakery { orders, options } => {
            bakery::run(orders, options.kill, &options.output.report())?
        }
        Demo::Tasks {
            tasks,
            workers,
            options,
        } => tasks::run(tasks, workers, options.kill, &options.output.report())?,
    };
    if outcome.is_exact() {
        Ok(())
    } else {
        Err(Failure::Wrong(outcome))
    }
}
