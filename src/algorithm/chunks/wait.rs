//! Leasing a chunk, and waiting for one.
//!
//! # State
//!
//! That of [`leases`](super).
//!
//! # Protocol
//!
//! Walk over the chunks; if all pending ones have holders, spin some microseconds, ask whether
//! their holders live, make each of them `WANTED`, and sleep on all their words for a slice: the
//! first that is returned ends it. If some are closed, go through the [`opening`](super::opening).
//!
//! # Crash
//!
//! A waiter holds nothing but, for a moment, the writer mutex; killed, it may leave a `WANTED` too
//! many.
//!
//! # Ordering
//!
//! (L1), (L2), (L3) of [`leases`](super).

use core::time::Duration;

use super::opening::Want;
use super::{
    ChunkError, ClaimOutcome, DIED, LeaseTable, Leased, Leases, OPEN, RESTARTING, RESTARTS, Taken,
    WANTED, WalkMode, holder, is_done,
};
use crate::facade::{Deadline, Futex, Ordering, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::wait::longest_for;
use crate::wait::{
    AT_ONCE, LONGEST_UNTOLD, SleepOn, Step, Stepped, WaitMode, WaitOp, block_on, by_peers, try_now,
};

impl<'a> LeaseTable<'a> {
    /// Claims the wanted chunk if it is available.
    #[inline(always)]
    pub(super) fn find(
        &self,
        want: Want,
        peers: &impl Liveness,
        mode: WalkMode,
    ) -> Result<ClaimOutcome, ChunkError> {
        match want {
            Want::This(chunk) => self.claim(chunk, true, peers, mode),
            Want::Any(from) => self.walk(from, peers, mode),
        }
    }

    /// Announces a sleeper until a chunk is returned, if its word is still as it was seen; returns
    /// what to sleep on.
    fn announce(&self, taken: Taken, peers: &impl Liveness) -> Option<(&'a Futex, u32)> {
        let Taken {
            chunk,
            word: seen,
            holder,
        } = taken;
        let word = &self.chunks[chunk];
        let wanted = if mutation(364) { seen } else { seen | WANTED };
        if seen != wanted {
            // ORDERING: Relaxed; the flag carries no data, the CAS that ends the lease reads the
            // word.
            let relaxed = Ordering::Relaxed;
            word.compare_exchange_weak(seen, wanted, relaxed, relaxed)
                .ok()?;
        }
        peers.sleeps_for(holder);
        Some((word, wanted))
    }
}

/// A wait until a closed chunk has no holder.
pub(super) struct Return<'a, P> {
    table: &'a LeaseTable<'a>,
    chunk: usize,
    peers: &'a P,
    /// The chunk at the last attempt.
    taken: Option<Taken>,
}

impl<'a, P: Liveness> Return<'a, P> {
    pub(super) fn new(table: &'a LeaseTable<'a>, chunk: usize, peers: &'a P) -> Self {
        Self {
            table,
            chunk,
            peers,
            taken: None,
        }
    }

    /// The holder of the chunk at the last attempt.
    pub(super) fn holder(&self) -> Option<Tag> {
        self.taken.map(|taken| taken.holder)
    }
}

impl<P: Liveness> WaitOp for Return<'_, P> {
    type Output = ();
    type Error = ChunkError;

    fn attempt(&mut self) -> Stepped<Self> {
        let (chunk, word) = (self.chunk, self.table.load_chunk(self.chunk));
        self.taken = holder(word, self.peers)?.map(|holder| Taken {
            chunk,
            word,
            holder,
        });
        Ok(match self.taken {
            Some(_) if !mutation(356) => Step::Blocked,
            _ => Step::Done(()),
        })
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        match self.taken {
            Some(Taken { word, holder, .. }) if !self.peers.is_alive(holder) => {
                let died = if mutation(357) { 0 } else { DIED };
                // A faster process has freed it, too.
                let _ = self
                    .table
                    .free(self.chunk, word, (word & (OPEN | DIED)) | died);
                Ok(Step::Retry)
            }
            _ => Ok(Step::Blocked),
        }
    }

    const REAPS_FIRST: bool = true;

    by_peers!();

    fn longest(&self) -> Duration {
        longest_for(self.holder(), self.peers)
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let (word, expected) = self.table.announce(self.taken?, self.peers)?;
        Some(SleepOn::One(word, expected))
    }
}

