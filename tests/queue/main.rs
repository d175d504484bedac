//! Queues between processes that are killed, stopped, forked and cheated on.

mod caught;
#[cfg(feature = "process")]
mod channel;
mod linearizable;
mod lost;
mod model;
mod mpmc;
mod mpmc_deaths;
mod mpmc_end;
mod mpmc_expelled;
mod mpmc_garbage;
mod mpmc_model;
mod mpmc_open;
mod mpmc_processes;
mod spsc;
mod timens;
mod wait;
mod wait_any;
mod work;
mod work_bytes;
mod work_expelled;
mod work_garbage;
mod work_laps;
mod work_open;
mod work_processes;
mod work_threads;

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use crossdock::queue::Queue;
use crossdock::{Placeable, Segment};

/// How long it is waited for what does not come.
const SOON: Duration = Duration::from_millis(30);

/// A queue in a segment of its own.
fn queue<T>(capacity: u64) -> (Segment, Queue<T>)
where
    Queue<T>: Placeable<Config = u64>,
{
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create("queue", capacity).unwrap();
    (segment, queue)
}
