//! A role that one participant has at a time, and that another takes over when its holder has died.
//!
//! # State
//!
//! ```text
//!   30     29     28                  10 9            0
//! | DIED | LEFT |   generation: 19     |   index: 10  |
//!                \______ holder's tag, 0 = nobody ____/
//! ```
//!
//! 0 is a role that nobody ever had. With `LEFT` or `DIED` there is no tag.
//!
//! # Protocol
//!
//! - claim: CAS from free, left, died, or the tag of somebody dead, to the own tag; then ask the registry
//!   whether it still knows that tag, (K1) of [`participant`](crate::participant). If not: CAS back to what it was, or to
//!   `DIED` where that was a tag.
//! - leave: CAS from the own tag to `LEFT`.
//! - recover: CAS from the dead one's tag to `DIED`.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | claim, before the CAS | nothing | - |
//! | claim of a process that was reaped before, and does not know it | the tag of no participant | the next to claim it |
//! | in the role | the dead tag | the next to claim it; whoever reaps: `DIED` |
//! | leave, after the CAS | `LEFT` | - |
//!
//! A holder that is stopped keeps the role.
//!
//! # Ordering
//!
//! (S3) leaving (Release) pairs with claiming (Acquire), and with the look of a peer that waits: what
//! the last holder stored. A dead holder's last stores are ordered before the kernel's answer that it
//! is dead. (M3) of `algorithm::mutex` holds for the tag.

use crate::facade::{AtomicU32, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};

const LEFT: u32 = 1 << 29;
const DIED: u32 = 1 << 30;

/// The word of a role, in the segment.
#[repr(transparent)]
pub(crate) struct HolderWord(AtomicU32);

/// What a look at a role found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HolderState(u32);

/// A word that no role has, or not this one now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage(pub(crate) u32);

/// Why a role was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HolderError {
    /// A live participant has it.
    Taken(Tag),
    /// The word is not a role's.
    Garbage(Garbage),
    /// This process is no participant any more.
    MembershipLost,
}

impl HolderState {
    /// Who has it, or had it when it died.
    pub(crate) fn holder(self, participants: u32) -> Result<Option<Tag>, Garbage> {
        match self.0 {
            0 | LEFT | DIED => Ok(None),
            word if word & !Tag::MASK != 0 => Err(Garbage(word)),
            word => Tag::in_word(word, participants)
                .map(Some)
                .ok_or(Garbage(word)),
        }
    }

    /// Whether it has no holder, alive or dead.
    pub(crate) fn is_free(self) -> bool {
        self.0 == 0 || self.is_left()
    }

    /// Whether its last holder is known to have left or died, without asking anybody.
    pub(crate) fn is_left(self) -> bool {
        matches!(self.0, LEFT | DIED)
    }

    /// Whether its last holder has left or died.
    pub(crate) fn is_gone(self, peers: &impl Liveness) -> Result<bool, Garbage> {
        let holder = self.holder(peers.participants())?;
        Ok(holder.map_or(self.is_left(), |tag| !peers.is_alive(tag)))
    }
}

impl HolderWord {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Any word, as garbage has it.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn spoil(&self, word: u32) {
        self.0.store(word, Ordering::Relaxed);
    }

    /// Takes the role, if nobody alive has it.
    pub(crate) fn claim(&self, me: Tag, peers: &impl Liveness) -> Result<(), HolderError> {
        loop {
            // ORDERING: Acquire; pairs with (M3) below.
            let seen = HolderState(self.0.load(Ordering::Acquire));
            match seen.holder(peers.participants()) {
                Ok(Some(tag)) if !mutation(68) && peers.is_alive(tag) => {
                    return Err(HolderError::Taken(tag));
                }
                Ok(_) => {}
                Err(garbage) => return Err(HolderError::Garbage(garbage)),
            }
            // ORDERING: Acquire; pairs with (S3) in `leave` and `recover`. Release; (M3).
            let claiming = Ordering::AcqRel;
            let claimed = self
                .0
                .compare_exchange(seen.0, me.bits(), claiming, Ordering::Relaxed);
            if claimed.is_ok() {
                return self.stay(seen, me, peers);
            }
        }
    }

    /// Whether `me`, who has the role now, is a participant still; else it is as it was `before`.
    fn stay(&self, before: HolderState, me: Tag, peers: &impl Liveness) -> Result<(), HolderError> {
        if is_still_registered(peers, 605) {
            return Ok(());
        }
        let was = if before.0 & Tag::MASK == 0 {
            before.0
        } else {
            DIED
        };
        // ORDERING: Release; (S3) passes on what the claim acquired.
        let release = Ordering::AcqRel;
        if !mutation(606) {
            let _ = self
                .0
                .compare_exchange(me.bits(), was, release, Ordering::Relaxed);
        }
        Err(HolderError::MembershipLost)
    }

    /// Who has it, for a peer.
    pub(crate) fn load(&self) -> HolderState {
        // ORDERING: Acquire; pairs with (M3) in `claim`, and with (S3): what its last holder stored.
        let acquire = ordering(Ordering::Acquire, 76);
        HolderState(self.0.load(acquire))
    }

    /// Whether it is `me`'s still.
    #[inline(always)]
    pub(crate) fn check(&self, me: Tag) -> Result<(), Garbage> {
        // ORDERING: Relaxed; only somebody who takes `me` for dead changes it.
        match self.0.load(Ordering::Relaxed) {
            word if word == me.bits() => Ok(()),
            word => Err(Garbage(word)),
        }
    }

    /// Gives the role back; false if it is no longer `me`'s.
    pub(crate) fn leave(&self, me: Tag) -> bool {
        // ORDERING: Release; (S3). No seeded bug weakens it: under loom the barrier of the commit
        // before it is a full fence, and hides that.
        let release = Ordering::AcqRel;
        let left = self
            .0
            .compare_exchange(me.bits(), LEFT, release, Ordering::Relaxed);
        left.is_ok()
    }

    /// Gives the role of participant `dead` back.
    pub(crate) fn recover(&self, dead: Tag) {
        let died = if mutation(65) { 0 } else { DIED };
        // ORDERING: Release; (S3) a helper passes on what it saw of the dead one's stores.
        let release = Ordering::AcqRel;
        let _ = self
            .0
            .compare_exchange(dead.bits(), died, release, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_word_is_nobodys_a_participants_or_garbage(word: u32, participants in 1..=Tag::MAX_PARTICIPANTS) {
            match HolderState(word).holder(participants) {
                Ok(None) => prop_assert!(matches!(word, 0 | LEFT | DIED)),
                Ok(Some(tag)) => {
                    prop_assert_eq!(tag.bits(), word);
                    prop_assert!(tag.index() < participants);
                }
                Err(Garbage(found)) => prop_assert_eq!(found, word),
            }
        }
    }
}
