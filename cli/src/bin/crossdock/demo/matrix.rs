//! The product of two matrices: processes lease its rows, and another process completes the row
//! of a killed one.

use std::time::Duration;

use crossdock::array::{ArrayOptions, Init};
use crossdock::process::{self, JoinError, JoinTimeoutError, Process};
use crossdock::queue::{Queue, ReceiverOf, RecvTimeoutError, SenderOf};
use crossdock::{Array, Mutex, Segment, SegmentOptions};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::report::Report;

/// The time without a report after which the driver checks the processes.
const LOOK: Duration = Duration::from_millis(2);

/// The reports to the driver: one of these, the process's number, and the row's.
type Event = [u32; 3];
const IN_HAND: u32 = 0;
const DONE: u32 = 1;
const DONE_AGAIN: u32 = 2;

/// The handles that each process gets.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    left: Array<f64>,
    right: Array<f64>,
    product: Array<f64>,
    log: SenderOf<Queue<Event>>,
    /// Held by the driver while it is alive: a process that waits to be killed waits for this lock.
    driver: Mutex<()>,
}

/// The arguments of a process.
#[derive(Serialize, Deserialize)]
struct Bench {
    id: u32,
    size: u32,
    /// Whether it is to be killed in the middle of its first row.
    fatal: bool,
    place: Place,
}

/// The result of the demo.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    demo: &'static str,
    rows: u32,
    processes: u32,
    done: u32,
    killed: u32,
    again: u32,
    /// Whether the product is what one process computes.
    equal: bool,
}

fn row_of(left: &[f64], right: &[f64], size: usize, row: usize, product: &mut [f64]) {
    for (column, value) in product.iter_mut().enumerate() {
        let terms = (0..size).map(|k| left[row * size + k] * right[k * size + column]);
        *value = terms.sum();
    }
}

fn multiply(bench: Bench) -> Result<(), String> {
    let Bench {
        id, size, place, ..
    } = bench;
    let size = size as usize;
    let why = |error: &dyn std::fmt::Display| error.to_string();
    let left = place.left.read().map_err(|error| why(&error))?;
    let right = place.right.read().map_err(|error| why(&error))?;
    while let Some(mut row) = place.product.lease_chunk().map_err(|error| why(&error))? {
        let number = u32::try_from(row.index()).map_err(|error| why(&error))?;
        let tell = |what| {
            place
                .log
                .send([what, id, number])
                .map_err(|error| why(&error))
        };
        if bench.fatal {
            row[..size / 2].fill(f64::NAN);
            tell(IN_HAND)?;
            let gone = place.driver.lock();
            return Err(gone.map_or_else(|error| error.to_string(), |_| "was not killed".into()));
        }
        let what = if row.holder_died() { DONE_AGAIN } else { DONE };
        row_of(&left, &right, size, row.index(), &mut row);
        tell(what)?;
        row.finish().map_err(|error| why(&error))?;
    }
    Ok(())
}

/// A process as the driver sees it.
struct Member {
    id: u32,
    rows: u32,
    process: Process<Result<(), String>>,
}

/// The running processes. If an error drops them early, they are terminated.
struct Crew(Vec<Member>);

impl Drop for Crew {
    fn drop(&mut self) {
        for member in self.0.drain(..) {
            // It has exited.
            let _ = member.process.kill();
            let _ = member.process.join();
        }
    }
}

impl Crew {
    fn hire(&mut self, id: u32, size: u32, fatal: bool, place: &Place) -> Result<(), Failure> {
        let bench = Bench {
            id,
            size,
            fatal,
            place: place.clone(),
        };
        let process = process::Builder::new()
            .daemon(true)
            .spawn(multiply, bench)?;
        self.0.push(Member {
            id,
            rows: 0,
            process,
        });
        Ok(())
    }

    /// Kills a process, which waits to be killed.
    fn kill(&mut self, id: u32) -> Result<(), Failure> {
        let at = self.0.iter().position(|member| member.id == id);
        let Some(at) = at else {
            return Err(Failure::Sum(format!(
                "process {id} has ended, and asks to be killed"
            )));
        };
        let process = self.0.swap_remove(at).process;
        // The join reports a failure.
        let _ = process.kill();
        match process.join() {
            Err(JoinError::Killed { .. }) => Ok(()),
            outcome => ended(id, outcome),
        }
    }

    /// Forgets the processes that have exited as expected, and reports them.
    fn look(&mut self, report: &Report) -> Result<(), Failure> {
        let mut at = 0;
        while let Some(member) = self.0.get_mut(at) {
            let outcome = match member.process.join_timeout(Duration::ZERO) {
                Ok(outcome) => Ok(outcome),
                Err(JoinTimeoutError::Join(error)) => Err(error),
                Err(_) => {
                    at += 1;
                    continue;
                }
            };
            ended(member.id, outcome)?;
            report.line(&format!("process {}: {} rows", member.id, member.rows));
            self.0.swap_remove(at);
        }
        Ok(())
    }
}

