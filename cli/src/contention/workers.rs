//! A worker: what runs in the processes.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Contestant;
use crate::Failure;
use crate::floor::{Phase, Post};
use crate::times::Times;
use crate::work::Work;
use crate::worker::{die_with, message};

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
    pub(super) post: Post,
    pub(super) inside: Work,
    pub(super) outside: Work,
    pub(super) latency: bool,
}

/// What a worker has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Done {
    /// How often it added, from the beginning to the end.
    pub(super) ops: u64,
    /// How long additions took, as far as they were timed.
    pub(super) latency: Times,
}

/// Runs in a process of its own.
pub(super) fn work<C: Contestant>(order: Order<C::Handle>) -> Result<Done, String> {
    die_with(order.driver)?;
    let contestant = C::attach(&order.handle).map_err(message)?;
    add_until_stopped(&order.task, |inside| contestant.add(inside))
}

/// The loop, for processes and for threads.
pub(super) fn add_until_stopped(
    task: &Task,
    add: impl Fn(Work) -> Result<(), Failure>,
) -> Result<Done, String> {
    task.post.begin()?;
    let mut latency = Times::default();
    let ops = if task.latency {
        timed(task, add, &mut latency)
    } else {
        plain(task, add)
    };
    Ok(Done {
        ops: ops.map_err(message)?,
        latency,
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
    while task.post.phase() != Phase::STOP {
        for _ in 0..stride {
            add(task.inside)?;
            task.outside.run();
        }
        ops += stride;
        task.post.publish(ops);
    }
    Ok(ops)
}

#[inline(always)]
fn timed(
    task: &Task,
    add: impl Fn(Work) -> Result<(), Failure>,
    times: &mut Times,
) -> Result<u64, Failure> {
    let mut ops = 0;
    loop {
        let phase = task.post.phase();
        if phase == Phase::STOP {
            return Ok(ops);
        }
        let start = Instant::now();
        add(task.inside)?;
        let took = start.elapsed();
        // Whatever reaches into the time that is measured: the longest are not to be left out.
        if phase == Phase::MEASURE || task.post.phase() == Phase::MEASURE {
            times.record(took);
        }
        ops += 1;
        task.post.publish(ops);
        task.outside.run();
    }
}
