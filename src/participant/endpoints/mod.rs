//! Counts of a queue's senders and receivers, and how a queue ends: it is closed, or all that were
//! counted at one endpoint have left or died.
//!
//! # State
//!
//! One word for all, and for each participant a cell of its own.
//!
//! ```text
//! word  63                              5      4              3..2              1..0
//!       | times a process was counted: 59 | CLOSED | GONE, per endpoint | EVER, per endpoint |
//!
//! cell  62        46 45       29 28                                  0
//!       | receivers | senders   | tag of the participant: 29           |   0 = none
//! ```
//! And for each endpoint a word that says when it last began anew: at which of these times a
//! participant was counted though the endpoint was gone. It only grows.
//!
//! # Protocol
//!
//! - count: add one in the own cell; ask the registry whether it still lists the own tag, (K1) of
//!   [`participant`](crate::participant), and take the tag out of the cell if not; then, by CAS,
//!   the word: one more was counted, EVER, and not GONE. A tag in the own cell that the registry
//!   does not list, or that has another index, counts no participant and is replaced.
//! - uncount: subtract one in the own cell. If that was this participant's last, settle.
//! - hand over an end to another process: its receiver counts in its own cell while the giver is
//!   still counted, and the giver uncounts after that. So the endpoint is counted throughout. If
//!   the giver dies first and the endpoint is settled, GONE may have been reported: the receiver
//!   of the end, unlike a new participant, leaves it set, and uncounts. So it does if a participant
//!   was counted meanwhile and GONE is clear again: a count that clears GONE notes its number
//!   before, the end names the number of the last count when it was handed over, and the note is
//!   later than that.
//! - settle an endpoint: load the word; if no cell of a live participant counts it, CAS the loaded
//!   word to GONE. If a participant was counted meanwhile, the word has changed: repeat.
//! - close: set CLOSED.
//!
//! There is no total that a death could falsify: the cells alone say whether any participant is
//! left.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | count, after the cell | a cell of a dead participant | a reaper clears it and settles |
//! | the same, of a process that was reaped and has not learnt it | an unregistered tag | the index's next owner, when it counts; for all others it counts nothing |
//! | counted | the same | the same |
//! | uncount, after the cell | GONE is owed | a reaper settles; so does each receiver that waits |
//! | hand over, the giver, before the cell of the end's receiver | a dead cell, perhaps GONE | that receiver finds GONE, or counts before the settling, which then finds it |
//! | the same, after that cell | both count | a reaper clears the giver's |
//! | the end's receiver, at any step | the giver still counts | a reaper; the giver uncounts when it learns of the death |
//! | the end's receiver, after it found GONE, or a new beginning | a dead cell | a reaper clears it and settles |
//! | count of a gone endpoint, after its note | GONE, and a note of a count that was not made | the next count has the same number, or a later one |
//! | close | nothing, or CLOSED | sleepers look when their slices end |
//!
//! A process that is stopped between uncounting and settling delays a waiter by a slice at most.
//!
//! # Ordering
//!
//! (E1) counting changes the word by an RMW after the cell (Release), and settling loads the word
//! before it looks at the cells (Acquire): a participant that was counted before that load is
//! found, and one counted after it has changed the word. (E2) GONE is stored (Release) after all
//! that the endpoint sent, and a receiver that reads it (Acquire) looks once more at the slots.
//! (E3) Two that are the last and uncount at once have a full barrier each between their own cell
//! and their load of the other's: at least one of them finds the endpoint empty. (E4) The receiver
//! of an end changes the word by a CAS that expects GONE to be clear, after its cell, as (E1): a
//! settling that has not set GONE by then finds the cell, or fails and looks again. (E5) A count
//! that clears GONE notes its number before it changes the word (Release). A receiver of an end
//! that reads the word after that (Acquire) finds the note; if it has read the word before, it
//! fails to change it, since a count changes the number. (M3) of
//! `algorithm::mutex` holds for cells.

