//! Sending.

use bytemuck::{CheckedBitPattern, NoUninit, Pod};

use super::Queue;
use crate::algorithm::mpmc::{Claim, TryError};
use crate::facade::Deadline;
use crate::format::Kind;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::payload::{Payload, read, write};
use crate::queue::counted::Counts;
use crate::queue::{SendError, SendTimeoutError, TrySendError};
use crate::segment::MembershipError;

/// A slot that was claimed to send, and is given back unless it is committed.
struct Place<'q, T: Payload + NoUninit + CheckedBitPattern> {
    queue: &'q Queue<T>,
    claim: Claim,
    me: Tag,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Drop for Place<'_, T> {
    fn drop(&mut self) {
        // If others have taken this process for dead meanwhile, it is not its any more.
        self.queue.withdraw(Endpoint::Sender, self.claim, self.me);
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Sends an item without waiting.
    ///
    /// Does not block, but spins for some microseconds if a process is in the middle of an
    /// operation that may make room. If the queue is full after several items were sent, it looks
    /// twice, some microseconds apart, as a sender at the heels of a receiver slows both down.
    /// Makes no system call, unless a receiver sleeps or the kernel has to be asked which peers are
    /// dead.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the value.
    #[inline(always)]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.quick_slot() {
            Some(claim) => {
                self.put_and_ring(claim, value);
                Ok(())
            }
            None => self.try_send_slowly(value),
        }
    }

    /// [`try_send`](Self::try_send) after the quick way did not do.
    #[cold]
    #[inline(never)]
    fn try_send_slowly(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.find_slot() {
            Ok(claim) => {
                self.put_and_ring(claim, value);
                Ok(())
            }
            Err(error) => Err(error.map(|()| value)),
        }
    }

    /// Sends an item; blocks while the queue is full.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, &const { Deadline::never() }, |error, value| {
            error.untimed().map(|()| value)
        })
    }

    /// Sends an item; blocks while the queue is full, until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], with the value.
    #[inline]
    pub fn send_timeout(
        &self,
        value: T,
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, &timeout.into(), |error, value| error.map(|()| value))
    }

    #[inline(always)]
    fn send_until<E>(
        &self,
        value: T,
        deadline: &Deadline,
        unsent: impl FnOnce(SendTimeoutError<()>, T) -> E,
    ) -> Result<(), E> {
        let claim = match self.quick_slot() {
            Some(claim) => claim,
            None => match self.wait_for_slot(deadline) {
                Ok(claim) => claim,
                Err(error) => return Err(unsent(error, value)),
            },
        };
        self.put_and_ring(claim, value);
        Ok(())
    }

    /// Sends items one after the other while there is room, and returns how many were sent. Does
    /// not block. Items of other senders may come between them.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] if not even the first item was sent; never for an empty slice.
    pub fn send_slice(&self, values: &[T]) -> Result<usize, TrySendError<()>> {
        let mut sent = 0;
        for value in values {
            match self.claim_slot() {
                Ok(claim) => self.put_from(claim, value),
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
            sent += 1;
        }
        self.ring().notify(Endpoint::Sender);
        Ok(sent)
    }

    /// Sends an item, in the place of the oldest one if the queue is full; returns the item that
    /// was replaced.
    ///
    /// Blocks only while another process is in the middle of an operation on the slot that is
    /// needed: a receiver that is stopped while it takes the oldest item delays the caller. If the
    /// bytes of the replaced item are no valid value, it is dropped.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    pub fn force_send(&self, value: T) -> Result<Option<T>, SendError<T>> {
        let me = match self.me() {
            Ok(me) => me,
            Err(error) => return Err(SendError::Fault(value, error.into())),
        };
        let ring = self.ring();
        let mut cursor = self.cursor();
        let claimed =
            ring.wait_replace(&mut cursor, &self.liveness(me), self.mode(Endpoint::Sender));
        let (claim, replaced) = match claimed {
            Ok(claimed) => claimed,
            Err(ended) => {
                self.keep(&cursor);
                let error = SendTimeoutError::of(ended, Kind::Queue, || self.membership_lost(me));
                return Err(error.untimed().map(|()| value));
            }
        };
        let (claim, oldest) = if replaced {
            // SAFETY: a slot's item is mapped and aligned, and this claim's.
            let oldest = unsafe { read(self.item(claim.index)) };
            (ring.replace(claim, &mut cursor, me), oldest)
        } else {
            (claim, None)
        };
        self.keep(&cursor);
        self.put_and_ring(claim, value);
        if replaced {
            // If no receiver is left, the next call says so.
            ring.reap(&self.liveness(me));
        }
        Ok(oldest)
    }

    #[inline(always)]
    fn put_and_ring(&self, claim: Claim, value: T) {
        // SAFETY: mapped and aligned, and this claim's alone until the commit.
        unsafe { write(self.item(claim.index), &value) };
        self.ring().commit_send(claim);
        self.ring().notify(Endpoint::Sender);
    }

    /// Copies an item into a slot that was claimed, and commits it.
    fn put_from(&self, claim: Claim, value: &T) {
        // SAFETY: as in `put_and_ring`.
        unsafe { write(self.item(claim.index), value) };
        self.ring().commit_send(claim);
    }

    /// The next slot, if there is one.
    #[inline(always)]
    fn claim_slot(&self) -> Result<Claim, TrySendError<()>> {
        match self.quick_slot() {
            Some(claim) => Ok(claim),
            None => self.find_slot(),
        }
    }

    /// The next slot, if nothing is in the way.
    #[inline(always)]
    fn quick_slot(&self) -> Option<Claim> {
        let me = self.me_already()?;
        let (claim, next) = self.ring().quick_send(self.tail(), me)?;
        self.set_tail(next);
        if self.ring().is_lost(&self.liveness(me)) {
            self.withdraw(Endpoint::Sender, claim, me);
            return None;
        }
        if self.ring().is_late() {
            self.too_late(claim);
            return None;
        }
        Some(claim)
    }

    #[cold]
    #[inline(never)]
    fn too_late(&self, claim: Claim) {
        self.ring().abandon(claim);
    }

    /// Looks for a slot. It has no part in the value, which may so stay in registers.
    #[cold]
    #[inline(never)]
    fn find_slot(&self) -> Result<Claim, TrySendError<()>> {
        let me = self.me()?;
        let ring = self.ring();
        let mut cursor = self.cursor();
        let others = self.liveness(me);
        let mut claim = ring.claim_send(&mut cursor, &others);
        if claim == Err(TryError::WouldBlock) {
            claim = ring.on_full(&mut cursor, &others);
        }
        self.keep(&cursor);
        claim.map_err(|refused| TrySendError::of(refused, Kind::Queue, || self.membership_lost(me)))
    }

    #[cold]
    #[inline(never)]
    fn wait_for_slot(&self, deadline: &Deadline) -> Result<Claim, SendTimeoutError<()>> {
        match self.find_slot() {
            Err(TrySendError::Full(()) | TrySendError::Busy(())) => {}
            found => return Ok(found?),
        }
        let me = self.me()?;
        let mut cursor = self.cursor();
        let claim = self.ring().wait_send(
            &mut cursor,
            &self.liveness(me),
            deadline,
            self.mode(Endpoint::Sender),
        );
        self.keep(&cursor);
        claim.map_err(|ended| SendTimeoutError::of(ended, Kind::Queue, || self.membership_lost(me)))
    }
}

