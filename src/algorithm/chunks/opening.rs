//! Opening and closing the lease table, with the lock's writer mutex held.
//!
//! # State
//!
//! That of [`leases`](super).
//!
//! # Protocol
//!
//! All of this is done by a holder of the lock's writer mutex, which has recovered what its
//! predecessor left:
//!
//! ```text
//! open     block and drain the readers; OPEN into the table; claim one; OPEN into every other
//!          chunk
//! close    OPEN out of every chunk; each with a holder: wait, or take it from the dead; OPEN out
//!          of the table
//! restart  close, or be refused; RESTARTING into the table; DONE out of every chunk; RESTARTING
//!          out of the table, and one restart more
//! ```
//!
//! A closer that gives up leaves the chunks closed and the table open: the next lease opens them
//! again. A try looks for live holders before it closes anything, so that it disturbs no lease.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | opening or closing | some chunks open, some not; the table says which may be | the next mutex holder, which visits all of them |
//! | after the table says `RESTARTING` | some chunks still done | the next mutex holder |
//!
//! # Ordering
//!
//! (L1) and (L3) of [`leases`](super). The writer mutex orders everything else.

use super::wait::Return;
use super::{
    ChunkError, ClaimOutcome, DONE, LeaseTable, OPEN, RESTARTING, RESTARTS, TABLE_OPEN, WalkMode,
    holder,
};
use crate::algorithm::rwlock::{LockHook, RwLock, RwLockError, WriterToken};
use crate::facade::{Deadline, Ordering, mutation, ordering};
use crate::participant::{Liveness, is_still_registered};
use crate::wait::{WaitMode, block_on, try_now};

/// The chunks of an array, and the lock beside which they are leased.
#[derive(Clone, Copy)]
pub(crate) struct Leases<'a> {
    pub(crate) lock: RwLock<'a, LeaseTable<'a>>,
    pub(crate) table: LeaseTable<'a>,
}

/// The chunk that a lease asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// This one, done or not.
    This(usize),
    /// Any pending one, searched from this one on.
    Any(usize),
}

/// Readers and writers close the leases before they enter.
impl LockHook for LeaseTable<'_> {
    fn is_open(&self) -> bool {
        // ORDERING: Relaxed; the caller holds the writer mutex.
        self.state.word.load(Ordering::Relaxed) & TABLE_OPEN != 0 && !mutation(366)
    }

    fn close(&self, peers: &impl Liveness, wait: Option<&Deadline>) -> Result<(), RwLockError> {
        match self.close_chunks(peers, wait) {
            Ok(_) => Ok(()),
            Err(ChunkError::Corrupt { word }) => Err(RwLockError::Corrupt { word }),
            Err(ChunkError::MembershipLost) => Err(RwLockError::MembershipLost),
            Err(_) => Err(RwLockError::Busy),
        }
    }
}

