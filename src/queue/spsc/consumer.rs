//! The consumer's end.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::handle::{End, Spsc};
use super::{PopError, TryPopError};
use crate::algorithm::spsc::{Consuming, Corrupt, Role, WaitOutcome};
use crate::facade::Deadline;
use crate::payload::{Payload, read};
use crate::queue::Wait;

/// The consumer's end of a ring: one at a time, in one process.
///
/// Dropping it gives the end back, and so does the end of the process, however it comes. In a
/// forked child an inherited one is nobody's: it pops nothing and says
/// [`Lost`](TryPopError::Lost). So does one whose process was
/// [lost](crate::segment::MembershipError::Lost) from the segment.
pub struct Consumer<T: Payload> {
    pub(super) end: End<T, Consuming>,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Consumer<T> {
    pub(super) fn new(end: End<T, Consuming>) -> Self {
        Self { end }
    }

    /// Pops an item, if there is one. Wait-free, and no system call unless the producer sleeps.
    ///
    /// When the ring is empty after several items were popped, it looks twice, some microseconds
    /// apart: whoever pops at the producer's heels slows both down.
    ///
    /// # Errors
    ///
    /// [`TryPopError`].
    #[inline(always)]
    pub fn try_pop(&mut self) -> Result<T, TryPopError> {
        if !self.end.is_quick() {
            self.look()?;
        }
        self.take().ok_or(TryPopError::Corrupt)
    }

    /// Looks for an item when none is known of; returns if there is one.
    #[cold]
    #[inline(never)]
    pub(super) fn look(&mut self) -> Result<(), TryPopError> {
        if !self.end.is_mine() {
            return Err(TryPopError::Lost);
        }
        match self.end.available() {
            Ok(0) => self.none(),
            Ok(_) => Ok(()),
            Err(Corrupt) => Err(TryPopError::Corrupt),
        }
    }

    /// Pops the next item, which is there; `None` if its bytes are no value.
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        let (slot, _) = self.end.slots(1);
        // SAFETY: a slot is mapped and aligned, and this end's until the commit.
        let item = unsafe { read(slot.cast()) };
        self.end.commit(1);
        item
    }

    /// What it means that there is no item; returns if there is one.
    fn none(&mut self) -> Result<(), TryPopError> {
        if !self.end.ring().has_left(Role::Consumer) {
            return Err(TryPopError::Empty);
        }
        // It may have pushed something before it left.
        match self.end.refresh() {
            Ok(0) => Err(TryPopError::Disconnected),
            Ok(_) => Ok(()),
            Err(Corrupt) => Err(TryPopError::Corrupt),
        }
    }

    /// Pops as many items as are there, at once, into the first places of `values`, and returns how
    /// many that were. Wait-free.
    ///
    /// # Errors
    ///
    /// [`TryPopError::Lost`], and nothing was popped; [`TryPopError::Corrupt`]: if the first item was
    /// not a valid value, it is gone. One further on ends the slice before it.
    pub fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, TryPopError> {
        if !self.end.is_mine() {
            return Err(TryPopError::Lost);
        }
        let count = self
            .end
            .up_to(values.len())
            .map_err(|Corrupt| TryPopError::Corrupt)?;
        let (first, run) = self.end.slots(count as u64);
        let (head, tail) = values[..count].split_at_mut(run);
        // SAFETY: `run` slots from there are mapped and this end's until the commit; those of the
        // second part begin the ring, and there are as many.
        let mut done = unsafe { copy_out(first, head) };
        if done == run && !tail.is_empty() {
            // SAFETY: as above.
            done += unsafe { copy_out(self.end.first(), tail) };
        }
        if done == 0 && count > 0 {
            self.end.commit(1);
            return Err(TryPopError::Corrupt);
        }
        // An item that is no value and not the first will be the first of the next call.
        self.end.commit(done as u64);
        Ok(done)
    }

    /// Pops an item, waiting for one as long as there is a producer, or none has come yet.
    ///
    /// Waits as [`set_wait`](Self::set_wait) has it: spins some microseconds, then sleeps.
    ///
    /// # Errors
    ///
    /// [`PopError`].
    pub fn pop(&mut self) -> Result<T, PopError> {
        self.pop_until(&const { Deadline::never() })
    }

    /// Pops an item, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`PopError`].
    pub fn pop_timeout(&mut self, timeout: Duration) -> Result<T, PopError> {
        self.pop_until(&Deadline::after(timeout))
    }

    /// Pops an item, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`PopError`].
    pub fn pop_deadline(&mut self, deadline: Instant) -> Result<T, PopError> {
        self.pop_until(&Deadline::at(deadline))
    }

    #[inline(always)]
    fn pop_until(&mut self, deadline: &Deadline) -> Result<T, PopError> {
        if !self.end.is_quick() {
            self.wait_for_an_item(deadline)?;
        }
        self.take().ok_or(PopError::Corrupt)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wait_for_an_item(&mut self, deadline: &Deadline) -> Result<(), PopError> {
        match self.look() {
            Ok(()) => return Ok(()),
            Err(TryPopError::Empty) => {}
            Err(TryPopError::Disconnected) => return Err(PopError::Disconnected),
            Err(TryPopError::Corrupt) => return Err(PopError::Corrupt),
            Err(TryPopError::Lost) => return Err(PopError::Lost),
        }
        match self.end.wait(deadline) {
            WaitOutcome::Ready(_) => Ok(()),
            WaitOutcome::Disconnected => Err(PopError::Disconnected),
            WaitOutcome::TimedOut => Err(PopError::Timeout),
            WaitOutcome::Corrupt => Err(PopError::Corrupt),
            WaitOutcome::MembershipLost if self.end.is_mine() => Err(PopError::Blind),
            WaitOutcome::MembershipLost => Err(PopError::Lost),
        }
    }

    /// Whether there is no item just now.
    pub fn is_empty(&mut self) -> bool {
        self.end.available() == Ok(0)
    }

    /// Sets how the blocking operations of this end wait; [`Wait::Adaptive`] until then.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.wait = wait;
    }

    /// The same end, waiting otherwise: see [`set_wait`](Self::set_wait).
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.set_wait(wait);
        self
    }

    /// The ring.
    pub fn ring(&self) -> &Spsc<T> {
        self.end.spsc()
    }
}

/// Copies items out, up to the first whose bytes are no value; how many those are.
///
/// # Safety
///
/// As many slots from `first` as there are places are mapped, and the caller's alone.
#[inline(always)]
unsafe fn copy_out<T: CheckedBitPattern>(
    first: NonNull<MaybeUninit<T>>,
    places: &mut [T],
) -> usize {
    for (done, place) in places.iter_mut().enumerate() {
        // SAFETY: the caller's word.
        let slot = unsafe { first.add(done) };
        // SAFETY: as above.
        match unsafe { read(slot.cast()) } {
            Some(item) => *place = item,
            None => return done,
        }
    }
    places.len()
}

impl<T: Payload> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("ring", self.end.spsc())
            .field("holder", &self.end.tag())
            .finish()
    }
}
