//! What the command is called with.

use std::fmt::Display;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::contest::Effort;
use crate::peers::queues;
use crate::{measure, pools, report, work};

/// crossdock beside what people would use instead.
#[derive(Debug, Parser)]
#[command(name = "studies", disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    Locks(LocksOptions),
    Spinning(SpinningOptions),
    Queues(QueuesOptions),
    Work(WorkOptions),
    Arrays(ArraysOptions),
    Chaos(ChaosOptions),
    Pools(PoolsOptions),
    Measure(measure::Options),
}

/// Where a report goes.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print one JSON object, and write no document.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the document instead of writing it.
    #[arg(long)]
    pub(crate) no_write: bool,
    /// Where the document is written; what others wrote there stays.
    #[arg(long, value_name = "FILE", default_value = DOCUMENT)]
    pub(crate) output: PathBuf,
}

/// Measures locks between processes, kills their owners, and writes docs/benchmarks.md.
#[derive(Debug, Args)]
pub(crate) struct LocksOptions {
    /// How long each kind is measured in each run, in seconds.
    #[arg(long, default_value_t = LOCKS_SECS)]
    secs: f64,
    /// How often each kind is measured; figures are medians.
    #[arg(long, default_value_t = LOCKS_RUNS)]
    runs: u32,
    /// With how many processes.
    #[arg(long, value_delimiter = ',', default_values_t = PROCESSES)]
    processes: Vec<u32>,
    /// How many owners of each lock are killed.
    #[arg(long, default_value_t = KILLS)]
    kills: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures ways to wait for a contended lock, and prints a table.
#[derive(Debug, Args)]
pub(crate) struct SpinningOptions {
    /// How long each strategy is measured in each run, in seconds.
    #[arg(long, default_value_t = 0.2)]
    pub(crate) secs: f64,
    /// How often each strategy is measured; figures are medians.
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measures queues between processes, and writes their part of docs/benchmarks.md.
#[derive(Debug, Args)]
pub(crate) struct QueuesOptions {
    /// How long each kind is measured in each run, in seconds.
    #[arg(long, default_value_t = QUEUES_SECS)]
    secs: f64,
    /// In how many rounds each kind is measured, those that take long to start in 5 at most; figures are
    /// medians, and ratios the medians of those within a round.
    #[arg(long, default_value_t = QUEUES_RUNS)]
    runs: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures what it costs to hand large messages over in place, and writes its part of
/// docs/benchmarks.md.
#[derive(Debug, Args)]
pub(crate) struct WorkOptions {
    /// How long each way is measured in each run, in seconds.
    #[arg(long, default_value_t = WORK_SECS)]
    secs: f64,
    /// How often each way is measured; figures are medians.
    #[arg(long, default_value_t = WORK_RUNS)]
    runs: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures copies of arrays, and work on leased chunks, and writes their part of docs/benchmarks.md.
#[derive(Debug, Args)]
pub(crate) struct ArraysOptions {
    /// How long each way is measured in each run, in seconds.
    #[arg(long, default_value_t = WORK_SECS)]
    secs: f64,
    /// How often each way is measured; figures are medians.
    #[arg(long, default_value_t = WORK_RUNS)]
    runs: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Kills senders and receivers of queues, and writes their part of docs/benchmarks.md.
#[derive(Debug, Args)]
pub(crate) struct ChaosOptions {
    /// How many senders of each queue are killed, and how many receivers.
    #[arg(long, default_value_t = KILLS)]
    pub(crate) kills: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures pools of processes, kills their workers, and writes their part of docs/benchmarks.md.
#[derive(Debug, Args)]
pub(crate) struct PoolsOptions {
    /// How often each pool is measured; figures are medians.
    #[arg(long, default_value_t = POOLS_RUNS)]
    runs: u32,
    /// How many workers of each pool are killed in a task, and how many while idle.
    #[arg(long, default_value_t = POOLS_KILLS)]
    kills: u32,
    /// The interpreter of Python's pools; loky and mpire take part if it has them.
    #[arg(long, value_name = "FILE", default_value = PYTHON)]
    python: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

const LOCKS_SECS: f64 = 0.4;
const LOCKS_RUNS: u32 = 7;
const PROCESSES: [u32; 3] = [1, 2, 8];
// Many short runs rather than few long ones: ratios are taken within a round.
const QUEUES_SECS: f64 = 0.08;
const QUEUES_RUNS: u32 = 15;
const WORK_SECS: f64 = 0.3;
const WORK_RUNS: u32 = 9;
const KILLS: u32 = 30;
const POOLS_RUNS: u32 = 5;
const POOLS_KILLS: u32 = 5;
const PYTHON: &str = "python3";

/// Exit code of a call that could not be understood.
pub(crate) const USAGE: u8 = 2;
const MAX_PROCESSES: u32 = 64;
const MAX_RUNS: u32 = 1_000;
const MAX_KILLS: u32 = 10_000;
const MAX_SECS: f64 = 3_600.0;

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

fn check_kills(kills: u32) -> Result<(), String> {
    if kills <= MAX_KILLS {
        return Ok(());
    }
    Err(format!("expected at most {MAX_KILLS} kills, found {kills}"))
}

/// A call as one would type it: options that say what is so anyway are no part of it, and neither is
/// where the document goes.
struct Call(String);

impl Call {
    fn of(what: &str) -> Self {
        Self(format!("cargo xtask compare {what}"))
    }

