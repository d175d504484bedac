//! A worker: what runs in the processes.

use std::time::Instant;

use crossdock::Counter;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Contestant;
use crate::work::Work;
use crate::worker::{die_with, said};
use crate::{Failure, pin};

/// What a worker is told.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Order<H> {
    /// The number and what guards it.
    pub(super) handle: H,
    pub(super) task: Task,
    /// The process that waits for the result.
    pub(super) driver: u32,
}

/// What a worker does, whatever it adds to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) core: Option<usize>,
    pub(super) inside: Work,
    pub(super) outside: Work,
    pub(super) latency: bool,
    /// Which [`Phase`] the run is in.
    pub(super) phase: Counter,
    /// How many workers are there.
    pub(super) arrived: Counter,
    /// How often this one has added.
    pub(super) count: Counter,
}

/// The phases of a run, as the driver sets them.
pub(super) struct Phase;

impl Phase {
    /// Not all are there.
    pub(super) const GATHER: u64 = 0;
    /// They add, and nothing is measured.
    pub(super) const WARM_UP: u64 = 1;
    /// They add.
    pub(super) const MEASURE: u64 = 2;
    /// They end.
    pub(super) const STOP: u64 = 3;
}

/// What a worker has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Done {
    /// How often it added, from the beginning to the end.
    pub(super) ops: u64,
    /// How often an addition took how many nanoseconds.
    pub(super) latency: Vec<(u64, u64)>,
}

/// The histogram that latencies are counted in: three digits, up to a minute.
pub(super) fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_max(60_000_000_000, 3).map_err(said)
}

/// Runs in a process of its own.
pub(super) fn work<C: Contestant>(order: Order<C::Handle>) -> Result<Done, String> {
    die_with(order.driver)?;
    let contestant = C::attach(&order.handle).map_err(said)?;
    add_until_stopped(&order.task, |inside| contestant.add(inside))
}

/// The loop, for processes and for threads.
pub(super) fn add_until_stopped(
    task: &Task,
    add: impl Fn(Work) -> Result<(), Failure>,
) -> Result<Done, String> {
    if let Some(core) = task.core {
        pin::pin(core).map_err(said)?;
    }
    let mut times = task.latency.then(histogram).transpose()?;
    task.arrived.add(1);
    while task.phase.get() == Phase::GATHER {
        std::thread::yield_now();
    }
    let ops = match &mut times {
        None => plain(task, add),
        Some(times) => timed(task, add, times),
    };
    let latency = times.iter().flat_map(|times| {
        let recorded = times.iter_recorded();
        recorded.map(|step| (step.value_iterated_to(), step.count_at_value()))
    });
    Ok(Done {
        ops: ops.map_err(said)?,
        latency: latency.collect(),
    })
}

/// How many additions are made between two looks at the phase, and two stores of the count, when
/// there is nothing else to do: they would be part of what is measured.
const STRIDE: u64 = 32;

#[inline(always)]
fn plain(task: &Task, add: impl Fn(Work) -> Result<(), Failure>) -> Result<u64, Failure> {
    let idle = (task.inside, task.outside) == (Work::none(), Work::none());
    let stride = if idle { STRIDE } else { 1 };
    let mut ops = 0;
    while task.phase.get() != Phase::STOP {
        for _ in 0..stride {
            add(task.inside)?;
            task.outside.run();
        }
        ops += stride;
        task.count.set(ops);
    }
    Ok(ops)
}

#[inline(always)]
fn timed(
    task: &Task,
    add: impl Fn(Work) -> Result<(), Failure>,
    times: &mut Histogram<u64>,
) -> Result<u64, Failure> {
    let mut ops = 0;
    loop {
        let phase = task.phase.get();
        if phase == Phase::STOP {
            return Ok(ops);
        }
        let start = Instant::now();
        add(task.inside)?;
        let took = start.elapsed();
        // Whatever reaches into the time that is measured: the longest are not to be left out.
        if phase == Phase::MEASURE || task.phase.get() == Phase::MEASURE {
            times.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        ops += 1;
        task.count.set(ops);
        task.outside.run();
    }
}
