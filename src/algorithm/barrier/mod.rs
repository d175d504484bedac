//! A barrier whose parties may be killed: a table of seats that name their holders, and one word
//! that decides.
//!
//! # State
//!
//! The word, the phase, and the [event count](crate::wait::event_count) by which waiters sleep:
//!
//! ```text
//!  63                                         1    0
//! |               generation: 63               | BROKEN |
//! ```
//!
//! A seat for each party, in a word each:
//!
//! ```text
//!  63            32 31  30     29      28                  10 9            0
//! | generation: 32 | state | REGISTERED |   generation: 19     |   index: 10  |
//!                                         \______ holder's tag, 0 = none ______/
//! ```
//!
//! The generation of a seat is the low half of that of the phase in which it was last taken, or
//! closed by a reset. In an open phase a seat that may still be taken is of the generation before:
//! the phase before was left when each seat had arrived in it, was closed in it, or was taken out.
//! The states are those of [`SeatState`].
//!
//! # Protocol
//!
//! - arrive: load the phase. Broken: an error. Else CAS a free seat of the generation before to
//!   `Arrived`, this generation and the own tag; a party does so with its own seat. A process
//!   that is slow finds a seat of a later generation, and loads the phase again. Ask the
//!   registry whether it still lists the own tag, (K1) of [`participant`](crate::participant).
//! - release: a process that finds each seat of this generation `Arrived`, or taken out, CASes the
//!   phase to the next generation, and wakes all. It is the leader. The last to arrive looks for
//!   that; each waiter does before it sleeps.
//! - break: CAS the phase to `BROKEN`, and wake all: at a time-out, an abort, or the death of a
//!   holder. Release and break are CASes of the same word, so all are told the same.
//! - outcome: while the phase has the generation in which a waiter arrived, that of the phase.
//!   Later, that of its own seat: released, unless a reset has marked the seat `Broken`. Then the
//!   waiter leaves: it frees the seat, or, as a party, keeps it.
//! - reset: break; close each seat in this generation: a waiter of it is marked `Broken`, a waiter
//!   of the generation before that has not left is marked as released (`Gone` with a holder), a
//!   seat that was taken out is free again. The phase is looked at between the load of a seat and
//!   its CAS, so a slow reset changes no seat of a later phase. Then CAS the phase to the next
//!   generation. A process that is about to arrive in the old one finds no seat of the generation
//!   before, so none takes the reset for a release.
//! - register: CAS a free seat to `REGISTERED` and the own tag. Its holder is a party, which counts
//!   also where it has not arrived.
//! - a party that leaves, or is dropped, does to its seat what a reaper does: see below.
//! - waiters reap the dead when a slice has ended, and recover seats with tags that the registry
//!   does not list.
//!
//! # Crash
//!
//! A seat whose holder is dead breaks the barrier: break the phase, if the seat is still its after
//! the load of the phase; then free the seat. Or it shrinks the barrier: the seat is taken out
//! (`Gone` without a holder), and all are woken, of which one finds that the others have arrived.
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the CAS of arrive, no party | nothing, and the others wait: no word knows that it was to come | - |
//! | before it, a party | its registered seat | a reaper: breaks or shrinks |
//! | after it, before or after a release | its arrived seat | the same |
//! | between the last arrival and the release | all seats arrived | a waiter, before it sleeps or when its slice ends: releases; or a reaper that came first |
//! | after the CAS of release or break, or taking a seat out | sleepers whose wake is owed | they, when their slices end; a reaper |
//! | in a reset, before its last CAS | a broken phase | the next reset |
//! | a reaper | the seat, still the dead one's | the next reaper |
//! | after the CAS of a process that was reaped and has not learnt it | an unregistered tag | a waiter, when its slice ends |
//!
//! A stopped party is waited for. A waiter that is stopped before it has left keeps its seat,
//! and is told its outcome, however late. The generation of a seat comes round after 2^32
//! phases; a process that is stopped for exactly so many between its load of the phase and its
//! CAS of a seat arrives in the wrong one. One word may come back sooner: a reset A is stopped
//! between its load of a seat that was taken out and its CAS; a reset B frees that seat; and
//! before the last CAS of B a party registers there, and leaves or dies. A then frees the seat
//! late, as if the party had left before the reset, and after another phase the seat is refused
//! until the next reset.
//!
//! # Ordering
//!
//! (A1) arriving (Release) pairs with the load of the seat by the process that releases (Acquire),
//! and (A2) its CAS of the phase (Release) with the loads of the phase (Acquire): what each party
//! did before it arrived is seen by all that are released. (A3) what a reset does to the seats
//! comes before its CAS of the phase (A2), so a waiter that finds a later phase finds its seat
//! marked. (A4) a full barrier stands between the CAS of a seat and the look at the others', so of
//! two that arrive last one sees the other. The look before a sleep has none of its own: a sleeper
//! may rely on the barrier of an earlier one. (M3) of [`mutex`](super::mutex) holds for the tags.
//!
//! # Trade-offs
//!
//! A count of those that have arrived is anonymous. The price of the table is that the last to
//! arrive looks at each seat, and others at those up to the first that has not arrived.

