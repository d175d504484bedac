//! The project's commands: `cargo xtask test | counts | models | crash | torture | compare |
//! measure | picture | top | fuzz`.
//!
//! A thin dispatcher: it decides what runs in which order and with which environment; the work is
//! cargo's, the test binaries', `crossdock-verify`'s and those of `benches`. It exits with 0,
//! with 1 when something failed, and with 2 when it was called wrongly.

mod all;
mod compare;
mod counts;
mod fuzz;
mod models;
mod run;
mod top;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's commands.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs everything that must pass: format, lints, tests, counts, models and the crash sweep;
    /// then says what each part took.
    Test {
        /// Leave the counts, the models and the crash sweep out.
        #[arg(long)]
        quick: bool,
    },
    /// Counts what the hot paths execute; they must not have grown. Needs valgrind.
    Counts {
        /// Write what is counted to `benches/counts.txt`, as the figures from now on.
        #[arg(long)]
        save: bool,
    },
    /// Runs the loom models, then every mutant of them, which must be caught.
    Models {
        /// Explore without a bound on preemptions (hours, not minutes).
        #[arg(long)]
        full: bool,
        /// 2: run only the models of two deaths, and kill both processes at every pair of steps,
        /// not at one pair in three.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        deaths: u8,
        /// Run only models whose name contains this, and their mutants.
        filter: Option<String>,
    },
    /// Kills and stops every operation at every step that changes the segment.
    Crash {
        /// Stop at every instruction, not only where the segment changed.
        #[arg(long)]
        full: bool,
        /// Passed on to `crossdock-verify crash`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Lets processes work, and be killed and restarted at random, then balances their ledger.
    Torture {
        /// What to torture, a name that `crossdock-verify torture` knows.
        what: String,
        /// For how many seconds.
        #[arg(long, default_value_t = 60)]
        secs: u64,
        /// Passed on to `crossdock-verify torture`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures crossdock beside what people would use instead.
    Compare {
        /// What to compare: locks, queues, work, arrays, chaos, pools or objects.
        what: String,
        /// Passed on to `studies`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures crossdock's own primitives (queues, recovery), or draws what `crossdock contention`
    /// measured (plot).
    Measure {
        /// Passed on to `studies measure`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures contention, and draws the README's picture of it: docs/contention.svg, and
    /// docs/contention-dark.svg for dark pages.
    Picture {
        /// Passed on to `crossdock contention`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Tests `crossdock top`, with the feature of that name; also in a real terminal, if tmux is
    /// installed.
    Top,
    /// Runs the fuzz targets, or the one that is named.
    Fuzz {
        /// The target; without it each one in turn.
        target: Option<String>,
        /// For how many seconds each.
        #[arg(long, default_value_t = 60)]
        secs: u64,
    },
}

/// A verb ran and did not succeed; what went wrong has been said.
#[derive(Debug)]
enum Failed {
    /// A check failed, or something needed is missing.
    Check,
    /// The program that was started does not know the arguments it was given.
    Usage,
}

type Outcome = Result<(), Failed>;

/// The root of the workspace.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn main() -> ExitCode {
    // A wrong call ends inside `parse`, with 2.
    let outcome = match Cli::parse().verb {
        Verb::Test { quick } => all::test(quick),
        Verb::Counts { save } => counts::counts(save),
        Verb::Models {
            full,
            deaths,
            filter,
        } => models::models(full, deaths == 2, filter.as_deref()),
        Verb::Crash { full, args } => verify::crash(full, &args),
        Verb::Torture { what, secs, args } => verify::torture(&what, secs, &args),
        Verb::Compare { what, args } => compare::compare(&what, &args),
        Verb::Measure { args } => compare::measure(&args),
        Verb::Picture { args } => compare::picture(&args),
        Verb::Top => top::top(),
        Verb::Fuzz { target, secs } => fuzz::fuzz(target.as_deref(), secs),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Check) => ExitCode::FAILURE,
        Err(Failed::Usage) => ExitCode::from(2),
    }
}