use crate::facade::{AtomicU64, Ordering, fence, mutation, ordering};
#[cfg(any(loom, feature = "process"))]
use crate::participant::hand_over::TakeOverError;
use crate::participant::{Liveness, Tag, is_still_registered};

const CLOSED: u64 = 1 << 4;
const COUNTED: u64 = 1 << 5;
/// The most that a cell counts at one endpoint.
const MOST: u64 = (1 << 17) - 1;

/// One of the two sides of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Sender,
    Receiver,
}

impl Endpoint {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    fn ever(self) -> u64 {
        1 << self as u64
    }

    fn gone(self) -> u64 {
        4 << self as u64
    }

    /// The position of its count in a cell.
    fn shift(self) -> u32 {
        29 + 17 * self as u32
    }

    fn count(self, cell: u64) -> u64 {
        cell >> self.shift() & MOST
    }

    fn one(self) -> u64 {
        1 << self.shift()
    }
}

/// Why a participant was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointError {
    /// This participant is counted at that endpoint as often as a cell can count.
    TooMany,
    /// This process is no participant any more.
    MembershipLost,
}

/// The word of a queue's endpoints, and the participants' cells.
#[derive(Clone, Copy)]
pub(crate) struct EndpointCounts<'a> {
    pub(crate) word: &'a AtomicU64,
    /// When each endpoint last began anew.
    pub(crate) renewed: &'a [AtomicU64; 2],
    pub(crate) cells: &'a [AtomicU64],
}

/// Returns whether a cell of `me`'s index counts another participant, which has the index since.
fn is_counted(cell: u64, peers: &impl Liveness) -> bool {
    let other = Tag::in_word(owner(cell), peers.participants());
    let there = other.filter(|other| other.index() == peers.me().index());
    there.is_some_and(|other| !peers.is_unregistered(other) || mutation(602))
}

/// How many times a participant was counted, in the word.
fn number(word: u64) -> u64 {
    word / COUNTED
}

/// The tag in a cell.
#[expect(clippy::cast_possible_truncation, reason = "masked")]
fn owner(cell: u64) -> u32 {
    cell as u32 & Tag::MASK
}

