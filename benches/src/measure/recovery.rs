//! `measure recovery`: the time from the kill of a lock's owner until a waiter has the lock.

use std::time::Duration;

use crate::recovery::{KINDS, Kind, Row, run as measure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use crossdock_cli::machine::Machine;
use crossdock_cli::terminal::{lists, runs};
use serde::Serialize;

use crate::command::print_ignoring_closed_pipes as print;

const MAX_ROUNDS: u32 = 100_000;
const MAX_ASLEEP: u64 = 600_000;

/// Kills owners of locks, and measures the time until a waiter has the lock.
///
/// Kinds: mutex (the waiter probes the owner after 1 to 50 ms), mutex-monitor (with a
/// segment::Monitor in the waiter's process), work (a receiver of a WorkQueue waits for the message
/// that the killed receiver held), and as a baseline pthread-robust. Times are from the SIGKILL to
/// the lock, or the message.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The number of owners of each kind that are killed.
    #[arg(long, default_value_t = 200, value_name = "N")]
    rounds: u32,
    /// The minimum time that the waiter has slept before the kill, in milliseconds; at most twice
    /// as long or a second more. The longer it has slept, the longer are its slices.
    #[arg(long, default_value_t = 10, value_name = "MS")]
    asleep: u64,
    /// The private memory of each owner, in MiB. The kernel frees it before it drops the owner's
    /// locks, and after it has walked the list of a robust mutex.
    #[arg(long, default_value_t = 0, value_name = "MIB")]
    memory: u32,
    /// Only these kinds.
    #[arg(long, value_delimiter = ',', value_name = "KIND,..")]
    kinds: Vec<String>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// A checked run.
pub(crate) struct Ready {
    options: Options,
    kinds: Vec<Kind>,
}

/// The one object of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    /// The times of each owner.
    memory_mib: u32,
    rows: &'a [Row],
}

impl Options {
    /// Checks what clap cannot: bounds and names.
    pub(crate) fn check(self) -> Result<Ready, String> {
        if !(1..=MAX_ROUNDS).contains(&self.rounds) {
            return Err(format!(
                "expected 1 to {MAX_ROUNDS} rounds, found {}",
                self.rounds
            ));
        }
        if !(1..=MAX_ASLEEP).contains(&self.asleep) {
            return Err(format!(
                "expected 1 to {MAX_ASLEEP} ms asleep, found {}",
                self.asleep
            ));
        }
        let kinds = lists::chosen(KINDS, |kind| kind.name, &self.kinds)?;
        Ok(Ready {
            options: self,
            kinds,
        })
    }
}

/// Measures and reports.
pub(crate) fn run(Ready { options, kinds }: Ready) -> Result<(), String> {
    let kills = u64::from(options.rounds) * kinds.len() as u64;
    let asleep = Duration::from_millis(options.asleep);
    let bar = runs::bar(kills, "owners killed", options.json);
    let memory =
        usize::try_from(u64::from(options.memory) << 20).map_err(|error| error.to_string())?;
    let rows = measure(&kinds, options.rounds, asleep, memory, &mut |done| {
        bar.set_position(done as u64);
    })
    .map_err(|failure| failure.to_string())?;
    bar.finish_and_clear();
    let machine = Machine::this();
    if options.json {
        let document = Document {
            machine: &machine,
            memory_mib: options.memory,
            rows: &rows,
        };
        let text = serde_json::to_string(&document).map_err(|error| error.to_string())?;
        print(&format!("{text}\n"));
    } else {
        print(&format!(
            "{machine}\nfrom SIGKILL of the owner to the waiter's lock, {} owners of each kind with {} MiB each, waiters asleep for {} ms and more\n{}\n",
            options.rounds,
            options.memory,
            options.asleep,
            table(&rows)
        ));
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header([
            "kind",
            "p50 us",
            "p90 us",
            "p99 us",
            "max us",
            "p50 of robust",
            "p99 of robust",
        ]);
    for row in rows {
        let ratio =
            |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}"));
        let time = |time: f64| format!("{time:.0}");
        table.add_row([
            row.kind.to_owned(),
            time(row.p50_us),
            time(row.p90_us),
            time(row.p99_us),
            time(row.max_us),
            ratio(row.p50_ratio),
            ratio(row.p99_ratio),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
