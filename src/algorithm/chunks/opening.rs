//! Opening and closing the grid, in the door of the lock.
//!
//! # State
//!
//! That of [`leases`](super).
//!
//! # Protocol
//!
//! What is here is done by whoever holds the mutex that is the lock's door, and has settled what
//! the one before it left:
//!
//! ```text
//! open     bar and drain the readers; OPEN into the grid; claim one; OPEN into every other chunk
//! close    OPEN out of every chunk; each that is somebody's: wait, or take it from the dead; OPEN out
//!          of the grid
//! restart  close, or be refused; RESTARTING into the grid; DONE out of every chunk; RESTARTING out of
//!          the grid, and one restart more
//! ```
//!
//! One that gives up closing leaves the chunks closed and the grid open: the next lease opens them
//! again. One that only tries looks for live holders before it closes anything, so that it disturbs
//! nobody.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | opening or closing | some chunks open, some not; the grid says which may be | the next in the door, who goes through all of them |
//! | after the grid says `RESTARTING` | some chunks done still | the next in the door |
//!
//! # Ordering
//!
//! (L1) and (L3) of [`leases`](super). Everything else is ordered by the door.

use super::wait::Return;
use super::{
    ChunkError, DONE, Found, LeaseTable, Look, OPEN, RESTARTING, RESTARTS, TABLE_OPEN, holder,
};
use crate::algorithm::rwlock::{LockHook, RwLock, RwLockError, WriterToken};
use crate::facade::{Deadline, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::{WaitMode, block_on, try_now};

/// The chunks of an array, and the lock beside which they are leased.
#[derive(Clone, Copy)]
pub(crate) struct Leases<'a> {
    pub(crate) lock: RwLock<'a, LeaseTable<'a>>,
    pub(crate) table: LeaseTable<'a>,
}

/// Which chunk is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// This one, done or not.
    This(usize),
    /// Any that is to do, looked for from this one on.
    Any(usize),
}

/// Readers and writers have the leases back before they go in.
impl LockHook for LeaseTable<'_> {
    fn is_open(&self) -> bool {
        // ORDERING: Relaxed; whoever asks is in the door.
        self.state.word.load(Ordering::Relaxed) & TABLE_OPEN != 0 && !mutation(366)
    }

    fn close(
        &self,
        _: Tag,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<(), RwLockError> {
        match self.close_chunks(peers, wait) {
            Ok(_) => Ok(()),
            Err(ChunkError::Corrupt { word }) => Err(RwLockError::Corrupt { word }),
            Err(ChunkError::MembershipLost) => Err(RwLockError::MembershipLost),
            Err(_) => Err(RwLockError::Busy),
        }
    }
}

impl LeaseTable<'_> {
    /// The grid's word, once a restart that was begun is over.
    fn settle(&self) -> Result<u32, ChunkError> {
        let word = self.word();
        match word & (TABLE_OPEN | RESTARTING) {
            RESTARTING => Ok(self.make_to_do(word)),
            0 | TABLE_OPEN => Ok(word),
            _ => Err(ChunkError::Corrupt { word }),
        }
    }

    /// Closes the grid, waiting until all leases are back, or not at all without a deadline. The
    /// grid's word, as it is then.
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
            // ORDERING: Relaxed; each is looked at again before it counts as nobody's.
            chunk.fetch_and(!OPEN, Ordering::Relaxed);
        }
        if mutation(359) {
            self.set(word & !TABLE_OPEN);
        }
        for chunk in 0..self.chunks.len() {
            self.wait_for(chunk, peers, wait)?;
        }
        // It may have waited for long.
        if !is_still_registered(peers, 592) {
            return Err(ChunkError::MembershipLost);
        }
        self.set(word & !TABLE_OPEN);
        Ok(word & !TABLE_OPEN)
    }

    fn look_for_holders(&self, peers: &impl Liveness) -> Result<(), ChunkError> {
        for chunk in 0..self.chunks.len() {
            if let Some(holder) = holder(self.look(chunk), peers)?
                && peers.is_alive(holder)
            {
                return Err(ChunkError::Leased(holder));
            }
        }
        Ok(())
    }

    /// Waits until a chunk that is closed is nobody's.
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
            if self.look(chunk) & OPEN == 0 {
                // ORDERING: Release; (L1): what those have done that were in the lock before.
                self.chunks[chunk].fetch_or(OPEN, ordering(Ordering::Release, 358));
            }
        }
    }

    /// Makes every chunk to do, after a restart was announced in the grid's word. Nobody has any.
    /// The grid's word, as it is then.
    fn make_to_do(&self, word: u32) -> u32 {
        for chunk in self.chunks {
            // ORDERING: Release; after the announcement, should this process be killed.
            chunk.fetch_and(!DONE, Ordering::Release);
        }
        let word = (word & !RESTARTING).wrapping_add(RESTARTS);
        self.set(word);
        word
    }

    /// Makes all chunks to do again; for one that is in the door when the grid is closed.
    fn restart_closed(&self) {
        let word = self.word() | RESTARTING;
        if !mutation(363) {
            self.set(word);
        }
        self.make_to_do(word);
    }

    fn set(&self, word: u32) {
        // ORDERING: Release; (L3). Every one, since a store continues no other's release sequence.
        let release = ordering(Ordering::Release, 342);
        self.state.word.store(word, release);
    }
}

impl Leases<'_> {
    /// Gets what is wanted by the door of the lock: the grid is closed, or was just now.
    #[cold]
    pub(super) fn by_writer_mutex(
        &self,
        want: Want,
        me: Tag,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<Found, ChunkError> {
        let token = self.lock.acquire(me, peers, wait)?;
        let found = self.open(&token, want, me, peers, wait);
        self.lock.release(token);
        found
    }

    /// Opens the grid, if there is something to be had, and takes it.
    fn open(
        &self,
        token: &WriterToken,
        want: Want,
        me: Tag,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<Found, ChunkError> {
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
                return Ok(Found::Done);
            }
            if mutation(361) {
                table.set(word | TABLE_OPEN);
            }
            if !mutation(362) {
                self.lock.exclude(peers, wait)?;
            }
            // INVARIANT: 2, by what is above.
            table.set(word | TABLE_OPEN);
        }
        // INVARIANT: 1, since the grid is open.
        let found = table.find(want, me, peers, Look::Opening);
        table.open_all();
        found
    }

    /// Makes all chunks to do again, unless a live participant has one.
    pub(crate) fn restart(
        &self,
        me: Tag,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<(), ChunkError> {
        let token = self.lock.acquire(me, peers, wait)?;
        let table = &self.table;
        let closed = table.close_chunks(peers, None);
        if closed.is_ok() {
            table.restart_closed();
        }
        self.lock.release(token);
        closed.map(drop)
    }
}
