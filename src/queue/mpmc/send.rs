//! Sending.

use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::{Queue, SendError, TrySendError};
use crate::algorithm::mpmc::wait::EventWaitError;
use crate::algorithm::mpmc::{Claim, TryError};
use crate::facade::Deadline;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::payload::{Payload, read, write};

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Sends an item, if there is room.
    ///
    /// Does not wait, but for some microseconds if a peer is just about to make room: if it still is then, that is
    /// [`Busy`](TrySendError::Busy), and not [`Full`](TrySendError::Full). When the queue is
    /// full after several items were sent, it looks twice, some microseconds apart: whoever follows at
    /// the other's heels slows both down. No system call, unless somebody sleeps or has to be found dead.
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
            Err(error) => Err(error.with(value)),
        }
    }

    #[inline(always)]
    fn put_and_ring(&self, claim: Claim, value: T) {
        self.put(claim, value);
        self.ring().notify(Endpoint::Sender);
    }

    /// The next slot, if there is one.
    #[inline(always)]
    pub(super) fn slot(&self) -> Result<Claim, TrySendError<()>> {
        match self.quick_slot() {
            Some(claim) => Ok(claim),
            None => self.find_slot(),
        }
    }

    /// Writes an item into a slot that was claimed, and commits it.
    #[inline(always)]
    fn put(&self, claim: Claim, value: T) {
        self.write(claim, value);
        self.ring().commit_send(claim);
    }

    /// Copies an item into a slot that was claimed, and commits it.
    fn put_from(&self, claim: Claim, value: &T) {
        // SAFETY: as in `write`.
        unsafe { write(self.item(claim.index), value) };
        self.ring().commit_send(claim);
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
        let join = |source| TrySendError::Join { value: (), source };
        let me = self.me().map_err(join)?;
        let ring = self.ring();
        let mut cursor = self.cursor();
        let others = self.liveness(me);
        let mut claim = ring.claim_send(&mut cursor, me, &others);
        if claim == Err(TryError::WouldBlock) {
            claim = ring.on_full(&mut cursor, me, &others);
        }
        self.keep(&cursor);
        claim.map_err(|refused| match refused {
            TryError::WouldBlock => TrySendError::Full(()),
            TryError::Busy => TrySendError::Busy(()),
            TryError::Disconnected => TrySendError::Disconnected(()),
            TryError::Corrupt => TrySendError::Corrupt(()),
            TryError::MembershipLost => join(self.membership_lost(me)),
        })
    }

    #[inline(always)]
    fn write(&self, claim: Claim, value: T) {
        // SAFETY: mapped and aligned, and this claim's alone until the commit.
        unsafe { write(self.item(claim.index), &value) };
    }

    /// Sends as many of the items as there is room for, one after the other, and returns how many
    /// that were. Does not wait. Items of other senders can come between them.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], if not even the first was sent: never for an empty slice.
    pub fn send_slice(&self, values: &[T]) -> Result<usize, TrySendError<()>> {
        for (sent, value) in values.iter().enumerate() {
            match self.slot() {
                Ok(claim) => self.put_from(claim, value),
                Err(error) if sent == 0 => return Err(error),
                Err(_) => {
                    self.ring().notify(Endpoint::Sender);
                    return Ok(sent);
                }
            }
        }
        self.ring().notify(Endpoint::Sender);
        Ok(values.len())
    }

    /// Sends an item, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, &const { Deadline::never() })
    }

    /// Sends an item, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendError<T>> {
        self.send_until(value, &Deadline::after(timeout))
    }

    /// Sends an item, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendError<T>> {
        self.send_until(value, &Deadline::at(deadline))
    }

    #[inline(always)]
    fn send_until(&self, value: T, deadline: &Deadline) -> Result<(), SendError<T>> {
        let claim = match self.quick_slot() {
            Some(claim) => claim,
            None => match self.wait_for_slot(deadline) {
                Ok(claim) => claim,
                Err(error) => return Err(error.with(value)),
            },
        };
        self.put_and_ring(claim, value);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wait_for_slot(&self, deadline: &Deadline) -> Result<Claim, SendError<()>> {
        match self.find_slot() {
            Ok(claim) => return Ok(claim),
            Err(TrySendError::Full(()) | TrySendError::Busy(())) => {}
            Err(error) => return Err(error.into()),
        }
        let join = |source| SendError::Join { value: (), source };
        let me = self.me().map_err(join)?;
        let mut cursor = self.cursor();
        let claim = self.ring().wait_send(
            &mut cursor,
            me,
            &self.liveness(me),
            deadline,
            self.mode(Endpoint::Sender),
        );
        self.keep(&cursor);
        claim.map_err(|ended| self.unsent((), ended, me))
    }

    /// Why a wait has ended without a slot for the value.
    #[cold]
    fn unsent<V>(&self, value: V, ended: EventWaitError, me: Tag) -> SendError<V> {
        match ended {
            EventWaitError::Disconnected => SendError::Disconnected(value),
            EventWaitError::TimedOut => SendError::Timeout(value),
            EventWaitError::Corrupt => SendError::Corrupt(value),
            EventWaitError::MembershipLost => SendError::Join {
                value,
                source: self.membership_lost(me),
            },
        }
    }

    /// Sends an item, in the place of the oldest one if there is no room, and returns that.
    ///
    /// Waits only while somebody else is at work in the very slot that is needed: a receiver that
    /// takes the oldest item and is stopped meanwhile delays it. An item that cannot be given back
    /// because its bytes are no value is dropped.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value; not `Timeout`.
    pub fn force_send(&self, value: T) -> Result<Option<T>, SendError<T>> {
        let me = match self.me() {
            Ok(me) => me,
            Err(source) => return Err(SendError::Join { value, source }),
        };
        let ring = self.ring();
        let mut cursor = self.cursor();
        let claimed = ring.wait_replace(
            &mut cursor,
            me,
            &self.liveness(me),
            self.mode(Endpoint::Sender),
        );
        let replaced = matches!(claimed, Ok((_, true)));
        let (claim, oldest) = match claimed {
            Ok((claim, true)) => {
                // SAFETY: a slot's item is mapped and aligned, and this claim's.
                let oldest = unsafe { read(self.item(claim.index)) };
                let next = ring.replace(claim, &mut cursor, me);
                (next, oldest)
            }
            Ok((claim, false)) => (claim, None),
            Err(ended) => {
                self.keep(&cursor);
                return Err(self.unsent(value, ended, me));
            }
        };
        self.keep(&cursor);
        self.put(claim, value);
        ring.notify(Endpoint::Sender);
        if replaced {
            // Perhaps nobody is left to receive: the next call says so.
            ring.reap(&self.liveness(me));
        }
        Ok(oldest)
    }
}
