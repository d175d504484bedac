//! Contention: processes add to one shared number, as fast as they can.
//!
//! The workers of a run are separate processes. Each pins itself, meets the others, and adds until
//! it is told to stop; it publishes how often on a cache line of its own. The driver lets them run
//! for a while, reads all counts, waits, and reads them again. At the end the number is compared
//! with the sum of all counts: what is missing was lost.

mod kinds;
mod measure;
mod readers;
mod workers;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::pin::Pin;
use crate::rounds::interleave;
use crate::stats::{median, range};
use crate::times::Times;
use crate::work::Work;

pub use kinds::KINDS;
pub use kinds::{pthread_lock, pthread_memory};

/// One way to add to a shared number, between processes.
pub trait Contestant: Sized + 'static {
    /// What a worker gets: it travels to its process.
    type Handle: Clone + Serialize + DeserializeOwned + 'static;

    /// The kind's name, for options and for programs that read the result.
    const NAME: &'static str;

    /// Makes the number, 0, and what guards it. Called by the driver for each run.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    fn create(processes: u32) -> Result<Self::Handle, Failure>;

    /// Called by each worker, before the run begins.
    ///
    /// # Errors
    ///
    /// If this process cannot use it.
    fn attach(handle: &Self::Handle) -> Result<Self, Failure>;

    /// Adds 1. `inside` is done in the middle of it, under the lock if there is one.
    ///
    /// # Errors
    ///
    /// If nothing was added; it ends the run.
    fn add(&self, inside: Work) -> Result<(), Failure>;

    /// The number, when all workers have ended.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn total(handle: &Self::Handle) -> Result<u64, Failure>;
}

/// One way to add to a shared number, between the threads of one process.
pub trait ThreadContestant: Default + Send + Sync + 'static {
    /// As [`Contestant::NAME`].
    const NAME: &'static str;

    /// As [`Contestant::add`].
    fn add(&self, inside: Work);

    /// The number.
    fn total(&self) -> u64;
}

/// A contestant in a plan, whatever its type.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Runs it once.
    pub run: fn(&Setting) -> Result<Sample, Failure>,
}

impl Kind {
    /// A kind whose workers are processes.
    pub const fn of<C: Contestant>(about: &'static str) -> Self {
        Self {
            name: C::NAME,
            about,
            run: measure::processes::<C>,
        }
    }

    /// A kind whose workers are threads of one process.
    pub const fn threads<C: ThreadContestant>(about: &'static str) -> Self {
        Self {
            name: C::NAME,
            about,
            run: measure::threads::<C>,
        }
    }
}

/// What one run is made with.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many workers there are.
    pub processes: u32,
    /// Where they run.
    pub pin: Pin,
    /// How long is measured.
    pub time: Duration,
    /// What a worker does while it has the lock.
    pub inside: Work,
    /// What it does between two additions.
    pub outside: Work,
    /// Whether each addition is timed; that takes two looks at the clock.
    pub latency: bool,
}

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Sample {
    /// For each worker, how often it added in the time that was measured.
    pub ops: Vec<u64>,
    /// That time.
    pub elapsed: Duration,
    /// How often all workers added, from the beginning to the end.
    pub expected: u64,
    /// What the number was in the end.
    pub found: u64,
    /// How long additions took, if that was asked for.
    pub latency: Option<Times>,
}

impl Sample {
    /// Wall clock for each addition of all workers together; infinite if there was none.
    pub fn ns_per_op(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e9 / as_f64(self.ops.iter().sum())
    }

    /// The share of the worker that added least, of that of the one that added most.
    pub fn fairness(&self) -> f64 {
        let (least, most) = range(self.ops.iter().copied().map(as_f64)).unwrap_or((0.0, 0.0));
        if most > 0.0 { least / most } else { 0.0 }
    }

    /// How many additions are missing from the number.
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.found)
    }
}

/// What is measured, how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which kinds.
    pub kinds: Vec<Kind>,
    /// With how many workers.
    pub processes: Vec<u32>,
    /// How often each; the runs of all are interleaved.
    pub runs: u32,
    /// Where workers run.
    pub pin: Pin,
    /// How long each run is measured.
    pub time: Duration,
    /// What a worker does while it has the lock.
    pub inside: Work,
    /// What it does between two additions.
    pub outside: Work,
    /// Whether each addition is timed.
    pub latency: bool,
}

