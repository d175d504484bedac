//! The reader of a snapshot.

use std::fmt;
use std::ops::Deref;

use bytemuck::Pod;

use super::{Snapshot, WaitNewerError, WaitNewerTimeoutError};
use crate::Deadline;
use crate::algorithm::snapshot::{Corrupt, ReaderClaim};
use crate::facade::{Pace, WaitHistory};
use crate::format::Kind;
use crate::payload::Payload;
use crate::segment::{Fault, MembershipError};
use crate::wait::WaitMode;
use crate::wait::on_event::EventWaitError;

/// A reader of a [`Snapshot`], with a reader slot of its own.
///
/// Dropping it gives the slot back, and so does the end of the process, however it comes. In a
/// forked child, an inherited reader reads nothing and fails with [`NotOwner`](Fault::NotOwner). So
/// does a reader whose process was [lost](crate::segment::MembershipError::Lost) from the segment;
/// until it is told, the value that it is reading may be overwritten.
pub struct Reader<T: Payload> {
    snapshot: Snapshot<T>,
    claim: ReaderClaim,
    waits: WaitHistory,
}

/// A value that a [`Reader`] has read: whole, and unchanged as long as the guard is kept, whatever
/// is published meanwhile.
///
/// Keeping it hinders no other process. In a forked child, an inherited guard is the parent's: the
/// value may change.
#[must_use = "it is the value"]
pub struct ReadGuard<'a, T> {
    value: &'a T,
    version: u64,
}

impl<T: Payload + Pod> Reader<T> {
    pub(super) fn new(snapshot: Snapshot<T>, claim: ReaderClaim) -> Self {
        Self {
            snapshot,
            claim,
            waits: WaitHistory::default(),
        }
    }

