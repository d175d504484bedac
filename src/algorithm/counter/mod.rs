//! A counter that is only added to: a cell of a sharded one. A counter by itself is an
//! [`element`](crate::algorithm::element).
//!
//! # State
//!
//! 64 bits, the value; signed ones in two's complement.
//!
//! # Protocol
//!
//! One atomic read-modify-write for each operation, which is its commit. Additions wrap.
//!
//! # Crash
//!
//! Nothing is ever half done. A process killed in the middle of an addition has made it or has not,
//! and the counter cannot tell which: where that matters, record the intent elsewhere first
//! (`crossdock warehouse --counter mutex` shows how).
//!
//! Wait-free on processors with an atomic add; a stopped process delays no other.
//!
//! # Ordering
//!
//! All updates are AcqRel and `get` is Acquire (C1): a process that reads an updated value sees
//! what its writer wrote before the update, so a counter can serve as a flag. On x86_64 that costs
//! nothing.

use crate::facade::{AtomicU64, Ordering, mutation, ordering};

/// The value of a counter, in the segment.
#[repr(C)]
pub(crate) struct CounterState {
    value: AtomicU64,
}

impl CounterState {
    #[cfg(test)]
    pub(crate) fn new(value: u64) -> Self {
        Self {
            value: AtomicU64::new(value),
        }
    }

    /// Adds, wrapping, and returns the previous value.
    #[inline]
    pub(crate) fn add(&self, amount: u64) -> u64 {
        if mutation(40) {
            let seen = self.value.load(Ordering::Acquire);
            self.value
                .store(seen.wrapping_add(amount), Ordering::Release);
            return seen;
        }
        // ORDERING: AcqRel; (C1).
        self.value.fetch_add(amount, ordering(Ordering::AcqRel, 41))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // ORDERING: Acquire; pairs with (C1).
        self.value.load(ordering(Ordering::Acquire, 42))
    }
}

mod entry;
pub(crate) mod sharded;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
