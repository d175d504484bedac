//! `measure queues`: throughput and round trips of queues between processes, for each kind of
//! queue.

mod report;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::queues::{Idle, KINDS, Kind, Measured, Plan, SIZES, Step, run as measure};
use clap::{Args, ValueEnum};
use crossdock_cli::machine::Machine;
use crossdock_cli::terminal::lists;
use crossdock_cli::terminal::runs::{self, PinChoice};

/// The maximum number of senders, or receivers, of a run.
const MAX_ENDS: u32 = 64;
/// The least and the greatest capacity, in items.
const CAPACITY: (u32, u32) = (2, 1 << 16);
/// The maximum number of items of a batch.
const MAX_BATCH: u32 = 1024;

/// Passes items between processes through several kinds of queues, and compares them.
///
/// Kinds: spsc and queue, the same with several items at once (-batch), work (each item is
/// acknowledged at once), bytes (the same, an item being a slice of bytes, read in place), and the
/// blocking kinds with the default spinning before they sleep (-adaptive); as baselines lamport (a
/// minimal ring for one producer and one consumer) and vyukov (a ring for many of both) in the same
/// shared memory, pipe, pipe-batch, and socket (a pair of Unix sockets). Every consumer checks the
/// order of its items, and at the end everything that was sent must have been received. A kind is
/// left out of settings that it does not support.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Measure only these kinds. The kinds of a setting are compared with its first.
    #[arg(long, value_delimiter = ',', value_name = "KIND,..")]
    kinds: Vec<String>,
    /// Sizes of items in bytes: 8, 64, 1024.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "8,64",
        value_name = "BYTES,.."
    )]
    sizes: Vec<u32>,
    /// The numbers of sending and receiving processes.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1x1,2x2",
        value_name = "PxC,.."
    )]
    pairs: Vec<Pair>,
    /// The capacity of a queue in items: a power of two. Pipes and sockets keep their own size.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    capacity: u32,
    /// The maximum number of items that the batch kinds send, and receive, at once.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch: u32,
    /// The action of producers while a queue is full, and of consumers while it is empty: try
    /// again, all kinds by the same rule, or sleep.
    #[arg(long, value_enum, default_value_t = IdleChoice::Spin, value_name = "HOW")]
    idle: IdleChoice,
    /// The same for round trips between two processes: one action, both, or no round trips.
    #[arg(long, value_enum, default_value_t = TripChoice::Both, value_name = "HOW")]
    round_trip: TripChoice,
    /// The length of each run, in seconds.
    #[arg(long, default_value_t = 0.08)]
    secs: f64,
    /// The number of runs of each, in rounds with the others. Medians are shown; ratios are medians
    /// of the ratios within a round.
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: u32,
    /// Where the processes run.
    #[arg(long, value_enum, default_value_t = PinChoice::Cores)]
    pin: PinChoice,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// A number of producers and of consumers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    producers: u32,
    consumers: u32,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.producers, self.consumers)
    }
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number: u32 = text.parse().ok()?;
            (1..=MAX_ENDS).contains(&number).then_some(number)
        };
        let pair = text.split_once('x').and_then(|(producers, consumers)| {
            Some(Self {
                producers: number(producers)?,
                consumers: number(consumers)?,
            })
        });
        pair.ok_or_else(|| {
            format!("expected producers x consumers as in 2x1, of 1 to {MAX_ENDS} each")
        })
    }
}

/// The values of `--idle`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IdleChoice {
    Spin,
    Park,
}

impl From<IdleChoice> for Idle {
    fn from(choice: IdleChoice) -> Self {
        match choice {
            IdleChoice::Spin => Self::Spin,
            IdleChoice::Park => Self::Park,
        }
    }
}

/// The values of `--round-trip`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TripChoice {
    Spin,
    Park,
    Both,
    None,
}

impl TripChoice {
    fn all(self) -> Vec<Idle> {
        match self {
            Self::Spin => vec![Idle::Spin],
            Self::Park => vec![Idle::Park],
            Self::Both => vec![Idle::Spin, Idle::Park],
            Self::None => Vec::new(),
        }
    }
}

/// A checked run.
pub(crate) struct Ready {
    options: Options,
    plan: Plan,
}

/// The measurements, for the report.
struct Found<'a> {
    options: &'a Options,
    machine: Machine,
    measured: Measured,
    notes: Vec<String>,
}

