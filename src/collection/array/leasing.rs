//! The ways to lease chunks of an array.

use super::{Array, Lease, LeaseError, LeaseTimeoutError, RestartError, TryLeaseError};
use crate::Deadline;
use crate::algorithm::chunks::ChunkError;
use crate::format::Kind;
use crate::participant::Tag;
use crate::segment::Fault;

impl<T> Array<T> {
    /// Leases the next chunk that is to do and that no participant has; `None` if all are done.
    ///
    /// Blocks while live participants have all chunks that are to do, since any of them may come
    /// back; and while a participant reads or writes the array. The chunk of a process that was
    /// killed comes back within 50 ms; the chunk of a process that is stopped does not. Which chunk
    /// is next is not specified: a handle goes on from its last one, and different processes begin
    /// at different places.
    ///
    /// A chunk that can be had costs one compare-and-swap, after a look at the chunks before it,
    /// and no system call. The first lease after a reader or a writer opens all chunks, and waits
    /// for the readers to leave.
    ///
    /// A thread that has a chunk can deadlock if it blocks for another: if it has all that is to
    /// do, or if a reader waits in between. Finish the first chunk before, or use
    /// [`try_lease_chunk`](Self::try_lease_chunk). A thread that has a guard of the array does
    /// deadlock.
    ///
    /// # Errors
    ///
    /// [`LeaseError::OwnerDied`] and [`LeaseError::Poisoned`] if the last writer died or panicked:
    /// repair the values with [`write_or_repair`](crate::RwLock::write_or_repair) first, or see
    /// [`clear_poison`](crate::RwLock::clear_poison). [`LeaseError::Fault`].
    #[inline]
    pub fn lease_chunk(&self) -> Result<Option<Lease<'_, T>>, LeaseError> {
        until_leased(|deadline| self.next_chunk(Some(deadline)))
    }

    /// Leases the next chunk that is to do, as [`lease_chunk`](Self::lease_chunk) does; never
    /// sleeps.
    ///
    /// It may spin for some microseconds while another participant is about to let others in.
    ///
    /// # Errors
    ///
    /// [`TryLeaseError::WouldBlock`] if it would have to block; [`TryLeaseError::Lease`] as
    /// [`lease_chunk`](Self::lease_chunk).
    pub fn try_lease_chunk(&self) -> Result<Option<Lease<'_, T>>, TryLeaseError> {
        self.next_chunk(None)
    }

    /// Leases the next chunk that is to do, as [`lease_chunk`](Self::lease_chunk) does; blocks no
    /// longer than `timeout`, which is a [`Duration`](std::time::Duration) or an
    /// [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`LeaseTimeoutError::Timeout`]; [`LeaseTimeoutError::Lease`] as
    /// [`lease_chunk`](Self::lease_chunk).
    #[inline]
    pub fn lease_chunk_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<Option<Lease<'_, T>>, LeaseTimeoutError> {
        self.next_chunk(Some(&timeout.into())).map_err(timed_out)
    }

    /// Leases this chunk, counted from 0, whether it is done or not. From then on it is to do.
    ///
    /// Blocks while a participant reads or writes the array, as [`lease_chunk`](Self::lease_chunk)
    /// does; not while another participant has the chunk.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Leased`] if a live participant has the chunk, this process perhaps;
    /// [`LeaseError::OutOfRange`] if there is no such chunk; the others as
    /// [`lease_chunk`](Self::lease_chunk).
    #[inline]
    pub fn lease(&self, chunk: usize) -> Result<Lease<'_, T>, LeaseError> {
        until_leased(|deadline| self.this_chunk(chunk, Some(deadline)))
    }

    /// Leases this chunk, as [`lease`](Self::lease) does; never sleeps.
    ///
    /// # Errors
    ///
    /// [`TryLeaseError::WouldBlock`] if a live participant reads or writes the array;
    /// [`TryLeaseError::Lease`] as [`lease`](Self::lease).
    pub fn try_lease(&self, chunk: usize) -> Result<Lease<'_, T>, TryLeaseError> {
        self.this_chunk(chunk, None)
    }

    /// Leases this chunk, as [`lease`](Self::lease) does; blocks no longer than `timeout`, which is
    /// a [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`LeaseTimeoutError::Timeout`] if a live participant reads or writes the array at the end;
    /// [`LeaseTimeoutError::Lease`] as [`lease`](Self::lease).
    #[inline]
    pub fn lease_timeout(
        &self,
        chunk: usize,
        timeout: impl Into<Deadline>,
    ) -> Result<Lease<'_, T>, LeaseTimeoutError> {
        self.this_chunk(chunk, Some(&timeout.into()))
            .map_err(timed_out)
    }

    /// Makes all chunks to do again, for another round. The values stay as they are.
    ///
    /// It takes effect for all chunks or for none, also if this process is killed. Blocks while a
    /// participant writes, but not for readers, nor for those that have chunks. A thread that has a
    /// guard of the array can deadlock.
    ///
    /// # Errors
    ///
    /// [`RestartError::Leased`] if a live participant has a chunk, and [`RestartError::Fault`].
    /// Nothing is changed then.
    pub fn restart(&self) -> Result<(), RestartError> {
        loop {
            let (entry, forever) = (self.entry_ref(), Deadline::never());
            let me = entry.tag()?;
            let made = self.leases().restart(&entry.liveness(me), Some(&forever));
            match made {
                Ok(()) => return Ok(()),
                Err(ChunkError::Leased(holder)) => {
                    let pid = entry.pid_of(holder);
                    return Err(RestartError::Leased { pid });
                }
                Err(ChunkError::Corrupt { word }) => {
                    return Err(Fault::corrupt(Kind::Array, word).into());
                }
                Err(ChunkError::MembershipLost) => return Err(entry.membership_lost(me).into()),
                // The last two never: it does not look at the values.
                Err(ChunkError::Busy | ChunkError::OwnerDied | ChunkError::Poisoned) => {}
            }
        }
    }

    #[inline]
    fn next_chunk(&self, wait: Option<&Deadline>) -> Result<Option<Lease<'_, T>>, TryLeaseError> {
        let me = self.me()?;
        let from = self.next(me);
        let others = self.entry_ref().liveness(me);
        match self.leases().lease_any(from, &others, wait) {
            Ok(Some(leased)) => {
                self.go_on_behind(leased.chunk());
                Ok(Some(Lease::new(self, leased)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.refused(error, me)),
        }
    }

    #[inline]
    fn this_chunk(
        &self,
        chunk: usize,
        wait: Option<&Deadline>,
    ) -> Result<Lease<'_, T>, TryLeaseError> {
        let chunks = self.chunks();
        if chunk >= chunks {
            return Err(LeaseError::OutOfRange { chunk, chunks }.into());
        }
        let me = self.me()?;
        let others = self.entry_ref().liveness(me);
        match self.leases().lease_this(chunk, &others, wait) {
            Ok(leased) => Ok(Lease::new(self, leased)),
            Err(error) => Err(self.refused(error, me)),
        }
    }

    #[inline]
    fn me(&self) -> Result<Tag, TryLeaseError> {
        match self.entry_ref().current_tag() {
            Some(tag) => Ok(tag),
            None => Ok(self.entry_ref().tag()?),
        }
    }

    #[cold]
    fn refused(&self, error: ChunkError, me: Tag) -> TryLeaseError {
        TryLeaseError::Lease(match error {
            ChunkError::Busy => return TryLeaseError::WouldBlock,
            ChunkError::Leased(holder) => LeaseError::Leased {
                pid: self.entry_ref().pid_of(holder),
            },
            ChunkError::OwnerDied => LeaseError::OwnerDied,
            ChunkError::Poisoned => LeaseError::Poisoned,
            ChunkError::Corrupt { word } => Fault::corrupt(Kind::Array, word).into(),
            ChunkError::MembershipLost => self.entry_ref().membership_lost(me).into(),
        })
    }
}

/// Attempts until there is a lease, or cannot be one.
#[inline]
fn until_leased<R>(
    attempt: impl Fn(&Deadline) -> Result<R, TryLeaseError>,
) -> Result<R, LeaseError> {
    loop {
        match attempt(&Deadline::never()) {
            Ok(leased) => return Ok(leased),
            Err(TryLeaseError::Lease(error)) => return Err(error),
            Err(TryLeaseError::WouldBlock) => {}
        }
    }
}

/// The same error after a wait.
fn timed_out(error: TryLeaseError) -> LeaseTimeoutError {
    match error {
        TryLeaseError::WouldBlock => LeaseTimeoutError::Timeout,
        TryLeaseError::Lease(error) => LeaseTimeoutError::Lease(error),
    }
}
