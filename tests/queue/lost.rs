//! A process that was reaped and does not know it, at rings and counts: it is told, and harms no other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

use crossdock::Fault;
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{CountError, Queue, TryRecvError, TrySendError};
use crossdock::segment::ClaimError;
use crossdock::segment::MembershipError;
use crossdock::{Segment, SegmentOptions};

use crate::support::careless::{Reaped, lose_membership};
use crate::support::image::Window;
use crate::support::process::{Line, child, in_child};
use crate::support::watch;

/// Two places, so that the next to join has the index of the one that was reaped.
fn for_two() -> Segment {
    SegmentOptions::new().participants(2).anonymous().unwrap()
}

#[test]
fn it_is_not_counted_and_the_next_owner_of_its_index_is() {
    let _watch = watch();
    let segment = for_two();
    let queue: Queue<u64> = segment.create("queue", 4).unwrap();
    assert!(queue.try_recv().is_err());
    let lost = Reaped::after(
        &segment,
        || assert!(queue.try_recv().is_err()),
        |()| {
            let refused = queue.sender().err();
            assert!(matches!(
                refused,
                Some(CountError::Fault(Fault::NotMember(MembershipError::Lost)))
            ));
        },
    );
    lost.goes_on();
    lost.ends();
    for _ in 0..3 {
        child(|| drop(queue.sender().unwrap())).join();
        segment.reap();
    }
}

#[test]
fn what_is_counted_for_no_participant_keeps_no_index_out() {
    let _watch = watch();
    let segment = for_two();
    let queue: Queue<u64> = segment.create("queue", 4).unwrap();
    let window = Window::of(&segment);
    let before = window.bytes();
    let sender = queue.sender().unwrap();
    let after = window.bytes();
    let at = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    // The cell is the one word of the entry that has this participant's tag: its index is 0.
    let tag = 1 << 10;
    let mut cells = (at..at + 1024).step_by(8).filter(|at| {
        let [old, new] = [&before, &after].map(|bytes| crate::support::image::u64_at(bytes, *at));
        old == 0 && new & 0x1fff_ffff == tag
    });
    let cell = cells.next().expect("it is counted");
    drop(sender);
    // As one leaves it that is killed when it has counted itself after it was reaped.
    window.long(cell).store(7 << 10 | 1 << 29, Relaxed);
    drop(queue.sender().unwrap());
    assert_eq!(window.long(cell).load(Relaxed), tag);
}

#[test]
fn a_producer_pushes_nothing_when_its_end_is_anothers() {
    let _watch = watch();
    let segment = for_two();
    let ring: Spsc<u64> = segment.create("ring", 8).unwrap();
    let mut pop = ring.consumer().unwrap();
    let lost = Reaped::after(
        &segment,
        || {
            let mut push = ring.producer().unwrap();
            push.push(1).unwrap();
            push.push(2).unwrap();
            push
        },
        |mut push| {
            assert_eq!(
                push.try_push(666),
                Err(TrySendError::Fault(666, Fault::NotOwner))
            );
            assert_eq!(push.push_slice(&[666]), Err(Fault::NotOwner.into()));
            assert!(matches!(
                push.write_chunk(1),
                Err(TrySendError::Fault((), Fault::NotOwner))
            ));
            drop(push);
            assert!(matches!(
                ring.producer(),
                Err(ClaimError::Fault(Fault::NotMember(MembershipError::Lost))
                    | ClaimError::RoleTaken { .. })
            ));
        },
    );
    let mut push = ring.producer().unwrap();
    let items: Vec<u64> = (100..106).collect();
    assert_eq!(push.push_slice(&items), Ok(6));
    let got: Vec<_> = (0..6).map(|_| pop.try_pop().unwrap()).collect();
    assert_eq!(got, [1, 2, 100, 101, 102, 103]);
    assert_eq!(push.push_slice(&[0; 9]), Ok(6));
    lost.goes_on();
    let got: Vec<_> = (0..8).map(|_| pop.try_pop().unwrap()).collect();
    assert_eq!(got, [104, 105, 0, 0, 0, 0, 0, 0]);
    assert_eq!(pop.try_pop(), Err(TryRecvError::Empty));
    lost.ends();
}

