//! Growth: a larger object takes the place of another one.
//!
//! # State
//!
//! That of [`manager`](super). The record that is to take the place is GROWN, and names the one
//! before by its number. The objects that grow have a writers' mutex of their own, which is the
//! caller's matter.
//!
//! # Protocol
//!
//! - grow, by the owner of the object's writers' mutex: lock the mutex; collect; load the state of
//!   the record before, which must be LIVE, and find that the writers' mutex is still held; choose a
//!   FREE record and blocks as a creator does; hold; copy; write the record; CAS its state from FREE
//!   to GROWN; count a growth; CAS the state of the record before from the word that was loaded to
//!   MOVED: **the commit**; CAS GROWN to LIVE; unlock; then wake the waiters of the one before.
//! - settle a GROWN record, under the mutex: if the one before has MOVED, CAS GROWN to LIVE. If it
//!   is LIVE, CAS it to its next attempt, which makes the commit fail, and then GROWN to REMOVED; so
//!   if it is neither. Any process may do the first of these, and does before it uses the record.
//! - a handle finds that its record is not LIVE: it looks for the object's number, and holds what it
//!   finds; the one before is released when no thread of the process uses it any more.
//! - a writer that takes the writers' mutex over from a dead one CASes the state to its next attempt
//!   before it changes anything.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before GROWN | bytes and a cell that are no object's; dead tags in two mutexes | the next creator; the next writer, which sweeps |
//! | before the commit | a GROWN record of a LIVE one | the next collector: the growth is taken back |
//! | after it | a GROWN record of a MOVED one | the next that looks for the object, or collects: it is LIVE |
//! | after that | the record before is MOVED; waiters asleep | the next collector frees it when no participant holds it; the waiters, when their slices end |
//! | following | a dead cell | a reaper |
//!
//! A process that is stopped in the middle holds up writers of the object, and creators; no reader.
//! A process that is stopped with a handle of the record before keeps its room, as with a removed
//! one.
//!
//! # Ordering
//!
//! (H1) The commit (Release) pairs with the load of the state (Acquire): what looks for the object
//! after it has found MOVED sees GROWN at least. (H2) A growth is counted between GROWN and the
//! commit. A process that passed the new record before it was GROWN, and found the old one MOVED,
//! sees another count than before. If it had seen that one, it would have seen GROWN. (H3) So a
//! collector that finds a MOVED record, and then no GROWN one that names it, sees that the new one
//! is LIVE or was.
//!
//! The word of the record before decides between the commit, a removal, a collector that takes the
//! growth back, and a writer that has taken the writers' mutex over: all are CASes of it. A process
//! that lost a mutex, and does not know it, loaded the word while it had both.

use super::making::{ExtentBuffer, NotMade};
use super::{GROWN, HeldObject, HoldError, LIVE, MOVED, Manager, ObjectRef, ObjectWord};
use super::{ObjectNumber, REMOVED};
use crate::algorithm::mutex::MutexError;
use crate::facade::{Ordering, mutation};
use crate::format::Record;
use crate::participant::{Liveness, Tag};

/// Calls `read` with what an object is now, as far as this process knows, until that was live all
/// the while. If it has moved, `follow` finds what it is by then.
#[inline(always)]
pub(crate) fn read_newest<G: Copy, R, E>(
    newest: impl Fn() -> G,
    mut read: impl FnMut(G) -> Option<R>,
    follow: impl Fn(G) -> Result<(), E>,
) -> Result<R, E> {
    loop {
        let now = newest();
        match read(now) {
            Some(result) => return Ok(result),
            None => follow(now)?,
        }
    }
}

