//! A counter: one padded word.
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

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        // ORDERING: Release; (C1).
        self.value.store(value, Ordering::Release);
    }

    #[inline]
    pub(crate) fn swap(&self, value: u64) -> u64 {
        // ORDERING: AcqRel; (C1).
        self.value.swap(value, Ordering::AcqRel)
    }

    #[inline]
    pub(crate) fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        // ORDERING: AcqRel, and Acquire on failure; (C1).
        self.value
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn fetch_and(&self, mask: u64) -> u64 {
        // ORDERING: AcqRel; (C1).
        self.value.fetch_and(mask, Ordering::AcqRel)
    }

    #[inline]
    pub(crate) fn fetch_or(&self, mask: u64) -> u64 {
        // ORDERING: AcqRel; (C1).
        self.value.fetch_or(mask, Ordering::AcqRel)
    }

    /// Replaces the value by `value` if `better(value, current)`, and returns the previous value.
    pub(crate) fn fetch_best(&self, value: u64, better: impl Fn(u64, u64) -> bool) -> u64 {
        let mut seen = self.get();
        loop {
            if !better(value, seen) {
                return seen;
            }
            if mutation(43) {
                self.set(value);
                return seen;
            }
            // ORDERING: AcqRel, and Acquire on failure; (C1).
            let done =
                self.value
                    .compare_exchange_weak(seen, value, Ordering::AcqRel, Ordering::Acquire);
            match done {
                Ok(_) => return seen,
                Err(_) if mutation(44) => return seen,
                Err(now) => seen = now,
            }
        }
    }
}

mod entry;
pub(crate) mod sharded;
#[cfg(test)]
pub(crate) mod tests;