impl LeaseTable<'_> {
    /// Returns the table's word, after completing a restart that was begun.
    fn settle(&self) -> Result<u32, ChunkError> {
        let word = self.word();
        match word & (TABLE_OPEN | RESTARTING) {
            RESTARTING => Ok(self.make_pending(word)),
            0 | TABLE_OPEN => Ok(word),
            _ => Err(ChunkError::Corrupt { word }),
        }
    }

    /// Closes the table; blocks until all leases are returned, or does not wait without a deadline.
    /// Returns the table's word as it is then.
    pub(super) fn close_chunks(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<u32, ChunkError> {
        let word = self.settle()?;
        if word & TABLE_OPEN == 0 {
            return Ok(word);
        }
        if wait.is_none() {
            self.look_for_holders(peers)?;
        }
        for chunk in self.chunks {
            // ORDERING: Relaxed; each is loaded again before it counts as free.
            chunk.fetch_and(!OPEN, Ordering::Relaxed);
        }
        if mutation(359) {
            self.set(word & !TABLE_OPEN);
        }
        for chunk in 0..self.chunks.len() {
            self.wait_for(chunk, peers, wait)?;
        }
        // The wait may have been long.
        if !is_still_registered(peers, 592) {
            return Err(ChunkError::MembershipLost);
        }
        self.set(word & !TABLE_OPEN);
        Ok(word & !TABLE_OPEN)
    }

    fn look_for_holders(&self, peers: &impl Liveness) -> Result<(), ChunkError> {
        for chunk in 0..self.chunks.len() {
            if let Some(holder) = holder(self.load_chunk(chunk), peers)?
                && peers.is_alive(holder)
            {
                return Err(ChunkError::Leased(holder));
            }
        }
        Ok(())
    }

    /// Waits until a closed chunk has no holder.
    fn wait_for(
        &self,
        chunk: usize,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<(), ChunkError> {
        let mut back = Return::new(self, chunk, peers);
        if let Some(deadline) = wait {
            return block_on(&mut back, deadline, WaitMode::of_a_lock(peers.history()));
        }
        match try_now(&mut back)? {
            Some(()) => Ok(()),
            None => Err(back.holder().map_or(ChunkError::Busy, ChunkError::Leased)),
        }
    }

    /// Opens every chunk.
    fn open_all(&self) {
        for chunk in 0..self.chunks.len() {
            if self.load_chunk(chunk) & OPEN == 0 {
                // ORDERING: Release; (L1): what earlier holders of the lock have done.
                self.chunks[chunk].fetch_or(OPEN, ordering(Ordering::Release, 358));
            }
        }
    }

    /// Makes every chunk pending, after a restart was announced in the table's word. No chunk has a
    /// holder. Returns the table's word as it is then.
    fn make_pending(&self, word: u32) -> u32 {
        for chunk in self.chunks {
            // ORDERING: Release; after the announcement, should this process be killed.
            chunk.fetch_and(!DONE, Ordering::Release);
        }
        let word = (word & !RESTARTING).wrapping_add(RESTARTS);
        self.set(word);
        word
    }

    /// Makes all chunks pending again. The caller holds the writer mutex, and the table is closed.
    fn restart_closed(&self) {
        let word = self.word() | RESTARTING;
        if !mutation(363) {
            self.set(word);
        }
        self.make_pending(word);
    }

    fn set(&self, word: u32) {
        // ORDERING: Release; (L3). All stores, since a store continues no other's release sequence.
        let release = ordering(Ordering::Release, 342);
        self.state.word.store(word, release);
    }
}

impl Leases<'_> {
    /// Leases by way of the writer mutex: the table is closed, or was just now.
    #[cold]
    pub(super) fn by_writer_mutex(
        &self,
        want: Want,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<ClaimOutcome, ChunkError> {
        let token = self.lock.acquire(peers, wait)?;
        let found = self.open(&token, want, peers, wait);
        self.lock.release(token);
        found
    }

    /// Opens the table if a chunk is available, and claims it.
    fn open(
        &self,
        token: &WriterToken,
        want: Want,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<ClaimOutcome, ChunkError> {
        if token.owner_died() && !mutation(360) {
            return Err(ChunkError::OwnerDied);
        }
        if token.is_poisoned() && !mutation(367) {
            return Err(ChunkError::Poisoned);
        }
        let table = &self.table;
        let word = table.settle()?;
        if word & TABLE_OPEN == 0 {
            if matches!(want, Want::Any(_)) && table.left() == 0 {
                return Ok(ClaimOutcome::Done);
            }
            if mutation(361) {
                table.set(word | TABLE_OPEN);
            }
            if !mutation(362) {
                self.lock.exclude(peers, wait)?;
            }
            // To exclude may have taken long. It may still be reaped before the store.
            if !peers.is_registered() {
                return Err(ChunkError::MembershipLost);
            }
            // INVARIANT: 2, by what is above.
            table.set(word | TABLE_OPEN);
        }
        // INVARIANT: 1, since the table is open.
        let found = table.find(want, peers, WalkMode::Opening);
        if found != Err(ChunkError::MembershipLost) {
            table.open_all();
        }
        found
    }

    /// Makes all chunks pending again, unless a live participant holds one.
    pub(crate) fn restart(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<(), ChunkError> {
        let token = self.lock.acquire(peers, wait)?;
        let table = &self.table;
        let closed = table.close_chunks(peers, None);
        if closed.is_ok() {
            table.restart_closed();
        }
        self.lock.release(token);
        closed.map(drop)
    }
}