/// A run that is about to begin.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The kind.
    pub kind: &'static str,
    /// How many workers.
    pub processes: u32,
    /// How many runs there were before.
    pub done: usize,
    /// How many there are in all.
    pub of: usize,
}

/// What a kind came to with so many workers: medians over the runs.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The kind.
    pub kind: &'static str,
    /// How many workers.
    pub processes: u32,
    /// Where they ran.
    pub pin: Pin,
    /// Wall clock for each addition of all workers together; infinite, which is null in JSON, if
    /// there was none in the time that was measured.
    pub ns_per_op: f64,
    /// The least and the greatest of that over the runs.
    pub ns_per_op_range: (f64, f64),
    /// Millions of additions in a second, of all workers together.
    pub mops: f64,
    /// [`mops`](Self::mops) as a multiple of that of one worker, if that was measured.
    pub speedup: Option<f64>,
    /// The share of the worker that added least, of that of the one that added most.
    pub fairness: f64,
    /// How many additions are missing, of all runs.
    pub lost: u64,
    /// How many there were, in all runs.
    pub ops: u64,
    /// Time of an addition that half of them did not exceed.
    pub p50_ns: Option<u64>,
    /// The same of 99 in 100.
    pub p99_ns: Option<u64>,
    /// The same of 999 in 1,000.
    pub p999_ns: Option<u64>,
}

/// Measures what the plan says, one run of each kind and number of workers after the other, and
/// that so often; each round begins with another kind. `progress` is told before every run.
///
/// # Errors
///
/// [`Failure`] of the first run that fails.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(Step)) -> Result<Vec<Row>, Failure> {
    let cells: Vec<(Kind, u32)> = plan
        .processes
        .iter()
        .flat_map(|processes| plan.kinds.iter().map(|kind| (*kind, *processes)))
        .collect();
    let of = cells.len() * plan.runs as usize;
    let samples = interleave(
        &cells,
        |_| plan.runs,
        |(kind, processes), done| {
            progress(Step {
                kind: kind.name,
                processes: *processes,
                done,
                of,
            });
            (kind.run)(&Setting {
                processes: *processes,
                pin: plan.pin,
                time: plan.time,
                inside: plan.inside,
                outside: plan.outside,
                latency: plan.latency,
            })
        },
    )?;
    let mut rows: Vec<Row> = cells
        .iter()
        .zip(samples)
        .map(|((kind, processes), samples)| {
            let samples: Vec<Sample> = samples.into_iter().flatten().collect();
            row(kind.name, *processes, plan.pin, &samples)
        })
        .collect();
    let alone: Vec<(&str, f64)> = rows
        .iter()
        .filter(|row| row.processes == 1)
        .map(|row| (row.kind, row.mops))
        .collect();
    for row in &mut rows {
        let one = alone.iter().find(|(kind, _)| *kind == row.kind);
        row.speedup = one
            .map(|(_, mops)| row.mops / mops)
            .filter(|x| x.is_finite());
    }
    Ok(rows)
}

fn row(kind: &'static str, processes: u32, pin: Pin, samples: &[Sample]) -> Row {
    let ns_per_op = median(samples.iter().map(Sample::ns_per_op));
    let mut latency = Times::default();
    for times in samples.iter().filter_map(|sample| sample.latency.as_ref()) {
        latency.add(times);
    }
    Row {
        kind,
        processes,
        pin,
        ns_per_op,
        ns_per_op_range: range(samples.iter().map(Sample::ns_per_op)).unwrap_or_default(),
        mops: 1e3 / ns_per_op,
        speedup: None,
        fairness: median(samples.iter().map(Sample::fairness)),
        lost: samples.iter().map(Sample::lost).sum(),
        ops: samples.iter().map(|sample| sample.expected).sum(),
        p50_ns: latency.at(0.5),
        p99_ns: latency.at(0.99),
        p999_ns: latency.at(0.999),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count for a rate; 52 bits are plenty"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