    fn with<T: PartialEq + Display>(mut self, option: &str, value: T, default: T) -> Self {
        if value != default {
            self.0 += &format!(" {option} {value}");
        }
        self
    }
}

fn list(counts: &[u32]) -> String {
    let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
    counts.join(",")
}

impl What {
    /// What clap cannot see.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Locks(options) => {
                options.check()?;
                options.output.check()
            }
            Self::Spinning(options) => {
                check_secs(options.secs)?;
                check_runs(options.runs)
            }
            Self::Queues(options) => {
                check_secs(options.secs)?;
                check_runs(options.runs)?;
                options.output.check()
            }
            Self::Work(options) => {
                check_secs(options.secs)?;
                check_runs(options.runs)?;
                options.output.check()
            }
            Self::Arrays(options) => {
                check_secs(options.secs)?;
                check_runs(options.runs)?;
                options.output.check()
            }
            Self::Pools(options) => {
                check_runs(options.runs)?;
                check_kills(options.kills)?;
                options.output.check()
            }
            Self::Chaos(options) => {
                check_kills(options.kills)?;
                options.output.check()
            }
            Self::Measure(_) => Ok(()),
        }
    }
}

impl Output {
    /// Before minutes are spent on a document that cannot be written.
    fn check(&self) -> Result<(), String> {
        if self.json || self.no_write {
            return Ok(());
        }
        report::check(&self.output)
    }
}

impl LocksOptions {
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
        check_kills(self.kills)
    }

    pub(crate) fn effort(&self) -> Effort {
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

    /// What was called.
    pub(crate) fn command(&self) -> String {
        let call = Call::of("locks")
            .with("--secs", self.secs, LOCKS_SECS)
            .with("--runs", self.runs, LOCKS_RUNS)
            .with("--processes", list(&self.processes), list(&PROCESSES))
            .with("--kills", self.kills, KILLS);
        call.0
    }
}

impl QueuesOptions {
    pub(crate) fn effort(&self) -> queues::contest::Effort {
        queues::contest::Effort {
            secs: self.secs,
            runs: self.runs,
        }
    }

    /// What was called.
    pub(crate) fn command(&self) -> String {
        let call = Call::of("queues")
            .with("--secs", self.secs, QUEUES_SECS)
            .with("--runs", self.runs, QUEUES_RUNS);
        call.0
    }
}

impl WorkOptions {
    pub(crate) fn effort(&self) -> work::Effort {
        work::Effort {
            secs: self.secs,
            runs: self.runs,
        }
    }

    /// What was called.
    pub(crate) fn command(&self) -> String {
        let call = Call::of("work")
            .with("--secs", self.secs, WORK_SECS)
            .with("--runs", self.runs, WORK_RUNS);
        call.0
    }
}

impl ArraysOptions {
    pub(crate) fn effort(&self) -> work::Effort {
        work::Effort {
            secs: self.secs,
            runs: self.runs,
        }
    }

    /// What was called.
    pub(crate) fn command(&self) -> String {
        let call = Call::of("arrays")
            .with("--secs", self.secs, WORK_SECS)
            .with("--runs", self.runs, WORK_RUNS);
        call.0
    }
}

impl PoolsOptions {
    pub(crate) fn effort(&self) -> pools::Effort {
        pools::Effort {
            runs: self.runs,
            kills: self.kills,
            python: self.python.clone(),
        }
    }

    /// What was called. Where the interpreter is is its machine's.
    pub(crate) fn command(&self) -> String {
        let call = Call::of("pools")
            .with("--runs", self.runs, POOLS_RUNS)
            .with("--kills", self.kills, POOLS_KILLS);
        call.0
    }
}

impl ChaosOptions {
    /// What was called.
    pub(crate) fn command(&self) -> String {
        Call::of("chaos").with("--kills", self.kills, KILLS).0
    }
}