/// As one stores it that was reaped in the middle of a push, and a pop.
#[test]
fn an_old_position_is_read_again_and_its_holder_stores_its_own() {
    let _watch = watch();
    let segment = for_two();
    let ring: Spsc<u64> = segment.create("ring", 2).unwrap();
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let window = Window::of(&segment);
    let at = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    // The lines of the two sides begin with their positions.
    let position = |value: u64| {
        let mut places = (at..at + 512).step_by(8);
        places.find(|at| window.long(*at).load(Relaxed) == value)
    };
    for item in 0..7 {
        push.push(item).unwrap();
        assert_eq!(pop.pop(), Ok(item));
    }
    assert_eq!(push.push_slice(&[7, 8]), Ok(2));
    let (tail, head) = (position(9).unwrap(), position(7).unwrap());
    for old in [0, 3, 5] {
        window.long(tail).store(old, Relaxed);
        assert_eq!(pop.try_pop(), Err(TryRecvError::Empty), "{old}");
        // It has not yet seen that there is no room.
        assert_eq!(push.try_push(9), Err(TrySendError::Full(9)));
        assert_eq!(window.long(tail).load(Relaxed), 9);
    }
    assert_eq!((pop.pop(), pop.pop()), (Ok(7), Ok(8)));
    window.long(head).store(2, Relaxed);
    assert_eq!(push.try_push(9), Err(TrySendError::Full(9)));
    assert_eq!(pop.try_pop(), Err(TryRecvError::Empty));
    assert_eq!(push.try_push(9), Ok(()));
    assert_eq!(pop.pop(), Ok(9));
    // Whose it was is dead: there is none that could store it again.
    window.long(tail).store(1, Relaxed);
    std::mem::forget(push);
    in_child(|| {
        assert!(matches!(ring.consumer(), Err(ClaimError::RoleTaken { .. })));
    });
}

#[test]
fn a_queue_gives_it_no_slot_and_no_item() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let queue: Queue<u64> = segment.create("queue", 2).unwrap();
    for round in 0..3 {
        let lost = Reaped::after(
            &segment,
            || assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty))),
            |()| {
                let got = queue.try_recv();
                assert!(matches!(
                    got,
                    Err(TryRecvError::Fault(Fault::NotMember(MembershipError::Lost)))
                ));
            },
        );
        queue.send(round).unwrap();
        lost.goes_on();
        assert_eq!(queue.try_recv().unwrap(), round);
        lost.ends();
        let lost = Reaped::after(
            &segment,
            || assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty))),
            |()| {
                let sent = queue.try_send(666);
                assert!(matches!(
                    sent,
                    Err(TrySendError::Fault(
                        666,
                        Fault::NotMember(MembershipError::Lost)
                    ))
                ));
            },
        );
        lost.goes_on();
        assert_eq!(queue.send_slice(&[1, 2]).unwrap(), 2);
        assert_eq!((queue.recv().unwrap(), queue.recv().unwrap()), (1, 2));
        lost.ends();
    }
}

#[test]
fn what_is_written_in_a_queue_as_the_membership_is_lost_is_not_sent_and_spoils_nothing() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let queue: Queue<u64> = segment.create("queue", 2).unwrap();
    for panics in [false, true, false] {
        let (line, go) = (Line::new(), Line::new());
        let lost = child(|| {
            let sent = catch_unwind(AssertUnwindSafe(|| {
                queue.try_send_with(|item| {
                    lose_membership(&segment);
                    line.say(1);
                    go.hear();
                    *item = if panics { panic!("as it writes") } else { 666 };
                })
            }));
            match sent {
                Ok(sent) => assert!(matches!(
                    sent,
                    Err(TrySendError::Fault(
                        (),
                        Fault::NotMember(MembershipError::Lost)
                    ))
                )),
                Err(_) => assert!(panics),
            }
            line.say(1);
            go.hear();
        });
        line.hear();
        assert!(segment.reap().freed >= 1);
        // Nothing of it is in the way, and it spoils what others have sent since but for the bytes.
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        queue.send(1).unwrap();
        assert_eq!(queue.recv().unwrap(), 1);
        go.say(1);
        line.hear();
        assert_eq!(queue.send_slice(&[1, 2]).unwrap(), 2);
        assert_eq!((queue.recv().unwrap(), queue.recv().unwrap()), (1, 2));
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        go.say(1);
        lost.join();
    }
}