impl Manager<'_> {
    /// Lets an object that `record` describes, but for its offset, take the place of `before`, and
    /// returns it, held. `copy` writes its bytes at the offset that it is given, and returns
    /// whether it could. The caller has the writers' mutex of the object, as `is_writer` says.
    #[expect(
        clippy::too_many_arguments,
        reason = "what creation takes, and the writer"
    )]
    pub(crate) fn grow(
        self,
        before: &HeldObject,
        mut record: Record,
        me: Tag,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
        is_writer: impl Fn() -> bool,
        copy: impl FnOnce(u64) -> bool,
    ) -> Result<HeldObject, NotMade> {
        let object = before.object;
        record.offset = before.record.offset;
        self.locked(peers, |this| {
            this.collect(peers);
            let seen = this.word(object.index);
            if seen.first_attempt() != object.word {
                return Err(HoldError::Removed.into());
            }
            let lost = Err(NotMade::Mutex(MutexError::MembershipLost));
            // A writer that takes the writers' mutex over after this changes the word.
            if !is_writer() {
                return lost;
            }
            let words = [before.number.bits(), object.number().bits()];
            let (grown, word) = this.publish((record, words), GROWN, me, peers, used, copy)?;
            let seen = if mutation(892) {
                this.word(object.index)
            } else {
                seen
            };
            let index = grown.object.index;
            if !mutation(888) {
                // ORDERING: Release; (H2).
                this.state.growths().fetch_add(1, Ordering::AcqRel);
            }
            if this.change(object.index, seen, MOVED).is_none() {
                this.change(index, word, REMOVED);
                this.release(index, me);
                return match this.is_removed(object) {
                    true => Err(HoldError::Removed.into()),
                    false => lost,
                };
            }
            this.change(index, word, LIVE);
            Ok(grown)
        })
    }

    /// Gives the word of a live object its next attempt: a growth that a former owner of its
    /// writers' mutex has begun does not come about. Returns false if it has, or the object was
    /// removed.
    pub(crate) fn renew(self, object: ObjectRef) -> bool {
        loop {
            let seen = self.word(object.index);
            if seen.first_attempt() != object.word {
                return false;
            }
            if mutation(893) || self.next_attempt(object.index, seen) {
                return true;
            }
        }
    }

    fn next_attempt(self, index: u32, seen: ObjectWord) -> bool {
        let next = seen.next_attempt();
        // ORDERING: Release, Acquire; the word is contended by all that ends an object's stay.
        let (both, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
        self.head(index).is_some_and(|head| {
            head[0]
                .compare_exchange(seen.0, next.0, both, relaxed)
                .is_ok()
        })
    }

    /// The record that a GROWN one takes the place of.
    fn before(self, index: u32) -> ObjectRef {
        // ORDERING: Relaxed; (G3) orders it.
        let number = |head: &[crate::facade::AtomicU64]| head[3].load(Ordering::Relaxed);
        let number = self.head(index).map_or(0, number);
        ObjectRef::numbered(ObjectNumber::from_bits(number))
    }

    /// What a record stands for that was GROWN: itself, as LIVE, if the one before has moved; that
    /// one, if it has not yet. `None` if it is no object.
    pub(super) fn settled(
        self,
        index: u32,
        word: ObjectWord,
    ) -> Option<Result<ObjectWord, ObjectRef>> {
        let before = self.before(index);
        let found = self.word(before.index);
        let now = found.first_attempt();
        if now == before.word && !mutation(890) {
            return Some(Err(before));
        }
        let is_live = mutation(889) || mutation(890) && now == before.word;
        if now != before.word.with(MOVED) && !is_live {
            // Unless another process was faster, and it was collected since.
            return (self.word(index) == word.with(LIVE)).then_some(Ok(word.with(LIVE)));
        }
        if mutation(901) {
            // A seeded bug: what has moved is given back before what took its place is live.
            self.change(before.index, found, REMOVED);
        }
        self.change(index, word, LIVE);
        Some(Ok(word.with(LIVE)))
    }

    /// Settles all GROWN records. For the owner of the mutex.
    pub(super) fn settle_all(self) {
        for index in 0..self.count() {
            loop {
                let word = self.word(index);
                if word.state() != GROWN {
                    break;
                }
                match self.settled(index, word) {
                    // Taken back: the commit fails after this.
                    Some(Err(before)) => {
                        let seen = self.word(before.index);
                        if seen.first_attempt() == before.word
                            && (mutation(896) || self.next_attempt(before.index, seen))
                        {
                            self.change(index, word, REMOVED);
                        }
                    }
                    Some(Ok(_)) => {}
                    None => {
                        self.change(index, word, REMOVED);
                    }
                }
            }
        }
    }
}
