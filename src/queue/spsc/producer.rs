//! The producer's end.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::handle::{End, Spsc};
use super::{PushError, TryPushError};
use crate::facade::Deadline;
use crate::payload::Payload;
use crate::queue::Wait;
use crate::ring::spsc::{Corrupt, Role, Waited};

/// The producer's end of a ring: one at a time, in one process.
///
/// Dropping it gives the end back, and so does the end of the process, however it comes. In a
/// forked child an inherited one is nobody's: it pushes nothing and says
/// [`Lost`](TryPushError::Lost). So does one whose process was
/// [expelled](crate::segment::MembershipError::Expelled) from the segment.
pub struct Producer<T: Payload> {
    /// Invariant 1: its role is the producer's.
    pub(super) end: End<T>,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Producer<T> {
    /// `end` has the producer's role.
    pub(super) fn new(end: End<T>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self { end }
    }

    #[inline(always)]
    fn end(&mut self) -> &mut End<T> {
        // SAFETY: Invariant 1.
        unsafe { self.end.as_role(Role::Producer) }
    }

    /// Pushes an item, if there is room. Wait-free, and no system call unless the consumer sleeps.
    ///
    /// # Errors
    ///
    /// [`TryPushError`], with the value.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), TryPushError<T>> {
        let end = self.end();
        if !end.is_mine() {
            return Err(TryPushError::Lost(value));
        }
        match end.available() {
            Ok(0) => Err(TryPushError::Full(value)),
            Ok(_) => {
                let (slot, _) = end.slots(1);
                // SAFETY: mapped, aligned, and this end's alone until the commit.
                unsafe { slot.write(MaybeUninit::new(value)) };
                end.commit(1);
                Ok(())
            }
            Err(Corrupt) => Err(TryPushError::Corrupt(value)),
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
        let wanted = values.len() as u64;
        let mut room = self
            .end
            .available()
            .map_err(|Corrupt| TryPushError::Corrupt(()))?;
        if room < wanted {
            room = self
                .end
                .refresh()
                .map_err(|Corrupt| TryPushError::Corrupt(()))?;
        }
        let count = room.min(wanted);
        let (first, run) = self.end.slots(count);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most the length of a slice"
        )]
        let (head, tail) = values[..count as usize].split_at(run);
        // SAFETY: `run` slots from there are mapped and this end's alone until the commit; those
        // of the second part begin the ring, and there are as many.
        unsafe { copy_in(first, head) };
        if !tail.is_empty() {
            // SAFETY: as above.
            unsafe { copy_in(self.end.first(), tail) };
        }
        self.end.commit(count);
        #[expect(clippy::cast_possible_truncation, reason = "as above")]
        Ok(count as usize)
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

    #[inline]
    fn push_until(&mut self, mut value: T, deadline: &Deadline) -> Result<(), PushError<T>> {
        loop {
            match self.try_push(value) {
                Ok(()) => return Ok(()),
                Err(TryPushError::Full(back)) => value = back,
                Err(TryPushError::Corrupt(value)) => return Err(PushError::Corrupt(value)),
                Err(TryPushError::Lost(value)) => return Err(PushError::Lost(value)),
            }
            match self.end.wait(deadline) {
                Waited::Ready(_) => {}
                Waited::Alone => return Err(PushError::Disconnected(value)),
                Waited::Timeout => return Err(PushError::Timeout(value)),
                Waited::Corrupt => return Err(PushError::Corrupt(value)),
                Waited::Expelled => return Err(PushError::Lost(value)),
            }
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
