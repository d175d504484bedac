//! The consumer's end.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::handle::End;
use crate::algorithm::spsc::{Consuming, Role};
use crate::facade::Deadline;
use crate::format::Kind;
use crate::payload::{Payload, read, read_boxed};
use crate::queue::{Iter, Receive, RecvError, RecvTimeoutError, TryIter, TryRecvError};
use crate::segment::Fault;
use crate::wait::on_event::{EventWaitError, TryError};

/// The consumer's end of a ring: one at a time, in one process.
///
/// Dropping it gives the end back, and so does the end of the process, however it comes. In a
/// forked child an inherited one pops nothing and says [`NotOwner`](crate::Fault::NotOwner), and so
/// does one whose process was [lost](crate::segment::MembershipError::Lost) from the segment.
pub struct Consumer<T: Payload> {
    pub(crate) end: End<T, Consuming>,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Consumer<T> {
    pub(crate) fn new(end: End<T, Consuming>) -> Self {
        Self { end }
    }

    /// Pops an item without waiting. Wait-free; no system call unless the producer sleeps.
    ///
    /// If the ring is empty after several items were popped, it looks twice, some microseconds
    /// apart, as a consumer at the heels of the producer slows both down.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; not `Busy`.
    #[inline(always)]
    pub fn try_pop(&mut self) -> Result<T, TryRecvError> {
        if !self.end.is_quick() {
            self.look().map_err(refused)?;
        }
        self.take().ok_or(TryRecvError::INVALID)
    }

    /// Pops an item; blocks while the ring is empty and has a producer, or none has come yet.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn pop(&mut self) -> Result<T, RecvError> {
        self.pop_until(&const { Deadline::never() })
            .map_err(RecvTimeoutError::untimed)
    }

    /// Pops an item as [`pop`](Self::pop); blocks until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    #[inline]
    pub fn pop_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<T, RecvTimeoutError> {
        self.pop_until(&timeout.into())
    }

    #[inline(always)]
    fn pop_until(&mut self, deadline: &Deadline) -> Result<T, RecvTimeoutError> {
        self.find(deadline)?;
        self.take().ok_or(RecvTimeoutError::INVALID)
    }

    /// Pops as many items as there are, at once, into the first places of `values`, and returns how
    /// many were popped: 0 if the ring is empty. Wait-free.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Invalid`] if the bytes of the first item are no valid value; it is gone.
    /// Such an item further on ends the batch before it. [`TryRecvError::Fault`]; nothing was
    /// popped.
    pub fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, TryRecvError> {
        let count = self.end.up_to(values.len()).map_err(refused)?;
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
            return Err(TryRecvError::INVALID);
        }
        // An item that is no value and not the first will be the first of the next call.
        self.end.commit(done as u64);
        Ok(done)
    }

    /// Pops an item into a box as [`try_pop`](Self::try_pop). The item does not pass through the
    /// stack, so it may be of any size.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; not `Busy`.
    pub fn try_pop_boxed(&mut self) -> Result<Box<T>, TryRecvError> {
        if !self.end.is_quick() {
            self.look().map_err(refused)?;
        }
        self.take_boxed().ok_or(TryRecvError::INVALID)
    }

    /// Pops an item into a box as [`pop`](Self::pop); see [`try_pop_boxed`](Self::try_pop_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn pop_boxed(&mut self) -> Result<Box<T>, RecvError> {
        self.pop_boxed_timeout(Deadline::never())
            .map_err(RecvTimeoutError::untimed)
    }

    /// Pops an item into a box as [`pop_timeout`](Self::pop_timeout); see
    /// [`try_pop_boxed`](Self::try_pop_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn pop_boxed_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<Box<T>, RecvTimeoutError> {
        self.find(&timeout.into())?;
        self.take_boxed().ok_or(RecvTimeoutError::INVALID)
    }

    /// Returns an iterator that pops items, blocking for each; it ends when the ring is
    /// disconnected.
    pub fn iter(&mut self) -> Iter<&mut Self> {
        Iter::new(self)
    }

    /// Returns an iterator that pops items without waiting; it ends when the ring is empty.
    pub fn try_iter(&mut self) -> TryIter<&mut Self> {
        TryIter::new(self)
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

    fn take_boxed(&mut self) -> Option<Box<T>> {
        let (slot, _) = self.end.slots(1);
        // SAFETY: as in `take`.
        let item = unsafe { read_boxed(slot.cast()) };
        self.end.commit(1);
        item
    }

    /// Looks for an item when none is known of; returns if there is one.
    #[cold]
    #[inline(never)]
    fn look(&mut self) -> Result<(), TryError> {
        match self.end.look() {
            Ok(1..) => Ok(()),
            Ok(0) => self.on_empty(),
            Err(error) => Err(error),
        }
    }

    /// What it means that no item is known of; returns if there is one.
    fn on_empty(&mut self) -> Result<(), TryError> {
        if !self.end.ring().has_left(Role::Consumer) {
            return Err(TryError::WouldBlock);
        }
        // It may have pushed something before it left.
        match self.end.refresh()? {
            0 => Err(TryError::Disconnected),
            _ => Ok(()),
        }
    }

    /// Waits for an item, unless one is known of.
    #[inline(always)]
    fn find(&mut self, deadline: &Deadline) -> Result<(), RecvTimeoutError> {
        if self.end.is_quick() {
            return Ok(());
        }
        let waited = self.wait_for_item(deadline);
        waited.map_err(|ended| self.ended(ended))
    }

    #[cold]
    #[inline(never)]
    fn wait_for_item(&mut self, deadline: &Deadline) -> Result<(), EventWaitError> {
        self.look().or_else(|_| self.end.wait(deadline))
    }

    #[cold]
    fn ended(&self, ended: EventWaitError) -> RecvTimeoutError {
        RecvTimeoutError::of(ended, Kind::Spsc, || self.end.lost())
    }
}

/// What an attempt ended with; a membership that was lost is that the end is not this process's.
#[inline(always)]
pub(super) fn refused(error: TryError) -> TryRecvError {
    TryRecvError::of(error, Kind::Spsc, || Fault::NotOwner)
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

impl<T: Payload + NoUninit + CheckedBitPattern> Receive for &mut Consumer<T> {
    type Item = T;

    fn receive(&mut self) -> Result<T, RecvError> {
        self.pop()
    }

    fn try_receive(&mut self) -> Result<T, TryRecvError> {
        self.try_pop()
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> IntoIterator for &mut Consumer<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        self.iter()
    }
}
