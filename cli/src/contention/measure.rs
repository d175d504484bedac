//! The driver of one run.

use std::sync::Arc;
use std::time::Duration;

use crossdock::process;
use serde::{Deserialize, Serialize};

use super::workers::{Done, Order, Task, add_until_stopped, work};
use super::{Contestant, Sample, Setting, ThreadContestant};
use crate::Failure;
use crate::floor::{Floor, Post};
use crate::times::Times;
use crate::worker::{self, Workers, die_with};

/// Measures a kind whose workers are processes.
pub(super) fn processes<C: Contestant>(setting: &Setting) -> Result<Sample, Failure> {
    let handle = C::create(setting.processes)?;
    let floor = Floor::new(setting.processes, setting.pin)?;
    let mut workers = Workers::new();
    for task in tasks(&floor, setting) {
        let order = Order {
            handle: handle.clone(),
            task,
            driver: std::process::id(),
        };
        workers.add(process::spawn(work::<C>, order)?);
    }
    let (ops, elapsed) = floor.measure(&mut workers, setting.time)?;
    let done = workers.join()?;
    sample(ops, elapsed, &done, C::total(&handle)?)
}

/// Measures a kind whose workers are threads: in a process of their own, too.
pub(super) fn threads<C: ThreadContestant>(setting: &Setting) -> Result<Sample, Failure> {
    let floor = Floor::new(setting.processes, setting.pin)?;
    let mut workers = Workers::new();
    let order = (tasks(&floor, setting), std::process::id());
    workers.add(process::spawn(host::<C>, order)?);
    let (ops, elapsed) = floor.measure(&mut workers, setting.time)?;
    let mut hosts = workers.join()?;
    let Hosted { done, total } = hosts
        .pop()
        .ok_or_else(|| Failure::Worker("it returned nothing".to_owned()))?;
    sample(ops, elapsed, &done, total)
}

fn tasks(floor: &Floor, setting: &Setting) -> Vec<Task> {
    let task = |post: &Post| Task {
        post: post.clone(),
        inside: setting.inside,
        outside: setting.outside,
        latency: setting.latency,
    };
    floor.posts().iter().map(task).collect()
}

/// What the process of the threads returns.
#[derive(Serialize, Deserialize)]
struct Hosted {
    done: Vec<Done>,
    total: u64,
}

fn host<C: ThreadContestant>((tasks, driver): (Vec<Task>, u32)) -> Result<Hosted, String> {
    die_with(driver)?;
    let contestant = Arc::new(C::default());
    let shared = Arc::clone(&contestant);
    let done = worker::threads(tasks, move |task: Task| {
        let add = |inside| {
            shared.add(inside);
            Ok(())
        };
        add_until_stopped(&task, add)
    })?;
    Ok(Hosted {
        done,
        total: contestant.total(),
    })
}

fn sample(ops: Vec<u64>, elapsed: Duration, done: &[Done], found: u64) -> Result<Sample, Failure> {
    let mut latency = Times::default();
    for done in done {
        latency.add(&done.latency);
    }
    let latency = Some(latency).filter(|all| !all.is_empty());
    let expected: u64 = done.iter().map(|done| done.ops).sum();
    if found > expected {
        return Err(Failure::Worker(format!(
            "the number is {found} after {expected} additions"
        )));
    }
    Ok(Sample {
        ops,
        elapsed,
        expected,
        found,
        latency,
    })
}
