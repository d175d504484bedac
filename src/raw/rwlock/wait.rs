//! Waiting for a lock of readers and writers: at the door, on one's own cell, and for readers to leave.
//!
//! # State
//!
//! That of [`rwlock`](super).
//!
//! # Protocol
//!
//! That of [`vigil`](crate::raw::vigil). A reader waits for whoever holds the door, and sleeps on its own
//! cell; a writer waits for the owner of a cell, and sleeps on that.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | a reader that waits | a `WAITING` too many | the next to open or to leave the cell, who wakes nobody |
//! | a writer that waits | the dead tag in the mutex, cells barred | the readers that sleep there, when their slices end, and whoever comes |
//! | the reader that is waited for | a count of the dead | the writer, when its slice ends: 0 |
//!
//! # Ordering
//!
//! (W1) to (W3) of [`rwlock`](super).

use super::{Annex, Cell, Door, Refused, RwLock, Shut};
use crate::facade::{Backoff, Deadline, mutation};
use crate::layout::Tag;
use crate::raw::Peers;
use crate::raw::mutex::{self, Held};
use crate::raw::vigil::{Awake, Vigil};

impl From<Awake> for Refused {
    fn from(awake: Awake) -> Self {
        match awake {
            Awake::Late => Self::Busy,
            Awake::Expelled => Self::Expelled,
        }
    }
}

impl<A: Annex> RwLock<'_, A> {
    /// Comes in by the own cell (`None`), or by the door.
    pub(super) fn come_in(
        &self,
        me: Tag,
        peers: &impl Peers,
        wait: Option<&Deadline>,
    ) -> Result<Option<Door>, Refused> {
        let Some(cell) = self.cell(me) else {
            return Err(Refused::Corrupt { word: me.bits() });
        };
        let mut vigil = Vigil::new();
        loop {
            let seen = match cell.enter(me) {
                Ok(()) => return Ok(None),
                Err(Shut::Full) => return Err(Refused::Full),
                Err(Shut::Stranger) => return self.hold(me, peers, wait).map(Some),
                Err(Shut::Barred(seen)) => seen,
            };
            let mutex = &self.state.mutex;
            // One that does not wait asks for the door at once: a reader has no business there for long.
            if wait.is_some() && vigil.spin() {
                continue;
            }
            let holder = mutex.holder(peers)?;
            let Some(owner) = holder.filter(|tag| peers.is_alive(*tag) || mutation(312)) else {
                match mutex.try_lock_contended(me, peers) {
                    Ok(held) => return self.settle(held).map(Some),
                    Err(mutex::Refused::Busy) => continue,
                    Err(refused) => return Err(refused.into()),
                }
            };
            let Some(deadline) = wait else {
                if self.state.is_written() || !vigil.spin() {
                    return Err(Refused::Busy);
                }
                continue;
            };
            let slice = vigil.slice(owner, peers, deadline)?;
            let Ok(seen) = cell.say_that_one_sleeps(seen) else {
                continue;
            };
            // Whoever held the door may have left it before it could know of a sleeper.
            if !mutation(331) && mutex.holder(peers)? != Some(owner) {
                continue;
            }
            peers.sleeps_for(owner);
            cell.sleep(seen, slice);
            vigil.slept();
        }
    }

    /// Takes the mutex if nobody alive has it, or lets it go in a moment.
    #[cold]
    pub(super) fn try_hold(&self, me: Tag, peers: &impl Peers) -> Result<Held, Refused> {
        let mut backoff = Backoff::new();
        loop {
            match self.state.mutex.try_lock_contended(me, peers) {
                Ok(held) => return Ok(held),
                Err(mutex::Refused::Busy) if !self.state.is_written() && backoff.spin() => {}
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    /// Waits until nobody that lives reads by a cell that is barred; without a deadline, does not wait.
    pub(super) fn drain(
        &self,
        index: u32,
        cell: &Cell,
        peers: &impl Peers,
        wait: Option<&Deadline>,
    ) -> Result<(), Refused> {
        let mut vigil = Vigil::new();
        loop {
            let seen = cell.look();
            // A count that is nobody's counts nobody.
            let Some(owner) = seen.owner(index).filter(|_| seen.readers() > 0) else {
                return Ok(());
            };
            if wait.is_some() && vigil.spin() {
                continue;
            }
            if mutation(310) || !peers.is_alive(owner) {
                cell.bury(seen);
                continue;
            }
            let Some(deadline) = wait else {
                return Err(Refused::Busy);
            };
            let slice = vigil.slice(owner, peers, deadline)?;
            let Ok(seen) = cell.say_that_one_sleeps(seen) else {
                continue;
            };
            peers.sleeps_for(owner);
            cell.sleep(seen, slice);
            vigil.slept();
        }
    }
}
