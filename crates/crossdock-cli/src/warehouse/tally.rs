//! The shared total, counted in four ways.

use std::sync::atomic::{Ordering, compiler_fence};

use bytemuck::{Pod, Zeroable};
use crossdock::sync::LockError;
use crossdock::{Counter, Mutex, ShardedCounter};
use serde::{Deserialize, Serialize};

/// What the mutex protects: the total, and what its owner is about to do to it.
///
/// The owner first writes down where it starts from, then sets `intent`, and only then changes
/// anything. Whoever finds the lock of a dead owner looks at `intent`: if it is set the change is
/// made again from the start, and since it starts from what was written down, once or twice comes
/// to the same. If it is not set, nothing was changed.
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

/// How often a racy worker lets others run between its load and its store, as a busy machine does
/// of its own accord: without it a short run may have its workers one after the other, by luck.
const RACY_YIELDS: u64 = 64;

/// Keeps the compiler from moving a step across: a kill sees the stores in the order of the
/// program's instructions, so that must be the order of the source.
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

/// Where a worker notes what it has done.
#[derive(Clone, Copy)]
pub(crate) struct Notes<'a> {
    /// The number of the worker, from 1.
    pub(crate) worker: u32,
    /// How many products each worker has packed.
    pub(crate) packed: &'a [Counter],
    /// How often a dead owner's change was made again.
    pub(crate) recovered: &'a Counter,
}

impl Notes<'_> {
    fn own(&self) -> &Counter {
        &self.packed[self.worker as usize - 1]
    }

    /// How many products this worker has packed.
    pub(crate) fn done(&self) -> u64 {
        self.own().load()
    }

    /// Makes the change that a dead owner was in the middle of.
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
    /// its `products` already. `midway` runs when the product is in the worker's hands, with how
    /// many it has packed before: the worst moment to be killed at.
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

/// One product, so that a kill at any instruction leaves either nothing or an intent behind.
fn pack_under_lock(
    ledger: &Mutex<Ledger>,
    notes: Notes<'_>,
    products: u64,
    midway: impl FnOnce(u64),
) -> Result<Option<u64>, LockError> {
    let mut ledger = ledger.lock_or_repair(|ledger| notes.repair(ledger))?;
    // Looked at under the lock: the repair may have finished this worker's last product.
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
