//! A semaphore whose permits return when their holders die: a table of words, each a permit that
//! names its holder.
//!
//! # State
//!
//! A word for each permit that there can be:
//!
//! ```text
//!     29    28                  10 9            0
//! | ABSENT |   generation: 19     |   index: 10  |
//!           \______ holder's tag, 0 = none ______/
//! ```
//!
//! 0 is a free permit. `ABSENT`, without a tag, is none: one can be added there. Beside the table
//! stand a word with `CLOSED` (bit 0) and two event counts: waiters for one permit sleep by
//! `single`, waiters for several by `many`.
//!
//! # Protocol
//!
//! - acquire: walk over the words from the handle's own position; CAS the first free one to the own
//!   tag. Then ask the registry whether it still lists that tag, (K1) of
//!   [`participant`](crate::participant), and load `CLOSED`: if not, or if so, release it again. A
//!   walk that finds no free word waits by `single`.
//! - acquire many: count the free words; if there are enough, CAS one after the other, from the
//!   first on. A process that does not get all of them releases those that it has, and waits by
//!   `many`: it never waits with a permit.
//! - release: CAS the own tag to 0; notify one waiter of `single` and all of `many`. With one event
//!   count for both, the wake of a single permit could go to a waiter for two, which sleeps again.
//! - forget: CAS the own tag to `ABSENT`. Add: CAS `ABSENT` to 0, and notify as a release does.
//! - close: set `CLOSED`, wake all.
//! - a waiter reaps the dead when a slice has ended, and frees words whose tag the registry does
//!   not list.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the CAS of acquire, or asleep | nothing | - |
//! | after it, or holding | the dead tag | a reaper, which frees the word and wakes all |
//! | acquiring many, anywhere | the dead tag in some words | the same |
//! | after the CAS of release | a free permit, and sleepers whose wake is owed | they, when their slices end; a reaper |
//! | forget, add: after a CAS | that permit is gone, or there; the wakes of the added are owed | as above |
//! | close, after `CLOSED` | as after a release | as above |
//! | after the CAS of a process that was reaped and has not learnt it | an unregistered tag | a waiter, when its slice ends |
//!
//! A stopped holder keeps its permits. A process that is stopped while it acquires many keeps what
//! it has so far, and a process that does not wait may be told meanwhile that no permit is free.
//!
//! # Ordering
//!
//! (P1) releasing (Release) pairs with acquiring (Acquire) of the same word: what a holder did is
//! before what the next holder of that permit does. Adding a permit is a release of it. A dead
//! holder's last stores are ordered before the kernel's answer that it is dead; the reaper passes
//! them on. (M3) of [`mutex`](super::mutex) holds for the tag. (P2) closing (Release) pairs with
//! the load of `CLOSED` (Acquire) after the acquiring CAS: a permit that was released after the
//! semaphore was closed is not acquired. Sleeping and waking are ordered by the
//! [event counts](crate::wait::event_count).
//!
//! # Trade-offs
//!
//! A count of free permits in one word is anonymous. A count that names the last operation, which
//! the next process completes in the cell of its author, was measured: 39 to 80 ns for acquire and
//! release where the table takes 12 to 23. The table's price is a largest number of permits, a walk
//! where nearly all are taken, and no atomic acquisition of several. Words on lines of their own
//! gained nothing.

use crate::facade::{AtomicU32, Ordering, mutation, ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::event_count::EventCount;
use crate::wait::on_event::TryError;
use layout::{ABSENT, FREE, PermitState};

const CLOSED: u32 = 1;

/// The state beside the permits.
#[repr(C)]
struct Gate {
    flags: AtomicU32,
    /// The waiters for one permit.
    single: EventCount,
    /// The waiters for several.
    many: EventCount,
}

/// The state of a semaphore beside its permits, in the segment.
#[repr(C)]
pub(crate) struct SemaphoreState(Padded<Gate>);

impl SemaphoreState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self(Padded(Gate {
            flags: AtomicU32::new(0),
            single: EventCount::new(),
            many: EventCount::new(),
        }))
    }

    /// Returns both event counts, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 2] {
        [self.single(), self.many()]
    }

    #[inline(always)]
    pub(crate) fn single(&self) -> &EventCount {
        &self.0.0.single
    }

    #[inline(always)]
    fn many(&self) -> &EventCount {
        if mutation(720) {
            return self.single();
        }
        &self.0.0.many
    }

    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: Acquire; pairs with (P2) in `close`.
        self.0.0.flags.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Closes the semaphore: no permit is acquired any more.
    pub(crate) fn close(&self) {
        // ORDERING: Release; (P2).
        self.0.0.flags.fetch_or(CLOSED, Ordering::AcqRel);
        if !mutation(717) {
            self.wake_all();
        }
    }

    /// Wakes the waiters to which one free permit owes it.
    #[inline(always)]
    fn notify(&self) {
        if !mutation(710) {
            self.single().notify();
        }
        if !mutation(711) && !mutation(720) {
            self.many().notify_all();
        }
    }

    fn wake_all(&self) {
        self.single().wake_all();
        self.many().wake_all();
    }

    /// Releases a permit that `me` holds; changes nothing if it holds it no more.
    #[inline(always)]
    pub(crate) fn release(&self, word: &AtomicU32, me: Tag) {
        // ORDERING: Release; (P1).
        let release = ordering(Ordering::Release, 709);
        let freed = word.compare_exchange(me.bits(), FREE, release, Ordering::Relaxed);
        if freed.is_ok() {
            self.notify();
        }
    }
}

