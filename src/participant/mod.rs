//! The participants of a segment: which processes take part, and which of them are dead.
//!
//! Everything that is held is held by a [`Tag`] in the same atomic word. The [`registry`] says which
//! tags are in use; the kernel, through [`ByteLocks`](registry::ByteLocks), which of their processes
//! live. [`role`] is the word that one participant at a time has, [`endpoints`] the counts of those
//! that send and receive.

pub(crate) mod endpoints;
pub(crate) mod registry;
pub(crate) mod role;
#[cfg(all(test, loom))]
pub(crate) mod stage;
mod tag;

pub(crate) use tag::{GENERATION_MAX, Tag};

use crate::facade::{AtomicU64, WaitHistory, barrier_after_rmw, mutation};

/// What a waiting or helping process must know of the others.
pub(crate) trait Peers {
    /// Whether the process with this tag is still a participant. One's own tag always is.
    /// Never errs to dead: only the kernel says that somebody is.
    fn is_alive(&self, tag: Tag) -> bool;

    /// Whether one's own membership still stands; false when other code of this process has unmapped
    /// what holds it, so that others take this process for dead, or closed what it asks through.
    fn am_alive(&self) -> bool;

    /// The asking process is about to sleep until `tag` does something, or dies: whoever can tell it
    /// of that sooner than its slice ends is to know.
    fn sleeps_for(&self, _tag: Tag) {}

    /// Whether the process with this tag was a participant when it was last asked about, by whichever
    /// process: asks nobody. For those that have [reaped](Self::reap) just before, or need not.
    fn was_alive(&self, tag: Tag) -> bool {
        self.is_alive(tag)
    }

    /// Whether this process is told of the death of `tag` at once, by whom it has told that it sleeps
    /// for it.
    fn is_watched(&self, _tag: Tag) -> bool {
        false
    }

    /// What the handle remembers of its waits.
    fn history(&self) -> Option<&WaitHistory> {
        None
    }

    /// Gives back what dead participants hold, unless somebody did so within the last slice, as
    /// `last` says, and it is not `urgent`. Whether it did.
    fn reap(&self, _last: &AtomicU64, _urgent: bool) -> bool {
        false
    }

    /// Whether this can say who is a [`stranger`](Self::is_stranger).
    const KNOWS_STRANGERS: bool = false;

    /// Whether the registry does not say that `tag` is a live participant's: its owner was reaped, or
    /// never was. One load, and no system call.
    fn is_stranger(&self, _tag: Tag) -> bool {
        false
    }

    /// Whether the registry still says that the asking process is a live participant. One load, and no
    /// system call: see [`is_member_still`].
    fn am_registered(&self) -> bool {
        true
    }

    /// How many participants the segment can have; tags of higher indices are garbage.
    fn participants(&self) -> u32;
}

/// Whether a process that has just put its tag into a word is a participant still.
///
/// A process that others took for dead does not know it: other code may have unmapped what its lock
/// stands on, or written into the registry. So who claims asks afterwards, and takes its tag out of
/// the word again if the answer is no. (K1):
///
/// ```text
/// a claim                      a reaper
/// the tag into the word        the registry: DEAD
/// full barrier after an RMW    full barrier
/// the registry: LIVE?          the word: is the tag there? then take it out
/// ```
///
/// With a full fence in each column one of the two sees the other's store. So the tag of a process that
/// was reaped stays in no word, but for that of a process that is killed or stopped between the two
/// steps of its claim: its tag is a [stranger's](Peers::is_stranger), which is never alive.
///
/// `mutant` is the seeded bug that does not ask.
#[inline(always)]
pub(crate) fn is_member_still<P: Peers>(peers: &P, mutant: u32) -> bool {
    // Under loom this is a full fence, which would hide that others are missing. It relies on no membarrier(2).
    if P::KNOWS_STRANGERS && !mutation(571) {
        barrier_after_rmw();
    }
    peers.am_registered() || mutation(mutant)
}
