//! The ring for two, by one thread: bounds, laps, garbage.

use std::time::Duration;

use super::super::{Consuming, Corrupt, Producing, Role, Spsc, SpscState, Unclaimed, Waited};
use crate::facade::{Deadline, Ordering::Relaxed, Pace};
use crate::participant::Liveness;
use crate::participant::Tag;

struct All {
    alive: bool,
    member: bool,
}

impl Liveness for All {
    fn is_alive(&self, _: Tag) -> bool {
        self.alive
    }
    fn is_member(&self) -> bool {
        self.member
    }
    fn participants(&self) -> u32 {
        8
    }
}

const ALIVE: All = All {
    alive: true,
    member: true,
};
const DEAD: All = All {
    alive: false,
    ..ALIVE
};
const EXPELLED: All = All {
    member: false,
    ..ALIVE
};

fn me() -> Tag {
    Tag::new(3, 7).unwrap()
}

fn other() -> Tag {
    Tag::new(4, 7).unwrap()
}

#[test]
fn as_many_fit_as_the_capacity_says_lap_after_lap() {
    let state = SpscState::new();
    for capacity in [1, 2, 3, 64] {
        let ring = Spsc::new(&state, capacity);
        let mut push = ring.claim::<Producing>(me(), &ALIVE).unwrap();
        let mut pop = ring.claim::<Consuming>(me(), &ALIVE).unwrap();
        for _ in 0..5 {
            for left in (1..=capacity).rev() {
                assert_eq!(ring.refresh(&mut push), Ok(left));
                ring.commit(&mut push, 1);
            }
            assert_eq!(ring.available(&mut push), Ok(0));
            assert_eq!(ring.refresh(&mut pop), Ok(capacity));
            ring.commit(&mut pop, capacity);
            assert_eq!(ring.available(&mut pop), Ok(0));
        }
        ring.leave(Role::Producer, me());
        ring.leave(Role::Consumer, me());
    }
}

#[test]
fn a_role_has_one_live_holder_and_a_dead_one_is_replaced() {
    let state = SpscState::new();
    let ring = Spsc::new(&state, 4);
    let mut first = ring.claim::<Producing>(me(), &ALIVE).unwrap();
    ring.commit(&mut first, 3);
    let taken = Err(Unclaimed::Taken(me()));
    assert_eq!(ring.claim::<Producing>(other(), &ALIVE), taken);
    assert_eq!(ring.claim::<Producing>(me(), &ALIVE), taken);
    let next = ring.claim::<Producing>(other(), &DEAD).unwrap();
    assert_eq!(next.position(), 3);
    assert_eq!(state.holder(Role::Producer, 8), Some(other()));
    // The one that was replaced gives nothing back that is not its own.
    ring.leave(Role::Producer, me());
    assert_eq!(state.holder(Role::Producer, 8), Some(other()));
    state.recover(me());
    assert_eq!(state.holder(Role::Producer, 8), Some(other()));
    state.recover(other());
    assert_eq!(state.holder(Role::Producer, 8), None);
}

#[test]
fn one_is_alone_once_the_other_has_left_or_died_and_not_before_it_came() {
    let state = SpscState::new();
    let ring = Spsc::new(&state, 4);
    let alone = |peers: &All| ring.is_alone(Role::Consumer, peers);
    assert_eq!(alone(&ALIVE), Ok(false));
    let mut push = ring.claim::<Producing>(me(), &ALIVE).unwrap();
    assert_eq!(alone(&ALIVE), Ok(false));
    assert_eq!(alone(&DEAD), Ok(true));
    ring.commit(&mut push, 1);
    ring.leave(Role::Producer, me());
    assert_eq!(alone(&ALIVE), Ok(true));
    let mut pop = ring.claim::<Consuming>(other(), &ALIVE).unwrap();
    let soon = || Deadline::after(Duration::ZERO);
    assert_eq!(
        ring.wait(&mut pop, &ALIVE, &soon(), Pace::Adaptive),
        Waited::Ready(1)
    );
    ring.commit(&mut pop, 1);
    assert_eq!(
        ring.wait(&mut pop, &ALIVE, &soon(), Pace::Adaptive),
        Waited::Alone
    );
    let again = ring.claim::<Producing>(me(), &ALIVE).unwrap();
    assert_eq!(again.position(), 1);
    assert_eq!(
        ring.wait(&mut pop, &ALIVE, &soon(), Pace::Adaptive),
        Waited::TimedOut
    );
}

