//! Waiting for a reader-writer lock: for the writer mutex, on the own cell, and for readers to
//! leave.
//!
//! # State
//!
//! That of [`rwlock`](super).
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait). A reader waits for the holder of the writer mutex, and sleeps on
//! its own cell; a writer waits for the owner of a cell, and sleeps on that cell: until its readers
//! have left, or, before it blocks the cell, until those that have waited have had their turn.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | a reader that waits, or was woken | a `WAITING` too many, a turn that none takes | the next writer, which asks when a slice has ended; a reaper |
//! | a writer that waits | the dead tag in the mutex, cells blocked | the readers that sleep there, when their slices end, and any later process |
//! | the reader that is waited for | a count of the dead | the writer, when its slice ends: 0 |
//!
//! # Ordering
//!
//! (W1) to (W3) of [`rwlock`](super).

use core::time::Duration;

use super::cell::CellValue;
use super::{Cell, EnterError, LockHook, RwLock, RwLockError, WriterToken};
use crate::facade::{Backoff, Deadline, Left, mutation};
use crate::participant::Tag;

use crate::algorithm::mutex::{self, LockToken};
use crate::participant::Liveness;
use crate::wait::longest_for;
use crate::wait::{
    SleepOn, Step, Stepped, WaitMode, WaitOp, block_on, by_peers, try_now, waits_end_with,
};

/// The time in which a reader that was woken has to take its turn: a stopped one keeps no writer
/// waiting for longer.
const TURN: Duration = Duration::from_millis(10);

waits_end_with!(RwLockError::Busy);

/// A reader that enters by its own cell, or by the writer mutex.
struct Enter<'a, A, P> {
    lock: &'a RwLock<'a, A>,
    cell: &'a Cell,
    peers: &'a P,
    wait: Option<&'a Deadline>,
    /// The cell's word at the last attempt.
    seen: Option<CellValue>,
    /// The holder of the writer mutex.
    owner: Tag,
    /// Whether it has announced itself in the cell.
    announced: bool,
}

impl<A: LockHook, P: Liveness> WaitOp for Enter<'_, A, P> {
    type Output = Option<WriterToken>;
    type Error = RwLockError;

    fn attempt(&mut self) -> Stepped<Self> {
        match self.cell.enter(self.peers) {
            Ok(()) => Ok(Step::Done(None)),
            Err(EnterError::Full) => Err(RwLockError::Full),
            Err(EnterError::NotOwner) => {
                let token = self.lock.acquire(self.peers, self.wait)?;
                Ok(Step::Done(Some(token)))
            }
            Err(EnterError::Blocked(seen)) => {
                self.seen = Some(seen);
                Ok(Step::Blocked)
            }
        }
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        let mutex = &self.lock.state.mutex;
        let holder = mutex.holder(self.peers)?;
        let lives = |tag: &Tag| self.peers.is_alive(*tag) || mutation(312);
        if let Some(owner) = holder.filter(lives) {
            self.owner = owner;
            return Ok(Step::Blocked);
        }
        match mutex.try_lock_contended(self.peers) {
            Ok(held) => Ok(Step::Done(Some(self.lock.recover_writer(held)?))),
            Err(mutex::MutexError::Busy) => Ok(Step::Retry),
            Err(refused) => Err(refused.into()),
        }
    }

    const REAPS_FIRST: bool = true;

    by_peers!();

    fn longest(&self) -> Duration {
        longest_for(Some(self.owner), self.peers)
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let seen = self.cell.announce_reader(self.seen?).ok()?;
        self.announced = true;
        // The holder may have released the mutex before it could see a sleeper.
        let holder = self.lock.state.mutex.holder(self.peers);
        if !mutation(331) && holder != Ok(Some(self.owner)) {
            return None;
        }
        self.peers.sleeps_for(self.owner);
        Some(self.cell.sleep_on(seen))
    }

    /// Takes no turn any more. Others of its process that wait announce themselves again.
    fn timed_out(&mut self) -> Result<Self::Output, RwLockError> {
        if self.announced && !mutation(679) {
            self.cell.notify();
        }
        Err(RwLockError::Busy)
    }
}

/// A writer that waits until those that have waited at an open cell have had their turn.
struct Turn<'a, P> {
    index: u32,
    cell: &'a Cell,
    peers: &'a P,
    /// The cell's word at the last attempt.
    seen: CellValue,
}

impl<P: Liveness> WaitOp for Turn<'_, P> {
    type Output = ();
    type Error = RwLockError;

    fn attempt(&mut self) -> Stepped<Self> {
        self.seen = self.cell.peek();
        Ok(if self.seen.is_turn() {
            Step::Blocked
        } else {
            Step::Done(())
        })
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        let owner = self.seen.owner(self.index);
        if owner.is_some_and(|owner| self.peers.is_alive(owner)) || mutation(684) {
            return Ok(Step::Blocked);
        }
        self.cell.reclaim(self.seen);
        Ok(Step::Retry)
    }

    const REAPS_FIRST: bool = false;

    by_peers!();

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        Some(self.cell.sleep_on(self.seen))
    }
}