/// The ordering of a CAS that puts the own tag into a word.
#[inline(always)]
fn claiming() -> Ordering {
    // ORDERING: Acquire; pairs with (P1) in `release`. Release; (M3).
    ordering(Ordering::AcqRel, 708)
}

/// Takes a permit that `me` holds out of the semaphore; changes nothing if it holds it no more.
pub(crate) fn forget(word: &AtomicU32, me: Tag) {
    // ORDERING: Release; (P1) for the process that adds it again.
    let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
    let _ = word.compare_exchange(me.bits(), ABSENT, release, relaxed);
}

/// A semaphore: its state and its permits.
#[derive(Clone, Copy)]
pub(crate) struct Semaphore<'a> {
    pub(crate) state: &'a SemaphoreState,
    pub(crate) words: &'a [AtomicU32],
}

impl<'a> Semaphore<'a> {
    /// Acquires the permit at `index` if it is free: one atomic instruction, a load of the registry
    /// and one of `CLOSED`.
    #[inline(always)]
    pub(crate) fn claim_at(
        self,
        index: usize,
        peers: &impl Liveness,
    ) -> Result<&'a AtomicU32, TryError> {
        let me = peers.me();
        let word = self.words.get(index).ok_or(TryError::WouldBlock)?;
        if mutation(945) {
            word.store(me.bits(), Ordering::Release);
            return Ok(word);
        }
        word.compare_exchange(FREE, me.bits(), claiming(), Ordering::Relaxed)
            .map_err(|_| TryError::WouldBlock)?;
        self.stay(peers, 715)
            .inspect_err(|_| self.withdraw(word, me))?;
        Ok(word)
    }

    /// Returns an error if a process that has just put its tag into words must take it out again.
    #[inline(always)]
    fn stay(self, peers: &impl Liveness, mutant: u32) -> Result<(), TryError> {
        if !is_still_registered(peers, mutant) {
            return Err(TryError::MembershipLost);
        }
        if self.state.is_closed() && !mutation(718) {
            return Err(TryError::Disconnected);
        }
        Ok(())
    }

    #[cold]
    fn withdraw(self, word: &AtomicU32, me: Tag) {
        if !mutation(716) {
            self.state.release(word, me);
        }
    }

    /// Acquires the first free permit from `from` on; never waits. Returns its index.
    pub(crate) fn claim(self, from: usize, peers: &impl Liveness) -> Result<usize, TryError> {
        let from = from.min(self.words.len());
        for index in (from..self.words.len()).chain(0..from) {
            if !self.is_free(index) {
                continue;
            }
            match self.claim_at(index, peers) {
                Ok(_) => return Ok(index),
                Err(TryError::WouldBlock) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.none_free(peers))
    }

    fn is_free(self, index: usize) -> bool {
        // ORDERING: Relaxed; the CAS decides.
        self.words[index].load(Ordering::Relaxed) == FREE
    }

    /// Returns why too few permits are free.
    #[cold]
    fn none_free(self, peers: &impl Liveness) -> TryError {
        if self.state.is_closed() {
            return TryError::Disconnected;
        }
        match self.corrupt_word(peers.participants()) {
            Some(_) => TryError::Corrupt,
            None => TryError::WouldBlock,
        }
    }

    /// Returns a word that no semaphore has, if there is one.
    #[cold]
    pub(crate) fn corrupt_word(self, participants: u32) -> Option<u32> {
        // ORDERING: Relaxed; the value alone is judged.
        let mut words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        words.find(|word| PermitState::of(*word, participants) == PermitState::Corrupt)
    }

    /// Acquires as many permits as `taken` has places, or none; never waits. Their indexes are
    /// there afterwards.
    pub(crate) fn claim_many(
        self,
        taken: &mut [u32],
        peers: &impl Liveness,
    ) -> Result<(), TryError> {
        let me = peers.me();
        if self.state.is_closed() {
            return Err(TryError::Disconnected);
        }
        if self.available() < taken.len() {
            return Err(self.none_free(peers));
        }
        let mut count = 0;
        for (index, word) in (0..).zip(self.words) {
            if count == taken.len() {
                break;
            }
            let (free, mine) = (FREE, me.bits());
            let relaxed = Ordering::Relaxed;
            let claimed = self.is_free(index as usize)
                && word
                    .compare_exchange(free, mine, claiming(), relaxed)
                    .is_ok();
            if claimed {
                taken[count] = index;
                count += 1;
            }
        }
        let claimed = if count == taken.len() {
            self.stay(peers, 722)
        } else {
            Err(TryError::WouldBlock)
        };
        if claimed.is_err() && !mutation(721) {
            for index in &taken[..count] {
                self.state.release(&self.words[*index as usize], me);
            }
        }
        claimed
    }

    /// Returns the number of free permits; it may be stale.
    pub(crate) fn available(self) -> usize {
        (0..self.words.len())
            .filter(|index| self.is_free(*index))
            .count()
    }

    /// Returns whether a permit is free; it may be stale.
    pub(crate) fn has_free(self) -> bool {
        (0..self.words.len()).any(|index| self.is_free(index))
    }

    /// Returns how many permits can be added; it may be stale.
    pub(crate) fn absent(self) -> usize {
        // ORDERING: Relaxed; the CAS of `add` decides.
        let absent = |word: &&AtomicU32| word.load(Ordering::Relaxed) == ABSENT;
        self.words.iter().filter(absent).count()
    }

    /// Adds `count` permits, each by itself, or as many as there is room for. Returns how many.
    pub(crate) fn add(self, count: usize) -> usize {
        let mut added = 0;
        for word in self.words {
            if added == count {
                break;
            }
            // ORDERING: Release; (P1). Acquire; pairs with it in `forget`.
            let (order, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
            if word.compare_exchange(ABSENT, FREE, order, relaxed).is_ok() {
                added += 1;
                if !mutation(723) {
                    self.state.notify();
                }
            }
        }
        added
    }

    /// Returns the holders, alive or dead, one for each held permit; it may be stale.
    pub(crate) fn holders(self, participants: u32) -> impl Iterator<Item = Tag> + 'a {
        self.words.iter().filter_map(move |word| {
            // ORDERING: Relaxed; a snapshot that decides nothing.
            match PermitState::of(word.load(Ordering::Relaxed), participants) {
                PermitState::Held(tag) => Some(tag),
                _ => None,
            }
        })
    }

    /// Frees the permits of participant `dead`, and makes the wakes that it may have owed.
    pub(crate) fn recover(self, dead: Tag) {
        for word in self.words {
            // ORDERING: Relaxed; the CAS decides.
            let seen = word.load(Ordering::Relaxed);
            let is_held = seen == dead.bits()
                || mutation(719) && seen & Tag::MASK != 0
                || mutation(946) && seen == ABSENT;
            if is_held && !mutation(713) {
                // ORDERING: AcqRel; (P1), a helper passes on what it saw of the dead holder's
                // stores.
                let order = ordering(Ordering::AcqRel, 712);
                let _ = word.compare_exchange(seen, FREE, order, Ordering::Relaxed);
            }
        }
        if !mutation(714) {
            self.state.wake_all();
        }
    }

    /// Reaps the dead, and frees words with the tags of processes that were reaped before they put
    /// it there.
    pub(crate) fn reap_dead(self, peers: &impl Liveness) {
        peers.reap(false);
        let (mut freed, mut last) = (false, None);
        for word in self.words {
            // ORDERING: Acquire; pairs with (M3) in `claiming`.
            let seen = word.load(Ordering::Acquire);
            let PermitState::Held(tag) = PermitState::of(seen, peers.participants()) else {
                continue;
            };
            if peers.is_unregistered(tag) && !mutation(724) {
                // ORDERING: AcqRel; as in `recover`.
                let (order, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
                freed |= word.compare_exchange(seen, FREE, order, relaxed).is_ok();
            } else if last != Some(tag) {
                peers.sleeps_for(tag);
                last = Some(tag);
            }
        }
        if freed {
            self.state.wake_all();
        }
    }
}

pub(crate) mod entry;
pub(crate) mod layout;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
mod wait;