#[test]
fn whatever_its_pace_a_wait_ends_when_it_is_in_vain() {
    let soon = || Deadline::after(Duration::from_micros(200));
    for pace in [Pace::Adaptive, Pace::Spin, Pace::Park] {
        let state = SpscState::new();
        let ring = Spsc::new(&state, 4);
        let mut push = ring.claim::<Producing>(me(), &ALIVE).unwrap();
        let mut pop = ring.claim::<Consuming>(other(), &ALIVE).unwrap();
        let mut wait = |peers: &All, until: &_| ring.wait(&mut pop, peers, until, pace);
        assert_eq!(wait(&ALIVE, &soon()), Waited::TimedOut);
        assert_eq!(wait(&DEAD, &Deadline::never()), Waited::Alone);
        assert_eq!(wait(&EXPELLED, &Deadline::never()), Waited::MembershipLost);
        ring.commit(&mut push, 1);
        assert_eq!(wait(&DEAD, &Deadline::never()), Waited::Ready(1));
    }
}

#[test]
fn garbage_is_told_and_leads_nowhere() {
    let state = SpscState::new();
    let ring = Spsc::new(&state, 4);
    let mut push = ring.claim::<Producing>(me(), &ALIVE).unwrap();
    let mut pop = ring.claim::<Consuming>(me(), &ALIVE).unwrap();
    for wild in [5, 100, u64::MAX, u64::MAX - 4, 1 << 63] {
        state.producer.0.position.0.store(wild, Relaxed);
        // Its holder stores its own again, if it lives.
        assert_eq!(ring.refresh(&mut pop), Ok(0), "{wild}");
        let soon = Deadline::after(Duration::ZERO);
        let waited = ring.wait(&mut pop, &ALIVE, &soon, Pace::Adaptive);
        assert_eq!(waited, Waited::TimedOut);
        let waited = ring.wait(&mut pop, &DEAD, &Deadline::never(), Pace::Adaptive);
        assert_eq!(waited, Waited::Corrupt);
        ring.restore(&push);
        assert_eq!(state.producer.0.position.0.load(Relaxed), 0);
        state.producer.0.position.0.store(wild, Relaxed);
        let holder = state.producer.0.role.load();
        state.producer.0.role.spoil(0);
        assert_eq!(ring.refresh(&mut pop), Err(Corrupt), "{wild}");
        state.producer.0.role.spoil(me().bits());
        assert_eq!(state.producer.0.role.load(), holder);
        state.producer.0.position.0.store(0, Relaxed);
        // The head may be up to the capacity behind, also across the end of the numbers.
        let expected = if wild == u64::MAX { Ok(3) } else { Ok(0) };
        state.consumer.0.position.0.store(wild, Relaxed);
        assert_eq!(ring.refresh(&mut push), expected, "{wild}");
        state.consumer.0.position.0.store(0, Relaxed);
    }
    for wild in [1_u32, 0x8000_0000, 3 << 29, u32::MAX, 1 << 29 | 5] {
        state.consumer.0.role.spoil(wild);
        let claimed = ring.claim::<Consuming>(me(), &ALIVE);
        assert_eq!(claimed, Err(Unclaimed::Corrupt), "{wild:#x}");
        assert_eq!(ring.is_alone(Role::Producer, &ALIVE), Err(Corrupt));
    }
    state.consumer.0.role.spoil(0);
    state.producer.0.position.0.store(77, Relaxed);
    let claimed = ring.claim::<Consuming>(me(), &ALIVE);
    assert_eq!(claimed, Err(Unclaimed::Corrupt));
    assert_eq!(
        state.holder(Role::Consumer, 8),
        None,
        "and the role is free"
    );
}
