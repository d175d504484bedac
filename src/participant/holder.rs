//! A word that one participant at a time holds, and that another takes over when its holder has
//! died.
//!
//! A producer, a consumer and a writer are each such a holder.
//!
//! # State
//!
//! ```text
//!   30     29     28                  10 9            0
//! | DIED | LEFT |   generation: 19     |   index: 10  |
//!                \______ holder's tag, 0 = none ______/
//! ```
//!
//! 0 is a word that was never held. With `LEFT` or `DIED` there is no tag.
//!
//! # Protocol
//!
//! - claim: CAS from free, left, died, or the tag of a dead process, to the own tag; then ask the
//!   registry whether it still lists that tag, (K1) of [`participant`](crate::participant). If not:
//!   CAS back to what it was, or to `DIED` if that was a tag.
//! - leave: CAS from the own tag to `LEFT`.
//! - recover: CAS from the dead holder's tag to `DIED`.
//! - hand over to another process: its receiver CASes from the giver's tag to its own, then asks
//!   the registry as a claim does; if it is not listed, CAS to `DIED`. A giver that died may have
//!   been recovered, and its end reported as gone: then the CAS finds `DIED`, and the end is over.
//!   So a peer reports a death only after the word says `DIED`.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | claim, before the CAS | nothing | - |
//! | claim of a process that was reaped and has not learnt it | an unregistered tag | the next claim |
//! | holding | the dead tag | the next claim; a reaper: `DIED` |
//! | leave, after the CAS | `LEFT` | - |
//! | hand over, the giver, before the CAS | the dead tag, perhaps `DIED` | its receiver, which takes it over or finds it over; a reaper: `DIED` |
//! | hand over, the receiver, before the CAS | the giver's tag | the giver, which leaves when it learns of the death |
//! | hand over, the receiver, after the CAS | its dead tag | a reaper: `DIED` |
//!
//! A stopped holder keeps the word.
//!
//! # Ordering
//!
//! (S3) leaving (Release) pairs with claiming (Acquire), and with the load of a peer that waits:
//! what the last holder stored. A dead holder's last stores are ordered before the kernel's answer
//! that it is dead. (M3) of `algorithm::mutex` holds for the tag.

use crate::facade::{AtomicU32, Ordering, mutation, ordering};
use crate::participant::Tag;
#[cfg(any(loom, feature = "process"))]
use crate::participant::hand_over::TakeOverError;
use crate::participant::{Liveness, is_still_registered};

const LEFT: u32 = 1 << 29;
const DIED: u32 = 1 << 30;

/// The word, in the segment.
#[repr(transparent)]
pub(crate) struct HolderWord(AtomicU32);

/// The value of the word when it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HolderState(u32);

/// A value that the word cannot have, or cannot have now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage(pub(crate) u32);

/// Why a claim failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HolderError {
    /// A live participant holds it.
    Taken(Tag),
    /// The word has an impossible value.
    Garbage(Garbage),
    /// This process is not a participant any more.
    MembershipLost,
}

impl HolderState {
    /// The state in a word that was read from a file.
    #[cfg(all(feature = "inspect", not(loom)))]
    pub(crate) fn of(word: u32) -> Self {
        Self(word)
    }

    /// The tag of the holder, alive or dead.
    pub(crate) fn holder(self, participants: u32) -> Result<Option<Tag>, Garbage> {
        match self.0 {
            0 | LEFT | DIED => Ok(None),
            word if word & !Tag::MASK != 0 => Err(Garbage(word)),
            word => Tag::in_word(word, participants)
                .map(Some)
                .ok_or(Garbage(word)),
        }
    }

    /// Returns whether it has no holder, alive or dead.
    pub(crate) fn is_free(self) -> bool {
        self.0 == 0 || self.is_left()
    }

    /// Returns whether its last holder is known to have left or died; does not ask the kernel.
    pub(crate) fn is_left(self) -> bool {
        matches!(self.0, LEFT | DIED)
    }

    /// Returns whether its last holder has left or died.
    #[cfg(test)]
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

    /// Stores any value, as garbage would.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn spoil(&self, word: u32) {
        self.0.store(word, Ordering::Relaxed);
    }

    /// Claims the word for `me`, unless a live participant holds it.
    pub(crate) fn claim(&self, peers: &impl Liveness) -> Result<(), HolderError> {
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
            let claimed =
                self.0
                    .compare_exchange(seen.0, peers.me().bits(), claiming, Ordering::Relaxed);
            if claimed.is_ok() {
                return self.stay(seen, peers);
            }
        }
    }

    /// Keeps the word for `me` if it is still a participant; puts it back to the state `before`
    /// otherwise.
    fn stay(&self, before: HolderState, peers: &impl Liveness) -> Result<(), HolderError> {
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
                .compare_exchange(peers.me().bits(), was, release, Ordering::Relaxed);
        }
        Err(HolderError::MembershipLost)
    }

    /// Returns the state, for a peer.
    pub(crate) fn load(&self) -> HolderState {
        // ORDERING: Acquire; pairs with (M3) in `claim`, and with (S3): what its last holder
        // stored.
        let acquire = ordering(Ordering::Acquire, 76);
        HolderState(self.0.load(acquire))
    }

    /// Returns an error unless `me` still holds it.
    #[inline(always)]
    pub(crate) fn check(&self, me: Tag) -> Result<(), Garbage> {
        // ORDERING: Relaxed; only a process that takes `me` for dead changes it.
        match self.0.load(Ordering::Relaxed) {
            word if word == me.bits() => Ok(()),
            word => Err(Garbage(word)),
        }
    }

    /// Gives the word back; returns false if `me` does not hold it any more.
    pub(crate) fn leave(&self, me: Tag) -> bool {
        // ORDERING: Release; (S3). No seeded bug weakens it: under loom the barrier of the commit
        // before it is a full fence, and hides that.
        let release = Ordering::AcqRel;
        let left = self
            .0
            .compare_exchange(me.bits(), LEFT, release, Ordering::Relaxed);
        left.is_ok()
    }

    /// Takes the word over for `me` from the participant `from`, which hands it over.
    #[cfg(any(loom, feature = "process"))]
    pub(crate) fn take_over(&self, from: Tag, peers: &impl Liveness) -> Result<(), TakeOverError> {
        let me = peers.me();
        // ORDERING: Acquire; pairs with (S3): what the giver stored. Release; (M3).
        let both = Ordering::AcqRel;
        let mut expected = from.bits();
        loop {
            let taken = self
                .0
                .compare_exchange(expected, me.bits(), both, Ordering::Relaxed);
            let Err(found) = taken else { break };
            if mutation(543) && HolderState(found).is_left() {
                expected = found;
                continue;
            }
            let holder = HolderState(found).holder(peers.participants());
            return Err(match holder {
                Ok(_) => TakeOverError::Over,
                Err(_) => TakeOverError::Corrupt,
            });
        }
        if is_still_registered(peers, 544) {
            return Ok(());
        }
        if !mutation(545) {
            self.recover(me);
        }
        Err(TakeOverError::MembershipLost)
    }

    /// Recovers the word if participant `dead` held it.
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
        fn a_word_is_free_a_participants_or_garbage(word: u32, participants in 1..=Tag::MAX_PARTICIPANTS) {
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