impl Options {
    /// Checks what clap cannot: bounds and names.
    pub(crate) fn check(self) -> Result<Ready, String> {
        let sizes = SIZES.map(|size| size.to_string()).join(", ");
        let expected = format!("sizes of {sizes} bytes");
        lists::known(&self.sizes, &SIZES, &expected)?;
        lists::unique(&self.pairs, "pairs")?;
        let (least, most) = CAPACITY;
        if !self.capacity.is_power_of_two() || !(least..=most).contains(&self.capacity) {
            return Err(format!(
                "expected a capacity of {least} to {most} items, a power of two, found {}",
                self.capacity
            ));
        }
        if !(2..=MAX_BATCH).contains(&self.batch) {
            return Err(format!(
                "expected batches of 2 to {MAX_BATCH} items, found {}",
                self.batch
            ));
        }
        runs::check(self.secs, self.runs)?;
        let kinds = lists::chosen(KINDS, |kind| kind.name, &self.kinds)?;
        let plan = self.plan(kinds);
        if plan.runs() == 0 {
            let left_out = left_out(&plan).join("; ");
            return Err(format!("nothing is left to be measured: {left_out}"));
        }
        Ok(Ready {
            options: self,
            plan,
        })
    }

    fn plan(&self, kinds: Vec<Kind>) -> Plan {
        let pairs = self.pairs.iter();
        Plan {
            kinds,
            sizes: self.sizes.clone(),
            capacity: self.capacity,
            batch: self.batch,
            pairs: pairs.map(|pair| (pair.producers, pair.consumers)).collect(),
            idle: self.idle.into(),
            round_trips: self.round_trip.all(),
            runs: self.runs,
            pin: self.pin.into(),
            time: Duration::from_secs_f64(self.secs),
        }
    }
}

/// Measures what the options select, and reports it.
pub(crate) fn run(ready: Ready) -> Result<(), String> {
    let Ready { options, plan } = ready;
    let bar = runs::bar(plan.runs() as u64, "runs", options.json);
    let measured = measure(&plan, &mut |step: Step| {
        bar.set_position(step.done as u64);
        bar.set_message(format!(": {}, {} bytes", step.kind, step.size));
    })
    .map_err(|failure| failure.to_string())?;
    bar.finish_and_clear();
    let found = Found {
        notes: notes(&options, &plan, &measured),
        options: &options,
        machine: Machine::this(),
        measured,
    };
    report::print(&found)
}

impl Found<'_> {
    /// Returns the setting of the measurement, in a line.
    fn setting(&self) -> String {
        let Options {
            secs,
            runs: count,
            pin,
            capacity,
            batch,
            ..
        } = self.options;
        let idle = match self.options.idle {
            IdleChoice::Spin => "throughput by tries, with the same pauses for all kinds",
            IdleChoice::Park => "throughput of waiters that sleep",
        };
        let said = runs::described(*secs, *count, *pin);
        format!("{said}; queues of {capacity} items, batches of {batch}; {idle}")
    }
}

/// Returns notes on the figures.
fn notes(options: &Options, plan: &Plan, measured: &Measured) -> Vec<String> {
    let processes = plan
        .pairs
        .iter()
        .map(|(producers, consumers)| producers + consumers);
    let mut notes: Vec<String> = options.pin.crowded(processes).into_iter().collect();
    if !options.kinds.is_empty() {
        notes.extend(left_out(plan));
    }
    for row in measured.throughput.iter().filter(|row| row.mitems == 0.0) {
        notes.push(format!(
            "{}, {} bytes: nothing was received in the time that was measured",
            row.kind, row.size
        ));
    }
    for row in &measured.throughput {
        if (row.lost, row.wrong) != (0, 0) {
            notes.push(format!(
                "{}, {} bytes: of {} items {} were lost and {} were not the next ones",
                row.kind, row.size, row.items, row.lost, row.wrong
            ));
        }
    }
    notes
}

/// Returns the kinds that are left out of some setting.
fn left_out(plan: &Plan) -> Vec<String> {
    let throughput = plan.pairs.iter().map(|(producers, consumers)| {
        let takes = |kind: &Kind| kind.can.take(*producers, *consumers, plan.idle);
        let parked = match plan.idle {
            Idle::Spin => "",
            Idle::Park => ", parked",
        };
        let setting = format!("{producers}x{consumers}{parked}");
        (setting, names(plan, takes))
    });
    let round_trips = plan.round_trips.iter().map(|idle| {
        let takes = |kind: &Kind| kind.batched || kind.can.take(1, 1, *idle);
        let how = match idle {
            Idle::Spin => "spinning",
            Idle::Park => "parked",
        };
        (format!("{how} round trips"), names(plan, takes))
    });
    let all = throughput.chain(round_trips);
    all.filter(|(_, names)| !names.is_empty())
        .map(|(setting, names)| format!("not made for {setting}: {}", names.join(", ")))
        .collect()
}

fn names(plan: &Plan, takes: impl Fn(&Kind) -> bool) -> Vec<&'static str> {
    let left = plan.kinds.iter().filter(|kind| !takes(kind));
    left.map(|kind| kind.name).collect()
}

#[cfg(test)]
mod tests;
