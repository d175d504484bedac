//! The barrier under loom, without a registry: the byte locks say which processes live.

use core::sync::atomic::{AtomicU32 as Note, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::layout::{Phase, SeatState};
use super::super::{Arrival, Barrier, BarrierState};
use crate::facade::model::{
    explore, explore_deaths_one_less, explore_one_less, explore_two_deaths, is_byte_locked,
};
use crate::facade::{AtomicU64, Deadline, Pace, Words, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{ReapingLiveness, StartWith, finish, players, start, tag};
use crate::wait::on_event::EventWaitError;

mutants! {
    model_barrier_what_came_before_is_seen:
        784 "a waiter does not acquire",
        785 "a release of all makes no wake";
    model_barrier_of_two_that_arrive_last_one_sees_the_other:
        795 "a process looks at the seats without a barrier after it has taken its own";
    model_barrier_all_are_told_the_same:
        780 "release and break are two words";
    model_barrier_a_party_that_leaves_breaks_it:
        789 "the seat of a dead party is left as it is",
        790 "the death of a party breaks nothing";
    model_barrier_a_party_that_leaves_shrinks_it:
        791 "recovering a barrier makes no wake",
        787 "a waiter does not look before it sleeps whether all have arrived";
    model_barrier_a_reset_is_no_release:
        788 "a waiter of an earlier phase does not look at its seat",
        781 "the end of a phase does not release",
        782 "a reset moves the phase before it closes the seats",
        793 "a reset closes no seats";
    model_barrier_a_reset_leaves_the_released_released:
        783 "a late waiter is told what the phase says, not its seat",
        794 "a reset cuts off waiters that were released and have not left";
    model_barrier_two_resets_are_no_release:
        644 "a process that is slow takes a seat of any later phase";
    model_barrier_a_slow_reset_closes_no_seat_of_a_later_phase:
        645 "a reset looks at the phase before it looks at the seat";
    model_barrier_no_tag_of_a_reaped_process_stays:
        786 "an arrival does not ask whether it is still registered";
    model_barrier_an_unregistered_tag_is_recovered:
        792 "a waiter leaves unregistered tags alone";
    model_barrier_two_deaths_leave_no_seat_taken:
        761 "a second death goes unnoticed";
}

/// A barrier of two, what its parties write, and what they were told.
pub(super) struct Fixture {
    state: BarrierState,
    seats: [AtomicU64; 2],
    shrinks: bool,
    written: [Words<1>; 2],
    told: [Note; 2],
}

const RELEASED: u32 = 1;
const LEADER: u32 = 2;
const BROKEN: u32 = 3;

impl Fixture {
    pub(super) fn open(shrinks: bool) -> Arc<Self> {
        players();
        Arc::new(Self {
            state: BarrierState::new(),
            seats: [0, 0].map(AtomicU64::new),
            shrinks,
            written: [0, 0].map(|first| Words::new([first])),
            told: [0, 0].map(Note::new),
        })
    }

    /// The same with processes 1 and 2 as its parties.
    fn with_parties(shrinks: bool) -> Arc<Self> {
        let fixture = Self::open(shrinks);
        for id in [1, 2] {
            let registered = fixture.barrier().register(0, &fixture.peers(id));
            assert_eq!(registered, Ok(id as usize - 1));
        }
        fixture
    }

    pub(super) fn barrier(&self) -> Barrier<'_> {
        Barrier {
            state: &self.state,
            seats: &self.seats,
            shrinks: self.shrinks,
        }
    }

    fn peers(&self, id: u32) -> impl Liveness {
        ReapingLiveness(id, |dead| self.reap(dead))
    }

    /// Waits as a process that is no party.
    fn wait(&self, id: u32, deadline: &Deadline) {
        let arrived = self.barrier().arrive(id as usize - 1, &self.peers(id));
        match arrived {
            Ok(arrival) => self.finish(arrival, id, deadline),
            Err(_) => self.note(id, BROKEN),
        }
    }

    /// Waits as a party.
    fn wait_as_party(&self, id: u32, deadline: &Deadline) {
        let arrived = self.barrier().arrive_at(id as usize - 1, &self.peers(id));
        match arrived {
            Ok(arrival) => self.finish(arrival, id, deadline),
            Err(_) => self.note(id, BROKEN),
        }
    }

    fn finish(&self, arrival: Arrival, id: u32, deadline: &Deadline) {
        let barrier = self.barrier();
        let waited = barrier.wait(arrival, tag(id), &self.peers(id), deadline, Pace::Park);
        let told = match waited {
            Ok(false) => RELEASED,
            Ok(true) => LEADER,
            Err(EventWaitError::Disconnected | EventWaitError::TimedOut) => BROKEN,
            Err(other) => panic!("{other:?}"),
        };
        self.note(id, told);
    }

    fn note(&self, id: u32, told: u32) {
        self.told[id as usize - 1].store(told, Relaxed);
    }

    fn told(&self) -> [u32; 2] {
        [0, 1].map(|index| self.told[index].load(Relaxed))
    }

    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.barrier().recover(tag(dead));
        }
    }

    /// Asserts, after all have left or died, that no seat has a holder once the dead are reaped.
    pub(super) fn close(&self) {
        (1..=3).for_each(|id| self.reap(id));
        for index in 0..self.seats.len() {
            let seat = self.barrier().load(index);
            assert_eq!(seat.holder(), 0, "seat {index} stays taken");
        }
    }
}

