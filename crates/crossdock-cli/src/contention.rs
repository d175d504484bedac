//! `crossdock contention`: processes add to one shared number, each kind of lock and counter in
//! turn; how fast, how evenly, and what gets lost.

mod plot;
mod report;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use crossdock_bench::contention::{KINDS, Kind, Plan, Row, Step, run as measure};
use crossdock_bench::machine::Machine;
use crossdock_bench::pin::{self, Pin};
use crossdock_bench::work::{Speed, Work};
use indicatif::{ProgressBar, ProgressStyle};

use crate::lists;

/// The most processes of a run.
const MAX_PROCESSES: u32 = 256;
/// The longest and the shortest run, in seconds.
const SECS: (f64, f64) = (0.001, 3600.0);
const MAX_RUNS: u32 = 1000;
/// The longest work beside an addition: a second.
const MAX_WORK: u64 = 1_000_000_000;

/// Has processes add to one shared number, in several ways, and compares.
///
/// Kinds: racy (load, add, store: wrong), mutex, counter, sharded; and as yardsticks futex (a plain
/// lock of three states), pthread, pthread-robust.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How many processes add at once, one after the other.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,2,4,8",
        value_name = "N,.."
    )]
    processes: Vec<u32>,
    /// How long each run is measured, in seconds.
    #[arg(long, default_value_t = 0.15)]
    secs: f64,
    /// How often each is run, interleaved with the others; the medians are shown.
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: u32,
    /// Where the processes run: each on a core of its own (in turn, if there are more), all on the
    /// same, or where the kernel puts them.
    #[arg(long, value_enum, default_value_t = PinChoice::Cores)]
    pin: PinChoice,
    /// Work done under the lock, in nanoseconds of processor time.
    #[arg(long, default_value_t = 0, value_name = "NS")]
    work_inside: u64,
    /// Work done between two additions, in nanoseconds of processor time.
    #[arg(long, default_value_t = 0, value_name = "NS")]
    work_outside: u64,
    /// Only these kinds.
    #[arg(long, value_delimiter = ',', value_name = "KIND,..")]
    kinds: Vec<String>,
    /// Time each addition, too: p50, p99 and p99.9.
    #[arg(long)]
    latency: bool,
    /// Print one JSON object instead of a table.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values instead of a table.
    #[arg(long)]
    csv: bool,
    /// Draw throughput against processes into this file.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// What `--pin` takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PinChoice {
    Cores,
    Same,
    Free,
}

impl From<PinChoice> for Pin {
    fn from(choice: PinChoice) -> Self {
        match choice {
            PinChoice::Cores => Self::Cores,
            PinChoice::Same => Self::Same,
            PinChoice::Free => Self::Free,
        }
    }
}

/// A run that can begin: everything was checked.
pub(crate) struct Ready {
    options: Options,
    kinds: Vec<Kind>,
}

/// What was measured, for the report and the plot.
struct Measured<'a> {
    options: &'a Options,
    machine: Machine,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Options {
    /// What clap cannot see: bounds, names, and whether the plot can be written.
    pub(crate) fn check(self) -> Result<Ready, String> {
        let range = format!("1 to {MAX_PROCESSES} processes");
        lists::within(&self.processes, 1..=MAX_PROCESSES, &range)?;
        if !(SECS.0..=SECS.1).contains(&self.secs) {
            return Err(format!(
                "expected {} to {} seconds a run, found {:?}",
                SECS.0, SECS.1, self.secs
            ));
        }
        if !(1..=MAX_RUNS).contains(&self.runs) {
            return Err(format!(
                "expected 1 to {MAX_RUNS} runs, found {}",
                self.runs
            ));
        }
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
        self.plot.as_deref().map_or(Ok(()), writable)?;
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

/// Whether the plot can be written, found out before anything is measured. What stands there is kept
/// until there is a plot.
fn writable(path: &Path) -> Result<(), String> {
    let refused = |why: &str| Err(format!("cannot write the plot to {path:?}: {why}"));
    let svg = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("svg");
    if !path.extension().is_some_and(svg) {
        return refused("expected a name that ends in .svg");
    }
    let tried = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return refused("expected a file, found something else"),
        Ok(_) => File::options().append(true).open(path).map(drop),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            File::create_new(path).and_then(|_| fs::remove_file(path))
        }
        Err(error) => Err(error),
    };
    tried.or_else(|error| refused(&error.to_string()))
}

/// Measures what the options say and reports it.
pub(crate) fn run(ready: Ready) -> Result<(), String> {
    let Ready { options, kinds } = ready;
    let plan = options.plan(kinds);
    let bar = bar(&plan, &options);
    let rows = measure(&plan, &mut |step: Step| {
        let s = if step.processes == 1 { "" } else { "es" };
        bar.set_position(step.done as u64);
        bar.set_message(format!("{}, {} process{s}", step.kind, step.processes));
    })
    .map_err(|failure| failure.to_string())?;
    bar.finish_and_clear();
    let measured = Measured {
        notes: notes(&options, &rows),
        options: &options,
        machine: Machine::this(),
        rows,
    };
    report::print(&measured)?;
    match &options.plot {
        Some(path) => draw(path, &measured),
        None => Ok(()),
    }
}

/// The bar goes to standard error, and is silent where that is no terminal.
fn bar(plan: &Plan, options: &Options) -> ProgressBar {
    if options.json || options.csv {
        return ProgressBar::hidden();
    }
    let runs = plan.kinds.len() * plan.processes.len() * plan.runs as usize;
    let bar = ProgressBar::new(runs as u64);
    let template = "[{bar:40}] {pos}/{len} runs, {eta} left: {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Writes the plot beside its place and moves it there: what stands there is kept if that fails.
fn draw(path: &Path, measured: &Measured<'_>) -> Result<(), String> {
    let image = plot::svg(&measured.rows, &measured.machine, &measured.setting());
    let beside = path.with_extension(format!("svg.{}", std::process::id()));
    let written = fs::write(&beside, image).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // It may not even exist.
        let _ = fs::remove_file(&beside);
        format!("cannot write the plot to {path:?}: {error}")
    })
}

impl Measured<'_> {
    /// How it was measured, in a line.
    fn setting(&self) -> String {
        let Options {
            secs,
            runs,
            work_inside: inside,
            work_outside: outside,
            ..
        } = self.options;
        let pin = match self.options.pin {
            PinChoice::Cores => "each process on a core of its own, in turn",
            PinChoice::Same => "all processes on one core",
            PinChoice::Free => "processes not pinned",
        };
        let runs = match runs {
            1 => "one run".to_owned(),
            runs => format!("medians of {runs} runs"),
        };
        let mut text = format!("{runs} of {secs} s each, interleaved; {pin}");
        if (*inside, *outside) != (0, 0) {
            text += &format!("; {inside} ns of work inside, {outside} ns outside");
        }
        if self.options.latency {
            text += "; each addition timed";
        }
        text
    }
}

/// What the figures alone do not say.
fn notes(options: &Options, rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    let cores = pin::cores().map_or(1, |cores| cores.len());
    let crowded: Vec<String> = options
        .processes
        .iter()
        .filter(|processes| **processes as usize > cores)
        .map(u32::to_string)
        .collect();
    if !crowded.is_empty() && !matches!(options.pin, PinChoice::Same) {
        let s = if cores == 1 { "" } else { "s" };
        let crowded = crowded.join(", ");
        notes.push(format!("{crowded} processes share {cores} core{s}"));
    }
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
        notes.push(
            "each addition was timed by two looks at the clock: one is part of every percentile, \
             both are part of ns per op"
                .to_owned(),
        );
    }
    notes
}