impl<T: Payload + Pod> Queue<T> {
    /// Sends an item that `write` writes in place, without waiting.
    ///
    /// `write` gets the bytes of an earlier item, or zeros: write all of it. The item does not pass
    /// through the stack, so it may be of any size. If `write` panics, nothing is sent, and its
    /// slot is given back: the queue has room for one item less until receivers have passed it.
    ///
    /// Other processes wait at that slot while `write` runs, as they do while an item is copied: it
    /// should write, and nothing else. It must not use the queue.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]. `write` was not called, unless the fault is that the membership was
    /// [lost](MembershipError::Lost) while it ran.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::SegmentOptions;
    /// use crossdock::queue::Queue;
    ///
    /// let segment = SegmentOptions::new().size(16 << 20).anonymous()?;
    /// let images = segment.create::<Queue<[u8; 4 << 20]>>("images", 2)?;
    /// images.try_send_with(|image| image.fill(7))?;
    /// let image: Box<[u8; 4 << 20]> = images.try_recv_boxed()?;
    /// assert_eq!(image[3], 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_with(&self, write: impl FnOnce(&mut T)) -> Result<(), TrySendError<()>> {
        let me = self.me()?;
        let claim = self.claim_slot()?;
        Ok(self.write_with(claim, me, write)?)
    }

    /// Sends an item that `write` writes in place, as [`try_send_with`](Self::try_send_with);
    /// blocks while the queue is full.
    ///
    /// # Errors
    ///
    /// [`SendError`], as of [`try_send_with`](Self::try_send_with).
    pub fn send_with(&self, write: impl FnOnce(&mut T)) -> Result<(), SendError<()>> {
        self.send_with_timeout(write, Deadline::never())
            .map_err(SendTimeoutError::untimed)
    }

    /// Sends an item that `write` writes in place, as [`try_send_with`](Self::try_send_with);
    /// blocks while the queue is full, until the deadline at the latest.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], as of [`try_send_with`](Self::try_send_with).
    pub fn send_with_timeout(
        &self,
        write: impl FnOnce(&mut T),
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<()>> {
        let me = self.me()?;
        let claim = self.wait_for_slot(&timeout.into())?;
        Ok(self.write_with(claim, me, write)?)
    }

    fn write_with(
        &self,
        claim: Claim,
        me: Tag,
        write: impl FnOnce(&mut T),
    ) -> Result<(), MembershipError> {
        let queue = self;
        let place = Place { queue, claim, me };
        // SAFETY: mapped and aligned, this claim's alone until the commit; any bytes are a `T`.
        write(unsafe { self.item(claim.index).as_mut() });
        // It may have taken long.
        if self.me_already() != Some(me) || self.ring().is_lost(&self.liveness(me)) {
            drop(place);
            return Err(self.membership_lost(me));
        }
        std::mem::forget(place);
        self.ring().commit_send(claim);
        self.ring().notify(Endpoint::Sender);
        Ok(())
    }
}