/// A writer that waits until a blocked cell counts no live reader.
struct Drain<'a, P> {
    index: u32,
    cell: &'a Cell,
    peers: &'a P,
    /// The cell's word at the last attempt, and its owner.
    blocked: Option<(CellValue, Tag)>,
    /// Whether an attempt was blocked.
    waited: bool,
}

impl<P: Liveness> WaitOp for Drain<'_, P> {
    /// Whether it had to wait.
    type Output = bool;
    type Error = RwLockError;

    fn attempt(&mut self) -> Stepped<Self> {
        let seen = self.cell.load();
        // A count without an owner counts no reader.
        let owner = seen.owner(self.index).filter(|_| seen.readers() > 0);
        self.blocked = owner.map(|owner| (seen, owner));
        self.waited |= owner.is_some();
        Ok(owner.map_or(Step::Done(self.waited), |_| Step::Blocked))
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        match self.blocked {
            Some((seen, owner)) if mutation(310) || !self.peers.is_alive(owner) => {
                self.cell.reclaim(seen);
                Ok(Step::Retry)
            }
            _ => Ok(Step::Blocked),
        }
    }

    const REAPS_FIRST: bool = true;

    by_peers!();

    fn longest(&self) -> Duration {
        longest_for(self.blocked.map(|(_, owner)| owner), self.peers)
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let (seen, owner) = self.blocked?;
        let seen = self.cell.announce_writer(seen).ok()?;
        self.peers.sleeps_for(owner);
        Some(self.cell.sleep_on(seen))
    }
}

impl<A: LockHook> RwLock<'_, A> {
    /// Enters by the own cell (`None`), or by the writer mutex.
    pub(super) fn enter(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<Option<WriterToken>, RwLockError> {
        let me = peers.me();
        let Some(cell) = self.cell(me) else {
            return Err(RwLockError::Corrupt { word: me.bits() });
        };
        // The fast path may have failed for that reason.
        if cell.give_back(peers) {
            return Err(RwLockError::MembershipLost);
        }
        let mut enter = Enter {
            lock: self,
            cell,
            peers,
            wait,
            seen: None,
            owner: me,
            announced: false,
        };
        if let Some(deadline) = wait {
            return block_on(&mut enter, deadline, WaitMode::of_a_lock(peers.history()));
        }
        // A try asks for the writer mutex at once: a reader holds it only for a moment.
        let mut backoff = Backoff::new();
        loop {
            if let Some(came_in) = try_now(&mut enter)? {
                return Ok(came_in);
            }
            if self.state.writer().is_some() || !backoff.spin() {
                return Err(RwLockError::Busy);
            }
        }
    }

    /// Takes the mutex unless a live participant holds it for longer than a reader needs it.
    #[cold]
    pub(super) fn try_acquire(&self, peers: &impl Liveness) -> Result<LockToken, RwLockError> {
        let mut backoff = Backoff::new();
        loop {
            match self.state.mutex.try_lock_contended(peers) {
                Ok(held) => return Ok(held),
                Err(mutex::MutexError::Busy) if self.state.writer().is_none() && backoff.spin() => {
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    /// Waits until the threads that have waited at an open cell have had their turn, and returns
    /// whether it had to wait. A thread that does not take its turn in [`TURN`] loses it.
    pub(super) fn give_turn(
        &self,
        index: u32,
        cell: &Cell,
        peers: &impl Liveness,
        deadline: &Deadline,
    ) -> Result<bool, RwLockError> {
        let seen = cell.peek();
        if !seen.is_turn() || mutation(681) {
            return Ok(false);
        }
        let mut turn = Turn {
            index,
            cell,
            peers,
            seen,
        };
        let mode = WaitMode::of_a_lock(peers.history());
        match block_on(&mut turn, &deadline.within(TURN), mode) {
            Err(RwLockError::Busy) if !matches!(deadline.left(), Left::Passed) => cell.notify(),
            waited => waited?,
        }
        Ok(true)
    }

    /// Waits until a blocked cell counts no live reader, and returns whether it had to wait.
    /// Without a deadline, does not wait.
    pub(super) fn drain(
        &self,
        index: u32,
        cell: &Cell,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<bool, RwLockError> {
        let mut drain = Drain {
            index,
            cell,
            peers,
            blocked: None,
            waited: false,
        };
        match wait {
            Some(deadline) => block_on(&mut drain, deadline, WaitMode::of_a_lock(peers.history())),
            None => try_now(&mut drain)?.ok_or(RwLockError::Busy),
        }
    }
}
