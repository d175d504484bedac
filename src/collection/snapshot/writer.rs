//! The writer of a snapshot.

use bytemuck::Pod;

use super::Snapshot;
use crate::algorithm::snapshot::{Corrupt, WriterClaim};
use crate::payload::Payload;
use crate::segment::Fault;

/// The writer of a [`Snapshot`]: one at a time, in one process.
///
/// Dropping it gives the role back, and so does the end of the process, however it comes. In a
/// forked child, an inherited writer publishes nothing and fails with
/// [`NotOwner`](Fault::NotOwner). So does a writer whose process was
/// [lost](crate::segment::MembershipError::Lost) from the segment; if it was just writing then, it
/// may spoil the next value of another writer.
pub struct Writer<T: Payload> {
    snapshot: Snapshot<T>,
    claim: WriterClaim,
}

impl<T: Payload + Pod> Writer<T> {
    pub(super) fn new(snapshot: Snapshot<T>, claim: WriterClaim) -> Self {
        Self { snapshot, claim }
    }

    /// Publishes a value, and returns its version.
    ///
    /// Wait-free, and no system call unless a reader [waits](super::Reader::wait_newer): it loads
    /// the state of each reader slot, twice. If this process is killed, at any instruction, the
    /// value was published, or not.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] if this process is not the writer any more, and [`Fault::Corrupt`].
    /// Nothing is published then.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Segment, Snapshot};
    ///
    /// let pace = Segment::anonymous()?.create::<Snapshot<u64>>("pace", 7)?;
    /// let mut writer = pace.writer()?;
    /// assert_eq!((writer.publish(8)?, writer.publish(9)?), (1, 2));
    /// assert_eq!(pace.load()?, 9);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[inline]
    #[doc(alias = "store")]
    pub fn publish(&mut self, value: T) -> Result<u64, Fault> {
        self.publish_with(|place| *place = value)
    }

    /// Publishes a value that `write` writes in place, and returns its version.
    ///
    /// The place has some earlier value, or zeros, and not always the value before: write all of
    /// it, or use [`update`](Self::update). If `write` panics nothing is published. Otherwise as
    /// [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] if this process is not the writer any more, and [`Fault::Corrupt`].
    /// Nothing is published then.
    #[inline]
    pub fn publish_with(&mut self, write: impl FnOnce(&mut T)) -> Result<u64, Fault> {
        if !self.is_mine() {
            return Err(Fault::NotOwner);
        }
        let picked = self.snapshot.raw().pick(&mut self.claim);
        let index = picked.map_err(|corrupt| self.refused(corrupt))?;
        // SAFETY: mapped and aligned, any bytes are a `T`, and this writer's alone until the
        // commit.
        write(unsafe { self.snapshot.buffer(index).as_mut() });
        let committed = self.snapshot.raw().commit(&mut self.claim, index);
        let version = committed.map_err(|corrupt| self.refused(corrupt))?;
        Ok(version.number())
    }

    /// Publishes the latest value, as `change` changes it, and returns the new version: one copy
    /// more than [`publish_with`](Self::publish_with).
    ///
    /// It begins with the latest value also if another writer has published that.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] if this process is not the writer any more, and [`Fault::Corrupt`].
    /// Nothing is published then.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Segment, Snapshot};
    ///
    /// let stock = Segment::anonymous()?.create::<Snapshot<[u32; 3]>>("stock", [1, 2, 3])?;
    /// stock.writer()?.update(|stock| stock[0] += 6)?;
    /// assert_eq!(stock.load()?, [7, 2, 3]);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn update(&mut self, change: impl FnOnce(&mut T)) -> Result<u64, Fault> {
        let before = self.snapshot.buffer(self.claim.version().index());
        self.publish_with(|place| {
            // SAFETY: mapped and aligned; no writer writes to the latest, and another buffer was
            // picked.
            unsafe { std::ptr::from_mut(place).copy_from_nonoverlapping(before.as_ptr(), 1) };
            change(place);
        })
    }

    /// Returns the version of the latest value, by this writer or an earlier one.
    pub fn version(&self) -> u64 {
        self.claim.version().number()
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

impl<T: Payload> Writer<T> {
    #[inline(always)]
    fn is_mine(&self) -> bool {
        self.snapshot.is_mine(self.claim.tag())
    }
}

impl<T: Payload> Drop for Writer<T> {
    fn drop(&mut self) {
        // In a forked child this is the parent's.
        if self.is_mine() {
            self.snapshot.raw().release_writer(self.claim.tag());
        }
    }
}

debug!([T: Payload] Writer<T>, |this| { snapshot: this.snapshot, holder: this.claim.tag() });
