//! Tests of the ring on one thread: bounds, laps, garbage.

use std::time::Duration;

use super::super::{ClaimError, Consuming, Corrupt, Producing, Role, Spsc, SpscState, WaitOutcome};
use crate::facade::{Deadline, Ordering::Relaxed, Pace};
use crate::participant::tests::{ALIVE, DEAD, NOT_MEMBER, TestLiveness, me, other};

#[test]
fn capacity_is_exact_lap_after_lap() {
    let state = SpscState::new();
    for capacity in [1, 2, 3, 64] {
        let ring = Spsc::new(&state, capacity);
        let mut push = ring.claim::<Producing>(&ALIVE).unwrap();
        let mut pop = ring.claim::<Consuming>(&ALIVE).unwrap();
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
fn role_has_one_live_holder_and_a_dead_one_is_replaced() {
    let state = SpscState::new();
    let ring = Spsc::new(&state, 4);
    let mut first = ring.claim::<Producing>(&ALIVE).unwrap();
    ring.commit(&mut first, 3);
    let taken = Err(ClaimError::Taken(me()));
    assert_eq!(ring.claim::<Producing>(&ALIVE.of(other())), taken);
    assert_eq!(ring.claim::<Producing>(&ALIVE), taken);
    let next = ring.claim::<Producing>(&DEAD.of(other())).unwrap();
    assert_eq!(next.position(), 3);
    assert_eq!(state.holder(Role::Producer, 8), Some(other()));
    // A holder that was replaced does not release its successor's claim.
    ring.leave(Role::Producer, me());
    assert_eq!(state.holder(Role::Producer, 8), Some(other()));
    state.recover(me());
    assert_eq!(state.holder(Role::Producer, 8), Some(other()));
    state.recover(other());
    assert_eq!(state.holder(Role::Producer, 8), None);
}

#[test]
fn endpoint_is_disconnected_once_its_peer_left_or_died_not_before_it_came() {
    let state = SpscState::new();
    let ring = Spsc::new(&state, 4);
    let disconnected = |peers: &TestLiveness| ring.is_disconnected(Role::Consumer, peers);
    assert_eq!(disconnected(&ALIVE), Ok(false));
    let mut push = ring.claim::<Producing>(&ALIVE).unwrap();
    assert_eq!(disconnected(&ALIVE), Ok(false));
    assert_eq!(disconnected(&DEAD), Ok(true));
    ring.commit(&mut push, 1);
    ring.leave(Role::Producer, me());
    assert_eq!(disconnected(&ALIVE), Ok(true));
    let mut pop = ring.claim::<Consuming>(&ALIVE.of(other())).unwrap();
    let soon = || Deadline::after(Duration::ZERO);
    assert_eq!(
        ring.wait(&mut pop, &ALIVE, &soon(), Pace::Adaptive),
        WaitOutcome::Ready(1)
    );
    ring.commit(&mut pop, 1);
    assert_eq!(
        ring.wait(&mut pop, &ALIVE, &soon(), Pace::Adaptive),
        WaitOutcome::Disconnected
    );
    let again = ring.claim::<Producing>(&ALIVE).unwrap();
    assert_eq!(again.position(), 1);
    assert_eq!(
        ring.wait(&mut pop, &ALIVE, &soon(), Pace::Adaptive),
        WaitOutcome::TimedOut
    );
}

#[test]
fn wait_ends_when_its_peer_is_gone_at_every_pace() {
    let soon = || Deadline::after(Duration::from_micros(200));
    for pace in [Pace::Adaptive, Pace::Spin, Pace::Park] {
        let state = SpscState::new();
        let ring = Spsc::new(&state, 4);
        let mut push = ring.claim::<Producing>(&ALIVE).unwrap();
        let mut pop = ring.claim::<Consuming>(&ALIVE.of(other())).unwrap();
        let mut wait = |peers: &TestLiveness, until: &_| ring.wait(&mut pop, peers, until, pace);
        assert_eq!(wait(&ALIVE, &soon()), WaitOutcome::TimedOut);
        assert_eq!(
            wait(&NOT_MEMBER, &Deadline::never()),
            WaitOutcome::MembershipLost
        );
        assert_eq!(wait(&DEAD, &Deadline::never()), WaitOutcome::Disconnected);
        ring.commit(&mut push, 1);
        assert_eq!(wait(&DEAD, &Deadline::never()), WaitOutcome::Ready(1));
    }
}

#[test]
fn garbage_is_reported_as_corrupt() {
    let state = SpscState::new();
    let ring = Spsc::new(&state, 4);
    let mut push = ring.claim::<Producing>(&ALIVE).unwrap();
    let mut pop = ring.claim::<Consuming>(&ALIVE).unwrap();
    for wild in [5, 100, u64::MAX, u64::MAX - 4, 1 << 63] {
        state.producer.0.position.0.store(wild, Relaxed);
        // A live holder stores its own position again.
        assert_eq!(ring.refresh(&mut pop), Ok(0), "{wild}");
        let soon = Deadline::after(Duration::ZERO);
        let waited = ring.wait(&mut pop, &ALIVE, &soon, Pace::Adaptive);
        assert_eq!(waited, WaitOutcome::TimedOut);
        let waited = ring.wait(&mut pop, &DEAD, &Deadline::never(), Pace::Adaptive);
        assert_eq!(waited, WaitOutcome::Corrupt);
        // That settled the end of the dead holder.
        state.producer.0.claim.spoil(me().bits());
        ring.restore(&push);
        assert_eq!(state.producer.0.position.0.load(Relaxed), 0);
        state.producer.0.position.0.store(wild, Relaxed);
        let holder = state.producer.0.claim.load();
        state.producer.0.claim.spoil(0);
        assert_eq!(ring.refresh(&mut pop), Err(Corrupt), "{wild}");
        state.producer.0.claim.spoil(me().bits());
        assert_eq!(state.producer.0.claim.load(), holder);
        state.producer.0.position.0.store(0, Relaxed);
        // The head may be behind by the capacity at most, also where the numbers wrap.
        let expected = if wild == u64::MAX { Ok(3) } else { Ok(0) };
        state.consumer.0.position.0.store(wild, Relaxed);
        assert_eq!(ring.refresh(&mut push), expected, "{wild}");
        state.consumer.0.position.0.store(0, Relaxed);
    }
    for wild in [1_u32, 0x8000_0000, 3 << 29, u32::MAX, 1 << 29 | 5] {
        state.consumer.0.claim.spoil(wild);
        let claimed = ring.claim::<Consuming>(&ALIVE);
        assert_eq!(claimed, Err(ClaimError::Corrupt), "{wild:#x}");
        assert_eq!(ring.is_disconnected(Role::Producer, &ALIVE), Err(Corrupt));
    }
    state.consumer.0.claim.spoil(0);
    state.producer.0.position.0.store(77, Relaxed);
    let claimed = ring.claim::<Consuming>(&ALIVE);
    assert_eq!(claimed, Err(ClaimError::Corrupt));
    assert_eq!(
        state.holder(Role::Consumer, 8),
        None,
        "the role stays claimed"
    );
}
