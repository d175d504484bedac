//! The facade of a normal build: core's atomics and futex(2), transparently.

use core::ops::Deref;
use core::time::Duration;

pub(crate) use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Arc, Weak};

pub use crate::sys::clock::Deadline;
pub(crate) use crate::sys::clock::Left;
pub(crate) use crate::sys::fork::{Exclusive, Guarded, exclusive};
pub(crate) use crate::sys::futex::slept;
use crate::sys::{barrier, futex, timens};

/// No seeded bug is ever active in a normal build.
#[inline(always)]
pub(crate) const fn mutation(_number: u32) -> bool {
    false
}

/// A 32-bit word that processes can sleep on: four plain bytes in the segment.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    #[cfg(any(test, feature = "process"))]
    pub(crate) const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Wakes up to `count` sleepers, and returns how many there were to wake.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        futex::wake(&self.0, count)
    }
}

impl Deref for Futex {
    type Target = AtomicU32;

    #[inline(always)]
    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

/// Sleeps while the word is `expected`, for `slice` at most; may return early for no reason.
pub(crate) fn futex_wait(word: &Futex, expected: u32, slice: Duration) {
    futex::wait(&word.0, expected, Some(slice));
}

/// Sleeps while each word is what stands beside it, for `slice` at most; may return early for no
/// reason, and does if there is no word. Only the first 128 count.
///
/// One wake of one word ends it, and wakes of several may before it runs: it can take as many
/// wakes as there are words.
pub(crate) fn futex_wait_any(words: &[(&Futex, u32)], slice: Duration) {
    let words = words.iter().map(|(word, expected)| (&word.0, *expected));
    futex::wait_any(words, Some(slice));
}

/// `N` words of plain data that are written before they are published and read after.
///
/// Reading them is defined even while another process writes: every access is a relaxed atomic one.
/// Under loom they are one race-checked cell, so the models prove that the publishing store really
/// orders them.
#[repr(transparent)]
pub(crate) struct Words<const N: usize>([AtomicU64; N]);

impl<const N: usize> Words<N> {
    #[cfg(test)]
    pub(crate) fn new(words: [u64; N]) -> Self {
        Self(words.map(AtomicU64::new))
    }

    pub(crate) fn read(&self) -> [u64; N] {
        // ORDERING: Relaxed; the publishing word orders the data (see the caller's protocol).
        core::array::from_fn(|i| self.0[i].load(Ordering::Relaxed))
    }

    pub(crate) fn write(&self, words: &[u64; N]) {
        for (cell, word) in self.0.iter().zip(words) {
            // ORDERING: Relaxed; as in `read`.
            cell.store(*word, Ordering::Relaxed);
        }
    }
}

/// The machine's monotonic clock, in nanoseconds: the same for all processes in all time
/// namespaces. `u64::MAX` in a process that cannot tell how its own clock differs.
pub(crate) fn clock() -> u64 {
    timens::on_the_machine(crate::sys::clock::monotonic())
}

/// The same, as it was at the last tick, some milliseconds ago at most: a few nanoseconds to read.
pub(crate) fn clock_coarse() -> u64 {
    timens::on_the_machine(crate::sys::clock::monotonic_coarse())
}

/// This process's monotonic clock, in nanoseconds: for what it does not tell others.
pub(crate) fn clock_here() -> u64 {
    u64::try_from(crate::sys::clock::monotonic().as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a time of [`clock_here`] has come.
pub(crate) fn has_passed(end: u64) -> bool {
    clock_here() >= end
}

/// The light side of a barrier between two processes: what this process stored before is visible,
/// to a process that has made a [`heavy_barrier`] since, before what it loads after. Costs no
/// instruction.
///
/// Only for what may be missed: a process whose membarrier(2) is refused has neither side. What
/// must not be missed has a real fence on both sides, [`barrier_after_rmw`] on the fast one.
#[inline(always)]
pub(crate) fn light_barrier() {
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// The heavy side: a full barrier here and, at once, in the middle of all that the processes do
/// that use the light side. Returns false if it was a barrier here only, since the kernel refuses
/// the other part.
pub(crate) fn heavy_barrier() -> bool {
    fence(Ordering::SeqCst);
    let made = barrier::everywhere();
    if !made {
        // ORDERING: Relaxed; a hint, here and below.
        REFUSED.store(1, Ordering::Relaxed);
    }
    made
}

/// Not 0 once the kernel has refused this process a heavy barrier.
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// Whether the kernel has refused this process a heavy barrier: a sleeper can miss a wake then.
pub(crate) fn lacks_heavy_barrier() -> bool {
    REFUSED.load(Ordering::Relaxed) != 0
}

/// A full barrier between a successful read-modify-write just before it and what is loaded after:
/// Linux's `smp_mb__after_atomic`. On x86 the read-modify-write is a full barrier itself, so that
/// only the compiler is left to be told.
#[inline(always)]
pub(crate) fn barrier_after_rmw() {
    if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Takes part in the heavy barriers of others; to be called before the first light one. False if
/// the kernel refuses that: this process's light barriers are none.
pub(crate) fn use_light_barriers() -> bool {
    barrier::take_part()
}

/// What was stored before is stored first should this process be killed: the compiler moves nothing
/// past this. Orders nothing between two processes that live.
#[inline(always)]
pub(crate) fn program_order() {
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}
