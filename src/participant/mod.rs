//! The participants of a segment: which processes take part, and which of them are dead.
//!
//! Everything that is held is held by a [`Tag`] in the same atomic word. The [`registry`] lists the
//! tags that are in use; the kernel, through [`ByteLocks`](registry::ByteLocks), decides which of
//! their processes live. [`holder`] is a word that one participant at a time holds; [`endpoints`]
//! counts a queue's senders and receivers, and [`hand_over`] is what they go to other processes by.

pub(crate) mod attachment;
pub(crate) mod endpoints;
#[cfg(any(loom, feature = "process"))]
pub(crate) mod hand_over;
pub(crate) mod holder;
pub(crate) mod own_tag;
pub(crate) mod registry;
#[cfg(all(test, loom))]
pub(crate) mod stage;
mod tag;

pub(crate) use tag::{GENERATION_MAX, Tag};

use core::time::Duration;

use crate::facade::{WaitHistory, barrier_after_rmw, mutation};

/// Something that happens on a slow path. The numbers are those of the words of
/// `algorithm::stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum SlowEvent {
    /// An operation that slept at least once has ended.
    Wait,
    /// A waiter has slept once.
    Sleep,
    /// A wait of a second or more has ended.
    LongWait,
    /// A lock was acquired whose last owner died.
    TakeOver,
    /// A message was received that had been received before.
    Redelivery,
    /// A dead participant was reaped.
    Reaping,
}

impl SlowEvent {
    #[cfg(all(feature = "inspect", not(loom)))]
    pub(crate) const ALL: [Self; 6] = [
        Self::Wait,
        Self::Sleep,
        Self::LongWait,
        Self::TakeOver,
        Self::Redelivery,
        Self::Reaping,
    ];

    /// What its counter is called.
    #[cfg(all(feature = "inspect", not(loom)))]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wait => "waits",
            Self::Sleep => "sleeps",
            Self::LongWait => "long waits",
            Self::TakeOver => "locks taken over",
            Self::Redelivery => "redeliveries",
            Self::Reaping => "participants reaped",
        }
    }
}

/// What one participant knows about the others.
pub(crate) trait Liveness {
    /// Returns the tag of the calling participant.
    fn me(&self) -> Tag;

    /// Returns whether the process with this tag is a participant. Its own tag always is.
    ///
    /// Never errs to dead: only the kernel decides that a process is.
    fn is_alive(&self, tag: Tag) -> bool;

    /// Returns whether the calling process is a participant.
    ///
    /// It is not if other code of the process has unmapped the memory that its membership stands
    /// on, so that others take it for dead, or has closed the descriptor that it asks the kernel
    /// through.
    fn is_member(&self) -> bool;

    /// Notes that the calling process is about to sleep until `tag` acts or dies, so that a monitor
    /// can wake it before its slice ends.
    fn sleeps_for(&self, _tag: Tag) {}

    /// Returns whether the registry lists this tag as live; it does not ask the kernel.
    ///
    /// For callers that have [reaped](Self::reap) just before, or that need no fresh answer.
    fn is_marked_live(&self, tag: Tag) -> bool {
        self.is_alive(tag)
    }

    /// Returns whether a monitor of this process watches `tag`, so that its death wakes a sleeper
    /// at once.
    fn is_watched(&self, _tag: Tag) -> bool {
        false
    }

    /// The record of the handle's waits.
    fn history(&self) -> Option<&WaitHistory> {
        None
    }

    /// Reaps the dead participants, and returns whether it did. It does not if a participant did so
    /// within the last slice, unless it is `urgent`.
    fn reap(&self, _urgent: bool) -> bool {
        false
    }

    /// Returns how long ago a participant last reaped the dead, if that was so short a time ago
    /// that [`reap`](Self::reap) would not do so.
    fn since_reap(&self) -> Option<Duration> {
        None
    }

    /// Whether this can tell that a tag is [unregistered](Self::is_unregistered).
    const KNOWS_UNREGISTERED: bool = false;

    /// Returns whether the registry does not list `tag` as live: its process was reaped, or never
    /// joined. One load, and no system call.
    fn is_unregistered(&self, _tag: Tag) -> bool {
        false
    }

    /// Returns whether the registry lists the calling process as live. One load, and no system
    /// call: see [`is_still_registered`].
    fn is_registered(&self) -> bool {
        true
    }

    /// Counts something that has happened on a slow path, if the segment counts.
    fn count(&self, _event: SlowEvent) {}

    /// The number of participants that the segment can have; a tag with a higher index is garbage.
    fn participants(&self) -> u32;
}

/// Returns whether a process that has just put its tag into a word is still a participant.
///
/// A process that others took for dead does not learn of it: other code may have unmapped what its
/// lock stands on, or written into the registry. So a claim asks the registry afterwards, and takes
/// its tag out of the word again if the answer is no. (K1):
///
/// ```text
/// a claim                      a reaper
/// the tag into the word        the registry: DEAD
/// full barrier after an RMW    full barrier
/// the registry: LIVE?          the word: is the tag there? then take it out
/// ```
///
/// With a full fence in each column one of the two sees the other's store. So no word keeps the tag
/// of a process that was reaped, unless that process is killed or stopped between the two steps of
/// its claim: then its tag is [unregistered](Liveness::is_unregistered), and never alive.
///
/// `mutant` is the number of the seeded bug that does not ask.
#[inline(always)]
pub(crate) fn is_still_registered<P: Liveness>(peers: &P, mutant: u32) -> bool {
    // Under loom this is a full fence, which would hide that others are missing. It relies on no
    // membarrier(2).
    if P::KNOWS_UNREGISTERED && !mutation(571) {
        barrier_after_rmw();
    }
    peers.is_registered() || mutation(mutant)
}

#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
