//! The processes of a trial, and the board on which they write what they do.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossdock_cli::memory::Memory;
use crossdock_cli::work::Work;
use crossdock_cli::worker::{die_with, message};
use serde::{Deserialize, Serialize};

use crate::peers::locks::Lock;

/// One that is killed, and two survivors: one could be alone with a lock that is not wanted
/// elsewhere.
pub(super) const WORKERS: usize = 3;
/// The place of the one that is killed.
pub(super) const VICTIM: usize = 0;

/// What the workers of a trial share besides the lock. All of it is Relaxed: what the lock protects
/// needs no more, and the rest are hints.
#[repr(C)]
pub(super) struct Board {
    pub(super) stop: AtomicU32,
    /// Under the lock: the two halves of one change.
    pub(super) number: AtomicU64,
    pub(super) mirror: AtomicU64,
    pub(super) slots: [Slot; WORKERS],
}

/// What one worker alone writes, on a cache line of its own.
#[repr(C, align(128))]
pub(super) struct Slot {
    /// How many changes it has made.
    pub(super) done: AtomicU64,
    /// Whether it is in the middle of one.
    pub(super) holds: AtomicU32,
    /// How often the lock told it that an owner had died.
    pub(super) told: AtomicU32,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Job<H> {
    pub(super) lock: H,
    pub(super) board: Memory,
    pub(super) index: usize,
    pub(super) parent: u32,
    /// What it does under the lock, and outside.
    pub(super) inside: Work,
    pub(super) outside: Work,
}

/// An addition that is no atomic one: the lock's to protect.
fn add_one(number: &AtomicU64) {
    number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

pub(super) fn work<L: Lock>(job: Job<L::Handle>) -> Result<(), String> {
    die_with(job.parent)?;
    let lock = L::attach(&job.lock).map_err(message)?;
    let board = job.board.at::<Board>(0);
    // SAFETY: `job.board` keeps it mapped, and atomics may be shared with any process.
    let board = unsafe { board.as_ref() };
    let slot = &board.slots[job.index];
    while board.stop.load(Ordering::Relaxed) == 0 {
        let repair = || {
            let number = board.number.load(Ordering::Relaxed);
            board.mirror.store(number, Ordering::Relaxed);
            slot.told.fetch_add(1, Ordering::Relaxed);
        };
        let change = || {
            slot.holds.store(1, Ordering::Relaxed);
            add_one(&board.number);
            job.inside.run();
            add_one(&board.mirror);
            slot.holds.store(0, Ordering::Relaxed);
        };
        lock.with(repair, change).map_err(message)?;
        add_one(&slot.done);
        job.outside.run();
    }
    Ok(())
}
