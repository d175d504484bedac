//! Items too large for the stack: written where they are, and popped in a box.

use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit, Pod};

use super::{Consumer, PopError, Producer, PushError, TryPopError, TryPushError};
use crate::facade::Deadline;
use crate::payload::{Payload, read_boxed};

impl<T: Payload + Pod> Producer<T> {
    /// Pushes an item that `write` writes where it is, if there is room. All else is as for
    /// [`try_push`](Self::try_push).
    ///
    /// What stands there before is an earlier item, or zeros: write all of it. Nothing passes through the
    /// stack, so items may be of any size. If `write` panics, nothing is pushed.
    ///
    /// # Errors
    ///
    /// [`TryPushError`]; `write` was not called then.
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
    pub fn try_push_with(&mut self, write: impl FnOnce(&mut T)) -> Result<(), TryPushError<()>> {
        if !self.end.is_quick() {
            self.look()?;
        }
        self.write_with(write);
        Ok(())
    }

    /// Pushes an item that `write` writes where it is, waiting for room as [`push`](Self::push) does: see
    /// [`try_push_with`](Self::try_push_with).
    ///
    /// # Errors
    ///
    /// [`PushError`]; `write` was not called then.
    pub fn push_with(&mut self, write: impl FnOnce(&mut T)) -> Result<(), PushError<()>> {
        self.push_with_until(write, &const { Deadline::never() })
    }

    /// Pushes an item that `write` writes where it is, waiting for room no longer than `timeout`: see
    /// [`try_push_with`](Self::try_push_with).
    ///
    /// # Errors
    ///
    /// [`PushError`]; `write` was not called then.
    pub fn push_with_timeout(
        &mut self,
        write: impl FnOnce(&mut T),
        timeout: Duration,
    ) -> Result<(), PushError<()>> {
        self.push_with_until(write, &Deadline::after(timeout))
    }

    /// Pushes an item that `write` writes where it is, waiting for room until `deadline` at the latest:
    /// see [`try_push_with`](Self::try_push_with).
    ///
    /// # Errors
    ///
    /// [`PushError`]; `write` was not called then.
    pub fn push_with_deadline(
        &mut self,
        write: impl FnOnce(&mut T),
        deadline: Instant,
    ) -> Result<(), PushError<()>> {
        self.push_with_until(write, &Deadline::at(deadline))
    }

    fn push_with_until(
        &mut self,
        write: impl FnOnce(&mut T),
        deadline: &Deadline,
    ) -> Result<(), PushError<()>> {
        if !self.end.is_quick() {
            self.wait_for_room(deadline)?;
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

impl<T: Payload + NoUninit + CheckedBitPattern> Consumer<T> {
    /// Pops an item into a box, if there is one. All else is as for [`try_pop`](Self::try_pop); nothing
    /// passes through the stack, so items may be of any size.
    ///
    /// # Errors
    ///
    /// [`TryPopError`].
    pub fn try_pop_boxed(&mut self) -> Result<Box<T>, TryPopError> {
        if !self.end.is_quick() {
            self.look()?;
        }
        self.take_boxed().ok_or(TryPopError::Corrupt)
    }

    /// Pops an item into a box, waiting for one as [`pop`](Self::pop) does: see
    /// [`try_pop_boxed`](Self::try_pop_boxed).
    ///
    /// # Errors
    ///
    /// [`PopError`].
    pub fn pop_boxed(&mut self) -> Result<Box<T>, PopError> {
        self.pop_boxed_until(&const { Deadline::never() })
    }

    /// Pops an item into a box, waiting for one no longer than `timeout`: see
    /// [`try_pop_boxed`](Self::try_pop_boxed).
    ///
    /// # Errors
    ///
    /// [`PopError`].
    pub fn pop_boxed_timeout(&mut self, timeout: Duration) -> Result<Box<T>, PopError> {
        self.pop_boxed_until(&Deadline::after(timeout))
    }

    /// Pops an item into a box, waiting for one until `deadline` at the latest: see
    /// [`try_pop_boxed`](Self::try_pop_boxed).
    ///
    /// # Errors
    ///
    /// [`PopError`].
    pub fn pop_boxed_deadline(&mut self, deadline: Instant) -> Result<Box<T>, PopError> {
        self.pop_boxed_until(&Deadline::at(deadline))
    }

    fn pop_boxed_until(&mut self, deadline: &Deadline) -> Result<Box<T>, PopError> {
        if !self.end.is_quick() {
            self.wait_for_an_item(deadline)?;
        }
        self.take_boxed().ok_or(PopError::Corrupt)
    }

    /// Pops the next item, which is there; `None` if its bytes are no value.
    fn take_boxed(&mut self) -> Option<Box<T>> {
        let (slot, _) = self.end.slots(1);
        // SAFETY: a slot is mapped and aligned, and this end's until the commit.
        let item = unsafe { read_boxed(slot.cast()) };
        self.end.commit(1);
        item
    }
}
