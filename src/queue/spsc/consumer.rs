//! The consumer's end.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::handle::{End, Spsc};
use super::{PopError, TryPopError};
use crate::facade::Deadline;
use crate::payload::Payload;
use crate::queue::Wait;
use crate::ring::spsc::{Corrupt, Role, Waited};

/// The consumer's end of a ring: one at a time, in one process.
///
/// Dropping it gives the end back, and so does the end of the process, however it comes. In a
/// forked child an inherited one is nobody's: it pops nothing and says
/// [`Lost`](TryPopError::Lost). So does one whose process was
/// [expelled](crate::segment::MembershipError::Expelled) from the segment.
pub struct Consumer<T: Payload> {
    /// Invariant 1: its role is the consumer's.
    pub(super) end: End<T>,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Consumer<T> {
    /// `end` has the consumer's role.
    pub(super) fn new(end: End<T>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self { end }
    }

    #[inline(always)]
    fn end(&mut self) -> &mut End<T> {
        // SAFETY: Invariant 1.
        unsafe { self.end.as_role(Role::Consumer) }
    }

    /// Pops an item, if there is one. Wait-free, and no system call unless the producer sleeps.
    ///
    /// # Errors
    ///
    /// [`TryPopError`].
    #[inline]
    pub fn try_pop(&mut self) -> Result<T, TryPopError> {
        let end = self.end();
        if !end.is_mine() {
            return Err(TryPopError::Lost);
        }
        match end.available() {
            Ok(0) => self.none(),
            Ok(_) => {
                let (slot, _) = end.slots(1);
                let value = read(slot);
                end.commit(1);
                value.ok_or(TryPopError::Corrupt)
            }
            Err(Corrupt) => Err(TryPopError::Corrupt),
        }
    }

    #[cold]
    fn none(&mut self) -> Result<T, TryPopError> {
        if !self.end.ring().has_left(Role::Consumer) {
            return Err(TryPopError::Empty);
        }
        // It may have pushed something before it left.
        match self.end.refresh() {
            Ok(0) => Err(TryPopError::Disconnected),
            Ok(_) => self.try_pop(),
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
        let wanted = values.len() as u64;
        let mut ready = self
            .end
            .available()
            .map_err(|Corrupt| TryPopError::Corrupt)?;
        if ready < wanted {
            ready = self.end.refresh().map_err(|Corrupt| TryPopError::Corrupt)?;
        }
        let count = ready.min(wanted);
        let (first, run) = self.end.slots(count);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most the length of a slice"
        )]
        for (done, value) in values[..count as usize].iter_mut().enumerate() {
            let slot = if done < run {
                // SAFETY: `run` slots from there are mapped.
                unsafe { first.add(done) }
            } else {
                // SAFETY: the rest begin the ring.
                unsafe { self.end.first().add(done - run) }
            };
            match read(slot) {
                Some(item) => *value = item,
                // It is the first of the next call.
                None if done > 0 => {
                    self.end.commit(done as u64);
                    return Ok(done);
                }
                None => {
                    self.end.commit(1);
                    return Err(TryPopError::Corrupt);
                }
            }
        }
        self.end.commit(count);
        #[expect(clippy::cast_possible_truncation, reason = "as above")]
        Ok(count as usize)
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

    #[inline]
    fn pop_until(&mut self, deadline: &Deadline) -> Result<T, PopError> {
        loop {
            match self.try_pop() {
                Ok(value) => return Ok(value),
                Err(TryPopError::Empty) => {}
                Err(TryPopError::Disconnected) => return Err(PopError::Disconnected),
                Err(TryPopError::Corrupt) => return Err(PopError::Corrupt),
                Err(TryPopError::Lost) => return Err(PopError::Lost),
            }
            match self.end.wait(deadline) {
                Waited::Ready(_) => {}
                Waited::Alone => return Err(PopError::Disconnected),
                Waited::Timeout => return Err(PopError::Timeout),
                Waited::Corrupt => return Err(PopError::Corrupt),
                Waited::Expelled => return Err(PopError::Lost),
            }
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

/// Copies an item out; `None` if its bytes are no value.
#[inline(always)]
fn read<T: CheckedBitPattern>(slot: NonNull<MaybeUninit<T>>) -> Option<T> {
    // SAFETY: a slot is mapped and aligned; it is this end's until the commit; any bytes are a
    // `T::Bits`, which has the layout of `T`.
    let bits = unsafe { slot.cast::<T::Bits>().read() };
    if !T::is_valid_bit_pattern(&bits) {
        return None;
    }
    // SAFETY: the bits, which are a copy, were just found valid.
    Some(unsafe { NonNull::from(&bits).cast::<T>().read() })
}

impl<T: Payload> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("ring", self.end.spsc())
            .field("holder", &self.end.tag())
            .finish()
    }
}
