//! What others may see of a victim at a work queue.

use super::Op::{Announce, Begin, Commit, IsIdle, Reap, Recv, Return, TryRecv, TrySend};
use super::*;
use crate::allowed::Allowed;
use crate::run::{Run, Seen};

const ACK: Op = Op::End(Ack, 0);

fn got(word: u32, attempts: u8) -> Returned {
    Got(Message { word, attempts })
}

/// Whether others can see all this at a queue of messages 1 and 2 once the victim was killed in
/// `steps`; it had the first message if it `holds`.
fn can_be(holds: bool, steps: &'static [Op], seen: &[(Op, Returned)]) -> bool {
    let mut first = Work::default();
    first.apply(TrySend(1), Actor::Other);
    first.apply(TrySend(2), Actor::Other);
    if holds {
        first.apply(Recv, Actor::Victim);
    }
    let mut allowed = Allowed::from(Run::new(first, steps, []));
    allowed.dies();
    seen.iter().all(|(op, returned)| {
        let event = Seen::Returned(*op, Some(*returned));
        allowed.see(event).is_ok()
    })
}

#[test]
fn a_killed_sender_has_sent_or_not() {
    let [one, two, seven] = [1, 2, 7].map(|word| (TryRecv, got(word, 1)));
    let sends = |seen: &[_]| can_be(false, &[Begin, Commit(7, 0)], seen);
    let none = (TryRecv, Nothing);
    assert!(sends(&[one, two, none]));
    assert!(sends(&[one, two, seven, none]));
    assert!(!sends(&[two]), "not the oldest");
    assert!(!sends(&[one, seven]), "out of order");
    assert!(!sends(&[one, none]), "lost");
    assert!(!sends(&[one, two, one]), "twice");
    assert!(!sends(&[(TryRecv, got(1, 2))]), "it was not delivered");
    assert!(!sends(&[one, two, (TryRecv, Gone)]), "not closed");
}

#[test]
fn what_a_killed_receiver_had_is_delivered_once_more() {
    let [one, two] = [1, 2].map(|word| (TryRecv, got(word, 1)));
    let again = (TryRecv, got(1, 2));
    let receives = |seen: &[_]| can_be(false, &[Recv], seen);
    let none = (TryRecv, Nothing);
    assert!(receives(&[one, two, none]));
    assert!(receives(&[again, two, none]));
    assert!(receives(&[two, none, again]));
    assert!(receives(&[two, (Reap, Done), again, none]));
    assert!(!receives(&[two, (Reap, Done), none]), "lost");
    assert!(!receives(&[two, one]), "the same delivery");
    assert!(!receives(&[two, (IsIdle, Is(true))]), "it has one");
}

#[test]
fn a_killed_holder_has_ended_its_delivery_or_not() {
    let two = (TryRecv, got(2, 1));
    let again = (TryRecv, got(1, 2));
    let none = (TryRecv, Nothing);
    let acks = |seen: &[_]| can_be(true, &[ACK], seen);
    let done = (ACK, got(2, 1));
    assert!(acks(&[two, done, (IsIdle, Is(true)), none]));
    assert!(acks(&[two, done, (IsIdle, Is(false)), none, again]));
    assert!(!acks(&[two, done, (IsIdle, Is(true)), again]));
    assert!(!acks(&[(TryRecv, got(1, 1))]), "the same delivery");
    let returns = |seen: &[_]| can_be(true, &[Return, Announce], seen);
    assert!(returns(&[two, none, again]));
    assert!(!returns(&[two, (Reap, Done), none]), "lost");
    assert!(!returns(&[again, (IsIdle, Is(true))]), "it is held");
    let rejects = |seen: &[_]| can_be(true, &[Op::End(Reject, 0)], seen);
    let letter = (Op::Letter, got(1, 3));
    assert!(rejects(&[(Reap, Done), letter, two]));
    assert!(rejects(&[(Reap, Done), again]));
    assert!(!rejects(&[letter, again]), "done twice");
}
