//! One process and a barrier whose words may hold anything.

use core::time::Duration;

use proptest::prelude::*;

use super::super::layout::{Phase, Seat};
use super::super::{Barrier, BarrierState};
use crate::facade::{AtomicU64, Deadline, Ordering, Pace};
use crate::participant::Tag;
use crate::participant::tests::{ALIVE, NOT_MEMBER};
use crate::wait::on_event::{EventWaitError, TryError};

fn tag(index: u32) -> Tag {
    Tag::new(index, 1).unwrap()
}

struct Owned(BarrierState, Vec<AtomicU64>);

impl Owned {
    fn of(phase: u64, seats: &[u64]) -> Self {
        let state = BarrierState::new();
        state.0.0.phase.store(phase, Ordering::Relaxed);
        Self(
            state,
            seats.iter().map(|seat| AtomicU64::new(*seat)).collect(),
        )
    }

    fn barrier(&self, shrinks: bool) -> Barrier<'_> {
        let Self(state, seats) = self;
        Barrier {
            state,
            seats,
            shrinks,
        }
    }
}

#[test]
fn a_free_seat_of_this_generation_is_an_error_and_not_waited_for() {
    for (phase, seat) in [
        (0, 0),
        (2, 1 << 32),
        (u64::MAX - 1, 0x7fff_ffff_ffff_ffff << 32),
    ] {
        let owned = Owned::of(phase, &[seat, seat]);
        let arrived = owned.barrier(false).arrive(0, &ALIVE.of(tag(1)));
        assert_eq!(arrived, Err(TryError::Corrupt), "{phase:#x} {seat:#x}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever bytes there are, no operation hangs; and a reset makes a barrier of those seats
    /// that no living process holds.
    #[test]
    fn any_words_are_a_barrier(phase: u64, random in prop::collection::vec(any::<u64>(), 1..4), small: bool, shrinks: bool) {
        let seats: Vec<u64> = random.iter().map(|seat| if small { seat & 3 << 62 } else { *seat }).collect();
        let owned = Owned::of(phase, &seats);
        let (barrier, peers) = (owned.barrier(shrinks), ALIVE);
        let soon = || Deadline::after(Duration::ZERO);
        let _ = barrier.register(0, &peers.of(tag(1)));
        if let Ok(arrival) = barrier.arrive(0, &peers.of(tag(2))) {
            let waited = barrier.wait(arrival, tag(2), &peers, &soon(), Pace::Park);
            let lost = EventWaitError::MembershipLost;
            prop_assert_ne!(waited, Err(lost));
        }
        (0..8).for_each(|index| barrier.recover(tag(index)));
        barrier.reset();
        prop_assert!(!barrier.state.phase().is_broken());
        prop_assert!(barrier.n_waiting() <= seats.len());
        let free = (0..seats.len()).filter(|index| barrier.load(*index).is_free()).count();
        let holders = (0..seats.len()).filter(|index| barrier.load(*index).holder() != 0).count();
        let corrupt = (0..seats.len()).filter(|index| barrier.load(*index).is_corrupt(8)).count();
        prop_assert!(free + holders + corrupt >= seats.len());
    }
}

#[test]
fn a_barrier_of_one_is_passed_at_once() {
    let owned = Owned::of(Phase::FIRST.0, &[0]);
    let (barrier, peers) = (owned.barrier(false), ALIVE);
    for _ in 0..3 {
        let arrival = barrier.arrive(7, &peers.of(tag(1))).unwrap();
        let waited = barrier.wait(arrival, tag(1), &peers, &Deadline::never(), Pace::Park);
        assert_eq!(waited, Ok(true));
    }
    assert_eq!(barrier.state.phase().generation(), 4);
}

#[test]
fn more_than_there_are_seats_are_refused() {
    let owned = Owned::of(Phase::FIRST.0, &[0, 0]);
    let (barrier, peers) = (owned.barrier(false), ALIVE);
    assert_eq!(barrier.register(1, &peers.of(tag(1))), Ok(1));
    let arrival = barrier.arrive(1, &peers.of(tag(2))).unwrap();
    assert_eq!((arrival.index, barrier.n_waiting()), (0, 1));
    assert_eq!(barrier.arrive(0, &peers.of(tag(3))), Err(TryError::Busy));
    assert_eq!(barrier.register(0, &peers.of(tag(3))), Err(TryError::Busy));
    barrier.unregister(1, tag(1));
    assert_eq!(
        barrier.arrive(0, &peers.of(tag(3))),
        Err(TryError::Disconnected)
    );
}

#[test]
fn a_dead_tag_of_an_earlier_phase_breaks_this_one_and_one_that_was_cut_off_does_not() {
    let owned = Owned::of(Phase::FIRST.0, &[0, 0]);
    let (barrier, peers) = (owned.barrier(false), ALIVE);
    for (index, member) in [(0, 0), (1, 1)] {
        barrier.arrive(index, &peers.of(tag(member))).unwrap();
    }
    let phase = barrier.state.phase();
    assert!(barrier.is_full(phase) && barrier.state.advance(phase, phase.next()));
    barrier.recover(tag(0));
    assert!(barrier.state.phase().is_broken());
    barrier.reset();
    // The other one was released, and has not left: that is all that its death ends.
    barrier.recover(tag(1));
    assert!(!barrier.state.phase().is_broken());
    assert!((0..2).all(|index| barrier.load(index).is_free()));
}

#[test]
fn a_reset_gives_back_seats_that_were_taken_out() {
    let owned = Owned::of(Phase::FIRST.0, &[0, 0]);
    let (barrier, peers) = (owned.barrier(true), ALIVE);
    for index in 0..2 {
        assert_eq!(
            barrier.register(0, &peers.of(tag(index))),
            Ok(index as usize)
        );
    }
    barrier.recover(tag(0));
    assert_eq!(barrier.parties(), 1);
    let arrival = barrier.arrive_at(1, &peers.of(tag(1))).unwrap();
    let waited = barrier.wait(arrival, tag(1), &peers, &Deadline::never(), Pace::Park);
    assert_eq!(waited, Ok(true));
    barrier.recover(tag(1));
    assert_eq!(barrier.parties(), 0);
    assert_eq!(barrier.arrive(0, &peers.of(tag(2))), Err(TryError::Busy));
    barrier.reset();
    assert_eq!(barrier.parties(), 2);
    assert!(barrier.arrive(0, &peers.of(tag(2))).is_ok());
}

#[test]
fn a_waiter_without_membership_does_not_wait() {
    let owned = Owned::of(Phase::FIRST.0, &[0, 0]);
    let (barrier, peers) = (owned.barrier(false), NOT_MEMBER);
    let arrival = barrier.arrive(0, &peers.of(tag(1))).unwrap();
    let waited = barrier.wait(arrival, tag(1), &peers, &Deadline::never(), Pace::Park);
    assert_eq!(waited, Err(EventWaitError::MembershipLost));
    assert!(barrier.state.phase().is_broken() && barrier.load(0).is_free());
}

#[test]
fn a_seat_that_no_barrier_has_is_told() {
    let corrupt = Seat(0).held_by(tag(9)).registered();
    let owned = Owned::of(Phase::FIRST.0, &[0, corrupt.0]);
    let (barrier, peers) = (owned.barrier(false), ALIVE);
    let arrival = barrier.arrive(0, &peers.of(tag(1))).unwrap();
    let waited = barrier.wait(arrival, tag(1), &peers, &Deadline::never(), Pace::Park);
    assert_eq!(waited, Err(EventWaitError::Corrupt));
    assert_eq!(barrier.corrupt_seat(8), Some(corrupt.0));
}