use crate::facade::{AtomicU64, Ordering, mutation, ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::event_count::EventCount;
use crate::wait::on_event::TryError;
use layout::{Phase, Seat, SeatState};

/// The words beside the seats.
#[repr(C)]
struct Gate {
    phase: AtomicU64,
    waiters: EventCount,
    /// The second word of a seeded bug.
    #[cfg(loom)]
    apart: AtomicU64,
}

/// The state of a barrier beside its seats, in the segment.
#[repr(C)]
pub(crate) struct BarrierState(Padded<Gate>);

impl BarrierState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self(Padded(Gate {
            phase: AtomicU64::new(Phase::FIRST.0),
            waiters: EventCount::new(),
            #[cfg(loom)]
            apart: AtomicU64::new(0),
        }))
    }

    /// Stores the first phase, before any other process has the barrier.
    pub(crate) fn prepare(&self) {
        self.0.0.phase.store(Phase::FIRST.0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn waiters(&self) -> &EventCount {
        &self.0.0.waiters
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // ORDERING: Acquire; pairs with (A2) in `advance`.
        let phase = Phase(self.0.0.phase.load(ordering(Ordering::Acquire, 784)));
        #[cfg(loom)]
        if mutation(780) && self.0.0.apart.load(Ordering::Acquire) == phase.0 {
            return phase.broken();
        }
        phase
    }

    /// Goes from one phase to another one, unless it is over; wakes all.
    #[inline]
    fn advance(&self, from: Phase, to: Phase) -> bool {
        #[cfg(loom)]
        if mutation(780) && to.is_broken() {
            // Release and break are two words.
            self.0.0.apart.store(from.0, Ordering::Release);
            self.waiters().wake_all();
            return true;
        }
        // ORDERING: Release; (A2). Acquire; what the releasing process does next is after what the
        // parties did.
        let (order, relaxed) = (ordering(Ordering::AcqRel, 781), Ordering::Relaxed);
        let phase = &self.0.0.phase;
        let advanced = phase.compare_exchange(from.0, to.0, order, relaxed);
        if advanced.is_ok() && !mutation(785) {
            self.waiters().notify_round();
        }
        advanced.is_ok()
    }

    /// Breaks a phase that is not over. Returns false if it is.
    pub(crate) fn break_phase(&self, phase: Phase) -> bool {
        !phase.is_broken() && self.advance(phase, phase.broken())
    }

    /// Breaks the phase that there is.
    pub(crate) fn abort(&self) {
        loop {
            let phase = self.phase();
            if phase.is_broken() || self.break_phase(phase) {
                return;
            }
        }
    }
}

/// A barrier: its state and its seats.
#[derive(Clone, Copy)]
pub(crate) struct Barrier<'a> {
    pub(crate) state: &'a BarrierState,
    pub(crate) seats: &'a [AtomicU64],
    /// Whether a dead holder's seat is taken out; else it breaks the barrier.
    pub(crate) shrinks: bool,
}

