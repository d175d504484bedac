//! `crossdock warehouse`: workers in processes of their own count packed products into one
//! shared total. The total is wrong with a racy counter, and right with the others, also when
//! workers are killed.

mod floor;
mod report;
mod schedule;
mod shift;
mod tally;
mod worker;

use std::fmt;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::with_causes;

/// The maximum number of workers: the participants of a registry, less some for workers that were
/// killed and not reaped.
const MAX_WORKERS: u32 = 500;
/// The maximum number of products in all: a run of hours.
const MAX_PRODUCTS: u64 = 1_000_000_000_000;

/// The maximum number of kills: each starts a process, and each order carries the kills to come.
const MAX_KILLS: u32 = 10_000;

/// Has several processes count packed products into one total.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The number of workers.
    #[arg(long, default_value_t = 5)]
    pub(crate) workers: u32,
    /// The number of products that each worker packs.
    #[arg(long, default_value_t = 10)]
    pub(crate) products: u64,
    /// How the total is counted; with "all", the last line is the sum of
    /// all runs.
    #[arg(verbatim_doc_comment, long, value_enum, default_value_t = Choice::Atomic)]
    pub(crate) counter: Choice,
    /// Kill N workers (SIGKILL) while they pack; each is replaced by a
    /// worker that continues.
    #[arg(verbatim_doc_comment, long, default_value_t = 0, value_name = "N")]
    pub(crate) kill: u32,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but the last line.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The values of `--counter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// A load and a store, with a yield at times: loses updates.
    Racy,
    /// A load and a store under a crash-safe lock.
    Mutex,
    /// One atomic addition.
    Atomic,
    /// An atomic addition to a cell of its own; their sum.
    Sharded,
    /// Run each, and print a table.
    All,
}

/// The counter of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Racy,
    Mutex,
    Atomic,
    Sharded,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Racy => "racy",
            Self::Mutex => "mutex",
            Self::Atomic => "atomic",
            Self::Sharded => "sharded",
        })
    }
}

impl Choice {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Racy => &[Kind::Racy],
            Self::Mutex => &[Kind::Mutex],
            Self::Atomic => &[Kind::Atomic],
            Self::Sharded => &[Kind::Sharded],
            Self::All => &[Kind::Racy, Kind::Mutex, Kind::Atomic, Kind::Sharded],
        }
    }
}

/// The result of one run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) counter: Kind,
    pub(crate) expected: u64,
    pub(crate) total: u64,
    /// The packed products that are missing from the total.
    pub(crate) lost: u64,
    /// The difference of the total for which it is unknown whether a killed worker had counted the
    /// product that it held; at most one for each kill.
    pub(crate) unsettled: u64,
    pub(crate) ns_per_op: f64,
    pub(crate) seconds: f64,
    pub(crate) killed: u32,
    /// The number of times that a worker repeated the change of a dead owner of the lock.
    pub(crate) recovered: u64,
}

impl Run {
    /// Separates the differences that kills explain from lost updates.
    fn settle(counter: Kind, expected: u64, total: u64, killed: u32) -> (u64, u64) {
        let off = total.abs_diff(expected);
        let unsettled = match counter {
            // Exact: a kill leaves nothing unknown.
            Kind::Mutex => 0,
            Kind::Racy | Kind::Atomic | Kind::Sharded => off.min(killed.into()),
        };
        (off - unsettled, unsettled)
    }
}

/// The error of a run.
#[derive(Debug)]
pub(crate) enum Failure {
    Crossdock(crossdock::Error),
    /// An exact counter is wrong.
    Wrong(Run),
    /// A worker exited unexpectedly.
    Worker {
        id: u32,
        message: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crossdock(error) => f.write_str(&with_causes(error)),
            Self::Wrong(run) => write!(
                f,
                "the {} counter is wrong: expected {}, found {}",
                run.counter, run.expected, run.total
            ),
            Self::Worker { id, message } => write!(f, "worker {id}: {message}"),
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
        if !(1..=MAX_WORKERS).contains(&self.workers) {
            return Err(format!(
                "expected 1 to {MAX_WORKERS} workers, found {}",
                self.workers
            ));
        }
        let products = self.products.checked_mul(self.workers.into());
        if self.products == 0 || products.is_none_or(|products| products > MAX_PRODUCTS) {
            return Err(format!(
                "expected 1 to {MAX_PRODUCTS} products in all, found {} for each of {} workers",
                self.products, self.workers
            ));
        }
        if self.kill > MAX_KILLS {
            return Err(format!(
                "expected at most {MAX_KILLS} kills, found {}",
                self.kill
            ));
        }
        if u64::from(self.kill) > self.expected() {
            return Err(format!(
                "expected at most one kill for each product ({}), found {}",
                self.expected(),
                self.kill
            ));
        }
        Ok(())
    }

    /// Returns the number of products in all.
    pub(crate) fn expected(&self) -> u64 {
        self.products.saturating_mul(self.workers.into())
    }
}

/// Runs what the options select, and reports it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let report = report::Report::new(options);
    let mut runs = Vec::new();
    for kind in options.counter.kinds() {
        runs.push(shift::run(options, *kind, &report)?);
    }
    report.finish(&runs);
    match runs
        .into_iter()
        .find(|run| run.counter != Kind::Racy && run.lost > 0)
    {
        Some(wrong) => Err(Failure::Wrong(wrong)),
        None => Ok(()),
    }
}
