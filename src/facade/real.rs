//! The facade of a normal build: core's atomics and futex(2), transparently.

use core::time::Duration;

pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) use crate::sys::clock::{Deadline, Left};
use crate::sys::{barrier, futex};

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
    #[cfg(test)]
    pub(crate) const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    #[inline]
    pub(crate) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.0.compare_exchange(current, new, success, failure)
    }

    #[inline]
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.0.compare_exchange_weak(current, new, success, failure)
    }

    #[inline]
    pub(crate) fn fetch_and(&self, mask: u32, order: Ordering) -> u32 {
        self.0.fetch_and(mask, order)
    }

    #[inline]
    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }

    /// Sleeps while the word is `expected`, for `slice` at most; may return early for no reason.
    pub(crate) fn wait(&self, expected: u32, slice: Duration) {
        futex::wait(&self.0, expected, Some(slice));
    }

    /// Wakes up to `count` sleepers.
    pub(crate) fn wake(&self, count: u32) {
        futex::wake(&self.0, count);
    }
}

/// `N` words of plain data that are written before they are published and read after.
///
/// Whatever another process does meanwhile, reading them is defined: every access is a relaxed
/// atomic one. Under loom they are one race-checked cell, so the models prove that the publishing
/// store really orders them.
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

/// The light side of a barrier between two processes: whatever this one stored before is visible, to
/// one that has had a [`heavy_barrier`] since, before what it loads after. Costs no instruction.
#[inline(always)]
pub(crate) fn light_barrier() {
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// The heavy side: a full barrier here and, at once, in the middle of whatever the processes do that
/// use the light side. Where the kernel has none, a sleeper's slices make up for it.
pub(crate) fn heavy_barrier() {
    core::sync::atomic::fence(Ordering::SeqCst);
    barrier::everywhere();
}

/// Takes part in the heavy barriers of others; to be called before the first light one.
pub(crate) fn use_light_barriers() {
    barrier::take_part();
}

/// Bounded spinning before a waiter sleeps: 8, 16 .. 512 pauses with one look after each.
///
/// A hundred single pauses made a contended lock slower than no spinning at all; this shape halves
/// its cost (`docs/design.md`, Mutex). One pause takes 3 to 50 ns, as the processor has it, so the
/// clock says when it is enough: after the first three steps, which are too short to ask it, no
/// step begins later than [`Self::LONGEST`]. Where a pause takes 13 ns that makes seven steps of
/// 13 us together; where it is longer there are fewer steps, where it is shorter more long ones.
#[derive(Debug)]
pub(crate) struct Backoff {
    step: u32,
    end: Option<Deadline>,
}

impl Backoff {
    const FIRST: u32 = 8;
    /// The steps that ask no clock.
    const BRIEF: u32 = 3;
    /// The step whose length the later ones have.
    const LAST: u32 = 6;
    const LONGEST: Duration = Duration::from_micros(8);
    /// The steps in all, should the clock stand still.
    const MOST: u32 = 64;

    pub(crate) fn new() -> Self {
        Self { step: 0, end: None }
    }

    /// Pauses and returns true, or returns false when it is time to sleep.
    pub(crate) fn spin(&mut self) -> bool {
        if self.step >= Self::MOST {
            return false;
        }
        if self.step >= Self::BRIEF {
            let end = self
                .end
                .get_or_insert_with(|| Deadline::after(Self::LONGEST));
            if end.left() == Left::Passed {
                return false;
            }
        }
        for _ in 0..Self::FIRST << self.step.min(Self::LAST) {
            core::hint::spin_loop();
        }
        self.step += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_ends() {
        let mut backoff = Backoff::new();
        let steps = (0..1_000_000).take_while(|_| backoff.spin()).count();
        assert!((4..=64).contains(&steps), "{steps}");
        assert!(!backoff.spin());
    }
}
