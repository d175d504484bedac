//! The producer's end.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use bytemuck::{CheckedBitPattern, NoUninit, Pod};

use super::handle::End;
use crate::algorithm::spsc::Producing;
use crate::facade::Deadline;
use crate::format::Kind;
use crate::payload::{Payload, write};
use crate::queue::{SendError, SendTimeoutError, TrySendError};
use crate::segment::Fault;
use crate::wait::on_event::{EventWaitError, TryError};

/// The producer's end of a ring: one at a time, in one process.
///
/// Dropping it gives the end back, and so does the end of the process, however it comes. In a
/// forked child an inherited one pushes nothing and says [`NotOwner`](crate::Fault::NotOwner), and
/// so does one whose process was [lost](crate::segment::MembershipError::Lost) from the segment.
pub struct Producer<T: Payload> {
    pub(crate) end: End<T, Producing>,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Producer<T> {
    pub(crate) fn new(end: End<T, Producing>) -> Self {
        Self { end }
    }

    /// Pushes an item without waiting. Wait-free; no system call unless the consumer sleeps.
    ///
    /// If the ring is full after several items were pushed, it looks twice, some microseconds
    /// apart, as a producer at the heels of the consumer slows both down.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the value; neither `Busy` nor `Disconnected`.
    #[inline(always)]
    pub fn try_push(&mut self, value: T) -> Result<(), TrySendError<T>> {
        if !self.end.is_quick()
            && let Err(error) = self.look()
        {
            return Err(refused(error).map(|()| value));
        }
        self.put(value);
        Ok(())
    }

    /// Pushes an item; blocks while the ring is full and has a consumer, or none has come yet.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    pub fn push(&mut self, value: T) -> Result<(), SendError<T>> {
        self.push_until(value, &const { Deadline::never() }, |error, value| {
            error.untimed().map(|()| value)
        })
    }

    /// Pushes an item as [`push`](Self::push); blocks until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], with the value.
    #[inline]
    pub fn push_timeout(
        &mut self,
        value: T,
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<T>> {
        self.push_until(value, &timeout.into(), |error, value| error.map(|()| value))
    }

    #[inline(always)]
    fn push_until<E>(
        &mut self,
        value: T,
        deadline: &Deadline,
        unsent: impl FnOnce(SendTimeoutError<()>, T) -> E,
    ) -> Result<(), E> {
        if !self.end.is_quick()
            && let Err(ended) = self.wait_for_room(deadline)
        {
            return Err(unsent(self.ended(ended), value));
        }
        self.put(value);
        Ok(())
    }

    /// Pushes as many of the items as there is room for, at once, and returns how many were pushed.
    /// Wait-free.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Fault`]; nothing was pushed.
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, TrySendError<()>> {
        let count = self.end.up_to(values.len()).map_err(refused)?;
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
    fn look(&mut self) -> Result<(), TryError> {
        match self.end.look() {
            Ok(1..) => Ok(()),
            Ok(0) => Err(TryError::WouldBlock),
            Err(error) => Err(error),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_for_room(&mut self, deadline: &Deadline) -> Result<(), EventWaitError> {
        self.look().or_else(|_| self.end.wait(deadline))
    }

    #[cold]
    fn ended(&self, ended: EventWaitError) -> SendTimeoutError<()> {
        SendTimeoutError::of(ended, Kind::Spsc, || self.end.lost())
    }
}

impl<T: Payload + Pod> Producer<T> {
    /// Pushes an item that `write` writes in place, as [`try_push`](Self::try_push).
    ///
    /// `write` gets the bytes of an earlier item, or zeros: write all of it. The item does not pass
    /// through the stack, so it may be of any size. If `write` panics, nothing is pushed.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; `write` was not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::SegmentOptions;
    /// use crossdock::queue::spsc::Spsc;
    ///
    /// let segment = SegmentOptions::new().size(16 << 20).anonymous()?;
    /// let images = segment.create::<Spsc<[u8; 4 << 20]>>("images", 2)?;
    /// let (mut push, mut pop) = (images.producer()?, images.consumer()?);
    /// push.try_push_with(|image| image.fill(7))?;
    /// let image: Box<[u8; 4 << 20]> = pop.try_pop_boxed()?;
    /// assert_eq!(image[3], 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_with(&mut self, write: impl FnOnce(&mut T)) -> Result<(), TrySendError<()>> {
        if !self.end.is_quick() {
            self.look().map_err(refused)?;
        }
        self.write_with(write);
        Ok(())
    }

    /// Pushes an item that `write` writes in place, as [`try_push_with`](Self::try_push_with);
    /// blocks as [`push`](Self::push).
    ///
    /// # Errors
    ///
    /// [`SendError`]; `write` was not called.
    pub fn push_with(&mut self, write: impl FnOnce(&mut T)) -> Result<(), SendError<()>> {
        self.push_with_timeout(write, Deadline::never())
            .map_err(SendTimeoutError::untimed)
    }

    /// Pushes an item that `write` writes in place, as [`try_push_with`](Self::try_push_with);
    /// blocks as [`push_timeout`](Self::push_timeout).
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`]; `write` was not called.
    pub fn push_with_timeout(
        &mut self,
        write: impl FnOnce(&mut T),
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<()>> {
        if !self.end.is_quick() {
            self.wait_for_room(&timeout.into())
                .map_err(|ended| self.ended(ended))?;
        }
        self.write_with(write);
        Ok(())
    }

    /// Writes an item for which there is room.
    fn write_with(&mut self, write: impl FnOnce(&mut T)) {
        let (slot, _) = self.end.slots(1);
        // SAFETY: mapped, aligned, and this end's alone until the commit; any bytes are a `T`.
        write(unsafe { slot.cast::<T>().as_mut() });
        self.end.commit(1);
    }
}

/// What an attempt ended with; a membership that was lost is that the end is not this process's.
#[inline(always)]
pub(super) fn refused(error: TryError) -> TrySendError<()> {
    TrySendError::of(error, Kind::Spsc, || Fault::NotOwner)
}

/// Copies values into slots.
///
/// # Safety
///
/// As many slots from `first` as there are values are mapped, and the caller's alone.
#[inline]
unsafe fn copy_in<T>(first: NonNull<MaybeUninit<T>>, values: &[T]) {
    // SAFETY: the caller's word for the slots; `values` is no part of the segment's slots, which
    // no reference points into.
    unsafe {
        first
            .cast::<T>()
            .as_ptr()
            .copy_from_nonoverlapping(values.as_ptr(), values.len());
    }
}
