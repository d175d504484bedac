//! A promise: a value that is set once, by the process that has claimed it.
//!
//! # State
//!
//! The thread of the claimer, a word, the [event count](crate::wait::event_count) by which waiters
//! sleep, and the value.
//!
//! ```text
//!  63                                  29 28                           0
//! |   number of the thread: 35           |      process's tag: 29       |
//!
//!  63           32 31     30       29    28                  10 9            0
//! | abandoned: 32 | 0 | ABANDONED | SET |   generation: 19     |   index: 10  |
//!                                        \____ claimer's tag, 0 = none ______/
//! ```
//!
//! With `ABANDONED` or `SET` there is no tag. The upper half counts the claimers that died.
//!
//! The first word says only whether the thread that has the claim would wait for itself. Each
//! process numbers its threads from 1, and never gives a number twice: a thread's id comes again.
//! Numbers of two processes are equal, so the word has the tag, and is compared whole.
//!
//! # Protocol
//!
//! - claim: CAS from unset, abandoned, or the tag of a dead claimer, which counts as abandoned, to
//!   the own tag; then ask the registry whether it still lists that tag, (K1) of
//!   [`participant`](crate::participant), and if not abandon it again. Store the thread.
//! - set: write the value, clear the thread, CAS from the own tag to `SET`; wake all.
//! - give back: clear the thread, CAS from the own tag to unset; wake all.
//! - recover: CAS from a dead claimer's tag to `ABANDONED`, one more abandoned; wake all.
//! - wait: until `SET`, or until it is abandoned, or was since the wait began: so a waiter is told
//!   also if another claim was made before it looked.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the CAS of claim, or waiting | nothing | - |
//! | claimed, and anywhere before the CAS of set | the dead tag, a half-written value that no process reads | a reaper or the next claimer: `ABANDONED` |
//! | after the CAS of set, of giving back, of recovery | waiters whose wake is owed | they, when their slices end; a reaper, which wakes all |
//! | claim of a process that was reaped and has not learnt it | an unregistered tag | a waiter, when its slice ends |
//!
//! A stopped claimer keeps its claim, and waiters wait for it.
//!
//! # Ordering
//!
//! (O1) setting (Release) pairs with the loads of the word (Acquire): a process that finds `SET`
//! sees the value, which never changes again. (M3) of [`mutex`](super::mutex) holds for the tag.
//! A claim (Acquire) is after what the last claimer did until it gave back or was recovered
//! (Release). Sleeping and waking are ordered by the event count.

use crate::facade::{AtomicU64, Deadline, Ordering, mutation, ordering};
use crate::participant::{Liveness, Tag, is_still_registered};
use crate::wait::WaitMode;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::{EventOp, EventWaitError, TryError, wait};

const SET: u64 = 1 << 29;
const ABANDONED: u64 = 1 << 30;
const STATE: u64 = 0xffff_ffff;
const ONE_MORE: u64 = 1 << 32;

/// The first bit of a thread's number in the word.
const NUMBER: u32 = 29;

/// The number of a thread among those of its process; never 0, and never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadNumber(u64);

impl ThreadNumber {
    /// The number, if there is room for it in the word.
    pub(crate) fn new(number: u64) -> Option<Self> {
        (number != 0 && number >> (u64::BITS - NUMBER) == 0).then_some(Self(number))
    }

    /// The word of this thread of process `me`.
    fn word(self, me: Tag) -> u64 {
        self.0 << NUMBER | u64::from(me.bits())
    }
}

/// The words of a promise, in the segment.
#[repr(C)]
pub(crate) struct PromiseState {
    thread: AtomicU64,
    word: AtomicU64,
    waiters: EventCount,
}

/// The word when it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PromiseWord(pub(crate) u64);

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromiseStatus {
    Unset,
    Abandoned,
    Claimed(Tag),
    Set,
    Corrupt,
}

/// Why a promise was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromiseClaimError {
    /// The value is set.
    Set,
    /// A live participant has the claim.
    Claimed(Tag),
    /// The word has an impossible value.
    Corrupt(u64),
    /// This process is not a participant any more.
    MembershipLost,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromiseOutcome {
    Set,
    Abandoned,
    /// No process has the claim.
    Unclaimed,
}