impl EndpointCounts<'_> {
    /// Returns whether the queue is closed, or the other endpoint is gone, as seen from `endpoint`.
    #[inline(always)]
    pub(crate) fn is_over(self, endpoint: Endpoint) -> bool {
        // ORDERING: Acquire; (E2).
        let acquire = ordering(Ordering::Acquire, 130);
        self.word.load(acquire) & (CLOSED | endpoint.other().gone()) != 0
    }

    pub(crate) fn is_closed(self) -> bool {
        // ORDERING: Acquire; as in `is_over`.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Returns whether `endpoint` is to be told if the other endpoint dies: a participant was
    /// counted there, and the queue is not over.
    pub(crate) fn may_end(self, endpoint: Endpoint) -> bool {
        let other = endpoint.other();
        // ORDERING: Relaxed; a hint. A waiter that misses the first count is woken by it.
        let word = self.word.load(Ordering::Relaxed);
        word & (other.ever() | other.gone() | CLOSED) == other.ever()
    }

    /// Closes the queue for good.
    pub(crate) fn close(self) {
        self.change(|word| word | CLOSED);
    }

    fn change(self, mut to: impl FnMut(u64) -> u64) {
        // ORDERING: Relaxed; the CAS decides.
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            // ORDERING: Release; (E1), (E2), (E5). Acquire; as `settle`.
            let both = Ordering::AcqRel;
            let next = to(seen);
            match self
                .word
                .compare_exchange(seen, next, both, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Counts participant `me` once more at an endpoint. Returns whether it is the first there:
    /// the sleepers of the other endpoint must be woken then, which have [expected no
    /// end](Self::may_end) so far.
    pub(crate) fn count(
        self,
        endpoint: Endpoint,
        peers: &impl Liveness,
    ) -> Result<bool, EndpointError> {
        self.count_in_cell(endpoint, peers, 600)?;
        let once_more = if mutation(131) { 0 } else { COUNTED };
        let mut is_first = false;
        self.change(|word| {
            is_first = word & (endpoint.ever() | endpoint.gone()) != endpoint.ever();
            if word & endpoint.gone() != 0 {
                self.note_renewal(endpoint, number(word) + 1);
            }
            (word.wrapping_add(once_more) | endpoint.ever()) & !endpoint.gone()
        });
        Ok(is_first)
    }

    /// Notes that an endpoint that is gone begins anew with the count of this number. A note of a
    /// count that another one overtakes is true as well: that one has the same number.
    fn note_renewal(self, endpoint: Endpoint, number: u64) {
        let place = &self.renewed[endpoint as usize];
        let number = number + u64::from(mutation(550));
        // ORDERING: Relaxed; (E5), by the change of the word after this.
        let mut seen = place.load(Ordering::Relaxed);
        while seen < number && !mutation(549) {
            // ORDERING: as above.
            match place.compare_exchange(seen, number, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
    }

    /// The number of the last count, for an end that this participant, which is counted, hands
    /// over.
    #[cfg(any(loom, feature = "process"))]
    pub(crate) fn as_of(self) -> u64 {
        // ORDERING: Relaxed; not before the own count.
        number(self.word.load(Ordering::Relaxed))
    }

    /// Counts participant `me` for an end that another participant, which was counted for it, hands
    /// over to `me`, and uncounts after that.
    ///
    /// Unlike [`count`](Self::count), this leaves an endpoint alone that is gone, or was gone after
    /// the count `as_of`, which was the last when the end was handed over. If `settled` is true
    /// then, all sleepers of both endpoints must be woken.
    #[cfg(any(loom, feature = "process"))]
    pub(crate) fn take_over(
        self,
        (endpoint, as_of): (Endpoint, u64),
        peers: &impl Liveness,
    ) -> Result<(), (TakeOverError, bool)> {
        let early = mutation(516) && !self.count_over(endpoint, as_of);
        self.count_in_cell(endpoint, peers, 518)
            .map_err(|error| (error.into(), false))?;
        if early || !mutation(516) && self.count_over(endpoint, as_of) {
            return Ok(());
        }
        // Others may have been told. A participant that was counted and left meanwhile has found
        // this cell, so its settling is owed.
        let settled = if mutation(514) {
            self.take_from_cell(endpoint, peers.me());
            false
        } else {
            self.uncount(endpoint, peers)
        };
        Err((TakeOverError::Over, settled))
    }

    /// Changes the word for an end that was handed over; returns false if the endpoint is gone, or
    /// was so since.
    #[cfg(any(loom, feature = "process"))]
    fn count_over(self, endpoint: Endpoint, as_of: u64) -> bool {
        let once_more = if mutation(513) { 0 } else { COUNTED };
        // ORDERING: Acquire; (E5).
        let acquire = ordering(Ordering::Acquire, 551);
        let mut seen = self.word.load(acquire);
        loop {
            let is_gone = seen & endpoint.gone() != 0 && !mutation(512);
            // ORDERING: Relaxed; (E5).
            let renewed = self.renewed[endpoint as usize].load(Ordering::Relaxed);
            if is_gone || renewed > as_of && !mutation(548) {
                return false;
            }
            // (E4).
            let next = (seen.wrapping_add(once_more) | endpoint.ever()) & !endpoint.gone();
            // ORDERING: Release; (E1). Acquire; as `settle`.
            match self
                .word
                .compare_exchange(seen, next, Ordering::AcqRel, acquire)
            {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Adds one to the own cell of `me`, and asks the registry; `mutant` does not ask.
    fn count_in_cell(
        self,
        endpoint: Endpoint,
        peers: &impl Liveness,
        mutant: u32,
    ) -> Result<(), EndpointError> {
        let me = peers.me();
        let cell = self
            .cells
            .get(me.index() as usize)
            .ok_or(EndpointError::MembershipLost)?;
        // ORDERING: Acquire; pairs with (M3) below, where the cell is the next owner's of the
        // index.
        let mut seen = cell.load(Ordering::Acquire);
        loop {
            let mine = if owner(seen) == me.bits() {
                seen
            } else if is_counted(seen, peers) {
                return Err(EndpointError::MembershipLost);
            } else {
                u64::from(me.bits())
            };
            if endpoint.count(mine) == MOST {
                return Err(EndpointError::TooMany);
            }
            // ORDERING: Release; (M3).
            let release = Ordering::AcqRel;
            match cell.compare_exchange(seen, mine + endpoint.one(), release, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if !is_still_registered(peers, mutant) {
            if !mutation(601) {
                self.recover(me);
            }
            return Err(EndpointError::MembershipLost);
        }
        Ok(())
    }

    /// Counts participant `me` once less at an endpoint; returns true if none is left there, and
    /// all sleepers of both endpoints must be woken.
    pub(crate) fn uncount(self, endpoint: Endpoint, peers: &impl Liveness) -> bool {
        self.take_from_cell(endpoint, peers.me())
            && !mutation(135)
            && self.settle(endpoint, |tag| peers.is_alive(tag))
    }

    /// Takes one from the own cell of `me`; returns whether that was its last at the endpoint.
    fn take_from_cell(self, endpoint: Endpoint, me: Tag) -> bool {
        let Some(cell) = self.cells.get(me.index() as usize) else {
            return false;
        };
        // ORDERING: Relaxed; one's own word.
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            // Otherwise its membership was lost, and others have cleared its cell.
            if owner(seen) != me.bits() || endpoint.count(seen) == 0 {
                return false;
            }
            let less = seen - endpoint.one();
            // ORDERING: Release; (E2): what this participant sent.
            let release = ordering(Ordering::AcqRel, 132);
            match cell.compare_exchange(seen, less, release, Ordering::Relaxed) {
                Ok(_) => return endpoint.count(less) == 0,
                Err(now) => seen = now,
            }
        }
    }

    /// Marks an endpoint as gone if some participant was counted there and no cell counts an
    /// `alive` one now; returns whether this call marked it. All sleepers of both endpoints must be
    /// woken then.
    #[cold]
    pub(crate) fn settle(self, endpoint: Endpoint, alive: impl Fn(Tag) -> bool) -> bool {
        // ORDERING: Relaxed; a participant that is counted for the first time now is not gone.
        if self.word.load(Ordering::Relaxed) & endpoint.ever() == 0 {
            return false;
        }
        if !mutation(136) {
            // (E3).
            fence(Ordering::SeqCst);
        }
        loop {
            // ORDERING: Acquire; (E1).
            let seen = self.word.load(ordering(Ordering::Acquire, 133));
            let counted = |cell: &AtomicU64| {
                // ORDERING: Acquire; (M3), and (E2): what an uncounted participant sent.
                let seen = cell.load(ordering(Ordering::Acquire, 134));
                let tag = Tag::from_bits(owner(seen)).filter(|_| endpoint.count(seen) > 0);
                tag.is_some_and(&alive)
            };
            if seen & endpoint.gone() != 0 || self.cells.iter().any(counted) {
                return false;
            }
            // ORDERING: Release; (E2). Acquire; a helper passes on what it saw.
            let both = Ordering::AcqRel;
            let gone = seen | endpoint.gone();
            let change = self
                .word
                .compare_exchange(seen, gone, both, Ordering::Relaxed);
            if change.is_ok() {
                return true;
            }
        }
    }

    /// Uncounts a dead participant. All sleepers of both endpoints must be woken then.
    pub(crate) fn recover(self, dead: Tag) {
        if let Some(cell) = self.cells.get(dead.index() as usize) {
            // ORDERING: Acquire; (M3).
            let mut seen = cell.load(Ordering::Acquire);
            while owner(seen) == dead.bits() {
                // ORDERING: Release; (E2): a helper passes on what it saw of the dead participant's
                // stores.
                match cell.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => break,
                    Err(now) => seen = now,
                }
            }
        }
        for endpoint in [Endpoint::Sender, Endpoint::Receiver] {
            if !mutation(137) {
                // Other dead participants are uncounted when they are reaped.
                self.settle(endpoint, |_| true);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