/// A wait for any pending chunk.
struct AnyChunk<'a, P> {
    leases: &'a Leases<'a>,
    from: usize,
    peers: &'a P,
    wait: Option<&'a Deadline>,
    /// The outcome of a walk before the first attempt.
    found: Option<ClaimOutcome>,
    /// The words of the chunks with other holders, which are slept on, and their number.
    words: [(&'a Futex, u32); AT_ONCE],
    count: usize,
}

impl<P: Liveness> AnyChunk<'_, P> {
    fn walk(&self, mode: WalkMode) -> Result<ClaimOutcome, ChunkError> {
        self.leases.table.walk(self.from, self.peers, mode)
    }

    fn by_writer_mutex(&self) -> Result<ClaimOutcome, ChunkError> {
        let want = Want::Any(self.from);
        self.leases.by_writer_mutex(want, self.peers, self.wait)
    }

    /// Turns the outcome of a walk into that of an attempt.
    fn step(&mut self, mut found: ClaimOutcome) -> Stepped<Self> {
        let table = &self.leases.table;
        loop {
            match found {
                ClaimOutcome::Got(leased) => return Ok(Step::Done(Some(leased))),
                ClaimOutcome::Taken(_) => return Ok(Step::Blocked),
                ClaimOutcome::Done => {
                    let word = table.word();
                    if word & RESTARTING == 0 || mutation(365) {
                        found = self.walk(WalkMode::Passing)?;
                        let restarts = (table.word() ^ word) / RESTARTS;
                        if found == ClaimOutcome::Done && restarts == 0 {
                            return Ok(Step::Done(None));
                        }
                        continue;
                    }
                }
                ClaimOutcome::Closed => {}
            }
            found = self.by_writer_mutex()?;
        }
    }
}

impl<P: Liveness> WaitOp for AnyChunk<'_, P> {
    type Output = Option<Leased>;
    type Error = ChunkError;

    fn attempt(&mut self) -> Stepped<Self> {
        let found = match self.found.take() {
            Some(found) => found,
            None => self.walk(WalkMode::Passing)?,
        };
        self.step(found)
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        let found = self.walk(WalkMode::Asking)?;
        self.step(found)
    }

    const REAPS_FIRST: bool = true;

    by_peers!();

    fn longest(&self) -> Duration {
        if self.count == AT_ONCE {
            LONGEST_UNTOLD
        } else {
            longest_for(None, self.peers)
        }
    }

    /// Sleeps on all pending chunks, or on as many as can be slept on: all of them have other
    /// holders.
    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let (table, most) = (&self.leases.table, if mutation(662) { 1 } else { AT_ONCE });
        self.count = 0;
        for chunk in 0..table.chunks.len() {
            let word = table.load_chunk(chunk);
            if is_done(word) || self.count == most {
                continue;
            }
            let holder = holder(word, self.peers).ok()??;
            let taken = Taken {
                chunk,
                word,
                holder,
            };
            self.words[self.count] = table.announce(taken, self.peers)?;
            self.count += 1;
        }
        let words = &self.words[..self.count];
        (!words.is_empty()).then_some(SleepOn::Any(words))
    }
}

impl Leases<'_> {
    /// Leases a pending chunk, the first from `from` on; blocks until `deadline` while all that are
    /// left have live holders. `None` if all are done. Without a deadline it does not wait.
    #[inline]
    pub(crate) fn lease_any(
        &self,
        from: usize,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<Option<Leased>, ChunkError> {
        match self.table.walk(from, peers, WalkMode::Passing)? {
            ClaimOutcome::Got(leased) => Ok(Some(leased)),
            found => self.wait_for_any(found, from, peers, wait),
        }
    }

    #[cold]
    fn wait_for_any(
        &self,
        found: ClaimOutcome,
        from: usize,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<Option<Leased>, ChunkError> {
        let mut any = AnyChunk {
            leases: self,
            from,
            peers,
            wait,
            found: Some(found),
            // Every array has a chunk.
            words: [(&self.table.chunks[0], 0); AT_ONCE],
            count: 0,
        };
        match wait {
            Some(deadline) => block_on(&mut any, deadline, WaitMode::of_a_lock(peers.history())),
            None => try_now(&mut any)?.ok_or(ChunkError::Busy),
        }
    }

    /// Leases a chunk, done or not, unless a live participant holds it; blocks until `deadline`
    /// while others read or write. Without a deadline it does not wait.
    #[inline]
    pub(crate) fn lease_this(
        &self,
        chunk: usize,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<Leased, ChunkError> {
        let table = &self.table;
        let mut found = table.find(Want::This(chunk), peers, WalkMode::Asking)?;
        loop {
            match found {
                ClaimOutcome::Got(leased) => return Ok(leased),
                ClaimOutcome::Taken(taken) => return Err(ChunkError::Leased(taken.holder)),
                ClaimOutcome::Closed | ClaimOutcome::Done => {
                    found = self.by_writer_mutex(Want::This(chunk), peers, wait)?;
                }
            }
        }
    }
}