impl PromiseWord {
    #[inline]
    pub(crate) fn is_set(self) -> bool {
        self.0 & STATE == SET
    }

    pub(crate) fn status(self, participants: u32) -> PromiseStatus {
        match self.0 & STATE {
            0 => PromiseStatus::Unset,
            SET => PromiseStatus::Set,
            ABANDONED => PromiseStatus::Abandoned,
            state if state & !u64::from(Tag::MASK) != 0 => PromiseStatus::Corrupt,
            state => u32::try_from(state)
                .ok()
                .and_then(|tag| Tag::in_word(tag, participants))
                .map_or(PromiseStatus::Corrupt, PromiseStatus::Claimed),
        }
    }

    /// Returns whether the promise is abandoned now, or was since the word was `before`.
    pub(crate) fn is_abandoned_since(self, before: Self) -> bool {
        let was = self.0 & !STATE != before.0 & !STATE && !mutation(826);
        self.0 & STATE == ABANDONED || was
    }

    fn with(self, state: u64) -> u64 {
        self.0 & !STATE | state
    }

    /// The word after the claimer has died.
    fn abandoned(self) -> u64 {
        Self(self.0.wrapping_add(ONE_MORE)).with(ABANDONED)
    }
}

impl PromiseState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            thread: AtomicU64::new(0),
            word: AtomicU64::new(0),
            waiters: EventCount::new(),
        }
    }

    pub(crate) fn waiters(&self) -> &EventCount {
        &self.waiters
    }

    #[inline]
    pub(crate) fn load(&self) -> PromiseWord {
        // ORDERING: Acquire; pairs with (O1) in `set`, and with (M3) in `claim`.
        PromiseWord(self.word.load(ordering(Ordering::Acquire, 822)))
    }

    fn exchange(&self, seen: PromiseWord, next: u64, order: Ordering) -> bool {
        // ORDERING: as the caller says; Relaxed on failure, which decides nothing.
        self.word
            .compare_exchange(seen.0, next, order, Ordering::Relaxed)
            .is_ok()
    }

    /// Claims the promise for a thread of `me`; never waits.
    pub(crate) fn claim(
        &self,
        thread: ThreadNumber,
        peers: &impl Liveness,
    ) -> Result<(), PromiseClaimError> {
        let me = peers.me();
        // ORDERING: Relaxed; as in `name_thread`.
        let before = self.thread.load(Ordering::Relaxed);
        loop {
            let seen = self.load();
            match seen.status(peers.participants()) {
                PromiseStatus::Set => return Err(PromiseClaimError::Set),
                PromiseStatus::Corrupt => return Err(PromiseClaimError::Corrupt(seen.0)),
                PromiseStatus::Claimed(tag) if peers.is_alive(tag) && !mutation(827) => {
                    return Err(PromiseClaimError::Claimed(tag));
                }
                PromiseStatus::Claimed(tag) => self.recover(tag),
                PromiseStatus::Unset | PromiseStatus::Abandoned => {
                    // ORDERING: Acquire; what the last claimer did. Release; (M3).
                    let both = Ordering::AcqRel;
                    let next = seen.with(me.bits().into());
                    if mutation(944) {
                        self.word.store(next, Ordering::Release);
                        break;
                    }
                    if self.exchange(seen, next, both) {
                        break;
                    }
                }
            }
        }
        if !is_still_registered(peers, 820) {
            self.recover(me);
            return Err(PromiseClaimError::MembershipLost);
        }
        // If another claimer's word has come meanwhile, this process was reaped.
        if !self.name_thread(before, thread.word(me)) && self.is_claimed_by(me) {
            // ORDERING: Relaxed; only this thread compares with it.
            self.thread.store(thread.word(me), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes a thread's word, or 0, over the word that was found; returns false if that changed.
    fn name_thread(&self, found: u64, word: u64) -> bool {
        // ORDERING: Relaxed; only the thread whose word it is compares with it.
        let relaxed = Ordering::Relaxed;
        let named = self.thread.compare_exchange(found, word, relaxed, relaxed);
        named.is_ok()
    }

    /// Returns whether `me` has the claim.
    pub(crate) fn is_claimed_by(&self, me: Tag) -> bool {
        self.load().0 & STATE == u64::from(me.bits())
    }

    /// Returns whether this thread has the claim.
    pub(crate) fn is_claimed_here(&self, me: Tag, thread: ThreadNumber) -> bool {
        // ORDERING: Relaxed; as this thread has stored it, or of no use.
        self.is_claimed_by(me) && self.thread.load(Ordering::Relaxed) == thread.word(me)
    }

    /// Ends the claim of `me`: in `SET`, for the value that it has written, or unset. Returns false
    /// if it has the claim no more.
    pub(crate) fn end_claim(&self, me: Tag, is_set: bool) -> bool {
        let seen = self.load();
        if seen.0 & STATE != u64::from(me.bits()) {
            return false;
        }
        // ORDERING: Relaxed; as in `name_thread`.
        let claimer = self.thread.load(Ordering::Relaxed);
        // The next claimer's word stays, should this process have been reaped.
        if claimer & u64::from(Tag::MASK) == u64::from(me.bits()) {
            self.name_thread(claimer, 0);
        }
        // ORDERING: Release; (O1).
        let release = ordering(Ordering::AcqRel, 821);
        let ended = self.exchange(seen, seen.with(if is_set { SET } else { 0 }), release);
        if ended && !mutation(if is_set { 823 } else { 825 }) {
            self.waiters.notify_all();
        }
        ended
    }

    /// Blocks until the promise is set, or was abandoned since it was `from`; or, with `claims`,
    /// until no process has the claim.
    pub(crate) fn wait<'m>(
        &self,
        from: PromiseWord,
        claims: bool,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<PromiseOutcome, EventWaitError> {
        let mut op = WaitForValue {
            state: self,
            from,
            claims,
            peers,
        };
        wait(&mut op, &self.waiters, peers, deadline, mode.into())
    }

    /// Abandons the claim of participant `dead`, and makes the wakes that it may have owed.
    pub(crate) fn recover(&self, dead: Tag) {
        let seen = self.load();
        if seen.0 & STATE == u64::from(dead.bits()) && !mutation(830) {
            // ORDERING: Release; a helper passes on what it saw of the dead claimer's stores.
            self.exchange(seen, seen.abandoned(), Ordering::AcqRel);
        }
        if !mutation(824) {
            self.waiters.wake_all();
        }
    }

    /// Reaps the dead, and abandons the claim of a process that was reaped before it was made.
    pub(crate) fn reap_dead(&self, peers: &impl Liveness) {
        peers.reap(false);
        if let PromiseStatus::Claimed(tag) = self.load().status(peers.participants()) {
            if peers.is_unregistered(tag) && !mutation(829) {
                self.recover(tag);
            } else {
                peers.sleeps_for(tag);
            }
        }
    }
}

/// The wait for the value.
struct WaitForValue<'a, P> {
    state: &'a PromiseState,
    from: PromiseWord,
    claims: bool,
    peers: &'a P,
}

impl<P: Liveness> EventOp for WaitForValue<'_, P> {
    type Output = PromiseOutcome;

    fn attempt(&mut self) -> Result<PromiseOutcome, TryError> {
        let now = self.state.load();
        match now.status(self.peers.participants()) {
            PromiseStatus::Set => Ok(PromiseOutcome::Set),
            PromiseStatus::Corrupt => Err(TryError::Corrupt),
            PromiseStatus::Unset | PromiseStatus::Abandoned if self.claims => {
                Ok(PromiseOutcome::Unclaimed)
            }
            _ if now.is_abandoned_since(self.from) && !self.claims => Ok(PromiseOutcome::Abandoned),
            _ => Err(TryError::WouldBlock),
        }
    }

    fn is_ready(&mut self) -> bool {
        !mutation(828) && self.attempt() != Err(TryError::WouldBlock)
    }

    fn progress(&self) -> u64 {
        self.from.0
    }

    fn reap_dead(&mut self, peers: &impl Liveness) {
        self.state.reap_dead(peers);
    }
}

pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
