//! Those who read.

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::{ReadError, Snapshot, WaitNewerError};
use crate::algorithm::snapshot::{Corrupt, ReaderClaim};
use crate::facade::{Deadline, Pace, WaitHistory};
use crate::payload::Payload;
use crate::wait::WaitMode;
use crate::wait::on_event::EventWaitError;

/// A reader of a [`Snapshot`], in a seat of its own.
///
/// Dropping it gives the seat back, and so does the end of the process, however it comes. In a
/// forked child an inherited one is nobody's: it reads nothing and says [`Lost`](ReadError::Lost). So does one
/// whose process was [lost](crate::segment::MembershipError::Lost) from the segment; until it is told, what
/// such a process is reading may be written over.
pub struct Reader<T: Payload> {
    snapshot: Snapshot<T>,
    claim: ReaderClaim,
    waits: WaitHistory,
}

/// What a [`Reader`] has read: a whole value, which stays as it is as long as the guard is kept, whatever is
/// published meanwhile.
///
/// Keeping it hinders nobody. In a forked child one that was inherited is the parent's: the value may change.
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

    /// Reads what was published last, in place.
    ///
    /// Wait-free, and no system call: two locked instructions if there is something newer than at the last read, and
    /// none if there is not. What is read is never older than what was read before.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Segment, Snapshot};
    ///
    /// let pace = Segment::anonymous()?.create::<Snapshot<u64>>("pace", 7.into())?;
    /// let (mut writer, mut reader) = (pace.writer()?, pace.reader()?);
    /// let seen = reader.read()?;
    /// writer.publish(8)?;
    /// assert_eq!((*seen, seen.version()), (7, 0));
    /// assert_eq!(*reader.read()?, 8);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[inline]
    pub fn read(&mut self) -> Result<ReadGuard<'_, T>, ReadError> {
        if !self.is_mine() {
            return Err(ReadError::Lost);
        }
        match self.snapshot.raw().read(&mut self.claim) {
            Ok(index) => Ok(ReadGuard {
                // SAFETY: mapped and aligned, any bytes are a `T`, and nobody writes to it while it is this
                // reader's: until the next read, for which the guard must be gone.
                value: unsafe { self.snapshot.buffer(index).as_ref() },
                version: self.version().unwrap_or(0),
            }),
            Err(corrupt) => Err(self.refused(corrupt)),
        }
    }

    /// Reads what was published last, by copy. All else is as for [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    #[inline]
    pub fn load(&mut self) -> Result<T, ReadError> {
        self.read().map(|value| *value)
    }

    /// The version that was read last: how often something had been published then. `None` before the first
    /// read, and after one that said [`ReadError::Corrupt`].
    #[inline]
    pub fn version(&self) -> Option<u64> {
        self.claim.version().map(|version| version.number())
    }

    /// Whether a read would give another version than the last one did: one load.
    #[inline]
    pub fn has_newer(&self) -> bool {
        match self.snapshot.raw().latest() {
            Ok(latest) => self.claim.version() != Some(latest),
            // The read says what is wrong.
            Err(Corrupt { .. }) => true,
        }
    }

    /// Waits for something newer than what was read last, and reads it; before the first read, whatever is there.
    ///
    /// Waits as long as there is a writer, or none has come yet; spins some microseconds, then sleeps. Versions
    /// that come in between are passed over. A writer that is stopped is waited for; of one that is killed it hears
    /// in the time that [`Wait`](crate::queue::Wait) says.
    ///
    /// # Errors
    ///
    /// [`WaitNewerError::Disconnected`], also at once, if nothing newer is there and the last writer has left or died;
    /// [`WaitNewerError::Corrupt`], [`WaitNewerError::Lost`], [`WaitNewerError::Blind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::snapshot::WaitNewerError;
    /// use crossdock::{Segment, Snapshot};
    ///
    /// let pace = Segment::anonymous()?.create::<Snapshot<u64>>("pace", 7.into())?;
    /// let (mut writer, mut reader) = (pace.writer()?, pace.reader()?);
    /// assert_eq!(*reader.wait_newer()?, 7);
    /// writer.publish(8)?;
    /// assert_eq!(*reader.wait_newer()?, 8);
    /// drop(writer);
    /// assert_eq!(reader.wait_newer().err(), Some(WaitNewerError::Disconnected));
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn wait_newer(&mut self) -> Result<ReadGuard<'_, T>, WaitNewerError> {
        self.wait_until(&Deadline::never())
    }

    /// Waits no longer than `timeout`. All else is as for [`wait_newer`](Self::wait_newer).
    ///
    /// # Errors
    ///
    /// [`WaitNewerError`].
    pub fn wait_newer_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<ReadGuard<'_, T>, WaitNewerError> {
        self.wait_until(&Deadline::after(timeout))
    }

    /// Waits until `deadline` at the latest. All else is as for [`wait_newer`](Self::wait_newer).
    ///
    /// # Errors
    ///
    /// [`WaitNewerError`].
    pub fn wait_newer_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<ReadGuard<'_, T>, WaitNewerError> {
        self.wait_until(&Deadline::at(deadline))
    }

    fn wait_until(&mut self, deadline: &Deadline) -> Result<ReadGuard<'_, T>, WaitNewerError> {
        if !self.is_mine() {
            return Err(WaitNewerError::Lost);
        }
        let me = self.claim.tag();
        let others = self.snapshot.entry_ref().liveness(me);
        let mode = WaitMode::new(Pace::Adaptive, &self.waits);
        match self
            .snapshot
            .raw()
            .wait(&self.claim, &others, deadline, mode)
        {
            Ok(()) => Ok(self.read()?),
            Err(EventWaitError::Disconnected) => Err(WaitNewerError::Disconnected),
            Err(EventWaitError::TimedOut) => Err(WaitNewerError::Timeout),
            Err(EventWaitError::Corrupt) => Err(WaitNewerError::Corrupt {
                word: self.snapshot.raw().corrupt_word(&others),
            }),
            Err(EventWaitError::MembershipLost) => {
                self.snapshot.membership_lost(me);
                Err(if self.is_mine() {
                    WaitNewerError::Blind
                } else {
                    WaitNewerError::Lost
                })
            }
        }
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot<T> {
        &self.snapshot
    }

    #[cold]
    fn refused(&self, Corrupt { word }: Corrupt) -> ReadError {
        match self.snapshot.membership_lost(self.claim.tag()) {
            Some(_) if !self.is_mine() => ReadError::Lost,
            _ => ReadError::Corrupt { word },
        }
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
            // A seat that is another's by now is not given back.
            let _ = self.snapshot.raw().release_slot(&self.claim);
        }
    }
}

impl<T> ReadGuard<'_, T> {
    /// How often something had been published when this was.
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

impl<T: Payload> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("snapshot", &self.snapshot)
            .field("holder", &self.claim.tag())
            .finish()
    }
}
