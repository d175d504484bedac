//! The producer's end.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::handle::{End, Spsc};
use super::{PushError, TryPushError};
use crate::algorithm::spsc::{Corrupt, Producing, WaitOutcome};
use crate::facade::Deadline;
use crate::payload::{Payload, write};
use crate::queue::Wait;

/// The producer's end of a ring: one at a time, in one process.
///
/// Dropping it gives the end back, and so does the end of the process, however it comes. In a
/// forked child an inherited one is nobody's: it pushes nothing and says
/// [`Lost`](TryPushError::Lost). So does one whose process was
/// [lost](crate::segment::MembershipError::Lost) from the segment.
pub struct Producer<T: Payload> {
    pub(super) end: End<T, Producing>,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Producer<T> {
    pub(super) fn new(end: End<T, Producing>) -> Self {
        Self { end }
    }

    /// Pushes an item, if there is room. Wait-free, and no system call unless the consumer sleeps.
    ///
    /// When the ring is full after several items were pushed, it looks twice, some microseconds apart: whoever
    /// pushes at the consumer's heels slows both down.
    ///
    /// # Errors
    ///
    /// [`TryPushError`], with the value.
    #[inline(always)]
    pub fn try_push(&mut self, value: T) -> Result<(), TryPushError<T>> {
        if !self.end.is_quick()
            && let Err(refused) = self.look()
        {
            return Err(refused.with(value));
        }
        self.put(value);
        Ok(())
    }

    /// Pushes an item for which there is room.
    #[inline(always)]
    fn put(&mut self, value: T) {
        let (slot, _) = self.end.slots(1);
        // SAFETY: mapped, aligned, and this end's alone until the commit.
        unsafe { write(slot.cast(), &value) };
        self.end.commit(1);
    }

    /// Looks for room when none is known of. It has no part in the value, which may so stay in
    /// registers.
    #[cold]
    #[inline(never)]
    pub(super) fn look(&mut self) -> Result<(), TryPushError<()>> {
        if !self.end.is_mine() {
            return Err(TryPushError::Lost(()));
        }
        match self.end.available() {
            Ok(0) => Err(TryPushError::Full(())),
            Ok(_) => Ok(()),
            Err(Corrupt) => Err(TryPushError::Corrupt(())),
        }
    }

    /// Pushes as many of the items as there is room for, at once, and returns how many that were.
    /// Wait-free.
    ///
    /// # Errors
    ///
    /// [`TryPushError::Corrupt`] and [`TryPushError::Lost`]; nothing was pushed then.
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, TryPushError<()>> {
        if !self.end.is_mine() {
            return Err(TryPushError::Lost(()));
        }
        let count = self
            .end
            .up_to(values.len())
            .map_err(|Corrupt| TryPushError::Corrupt(()))?;
        let (first, run) = self.end.slots(count as u64);
        let (head, tail) = values[..count].split_at(run);
        // SAFETY: `run` slots from there are mapped and this end's alone until the commit; those
        // of the second part begin the ring, and there are as many.
        unsafe { copy_in(first, head) };
        if !tail.is_empty() {
            // SAFETY: as above.
            unsafe { copy_in(self.end.first(), tail) };
        }
        self.end.commit(count as u64);
        Ok(count)
    }

    /// Pushes an item, waiting for room as long as there is a consumer, or none has come yet.
    ///
    /// Waits as [`set_wait`](Self::set_wait) has it: spins some microseconds, then sleeps.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the value.
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.push_until(value, &const { Deadline::never() })
    }

    /// Pushes an item, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the value.
    pub fn push_timeout(&mut self, value: T, timeout: Duration) -> Result<(), PushError<T>> {
        self.push_until(value, &Deadline::after(timeout))
    }

    /// Pushes an item, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the value.
    pub fn push_deadline(&mut self, value: T, deadline: Instant) -> Result<(), PushError<T>> {
        self.push_until(value, &Deadline::at(deadline))
    }

    #[inline(always)]
    fn push_until(&mut self, value: T, deadline: &Deadline) -> Result<(), PushError<T>> {
        if !self.end.is_quick()
            && let Err(refused) = self.wait_for_room(deadline)
        {
            return Err(refused.with(value));
        }
        self.put(value);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wait_for_room(&mut self, deadline: &Deadline) -> Result<(), PushError<()>> {
        match self.look() {
            Ok(()) => return Ok(()),
            Err(TryPushError::Full(())) => {}
            Err(TryPushError::Corrupt(())) => return Err(PushError::Corrupt(())),
            Err(TryPushError::Lost(())) => return Err(PushError::Lost(())),
        }
        match self.end.wait(deadline) {
            WaitOutcome::Ready(_) => Ok(()),
            WaitOutcome::Disconnected => Err(PushError::Disconnected(())),
            WaitOutcome::TimedOut => Err(PushError::Timeout(())),
            WaitOutcome::Corrupt => Err(PushError::Corrupt(())),
            WaitOutcome::MembershipLost if self.end.is_mine() => Err(PushError::Blind(())),
            WaitOutcome::MembershipLost => Err(PushError::Lost(())),
        }
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

/// Copies values into slots.
///
/// # Safety
///
/// As many slots from `first` as there are values are mapped, and the caller's alone.
#[inline]
unsafe fn copy_in<T>(first: NonNull<MaybeUninit<T>>, values: &[T]) {
    // SAFETY: the caller's word for the slots; `values` is no part of the segment's slots, which
    // nobody has a reference to.
    unsafe {
        first
            .cast::<T>()
            .as_ptr()
            .copy_from_nonoverlapping(values.as_ptr(), values.len());
    }
}

impl<T: Payload> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("ring", self.end.spsc())
            .field("holder", &self.end.tag())
            .finish()
    }
}
