//! The panic that a worker dies of: where panics abort, or cannot unwind, the worker leaves it in
//! the segment before it ends, and the parent finds it there.

use std::sync::OnceLock;

use super::segment::{MAX_PANIC, PoolSegment};
use super::worker::Setup;
use crate::codec;
use crate::facade::{AtomicU32, Ordering};
use crate::process::Panic;
use crate::process::panic::at_panics;

/// What the standard library says, in a second panic, when a first one cannot go on.
const CONSEQUENCES: [&str; 2] = [
    "panic in a destructor during cleanup",
    "panic in a function that cannot unwind",
];

/// The place of this worker.
static PLACE: OnceLock<(PoolSegment, u32)> = OnceLock::new();
/// Not 0 if a panic is recorded.
static RECORDED: AtomicU32 = AtomicU32::new(0);

/// Has panics of this process recorded from now on.
pub(super) fn prepare(setup: &Setup) {
    // A process is the worker of one pool.
    let _ = PLACE.set((setup.shared.clone(), setup.place));
    if let Some(buffer) = setup.shared.buffer(setup.place) {
        // What its predecessor has recorded.
        buffer.forget_panic();
    }
    at_panics(record);
}

fn record(panic: &Panic) {
    let Some((shared, place)) = PLACE.get() else {
        return;
    };
    // ORDERING: Relaxed; nothing else is known by it. Of threads that panic at once one is enough.
    let recorded = RECORDED.swap(1, Ordering::Relaxed) != 0;
    if recorded && CONSEQUENCES.contains(&panic.message()) {
        return;
    }
    if let Some(buffer) = shared.buffer(*place) {
        let short = panic.shortened(MAX_PANIC);
        // Texts and numbers always serialise.
        buffer.record_panic(&codec::encode(&short).unwrap_or_default());
    }
}

/// The task that comes next has not panicked.
#[inline]
pub(super) fn forget() {
    // ORDERING: Relaxed; as in `record`.
    if RECORDED.load(Ordering::Relaxed) != 0 {
        forget_recorded();
    }
}

#[cold]
fn forget_recorded() {
    if let Some((shared, place)) = PLACE.get()
        && let Some(buffer) = shared.buffer(*place)
    {
        // ORDERING: as above.
        RECORDED.store(0, Ordering::Relaxed);
        buffer.forget_panic();
    }
}
