//! The shared total, counted in four ways.

use std::sync::atomic::{Ordering, compiler_fence};

use bytemuck::{Pod, Zeroable};
use crossdock::sync::LockError;
use crossdock::{Counter, Mutex, ShardedCounter};
use serde::{Deserialize, Serialize};

/// The value of the mutex: the total, and the pending change of its owner.
///
/// The owner first stores the start of its change, then sets `intent`, and only then changes the
/// total. A worker that finds the lock of a dead owner reads `intent`. If it is set, the change is
/// repeated from the stored start, so that repeating it has the same result. If it is not set,
/// nothing was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Ledger {
    pub(crate) total: u64,
    /// 0, or the number of the worker in the middle of a change.
    intent: u64,
    total_before: u64,
    packed_before: u64,
}

crossdock::payload!(Ledger, "crossdock.warehouse.ledger/1");

/// The rate at which a racy worker yields between its load and its store, as a busy machine does:
/// without it, the workers of a short run may happen to run one after the other.
const RACY_YIELDS: u64 = 64;

/// Keeps the compiler from moving a step across: a kill observes the stores in the order of the
/// program's instructions, which must be the order of the source.
fn step() {
    compiler_fence(Ordering::SeqCst);
}

/// A handle of the total, for a worker.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Tally {
    Racy(Counter),
    Mutex(Mutex<Ledger>),
    Atomic(Counter),
    Sharded(ShardedCounter),
}

/// The notes of a worker on its progress.
#[derive(Clone, Copy)]
pub(crate) struct Notes<'a> {
    /// The number of the worker, from 1.
    pub(crate) worker: u32,
    /// The number of products packed by each worker.
    pub(crate) packed: &'a [Counter],
    /// The number of repeated changes of dead owners.
    pub(crate) recovered: &'a Counter,
}

impl Notes<'_> {
    fn own(&self) -> &Counter {
        &self.packed[self.worker as usize - 1]
    }

    /// Returns the number of products packed by this worker.
    pub(crate) fn done(&self) -> u64 {
        self.own().load()
    }

    /// Completes the change of a dead owner.
    fn repair(&self, ledger: &mut Ledger) {
        let packed = usize::try_from(ledger.intent)
            .ok()
            .and_then(|worker| self.packed.get(worker.checked_sub(1)?));
        if let Some(packed) = packed {
            ledger.total = ledger.total_before + 1;
            packed.store(ledger.packed_before + 1);
            step();
            ledger.intent = 0;
            step();
            self.recovered.add(1);
        }
    }
}

impl Tally {
    /// Counts one product of `notes.worker` and returns the total; `None` if the worker has packed
    /// its `products` already. `midway` runs between the load and the store of the change, the
    /// worst moment to be killed at, with the number of products packed before.
    pub(crate) fn pack(
        &self,
        notes: Notes<'_>,
        products: u64,
        midway: impl FnOnce(u64),
    ) -> Result<Option<u64>, LockError> {
        if let Self::Mutex(ledger) = self {
            return pack_under_lock(ledger, notes, products, midway);
        }
        let done = notes.done();
        if done >= products {
            return Ok(None);
        }
        let total = match self {
            Self::Racy(total) => {
                // The tutorial's `shared_total.value += 1`: others may count in between.
                let seen = total.load();
                if done.is_multiple_of((products / RACY_YIELDS).max(1)) {
                    std::thread::yield_now();
                }
                midway(done);
                total.store(seen + 1);
                seen + 1
            }
            Self::Atomic(total) => {
                let total = total.add(1);
                midway(done);
                total
            }
            Self::Sharded(total) => {
                total.add(1);
                midway(done);
                0
            }
            Self::Mutex(_) => 0,
        };
        notes.own().add(1);
        Ok(Some(total))
    }

    /// The total.
    pub(crate) fn total(&self, notes: Notes<'_>) -> Result<u64, LockError> {
        Ok(match self {
            Self::Racy(total) | Self::Atomic(total) => total.load(),
            Self::Sharded(total) => total.load(),
            Self::Mutex(ledger) => ledger.lock_or_repair(|ledger| notes.repair(ledger))?.total,
        })
    }
}

/// Counts one product. A kill at any instruction leaves either nothing or an intent behind.
fn pack_under_lock(
    ledger: &Mutex<Ledger>,
    notes: Notes<'_>,
    products: u64,
    midway: impl FnOnce(u64),
) -> Result<Option<u64>, LockError> {
    let mut ledger = ledger.lock_or_repair(|ledger| notes.repair(ledger))?;
    // Checked under the lock: the repair may have completed this worker's last product.
    let done = notes.done();
    if done >= products {
        return Ok(None);
    }
    ledger.total_before = ledger.total;
    ledger.packed_before = done;
    step();
    ledger.intent = notes.worker.into();
    step();
    midway(done);
    ledger.total = ledger.total_before + 1;
    notes.own().store(done + 1);
    step();
    ledger.intent = 0;
    Ok(Some(ledger.total))
}
