//! `crossdock-verify`: kills and stops crossdock's operations at every instruction, and tortures
//! them for minutes.

mod crash;
#[cfg_attr(
    not(feature = "torture"),
    expect(dead_code, reason = "torture does more with a line than a sweep")
)]
mod line;
mod process;
#[cfg(feature = "torture")]
mod random;
#[cfg(feature = "torture")]
mod torture;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::process::Broken;
#[cfg(feature = "torture")]
use crate::torture::{TortureArgs, WorkerArgs};

/// Kills, stops and tortures crossdock's operations, and judges what is left.
#[derive(Parser)]
#[command(name = "crossdock-verify", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Kills and stops every operation at every step that changes the segment.
    ///
    /// A child is single-stepped through each operation and killed, or stopped and let go on,
    /// after k instructions; others act meanwhile; then the survivors are judged. Each operation
    /// has a seeded bug that its judge must catch. Processes that start others are walked from one
    /// system call to the next. Exits with 1 if anything is stuck, lost or
    /// duplicated, or a seeded bug is not caught.
    Crash {
        /// Kill and stop after every instruction, not only where something changed.
        #[arg(long)]
        full: bool,
        /// Kill and stop longer operations at each change, each system call and every seventh step
        #[arg(long, conflicts_with = "full")]
        thin: bool,
        /// Sweep only operations whose name contains this.
        filter: Option<String>,
    },
    #[cfg(feature = "torture")]
    /// Lets processes work, kills and stops them at random, and balances their ledger.
    ///
    /// Workers at one segment are killed and restarted, and stopped and let go on. At `locks` they
    /// transfer between accounts, count, create entries, join, leave and reap; in the end the
    /// accounts must have their sum, and the counts must agree but for those killed between
    /// counting and counting. At `queues` they send and receive; in the end every item must have
    /// arrived once, but for what a process was killed with in its hands. At `work` they send,
    /// receive, acknowledge, give back and reject; in the end every message must be done once, as
    /// itself or as a dead letter, and each delivery one later than the one before. At `snapshots`
    /// they publish and read; what is read must be whole, and no older than what was known to be
    /// published before. At `array` they lease chunks, fill and finish them, round after round, and
    /// read and write all of them in between; in the end each chunk must be finished once in each
    /// round, but for what is in doubt because a process was killed. At `pool` tasks run alone and
    /// in chunks, some of which hang, in workers that are recycled; each task must have one
    /// outcome, and run no more once that is known. At `ends` they hand the senders of a queue to
    /// processes that they start; in the end every item must have arrived, and the receiver is told
    /// when the last process with a sender is gone, and not before. At `conns` two processes talk
    /// over a connection and one or both are killed; a survivor must get what was sent, whole and
    /// in order, and then be told. At `starts` processes are started in both ways and return, exit,
    /// panic or are killed; no zombie, descriptor, thread, memory file or name is left of them; at
    /// `processes` families of them are, whose parent is killed. At `rwlock`, `permits`, `meetings`
    /// and `signals` owners and waiters of the other locks, events and promises are killed, at
    /// `objects`, `managers` and `growth` readers and writers of shared objects; nothing that was
    /// committed may be lost, torn or doubled, and no room.
    /// With the variable `CROSSDOCK_TORTURE_BUG` they do something wrong, which must be noticed. No
    /// process may be stuck or listed. Exits with 1 otherwise.
    Torture(TortureArgs),
    #[cfg(feature = "torture")]
    /// One process of `torture`, which starts it.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

fn main() -> ExitCode {
    crossdock::process::init();
    let outcome = match Cli::parse().verb {
        Verb::Crash { full, thin, filter } => {
            crash::sweep::THIN.store(thin, std::sync::atomic::Ordering::Relaxed);
            crash::run(full, filter.as_deref())
        }
        #[cfg(feature = "torture")]
        Verb::Torture(args) => torture::run(&args),
        #[cfg(feature = "torture")]
        Verb::Worker(args) => torture::work(args),
    };
    outcome.unwrap_or_else(|Broken(what)| {
        // At once: many workers may have something to say.
        let said = format!("crossdock-verify: {what}\n");
        // Where no process listens there is nothing to be done.
        let _ = io::stderr().write_all(said.as_bytes());
        ExitCode::FAILURE
    })
}