/// A seat that was taken, and in which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) index: usize,
    phase: Phase,
}

/// What came of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Others have not arrived yet.
    Open,
    Released,
    Broken,
    /// The seat is no longer the waiter's.
    Lost,
}

/// What a walk over the seats found.
enum Walk {
    Taken(usize),
    /// A seat has changed meanwhile.
    Changed,
    /// A seat is free, and is not to be taken in this phase.
    Refused,
    /// All seats are taken; and a number that is another one once any of them has changed.
    Full(u64),
}

impl Barrier<'_> {
    /// The ordering of a CAS that puts the own tag into a seat.
    fn claiming() -> Ordering {
        // ORDERING: Release; (A1), and (M3). Acquire; pairs with the CAS of the last holder.
        Ordering::AcqRel
    }

    fn load(self, index: usize) -> Seat {
        // ORDERING: Acquire; pairs with (A1) in `claiming`.
        Seat(self.seats[index].load(Ordering::Acquire))
    }

    fn change(self, index: usize, from: Seat, to: Seat) -> bool {
        let relaxed = Ordering::Relaxed;
        let seat = &self.seats[index];
        seat.compare_exchange(from.0, to.0, Self::claiming(), relaxed)
            .is_ok()
    }

    /// Arrives at a free seat, the one at `from` if that is free; never waits. The phase is broken:
    /// [`TryError::Disconnected`]; all seats are taken: [`TryError::Busy`].
    pub(crate) fn arrive(self, from: usize, peers: &impl Liveness) -> Result<Arrival, TryError> {
        let me = peers.me();
        let mut full = None;
        loop {
            let phase = self.state.phase();
            if phase.is_broken() {
                return Err(TryError::Disconnected);
            }
            let take = |seat: Seat| {
                let generation = phase.generation();
                let arrived = seat.held_by(me).with(SeatState::Arrived);
                let in_time =
                    seat.is_before(generation) || mutation(644) && !seat.is_of(generation);
                in_time.then(|| arrived.in_generation(generation))
            };
            match self.walk(from, take) {
                Walk::Taken(index) => return self.stay(Arrival { index, phase }, peers),
                // A free seat of another generation than the last one is one of a later phase.
                Walk::Refused if self.state.phase() == phase => return Err(TryError::Corrupt),
                Walk::Refused | Walk::Changed => {}
                Walk::Full(sum) => self.stay_full(sum, &mut full, peers)?,
            }
        }
    }

    /// Registers a party, and returns the index of its seat; never waits. All seats are taken:
    /// [`TryError::Busy`].
    pub(crate) fn register(self, from: usize, peers: &impl Liveness) -> Result<usize, TryError> {
        let mut full = None;
        loop {
            match self.walk(from, |seat| Some(seat.held_by(peers.me()).registered())) {
                Walk::Taken(index) => {
                    let phase = self.state.phase();
                    return Ok(self.stay(Arrival { index, phase }, peers)?.index);
                }
                Walk::Refused | Walk::Changed => {}
                Walk::Full(sum) => self.stay_full(sum, &mut full, peers)?,
            }
        }
    }

    /// Arrives at the seat of a party; never waits.
    pub(crate) fn arrive_at(
        self,
        index: usize,
        peers: &impl Liveness,
    ) -> Result<Arrival, TryError> {
        loop {
            let phase = self.state.phase();
            if phase.is_broken() {
                return Err(TryError::Disconnected);
            }
            let seat = self.load(index);
            if seat.holder() != peers.me().bits() {
                return Err(TryError::MembershipLost);
            }
            let generation = phase.generation();
            let is_over = !seat.is_before(generation) || seat.state() != SeatState::Left;
            if is_over && self.state.phase() == phase && self.load(index) == seat {
                return Err(TryError::Corrupt);
            }
            let arrived = seat.with(SeatState::Arrived).in_generation(generation);
            if !is_over && self.change(index, seat, arrived) {
                return self.stay(Arrival { index, phase }, peers);
            }
        }
    }

    /// Takes the first free seat from `from` on, as `take` says, unless that says that the phase is
    /// over.
    fn walk(self, from: usize, take: impl Fn(Seat) -> Option<Seat>) -> Walk {
        let from = from.min(self.seats.len());
        let mut sum = 0_u64;
        for index in (from..self.seats.len()).chain(0..from) {
            let seat = self.load(index);
            if !seat.is_free() {
                sum = (sum ^ seat.0)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .rotate_left(29);
                continue;
            }
            return match take(seat) {
                Some(taken) if self.change(index, seat, taken) => Walk::Taken(index),
                Some(_) => Walk::Changed,
                None => Walk::Refused,
            };
        }
        Walk::Full(sum)
    }

    /// Judges a walk that found no free seat: after two of them with the same seats, between which
    /// the dead were reaped, all are taken.
    #[cold]
    fn stay_full(
        self,
        sum: u64,
        last: &mut Option<u64>,
        peers: &impl Liveness,
    ) -> Result<(), TryError> {
        if *last == Some(sum) {
            return Err(match self.corrupt_seat(peers.participants()) {
                Some(_) => TryError::Corrupt,
                None => TryError::Busy,
            });
        }
        *last = Some(sum);
        peers.reap(true);
        self.reap_unregistered(peers);
        Ok(())
    }

    /// Asks, after the own tag was put into a seat, whether it may stay.
    #[inline]
    fn stay(self, arrival: Arrival, peers: &impl Liveness) -> Result<Arrival, TryError> {
        if is_still_registered(peers, 786) {
            return Ok(arrival);
        }
        self.recover_seat(arrival.index, peers.me().bits());
        Err(TryError::MembershipLost)
    }

    /// Returns whether each seat has arrived in this phase, or was taken out.
    fn is_full(self, phase: Phase) -> bool {
        let is_there = |index| {
            let seat = self.load(index);
            let arrived = seat.state() == SeatState::Arrived && seat.is_of(phase.generation());
            arrived || seat.is_taken_out()
        };
        (0..self.seats.len()).all(is_there)
    }

    fn outcome(self, arrival: Arrival, me: Tag) -> Outcome {
        let phase = self.state.phase();
        if phase.generation() == arrival.phase.generation() {
            return if phase.is_broken() {
                Outcome::Broken
            } else {
                Outcome::Open
            };
        }
        let seat = self.load(arrival.index);
        if seat.holder() != me.bits() {
            return Outcome::Lost;
        }
        if mutation(783) && phase.is_broken() {
            return Outcome::Broken;
        }
        match seat.state() {
            SeatState::Arrived | SeatState::Gone => Outcome::Released,
            _ if mutation(788) => Outcome::Released,
            SeatState::Broken => Outcome::Broken,
            SeatState::Left => Outcome::Lost,
        }
    }

    /// Leaves after the outcome: frees the seat, or, as a party, keeps it.
    fn leave(self, index: usize, me: Tag) {
        loop {
            let seat = self.load(index);
            let is_mine = seat.holder() == me.bits() && seat.state() != SeatState::Left;
            if !is_mine || self.change(index, seat, seat.left()) {
                return;
            }
        }
    }

    /// Does what the death of `holder` does at a seat, if it still holds it: breaks the barrier or
    /// shrinks it. Also for a party that leaves.
    pub(crate) fn recover_seat(self, index: usize, holder: u32) {
        loop {
            let phase = self.state.phase();
            let seat = self.load(index);
            if seat.holder() != holder || mutation(789) {
                return;
            }
            // A waiter that a reset has cut off, or marked as released, is told so by its seat.
            let counts = seat.is_registered() || seat.state() == SeatState::Arrived;
            let to = if counts && self.shrinks {
                // The phase, once more: a seat that was freed by a reset, and taken again, is not
                // taken out with the word that a slower reset may have found.
                let generation = self.state.phase().generation();
                seat.freed().with(SeatState::Gone).in_generation(generation)
            } else {
                seat.freed()
            };
            // In this order: if the seat is free the phase is broken, so no reaper that comes late
            // breaks another one.
            let breaks = counts && !self.shrinks && !phase.is_broken();
            if breaks && !mutation(790) && !self.state.break_phase(phase) {
                continue;
            }
            if self.change(index, seat, to) {
                return;
            }
        }
    }

    /// Recovers the seats of participant `dead`, and makes the wakes that it may have owed.
    pub(crate) fn recover(self, dead: Tag) {
        for index in 0..self.seats.len() {
            self.recover_seat(index, dead.bits());
        }
        if !mutation(791) {
            self.state.waiters().wake_all();
        }
    }

    /// Takes the party's seat away, as a death does.
    pub(crate) fn unregister(self, index: usize, me: Tag) {
        self.recover_seat(index, me.bits());
        self.state.waiters().wake_all();
    }

    /// Reaps the dead, and recovers seats with tags of processes that were reaped before they put
    /// them there.
    fn reap_dead(self, peers: &impl Liveness) {
        peers.reap(false);
        self.reap_unregistered(peers);
    }

    fn reap_unregistered(self, peers: &impl Liveness) {
        let mut last = None;
        for index in 0..self.seats.len() {
            let Some(tag) = Tag::in_word(self.load(index).holder(), peers.participants()) else {
                continue;
            };
            if peers.is_unregistered(tag) && !mutation(792) {
                self.recover_seat(index, tag.bits());
                self.state.waiters().wake_all();
            } else if last != Some(tag) {
                peers.sleeps_for(tag);
                last = Some(tag);
            }
        }
    }

    /// Returns a seat that no barrier has, if there is one.
    #[cold]
    pub(crate) fn corrupt_seat(self, participants: u32) -> Option<u64> {
        let mut seats = (0..self.seats.len()).map(|index| self.load(index));
        let found = seats.find(|seat| seat.is_corrupt(participants));
        found.map(|seat| seat.0)
    }

    /// Cuts off all that have arrived, and begins a new phase with all seats that no party has.
    pub(crate) fn reset(self) {
        self.state.abort();
        let phase = self.state.phase();
        if !phase.is_broken() {
            // Another reset is ahead.
            return;
        }
        if mutation(782) {
            self.state.advance(phase, phase.next());
        }
        if !mutation(793) {
            (0..self.seats.len()).for_each(|index| self.close_seat(index, phase));
        }
        self.state.advance(phase, phase.next());
    }

    /// Closes a seat in a broken phase: it cannot be taken in it any more.
    fn close_seat(self, index: usize, phase: Phase) {
        let generation = phase.generation();
        let early = mutation(645) && self.state.phase() == phase;
        loop {
            let seat = self.load(index);
            // In this order: a process that changed the seat in a later phase had loaded that, so
            // a reset that is slow finds the later phase, too, and closes no seat of it.
            if self.state.phase() != phase && !early {
                return;
            }
            let to = match (seat.state(), seat.is_of(generation)) {
                _ if seat.is_taken_out() => seat.freed(),
                (SeatState::Arrived, is_of) if is_of || mutation(794) => {
                    seat.with(SeatState::Broken)
                }
                (SeatState::Arrived, _) => seat.with(SeatState::Gone),
                (_, true) => return,
                (_, false) => seat,
            };
            if self.change(index, seat, to.in_generation(generation)) {
                return;
            }
        }
    }

    /// Returns how many have arrived and wait; it may be stale.
    pub(crate) fn n_waiting(self) -> usize {
        let phase = self.state.phase();
        let waits = |index: &usize| {
            let seat = self.load(*index);
            seat.state() == SeatState::Arrived && seat.is_of(phase.generation())
        };
        let waiting = (0..self.seats.len()).filter(waits).count();
        if phase.is_broken() { 0 } else { waiting }
    }

    /// Returns how many seats were not taken out; it may be stale.
    pub(crate) fn parties(self) -> usize {
        let is_left = |index: &usize| !self.load(*index).is_taken_out();
        (0..self.seats.len()).filter(is_left).count()
    }
}

pub(crate) mod entry;
pub(crate) mod layout;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
mod wait;
