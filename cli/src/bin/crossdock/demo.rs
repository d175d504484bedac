//! `crossdock demo`: arrays that several processes fill, and messages that workers must
//! process. Workers are killed while they hold a message; each message is still processed exactly
//! once.

mod bakery;
mod crew;
mod ledger;
mod matrix;
mod place;
mod report;
mod squares;
mod tasks;

use std::fmt;

use clap::{Args, Subcommand};

use ledger::Outcome;
use report::Report;

/// The maximum number of squares: all squares are printed.
const MAX_NUMBERS: u32 = 10_000;
/// The maximum number of messages: each gets a line.
const MAX_MESSAGES: u32 = 10_000;
/// The maximum number of workers, or of squaring processes, at once.
const MAX_WORKERS: u32 = 100;
/// The maximum number of rows of a matrix: its product takes their cube of multiplications.
const MAX_ROWS: u32 = 1_000;
/// The maximum number of kills: each starts a process.
const MAX_KILLS: u32 = 100;

/// Shows arrays that several processes fill, and work queues: a worker that is killed while it
/// holds a message is replaced, and the message is processed once.
#[derive(Clone, Debug, Args)]
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
        common: Common,
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
        common: Common,
    },
    /// Processes square numbers, each its share, into one array.
    Squares {
        /// The number of squares: of 1 to N.
        #[arg(long, default_value_t = 10, value_name = "N")]
        numbers: u32,
        /// How many processes there are.
        #[arg(long, default_value_t = 3, value_name = "N")]
        processes: u32,
        #[command(flatten)]
        said: Said,
    },
    /// Processes multiply two matrices: each takes one row after the other.
    Matrix {
        /// The number of rows and columns of the matrices.
        #[arg(long, default_value_t = 128, value_name = "N")]
        size: u32,
        /// How many processes there are.
        #[arg(long, default_value_t = 3, value_name = "N")]
        processes: u32,
        #[command(flatten)]
        common: Common,
    },
}

/// The options of demos with messages or rows.
#[derive(Clone, Copy, Debug, Args)]
struct Common {
    /// Kill N workers (SIGKILL) while each holds a message or row; another worker completes it. N
    /// defaults to 1.
    #[arg(
        long,
        default_value_t = 0,
        num_args = 0..=1,
        default_missing_value = "1",
        value_name = "N"
    )]
    kill: u32,
    #[command(flatten)]
    said: Said,
}

/// The options of the output.
#[derive(Clone, Copy, Debug, Args)]
struct Said {
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
    /// A square, the sum of the squares, or a product is wrong.
    Sum(String),
    /// An impossible error of the driver or of a worker.
    Broken {
        who: String,
        message: String,
    },
}

impl Failure {
    fn broken(who: &str, error: &dyn std::error::Error) -> Self {
        Self::Broken {
            who: who.to_owned(),
            message: crate::with_causes(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crossdock(error) => f.write_str(&crate::with_causes(error)),
            Self::Wrong(outcome) => write!(f, "not everything was done exactly once: {outcome}"),
            Self::Sum(what) => f.write_str(what),
            Self::Broken { who, message } => write!(f, "{who}: {message}"),
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
            Demo::Bakery { orders, common } => (orders, "orders", common.kill),
            Demo::Tasks { tasks, common, .. } => (tasks, "tasks", common.kill),
            Demo::Matrix {
                size,
                processes,
                common,
            } => {
                within(size, MAX_ROWS, "rows")?;
                within(
                    processes,
                    MAX_WORKERS.min(size),
                    "processes, with a row for each",
                )?;
                if common.kill > processes {
                    let found = common.kill;
                    return Err(format!(
                        "expected at most one kill for each of {processes} processes, found {found}"
                    ));
                }
                return Ok(());
            }
            Demo::Squares {
                numbers, processes, ..
            } => {
                within(numbers, MAX_NUMBERS, "numbers")?;
                let what = "processes, with a number for each";
                return within(processes, MAX_WORKERS.min(numbers), what);
            }
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

impl Said {
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
        Demo::Bakery { orders, common } => bakery::run(orders, common.kill, &common.said.report())?,
        Demo::Tasks {
            tasks,
            workers,
            common,
        } => tasks::run(tasks, workers, common.kill, &common.said.report())?,
        Demo::Squares {
            numbers,
            processes,
            said,
        } => return squares::run(numbers, processes, &said.report()),
        Demo::Matrix {
            size,
            processes,
            common,
        } => return matrix::run(size, processes, common.kill, &common.said.report()),
    };
    if outcome.is_exact() {
        Ok(())
    } else {
        Err(Failure::Wrong(outcome))
    }
}