/// Hunts: a party that does not see what the other one did before it arrived; a party that sleeps
/// through the release; two that arrive last, and neither releases.
#[test]
fn model_barrier_what_came_before_is_seen() {
    explore(|| {
        let fixture = Fixture::open(false);
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                let (own, other) = (id as usize - 1, 2 - id as usize);
                fixture.written[own].write(&[7]);
                fixture.wait(id, &Deadline::never());
                assert_eq!(fixture.written[other].read(), [7]);
            })
        }));
        let told = fixture.told();
        assert!(told == [RELEASED, LEADER] || told == [LEADER, RELEASED]);
        assert_eq!(fixture.state.phase(), Phase::FIRST.next());
        fixture.close();
    });
}

/// Hunts: two that arrive last, neither of which sees the other's seat. Both rely on the barrier of
/// a sleeper that announced itself before, and did not sleep.
#[test]
fn model_barrier_of_two_that_arrive_last_one_sees_the_other() {
    explore(|| {
        let fixture = Fixture::open(false);
        assert!(fixture.state.waiters().announce(|| true).is_none());
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                fixture.wait(id, &Deadline::never())
            })
        }));
        fixture.close();
    });
}

/// Hunts: two waits one after the other, in which a seat is taken that its holder has not left.
#[test]
fn model_barrier_two_steps_follow_each_other() {
    explore_one_less(|| {
        let fixture = Fixture::open(false);
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                for _ in 0..2 {
                    fixture.wait(id, &Deadline::never());
                    assert_ne!(fixture.told()[id as usize - 1], BROKEN);
                }
            })
        }));
        assert_eq!(fixture.state.phase(), Phase::FIRST.next().next());
        fixture.close();
    });
}

/// Hunts: a waiter that is released where another is told that the barrier is broken.
#[test]
fn model_barrier_all_are_told_the_same() {
    explore(|| {
        let fixture = Fixture::open(false);
        finish([
            fixture.start(1, None, |fixture| {
                fixture.wait(1, &Deadline::after_looks(0))
            }),
            fixture.start(2, None, |fixture| fixture.wait(2, &Deadline::never())),
        ]);
        let [first, second] = fixture.told();
        assert_eq!(first == BROKEN, second == BROKEN, "{first} {second}");
        assert_eq!(first == BROKEN, fixture.state.phase().is_broken());
        assert!(first == BROKEN || first != second, "two leaders, or none");
        fixture.close();
    });
}

/// Hunts: a waiter that waits for a dead party, wherever that is killed.
#[test]
fn model_barrier_wherever_a_party_dies_the_other_goes_on() {
    for shrinks in [false, true] {
        explore_deaths_one_less(move |death| {
            let fixture = Fixture::with_parties(shrinks);
            finish([
                fixture.start(1, death, |fixture| {
                    fixture.wait_as_party(1, &Deadline::never())
                }),
                fixture.start(2, None, |fixture| {
                    fixture.wait_as_party(2, &Deadline::never());
                    // As its drop does.
                    fixture.barrier().unregister(1, tag(2));
                }),
            ]);
            let [first, second] = fixture.told();
            assert!(!shrinks || second != BROKEN);
            assert!(first == 0 || (first == BROKEN) == (second == BROKEN));
            fixture.reap(1);
            let left = if shrinks { 1 } else { 2 };
            let parties = fixture.barrier().parties();
            assert!(parties <= left, "{parties} parties are left");
        });
    }
}

/// Hunts: a waiter that is killed and no party, whose seat is never free again.
#[test]
fn model_barrier_wherever_a_waiter_dies_its_seat_is_recovered() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::open(false);
        finish([
            fixture.start(1, death, |fixture| fixture.wait(1, &Deadline::never())),
            // It waits in vain if the victim has not arrived: nothing says that it was to come.
            fixture.start(2, None, |fixture| {
                fixture.wait(2, &Deadline::after_looks(0))
            }),
        ]);
        fixture.close();
    });
}

