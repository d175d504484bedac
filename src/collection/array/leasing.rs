//! The ways to lease chunks of an array.

use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::{Array, Lease, LeaseError, RestartError, TimedLeaseError, TryLeaseError};
use crate::algorithm::chunks::ChunkError;
use crate::facade::Deadline;
use crate::participant::Tag;
use crate::payload::Payload;

impl<T: Payload + Pod> Array<T> {
    /// Leases the next chunk that is to do and that nobody has; `None` if all are done.
    ///
    /// Waits while all chunks that are to do are in living participants' hands, since any of them may come
    /// back; and while somebody reads or writes the array. The chunk of one that was killed comes
    /// back within a few milliseconds; that of one that was stopped is waited for. Which chunk is next is
    /// not said: a handle goes on from its last one, and different processes begin at different places.
    ///
    /// A chunk that can be had costs one compare-and-swap, after a look at the chunks before it, and no
    /// system call. Whoever leases first after a reader or a writer opens all chunks, which waits for the
    /// readers to leave.
    ///
    /// A thread that has a chunk may wait for ever for another one: if what is to do is all in its own hands,
    /// or if somebody waits to read in between. Finish the first one before, or use
    /// [`try_lease_chunk`](Self::try_lease_chunk). One that has a guard of the same array waits for ever.
    ///
    /// # Errors
    ///
    /// [`LeaseError::OwnerDied`] and [`LeaseError::Poisoned`] if the last writer died or panicked: repair the
    /// array with [`write_or_repair`](Self::write_or_repair) first, or see
    /// [`clear_poison`](Self::clear_poison). [`LeaseError::Corrupt`]; [`LeaseError::Join`].
    #[inline]
    pub fn lease_chunk(&self) -> Result<Option<Lease<'_, T>>, LeaseError> {
        self.forever(|deadline| self.next_chunk(Some(deadline)))
    }

    /// Leases the next chunk that is to do, as [`lease_chunk`](Self::lease_chunk) does; never waits.
    ///
    /// It may spin for some microseconds if somebody is just about to let others in.
    ///
    /// # Errors
    ///
    /// [`TryLeaseError::WouldBlock`] if it would have to wait; the others as
    /// [`lease_chunk`](Self::lease_chunk).
    pub fn try_lease_chunk(&self) -> Result<Option<Lease<'_, T>>, TryLeaseError> {
        self.next_chunk(None).map_err(|ended| match ended {
            Ended::Busy => TryLeaseError::WouldBlock,
            Ended::Refused(error) => error.into(),
        })
    }

    /// Leases the next chunk that is to do, as [`lease_chunk`](Self::lease_chunk) does, waiting no longer
    /// than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedLeaseError::Timeout`]; the others as [`lease_chunk`](Self::lease_chunk).
    pub fn lease_chunk_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Option<Lease<'_, T>>, TimedLeaseError> {
        in_time(self.next_chunk(Some(&Deadline::after(timeout))))
    }

    /// Leases the next chunk that is to do, as [`lease_chunk`](Self::lease_chunk) does, waiting until
    /// `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`TimedLeaseError::Timeout`]; the others as [`lease_chunk`](Self::lease_chunk).
    pub fn lease_chunk_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Option<Lease<'_, T>>, TimedLeaseError> {
        in_time(self.next_chunk(Some(&Deadline::at(deadline))))
    }

    /// Leases this chunk, counted from 0, whether it is done or not. From then on it is to do.
    ///
    /// Waits while somebody reads or writes the array, as [`lease_chunk`](Self::lease_chunk) does; not for
    /// one that has the chunk.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Leased`] if a live participant has it, this process perhaps;
    /// [`LeaseError::OutOfRange`] if there is none such; the others as
    /// [`lease_chunk`](Self::lease_chunk).
    #[inline]
    pub fn lease(&self, chunk: usize) -> Result<Lease<'_, T>, LeaseError> {
        self.forever(|deadline| self.this_chunk(chunk, Some(deadline)))
    }

    /// Leases this chunk, as [`lease`](Self::lease) does; never waits.
    ///
    /// # Errors
    ///
    /// [`TryLeaseError::WouldBlock`] if somebody reads or writes the array; the others as
    /// [`lease`](Self::lease).
    pub fn try_lease(&self, chunk: usize) -> Result<Lease<'_, T>, TryLeaseError> {
        self.this_chunk(chunk, None).map_err(|ended| match ended {
            Ended::Busy => TryLeaseError::WouldBlock,
            Ended::Refused(error) => error.into(),
        })
    }

    /// Leases this chunk, as [`lease`](Self::lease) does, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedLeaseError::Timeout`] if somebody still reads or writes the array; the others as
    /// [`lease`](Self::lease).
    pub fn lease_timeout(
        &self,
        chunk: usize,
        timeout: Duration,
    ) -> Result<Lease<'_, T>, TimedLeaseError> {
        in_time(self.this_chunk(chunk, Some(&Deadline::after(timeout))))
    }

    /// Leases this chunk, as [`lease`](Self::lease) does, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`lease_timeout`](Self::lease_timeout).
    pub fn lease_deadline(
        &self,
        chunk: usize,
        deadline: Instant,
    ) -> Result<Lease<'_, T>, TimedLeaseError> {
        in_time(self.this_chunk(chunk, Some(&Deadline::at(deadline))))
    }

    /// Makes all chunks to do again, for another round. The values stay as they are.
    ///
    /// It is made for all chunks or for none, whenever this process is killed. Waits while somebody
    /// writes, but not for readers, nor for those who have chunks. A thread that has a guard of the array
    /// may wait for ever.
    ///
    /// # Errors
    ///
    /// [`RestartError::Leased`] if a live participant has a chunk, and nothing is changed;
    /// [`RestartError::Corrupt`]; [`RestartError::Join`].
    pub fn restart(&self) -> Result<(), RestartError> {
        loop {
            let me = self.entry_ref().tag().map_err(RestartError::Join)?;
            let forever = Deadline::never();
            let made = self
                .leases()
                .restart(me, &self.entry_ref().liveness(me), Some(&forever));
            match made {
                Ok(()) => return Ok(()),
                Err(ChunkError::Leased(holder)) => {
                    let pid = self.entry_ref().pid_of(holder);
                    return Err(RestartError::Leased { pid });
                }
                Err(ChunkError::Corrupt { word }) => return Err(RestartError::Corrupt { word }),
                Err(ChunkError::MembershipLost) => {
                    return Err(RestartError::Join(self.entry_ref().membership_lost(me)));
                }
                // The last two never: it does not look at the values.
                Err(ChunkError::Busy | ChunkError::OwnerDied | ChunkError::Poisoned) => {}
            }
        }
    }

    #[inline]
    fn next_chunk(&self, wait: Option<&Deadline>) -> Result<Option<Lease<'_, T>>, Ended> {
        let me = self.me()?;
        let from = self.next(me);
        let leased = self
            .leases()
            .lease_any(from, me, &self.entry_ref().liveness(me), wait);
        match leased.map_err(|refused| self.ended(refused, me))? {
            Some(leased) => {
                self.go_on_behind(leased.chunk());
                Ok(Some(Lease::new(self, leased)))
            }
            None => Ok(None),
        }
    }

    #[inline]
    fn this_chunk(&self, chunk: usize, wait: Option<&Deadline>) -> Result<Lease<'_, T>, Ended> {
        let chunks = self.chunks();
        if chunk >= chunks {
            return Err(Ended::Refused(LeaseError::OutOfRange { chunk, chunks }));
        }
        let me = self.me()?;
        let leased = self
            .leases()
            .lease_this(chunk, me, &self.entry_ref().liveness(me), wait);
        let leased = leased.map_err(|refused| self.ended(refused, me))?;
        Ok(Lease::new(self, leased))
    }

    #[inline]
    fn me(&self) -> Result<Tag, Ended> {
        match self.entry_ref().current_tag() {
            Some(tag) => Ok(tag),
            None => self
                .entry_ref()
                .tag()
                .map_err(|error| Ended::Refused(LeaseError::Join(error))),
        }
    }

    /// Waits as long as it takes.
    #[inline]
    fn forever<R>(&self, attempt: impl Fn(&Deadline) -> Result<R, Ended>) -> Result<R, LeaseError> {
        loop {
            match attempt(&Deadline::never()) {
                Ok(had) => return Ok(had),
                Err(Ended::Refused(error)) => return Err(error),
                Err(Ended::Busy) => {}
            }
        }
    }

    #[cold]
    fn ended(&self, refused: ChunkError, me: Tag) -> Ended {
        Ended::Refused(match refused {
            ChunkError::Busy => return Ended::Busy,
            ChunkError::Leased(holder) => LeaseError::Leased {
                pid: self.entry_ref().pid_of(holder),
            },
            ChunkError::OwnerDied => LeaseError::OwnerDied,
            ChunkError::Poisoned => LeaseError::Poisoned,
            ChunkError::Corrupt { word } => LeaseError::Corrupt { word },
            ChunkError::MembershipLost => LeaseError::Join(self.entry_ref().membership_lost(me)),
        })
    }
}

/// Why an attempt came to nothing.
enum Ended {
    Busy,
    Refused(LeaseError),
}

fn in_time<R>(had: Result<R, Ended>) -> Result<R, TimedLeaseError> {
    had.map_err(|ended| match ended {
        Ended::Busy => TimedLeaseError::Timeout,
        Ended::Refused(error) => error.into(),
    })
}