    /// Reads the latest value, in place.
    ///
    /// Wait-free, and no system call: two locked instructions if there is a newer value than at the
    /// last read, and none if there is not. A value is never older than the one read before.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] if this process does not own the slot any more, and [`Fault::Corrupt`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Segment, Snapshot};
    ///
    /// let pace = Segment::anonymous()?.create::<Snapshot<u64>>("pace", 7)?;
    /// let (mut writer, mut reader) = (pace.writer()?, pace.reader()?);
    /// let seen = reader.read()?;
    /// writer.publish(8)?;
    /// assert_eq!((*seen, seen.version()), (7, 0));
    /// assert_eq!(*reader.read()?, 8);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[inline]
    pub fn read(&mut self) -> Result<ReadGuard<'_, T>, Fault> {
        if !self.is_mine() {
            return Err(Fault::NotOwner);
        }
        match self.snapshot.raw().read(&mut self.claim) {
            Ok(index) => Ok(ReadGuard {
                // SAFETY: mapped and aligned, any bytes are a `T`, and no writer writes to it while
                // it is this reader's: until the next read, for which the guard must be gone.
                value: unsafe { self.snapshot.buffer(index).as_ref() },
                version: self.version().unwrap_or(0),
            }),
            Err(corrupt) => Err(self.refused(corrupt)),
        }
    }

    /// Reads the latest value, by copy. Otherwise as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] if this process does not own the slot any more, and [`Fault::Corrupt`].
    #[inline]
    pub fn load(&mut self) -> Result<T, Fault> {
        self.read().map(|value| *value)
    }

    /// Returns the version of the value read last: how many values had been published then. `None`
    /// before the first read, and after a read that failed with [`Fault::Corrupt`].
    #[inline]
    pub fn version(&self) -> Option<u64> {
        self.claim.version().map(|version| version.number())
    }

    /// Returns whether a read would return another version than the last read did: one load.
    #[inline]
    pub fn has_newer(&self) -> bool {
        match self.snapshot.raw().latest() {
            Ok(latest) => self.claim.version() != Some(latest),
            // The read says what is wrong.
            Err(Corrupt { .. }) => true,
        }
    }

    /// Blocks until there is something newer than what was read last, and reads it; before the
    /// first read, whatever is there.
    ///
    /// Blocks while there is a writer, or none has come yet; spins some microseconds, then sleeps.
    /// Versions that come in between are passed over. While the writer is stopped, it blocks; that
    /// a writer was killed is noticed in the time that [`Wait`](crate::queue::Wait) says.
    ///
    /// # Errors
    ///
    /// [`WaitNewerError::Disconnected`], also at once, if nothing newer is there and the last
    /// writer has left or died; [`WaitNewerError::Fault`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::snapshot::WaitNewerError;
    /// use crossdock::{Segment, Snapshot};
    ///
    /// let pace = Segment::anonymous()?.create::<Snapshot<u64>>("pace", 7)?;
    /// let (mut writer, mut reader) = (pace.writer()?, pace.reader()?);
    /// assert_eq!(*reader.wait_newer()?, 7);
    /// writer.publish(8)?;
    /// assert_eq!(*reader.wait_newer()?, 8);
    /// drop(writer);
    /// assert_eq!(reader.wait_newer().err(), Some(WaitNewerError::Disconnected));
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn wait_newer(&mut self) -> Result<ReadGuard<'_, T>, WaitNewerError> {
        match self.wait_until(&Deadline::never()) {
            Ok(()) => Ok(self.read()?),
            // The first never: it has no deadline.
            Err(WaitNewerTimeoutError::Timeout | WaitNewerTimeoutError::Disconnected) => {
                Err(WaitNewerError::Disconnected)
            }
            Err(WaitNewerTimeoutError::Fault(fault)) => Err(fault.into()),
        }
    }

    /// Blocks as [`wait_newer`](Self::wait_newer) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`WaitNewerTimeoutError::Timeout`]; the others as [`wait_newer`](Self::wait_newer).
    pub fn wait_newer_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<ReadGuard<'_, T>, WaitNewerTimeoutError> {
        self.wait_until(&timeout.into())?;
        Ok(self.read()?)
    }

    fn wait_until(&mut self, deadline: &Deadline) -> Result<(), WaitNewerTimeoutError> {
        loop {
            if !self.is_mine() {
                return Err(Fault::NotOwner.into());
            }
            let (me, raw) = (self.claim.tag(), self.snapshot.raw());
            let others = self.snapshot.entry_ref().liveness(me);
            let mode = WaitMode::new(Pace::Adaptive, &self.waits);
            let Err(error) = raw.wait(&self.claim, &others, deadline, mode) else {
                return Ok(());
            };
            return Err(match error {
                EventWaitError::Disconnected => WaitNewerTimeoutError::Disconnected,
                EventWaitError::TimedOut => WaitNewerTimeoutError::Timeout,
                EventWaitError::Corrupt => {
                    Fault::corrupt(Kind::Snapshot, raw.corrupt_word(&others)).into()
                }
                EventWaitError::MembershipLost => match self.snapshot.membership_lost(me) {
                    Some(MembershipError::Lost) => Fault::NotOwner.into(),
                    // The slot is still this process's.
                    Some(error) => error.into(),
                    // Another thread has opened the segment once more, which mends it.
                    None => continue,
                },
            });
        }
    }

    /// Returns the snapshot.
    pub fn snapshot(&self) -> &Snapshot<T> {
        &self.snapshot
    }

    #[cold]
    fn refused(&self, corrupt: Corrupt) -> Fault {
        self.snapshot.refused(self.claim.tag(), corrupt)
    }
}

impl<T: Payload> Reader<T> {
    #[inline(always)]
    fn is_mine(&self) -> bool {
        self.snapshot.is_mine(self.claim.tag())
    }
}

impl<T: Payload> Drop for Reader<T> {
    fn drop(&mut self) {
        // In a forked child this is the parent's.
        if self.is_mine() {
            // A slot that is another process's by now is not given back.
            let _ = self.snapshot.raw().release_slot(&self.claim);
        }
    }
}

impl<T> ReadGuard<'_, T> {
    /// Returns the version: how many values had been published with this one.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

debug!([T: Payload] Reader<T>, |this| { snapshot: this.snapshot, holder: this.claim.tag() });