/// Hunts: a waiter that sleeps on after a party has left. There is no death, so no slice ends.
#[test]
fn model_barrier_a_party_that_leaves_breaks_it() {
    explore(|| {
        let fixture = Fixture::with_parties(false);
        finish([
            fixture.start(1, None, |fixture| fixture.barrier().recover(tag(1))),
            fixture.start(2, None, |fixture| {
                fixture.wait_as_party(2, &Deadline::never())
            }),
        ]);
        assert_eq!(fixture.told()[1], BROKEN);
        assert!(fixture.barrier().load(0).is_free());
    });
}

/// Hunts: the same, of a barrier that goes on without it.
#[test]
fn model_barrier_a_party_that_leaves_shrinks_it() {
    explore(|| {
        let fixture = Fixture::with_parties(true);
        finish([
            fixture.start(1, None, |fixture| fixture.barrier().recover(tag(1))),
            fixture.start(2, None, |fixture| {
                fixture.wait_as_party(2, &Deadline::never())
            }),
        ]);
        assert_eq!(fixture.told()[1], LEADER);
        assert_eq!(fixture.barrier().parties(), 1);
    });
}

/// Hunts: a waiter that takes a reset for a release: it is about to arrive, or asleep.
#[test]
fn model_barrier_a_reset_is_no_release() {
    explore(|| {
        let fixture = Fixture::open(false);
        finish([
            fixture.start(1, None, |fixture| {
                fixture.wait(1, &Deadline::after_looks(0))
            }),
            fixture.start(2, None, |fixture| fixture.barrier().reset()),
        ]);
        assert_eq!(fixture.told()[0], BROKEN, "there was no second party");
        fixture.close();
    });
}

/// Hunts: a waiter that was stopped for two phases before it took a seat, and is released.
#[test]
fn model_barrier_two_resets_are_no_release() {
    for is_party in [false, true] {
        explore(move || {
            let fixture = Fixture::open(false);
            if is_party {
                let registered = fixture.barrier().register(0, &fixture.peers(1));
                assert_eq!(registered, Ok(0));
            }
            finish([
                fixture.start(1, None, move |fixture| {
                    let deadline = Deadline::after_looks(0);
                    if is_party {
                        fixture.wait_as_party(1, &deadline);
                        fixture.barrier().unregister(0, tag(1));
                    } else {
                        fixture.wait(1, &deadline);
                    }
                }),
                fixture.start(2, None, |fixture| {
                    fixture.barrier().reset();
                    fixture.barrier().reset();
                }),
            ]);
            assert_eq!(fixture.told()[0], BROKEN, "there was no second party");
            fixture.close();
        });
    }
}

/// Hunts: a seat that was taken in a phase, and is closed in an earlier one.
#[test]
fn model_barrier_a_slow_reset_closes_no_seat_of_a_later_phase() {
    explore_one_less(|| {
        let fixture = Fixture::open(false);
        fixture.state.abort();
        finish([
            fixture.start(1, None, |fixture| {
                // It keeps its seat.
                let _ = fixture.barrier().arrive(0, &fixture.peers(1));
            }),
            fixture.start(2, None, |fixture| fixture.barrier().reset()),
            fixture.start(3, None, |fixture| fixture.barrier().reset()),
        ]);
        let seat = fixture.barrier().load(0);
        assert_ne!(seat.state(), SeatState::Gone, "none was released");
    });
}

/// Hunts: a waiter that was released, looks late, and is told that a reset has cut it off.
#[test]
fn model_barrier_a_reset_leaves_the_released_released() {
    explore_one_less(|| {
        let fixture = Fixture::open(false);
        finish([
            fixture.start(1, None, |fixture| fixture.wait(1, &Deadline::never())),
            fixture.start(2, None, |fixture| {
                fixture.wait(2, &Deadline::never());
                fixture.barrier().reset();
            }),
        ]);
        let told = fixture.told();
        assert!(told == [RELEASED, LEADER] || told == [LEADER, RELEASED]);
        assert!(!fixture.state.phase().is_broken());
        fixture.close();
    });
}

/// Hunts: the seat of a process that two deaths leave to no one.
#[test]
fn model_barrier_two_deaths_leave_no_seat_taken() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::open(false);
        finish((1..).zip(deaths).map(|(id, death)| {
            fixture.start(id, death, move |fixture| {
                fixture.reap(3 - id);
                let (barrier, peers) = (fixture.barrier(), fixture.peers(id));
                if let Ok(arrival) = barrier.arrive(id as usize - 1, &peers) {
                    let phase = arrival.phase;
                    let released =
                        barrier.is_full(phase) && barrier.state.advance(phase, phase.next());
                    if !released {
                        barrier.state.break_phase(phase);
                    }
                    barrier.leave(arrival.index, tag(id));
                }
            })
        }));
        fixture.close();
        fixture.barrier().reset();
        assert!(!fixture.state.phase().is_broken());
    });
}
