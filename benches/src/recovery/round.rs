//! One round: an owner, a waiter, and the driver that kills.

use std::fs;
use std::time::Duration;

use crossdock::{Counter, Segment, process};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::Lock;
use crossdock_cli::Failure;
use crossdock_cli::worker::{Workers, die_with, message};

/// What owner and waiter are told.
#[derive(Clone, Serialize, Deserialize)]
struct Order<H> {
    handle: H,
    /// Not 0 once the owner has the lock.
    held: Counter,
    /// The waiter's thread, once it is about to wait.
    waiter: Counter,
    driver: u32,
    /// How many bytes the owner writes to.
    memory: usize,
}

/// Kills an owner of so much memory `pause` after its waiter has fallen asleep; how long the waiter
/// then had to wait.
pub(super) fn round<L: Lock>(pause: Duration, memory: usize) -> Result<Duration, Failure> {
    let segment = Segment::anonymous()?;
    let order = Order {
        handle: L::create()?,
        held: segment.create("held", 0)?,
        waiter: segment.create("waiter", 0)?,
        driver: std::process::id(),
        memory,
    };
    let mut owner = Workers::new();
    owner.add(process::spawn(own::<L>, order.clone())?);
    owner.until(|| order.held.load() != 0)?;
    let mut waiter = Workers::new();
    waiter.add(process::spawn(wait::<L>, order.clone())?);
    let pid = waiter.pids().next().unwrap_or_default();
    waiter.until(|| is_asleep(pid, order.waiter.load()))?;
    pass(pause);
    let killed = now()?;
    // Kills it.
    drop(owner);
    let times = waiter.join()?;
    let got = times.first().and_then(|got| got.checked_sub(killed));
    let early = || Failure::Worker("the owner ended before it was killed".to_owned());
    got.map(Duration::from_nanos).ok_or_else(early)
}

/// The owner: it locks, and sleeps until it is killed.
fn own<L: Lock>(order: Order<L::Handle>) -> Result<(), String> {
    die_with(order.driver)?;
    let memory = vec![1_u8; order.memory];
    L::hold(&order.handle).map_err(message)?;
    order.held.store(1);
    loop {
        std::thread::park();
        std::hint::black_box(&memory);
    }
}

/// The waiter: when it had the lock.
fn wait<L: Lock>(order: Order<L::Handle>) -> Result<u64, String> {
    die_with(order.driver)?;
    let waiting = L::prepare(&order.handle).map_err(message)?;
    let thread = nix::unistd::gettid().as_raw();
    order.waiter.store(u64::from(thread.cast_unsigned()));
    let mut time = Ok(0);
    let told = L::take(&order.handle, || time = now()).map_err(message)?;
    drop(waiting);
    if !told {
        return Err("the lock did not say that its owner died".to_owned());
    }
    time.map_err(message)
}

/// Whether a thread of a process sleeps, once its number is known.
fn is_asleep(process: u32, thread: u64) -> bool {
    let stat = |path: String| fs::read_to_string(path).unwrap_or_default();
    let state = |stat: &str| {
        stat.rsplit_once(") ")
            .map(|(_, after)| after.starts_with('S'))
    };
    thread != 0 && state(&stat(format!("/proc/{process}/task/{thread}/stat"))) == Some(true)
}

/// The monotonic clock, in nanoseconds: the same for all processes.
fn now() -> Result<u64, Failure> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|errno| Failure::io("clock_gettime")(errno.into()))?;
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Ok(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is spread; nothing is waited for"
)]
fn pass(time: Duration) {
    std::thread::sleep(time);
}