fn ended(id: u32, outcome: Result<Result<(), String>, JoinError>) -> Result<(), Failure> {
    let who = format!("process {id}");
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(message)) => Err(Failure::Broken { who, message }),
        Err(error) => Err(Failure::broken(&who, &error)),
    }
}

impl Place {
    /// The handles, and the driver's end of the log.
    fn new(size: u32, processes: u32) -> Result<(Self, ReceiverOf<Queue<Event>>), Failure> {
        let values = size as usize * size as usize;
        let bytes = 3 * 8 * values as u64 + (1 << 20);
        let options = SegmentOptions::new()
            .size(bytes)
            .participants(processes + 2);
        let segment: Segment = options.anonymous()?;
        let matrix = |name, value: fn(usize) -> f64| {
            let options = ArrayOptions::new(Init::from_fn(values, value)).chunk(size as usize);
            segment.create::<Array<f64>>(name, options)
        };
        let (log, reports) = segment.create_pair("log", 256)?;
        let place = Self {
            left: matrix("left", |i| (i % 7) as f64)?,
            right: matrix("right", |i| (i % 5) as f64)?,
            product: matrix("product", |_| 0.0)?,
            log,
            driver: segment.create("driver", ())?,
        };
        Ok((place, reports))
    }

    /// Whether the product is what one process computes.
    fn is_right(&self, size: usize) -> Result<bool, Failure> {
        let mut alone = vec![0.0; size * size];
        let left = self.left.read_or_repair(|_| ())?;
        let right = self.right.read_or_repair(|_| ())?;
        for (row, values) in alone.chunks_mut(size).enumerate() {
            row_of(&left, &right, size, row, values);
        }
        Ok(*self.product.read_or_repair(|_| ())? == *alone)
    }
}

pub(super) fn run(size: u32, processes: u32, kills: u32, report: &Report) -> Result<(), Failure> {
    let (place, reports) = Place::new(size, processes)?;
    let alive = place.driver.lock_or_repair(|_| ())?;
    let mut outcome = Outcome {
        demo: "matrix",
        rows: size,
        processes,
        ..Outcome::default()
    };
    let mut rows = vec![0; size as usize];
    let mut crew = Crew(Vec::new());
    let mut hired = processes;
    // The processes to be killed come first: the others might leave them no rows.
    let first = if kills == 0 { processes } else { kills };
    for id in 1..=first {
        crew.hire(id, size, id <= kills, &place)?;
    }
    let mut fallen = Vec::new();
    loop {
        match reports.recv_timeout(LOOK) {
            Ok([IN_HAND, id, row]) => {
                fallen.push((id, row));
                if fallen.len() < kills as usize {
                    continue;
                }
                for id in first + 1..=processes {
                    crew.hire(id, size, false, &place)?;
                }
                for (id, row) in fallen.drain(..) {
                    crew.kill(id)?;
                    outcome.killed += 1;
                    report.line(&format!("process {id}: killed in the middle of row {row}"));
                    hired += 1;
                    report.line(&format!("process {hired}: replaces it"));
                    crew.hire(hired, size, false, &place)?;
                }
            }
            Ok([what, id, row]) => {
                if let Some(times) = rows.get_mut(row as usize) {
                    *times += 1;
                }
                if let Some(member) = crew.0.iter_mut().find(|member| member.id == id) {
                    member.rows += 1;
                }
                if what == DONE_AGAIN {
                    outcome.again += 1;
                    report.line(&format!("process {id}: row {row} again"));
                }
            }
            Err(RecvTimeoutError::Timeout) if crew.0.is_empty() => break,
            Err(RecvTimeoutError::Timeout) => crew.look(report)?,
            Err(error) => return Err(Failure::broken("the log", &error)),
        }
    }
    drop(alive);
    outcome.done = rows.iter().sum();
    outcome.equal = place.is_right(size as usize)?;
    report.end(&summary(&outcome), &outcome);
    let exact = rows.iter().all(|times| *times == 1) && outcome.again == outcome.killed;
    if exact && outcome.equal {
        return Ok(());
    }
    Err(Failure::Sum(format!(
        "expected every row done once and the product of one process, found {outcome:?}"
    )))
}

/// The last line.
fn summary(outcome: &Outcome) -> String {
    let mut text = format!("{} rows, {} done", outcome.rows, outcome.done);
    if outcome.killed > 0 {
        text = format!(
            "{text}; {} killed, {} done again",
            outcome.killed, outcome.again
        );
    }
    let like = if outcome.equal { "as" } else { "not as" };
    format!("{text}; {like} one process computes them")
}
