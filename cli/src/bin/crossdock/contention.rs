//! `crossdock contention`: processes add to one shared number, through each kind of lock and
//! counter: throughput, fairness, and lost updates.

mod report;

use std::time::Duration;

use clap::Args;
use crossdock_cli::contention::{KINDS, Kind, Plan, Row, Step, run as measure};
use crossdock_cli::machine::Machine;
use crossdock_cli::terminal::lists;
use crossdock_cli::terminal::runs::{self, PinChoice};
use crossdock_cli::work::{Speed, Work};

/// The maximum number of processes of a run.
const MAX_PROCESSES: u32 = 256;
/// The longest work beside an addition: a second.
const MAX_WORK: u64 = 1_000_000_000;

/// Adds to one number from several processes, in several ways.
///
/// Kinds: racy (load, add, store: wrong), mutex, counter, sharded,
/// rwlock-read (which adds nothing, only reads), rwlock-write; as
/// baselines futex (a plain lock of three states), pthread,
/// pthread-robust, pthread-rwlock-read, pthread-rwlock-write.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The numbers of processes, one after the other.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,2,4,8",
        value_name = "N,.."
    )]
    processes: Vec<u32>,
    /// The length of each run, in seconds.
    #[arg(long, default_value_t = 0.15)]
    secs: f64,
    /// The number of runs of each, interleaved with the others; medians are
    /// shown.
    #[arg(verbatim_doc_comment, long, default_value_t = 3, value_name = "N")]
    runs: u32,
    /// Where the processes run.
    #[arg(verbatim_doc_comment, long, value_enum, default_value_t = PinChoice::Cores)]
    pin: PinChoice,
    /// Work under the lock, in ns of processor time.
    #[arg(long, default_value_t = 0, value_name = "NS")]
    work_inside: u64,
    /// Work between two additions, in ns of processor time.
    #[arg(long, default_value_t = 0, value_name = "NS")]
    work_outside: u64,
    /// Measure only these kinds.
    #[arg(long, value_delimiter = ',', value_name = "KIND,..")]
    kinds: Vec<String>,
    /// Also time each addition: p50, p99 and p99.9 in place of the ratios.
    #[arg(long)]
    latency: bool,
    /// Print one JSON object instead of a table.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values instead of a table.
    #[arg(long)]
    csv: bool,
}

/// A checked run.
pub(crate) struct Ready {
    options: Options,
    kinds: Vec<Kind>,
}

/// The measurements, for the report.
struct Measured<'a> {
    options: &'a Options,
    machine: Machine,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Options {
    /// Checks what clap cannot: bounds and names.
    pub(crate) fn check(self) -> Result<Ready, String> {
        let range = format!("1 to {MAX_PROCESSES} processes");
        lists::within(&self.processes, 1..=MAX_PROCESSES, &range)?;
        runs::check(self.secs, self.runs)?;
        for (option, work) in [
            ("--work-inside", self.work_inside),
            ("--work-outside", self.work_outside),
        ] {
            if work > MAX_WORK {
                return Err(format!(
                    "expected at most {MAX_WORK} ns for {option}, found {work}"
                ));
            }
        }
        let kinds = lists::chosen(KINDS, |kind| kind.name, &self.kinds)?;
        Ok(Ready {
            options: self,
            kinds,
        })
    }

    fn plan(&self, kinds: Vec<Kind>) -> Plan {
        let speed = Speed::measure();
        let work = |nanos| {
            if nanos == 0 {
                Work::none()
            } else {
                speed.work(nanos)
            }
        };
        Plan {
            kinds,
            processes: self.processes.clone(),
            runs: self.runs,
            pin: self.pin.into(),
            time: Duration::from_secs_f64(self.secs),
            inside: work(self.work_inside),
            outside: work(self.work_outside),
            latency: self.latency,
        }
    }
}

/// Measures what the options select, and reports it.
pub(crate) fn run(ready: Ready) -> Result<(), String> {
    let Ready { options, kinds } = ready;
    let plan = options.plan(kinds);
    let count = plan.kinds.len() * plan.processes.len() * plan.runs as usize;
    let bar = runs::bar(count as u64, "runs", options.json || options.csv);
    let rows = measure(&plan, &mut |step: Step| {
        let s = if step.processes == 1 { "" } else { "es" };
        bar.set_position(step.done as u64);
        bar.set_message(format!(": {}, {} process{s}", step.kind, step.processes));
    })
    .map_err(|failure| failure.to_string())?;
    bar.finish_and_clear();
    let measured = Measured {
        notes: notes(&options, &rows),
        options: &options,
        machine: Machine::this(),
        rows,
    };
    report::print(&measured)
}

impl Measured<'_> {
    /// Returns the setting of the measurement, in a line.
    fn setting(&self) -> String {
        let Options {
            secs,
            runs: count,
            pin,
            work_inside: inside,
            work_outside: outside,
            ..
        } = self.options;
        let mut text = runs::described(*secs, *count, *pin);
        if (*inside, *outside) != (0, 0) {
            text += &format!("; {inside} ns of work inside, {outside} ns outside");
        }
        if self.options.latency {
            text += "; each addition timed";
        }
        text
    }
}

/// Returns notes on the figures.
fn notes(options: &Options, rows: &[Row]) -> Vec<String> {
    let processes = options.processes.iter().copied();
    let mut notes: Vec<String> = options.pin.crowded(processes).into_iter().collect();
    for row in rows.iter().filter(|row| row.mops == 0.0) {
        notes.push(format!(
            "{}, {} processes: nothing was added in the time that was measured",
            row.kind, row.processes
        ));
    }
    for row in rows.iter().filter(|row| row.lost > 0) {
        notes.push(format!(
            "{} lost {} of {} additions of {} processes",
            row.kind, row.lost, row.ops, row.processes
        ));
    }
    if options.latency {
        notes.push("two looks at the clock are part of ns/op, one of every percentile".to_owned());
    }
    notes
}
