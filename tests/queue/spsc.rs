//! The ring for two, between processes.

use std::mem::forget;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossdock::Fault;
use crossdock::Segment;
use crossdock::bytemuck::{CheckedBitPattern, NoUninit};
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
    WaitAnyError, wait_any_timeout,
};
use crossdock::segment::ClaimError;
use crossdock::segment::EntryError;
use crossdock::segment::MembershipError;

use crate::support::careless::close_all_from_3;
use crate::support::image::{self, Window};
use crate::support::process::{Line, child, holder, in_child};
use crate::support::watch;

fn ring(capacity: u64) -> (Segment, Spsc<u64>) {
    let segment = Segment::anonymous().unwrap();
    let ring = segment.create("ring", capacity).unwrap();
    (segment, ring)
}

const SOON: Duration = Duration::from_millis(30);

#[test]
fn every_item_arrives_once_and_in_order_whatever_the_capacity() {
    let _watch = watch();
    for (capacity, items) in [(1, 2_000), (2, 20_000), (3, 20_000), (1024, 300_000)] {
        let (_segment, ring) = ring(capacity);
        let producer = child(|| {
            let mut push = ring.producer().unwrap();
            for item in 0..items {
                push.push(item).unwrap();
            }
        });
        let mut pop = ring.consumer().unwrap();
        for item in 0..items {
            assert_eq!(pop.pop(), Ok(item), "capacity {capacity}");
        }
        assert_eq!(pop.pop(), Err(RecvError::Disconnected));
        producer.join();
    }
}

#[test]
fn slices_arrive_whole_and_in_order() {
    let _watch = watch();
    let (_segment, ring) = ring(100);
    let items: Vec<u64> = (0..100_000).collect();
    let producer = child(|| {
        let mut push = ring.producer().unwrap();
        let mut rest = &items[..];
        while !rest.is_empty() {
            let count = push.push_slice(&rest[..rest.len().min(37)]).unwrap();
            rest = &rest[count..];
            if count == 0 {
                push.push(rest[0]).unwrap();
                rest = &rest[1..];
            }
        }
    });
    let mut pop = ring.consumer().unwrap();
    let (mut got, mut next) = ([0; 64], 0);
    while next < items.len() as u64 {
        let count = pop.pop_slice(&mut got).unwrap();
        for item in &got[..count] {
            assert_eq!(*item, next);
            next += 1;
        }
    }
    producer.join();
}

#[test]
fn a_second_producer_is_told_who_is_the_first() {
    let _watch = watch();
    let (_segment, ring) = ring(4);
    let first = holder(|| ring.producer().unwrap());
    let pid = first.child.pid();
    assert!(matches!(ring.producer(), Err(ClaimError::RoleTaken { pid: found }) if found == pid));
    let _consumer = ring.consumer().unwrap();
    assert!(
        matches!(ring.consumer(), Err(ClaimError::RoleTaken { pid }) if pid == std::process::id())
    );
    first.release();
    assert!(ring.producer().is_ok());
}

#[test]
fn a_killed_producers_items_stay_and_another_goes_on() {
    let _watch = watch();
    let (_segment, ring) = ring(8);
    let first = holder(|| {
        let mut push = ring.producer().unwrap();
        push.push(1).unwrap();
        push.push(2).unwrap();
        push
    });
    first.kill();
    let mut pop = ring.consumer().unwrap();
    assert_eq!(pop.pop(), Ok(1));
    let mut push = ring.producer().unwrap();
    push.push(3).unwrap();
    assert_eq!((pop.pop(), pop.pop()), (Ok(2), Ok(3)));
    assert_eq!(pop.try_pop(), Err(TryRecvError::Empty));
}

#[test]
fn a_killed_consumers_successor_gets_what_is_left() {
    let _watch = watch();
    let (_segment, ring) = ring(8);
    let mut push = ring.producer().unwrap();
    assert_eq!(push.push_slice(&[1, 2, 3]), Ok(3));
    let first = holder(|| {
        let mut pop = ring.consumer().unwrap();
        assert_eq!(pop.pop(), Ok(1));
        pop
    });
    first.kill();
    let mut pop = ring.consumer().unwrap();
    assert_eq!((pop.pop(), pop.pop()), (Ok(2), Ok(3)));
}

#[test]
fn who_waits_is_told_that_the_other_end_was_killed() {
    let _watch = watch();
    let (_segment, ring) = ring(1);
    let producer = holder(|| ring.producer().unwrap());
    let line = Line::new();
    let waiter = child(|| {
        let mut pop = ring.consumer().unwrap();
        line.say(1);
        assert_eq!(pop.pop(), Err(RecvError::Disconnected));
    });
    line.hear();
    producer.kill();
    waiter.join();

    let consumer = holder(|| ring.consumer().unwrap());
    let waiter = child(|| {
        let mut push = ring.producer().unwrap();
        push.push(1).unwrap();
        line.say(1);
        assert_eq!(push.push(2), Err(SendError::Disconnected(2)));
    });
    line.hear();
    consumer.kill();
    waiter.join();
}

#[test]
fn who_waits_is_told_that_the_other_end_has_left() {
    let _watch = watch();
    let (_segment, ring) = ring(1);
    let producer = holder(|| ring.producer().unwrap());
    let line = Line::new();
    let waiter = child(|| {
        let mut pop = ring.consumer().unwrap();
        line.say(1);
        assert_eq!(pop.pop(), Err(RecvError::Disconnected));
    });
    line.hear();
    producer.release();
    waiter.join();
}

#[test]
fn a_stopped_producer_is_not_gone() {
    let _watch = watch();
    let (_segment, ring) = ring(4);
    let producer = holder(|| ring.producer().unwrap());
    producer.child.stop();
    let mut pop = ring.consumer().unwrap();
    let begin = Instant::now();
    assert_eq!(pop.pop_timeout(SOON), Err(RecvTimeoutError::Timeout));
    assert_eq!(pop.pop_timeout(begin), Err(RecvTimeoutError::Timeout));
    assert!(begin.elapsed() >= SOON);
    assert!(matches!(ring.producer(), Err(ClaimError::RoleTaken { .. })));
    producer.child.cont();
    producer.release();
    assert_eq!(pop.pop(), Err(RecvError::Disconnected));
}

#[test]
fn a_full_ring_waits_until_its_time_and_gives_the_value_back() {
    let _watch = watch();
    let (_segment, ring) = ring(1);
    let mut push = ring.producer().unwrap();
    push.push(1).unwrap();
    let begin = Instant::now();
    assert_eq!(
        push.push_timeout(2, SOON),
        Err(SendTimeoutError::Timeout(2))
    );
    assert!(begin.elapsed() >= SOON);
    assert_eq!(
        push.push_timeout(2, begin),
        Err(SendTimeoutError::Timeout(2))
    );
    assert_eq!(push.try_push(2), Err(TrySendError::Full(2)));
}

#[test]
fn who_waits_without_the_segments_descriptor_is_told_and_keeps_its_end() {
    let _watch = watch();
    let (_segment, ring) = ring(1);
    let producer = holder(|| ring.producer().unwrap());
    in_child(|| {
        let mut pop = ring.consumer().unwrap();
        close_all_from_3();
        for _ in 0..2 {
            let refused = pop.pop();
            assert!(
                matches!(
                    refused,
                    Err(RecvError::Fault(Fault::NotMember(MembershipError::System(
                        _
                    ))))
                ),
                "{refused:?}"
            );
            assert!(matches!(
                wait_any_timeout(&[&pop], SOON),
                Err(WaitAnyError::Fault { index: 0, .. })
            ));
            assert_eq!(pop.try_pop(), Err(TryRecvError::Empty));
        }
    });
    producer.kill();
    let consumer = holder(|| ring.consumer().unwrap());
    in_child(|| {
        let mut push = ring.producer().unwrap();
        push.push(1).unwrap();
        close_all_from_3();
        for _ in 0..2 {
            let refused = push.push(2);
            assert!(
                matches!(
                    refused,
                    Err(SendError::Fault(
                        2,
                        Fault::NotMember(MembershipError::System(_))
                    ))
                ),
                "{refused:?}"
            );
            assert_eq!(push.try_push(2), Err(TrySendError::Full(2)));
        }
    });
    consumer.kill();
    assert_eq!(ring.consumer().unwrap().pop(), Ok(1));
}

#[test]
fn in_a_forked_child_an_inherited_end_is_nobodys() {
    let _watch = watch();
    let (_segment, ring) = ring(4);
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    push.push(1).unwrap();
    in_child(|| {
        assert_eq!(
            push.try_push(2),
            Err(TrySendError::Fault(2, Fault::NotOwner))
        );
        assert_eq!(push.push(2), Err(SendError::Fault(2, Fault::NotOwner)));
        assert_eq!(pop.try_pop(), Err(Fault::NotOwner.into()));
        assert_eq!(pop.pop_slice(&mut [0; 2]), Err(Fault::NotOwner.into()));
        // SAFETY: this process's copies, which it does not touch again.
        drop(unsafe { std::ptr::read(&push) });
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&pop) });
        assert!(matches!(ring.producer(), Err(ClaimError::RoleTaken { .. })));
    });
    push.push(2).unwrap();
    assert_eq!((pop.pop(), pop.pop()), (Ok(1), Ok(2)));
}

#[test]
fn a_leaked_end_is_given_back_when_its_process_ends() {
    let _watch = watch();
    let (segment, ring) = ring(4);
    in_child(|| forget(ring.producer().unwrap()));
    assert!(ring.producer().is_ok());
    in_child(|| forget(ring.producer().unwrap()));
    assert_eq!(segment.reap().freed, 2);
    let mut pop = ring.consumer().unwrap();
    assert_eq!(pop.try_pop(), Err(TryRecvError::Disconnected));
}

#[test]
fn capacities_that_cannot_be_are_refused_by_name() {
    let segment = Segment::anonymous().unwrap();
    for capacity in [0, (1 << 40) + 1, u64::MAX / 8] {
        let refused = segment.create::<Spsc<u64>>("ring", capacity);
        assert!(
            matches!(refused, Err(EntryError::Capacity { found, least: 1, .. }) if found == capacity)
        );
    }
    let refused = segment.create::<Spsc<u64>>("ring", 1 << 30);
    assert!(matches!(refused, Err(EntryError::ArenaFull { .. })));
    segment.create::<Spsc<u64>>("ring", 4).unwrap();
    assert!(matches!(
        segment.open_or_create::<Spsc<u64>>("ring", 5),
        Err(EntryError::OtherCapacity {
            expected: 5,
            found: 4,
            ..
        })
    ));
    assert!(matches!(
        segment.open::<Spsc<u32>>("ring"),
        Err(EntryError::OtherPayload { .. })
    ));
}

/// A payload of which not every bit pattern is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, CheckedBitPattern)]
#[repr(u8)]
enum Colour {
    Red = 1,
    Green = 2,
}
crossdock::payload!(Colour, "test.colour/1");

/// Where the first item of the only entry of a segment is.
fn first_slot(segment: &Segment) -> usize {
    usize::try_from(segment.entries().unwrap()[0].offset).unwrap() + 512
}

#[test]
fn bytes_that_are_no_value_are_told_and_passed_over() {
    let segment = Segment::anonymous().unwrap();
    let ring = segment.create::<Spsc<Colour>>("ring", 4).unwrap();
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    push.push(Colour::Red).unwrap();
    push.push(Colour::Green).unwrap();
    Window::of(&segment)
        .byte(first_slot(&segment))
        .store(9, Relaxed);
    assert!(matches!(pop.try_pop(), Err(TryRecvError::Invalid { .. })));
    assert_eq!(pop.try_pop(), Ok(Colour::Green));
}

#[test]
fn any_byte_of_the_state_flipped_is_an_error_or_works() {
    let _watch = watch();
    let (segment, ring) = ring(4);
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    push.push(1).unwrap();
    let window = Window::of(&segment);
    let at = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    for byte in at..at + 512 {
        for bit in 0..8 {
            let place = window.byte(byte);
            let before = place.fetch_xor(1 << bit, Relaxed);
            let _ = push.push_timeout(2, Duration::from_micros(50));
            let _ = pop.pop_timeout(Duration::from_micros(50));
            let _ = (ring.producer().is_ok(), ring.consumer().is_ok());
            place.store(before, Relaxed);
        }
    }
    assert!(image::bytes(&segment.as_fd()).len() > at);
}

#[test]
fn every_handle_knows_how_full_the_ring_is() {
    let _watch = watch();
    let (_segment, ring) = ring(3);
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    // More rounds than the ring has places.
    for round in 0..5 {
        for len in 0..=3 {
            let fullness = (len, len == 0, len == 3, 3);
            let seen = (ring.len(), ring.is_empty(), ring.is_full(), ring.capacity());
            assert_eq!(seen, fullness, "round {round}");
            let seen = (push.len(), push.is_empty(), push.is_full(), push.capacity());
            assert_eq!(seen, fullness, "round {round}");
            let seen = (pop.len(), pop.is_empty(), pop.is_full(), pop.capacity());
            assert_eq!(seen, fullness, "round {round}");
            let pushed = push.try_push(len);
            assert_eq!(pushed.is_ok(), len < 3, "{pushed:?}");
        }
        let popped: Result<Vec<_>, _> = pop.try_iter().collect();
        assert_eq!(popped, Ok(vec![0, 1, 2]));
    }
}

#[test]
fn iterators_end_when_the_producer_has_left() {
    let _watch = watch();
    let (_segment, ring) = ring(4);
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    push.push_slice(&[1, 2, 3]).unwrap();
    assert_eq!(pop.try_iter().next(), Some(Ok(1)));
    drop(push);
    assert_eq!(pop.iter().collect::<Result<Vec<_>, _>>(), Ok(vec![2, 3]));
    assert_eq!(pop.try_iter().next(), None);
    assert_eq!((&mut pop).into_iter().next(), None);
}

#[test]
fn a_ring_of_garbage_positions_is_never_longer_than_its_capacity() {
    let _watch = watch();
    let (segment, ring) = ring(4);
    let window = Window::of(&segment);
    let at = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    for byte in at..at + 512 {
        window.byte(byte).store(0xff, Relaxed);
        assert!(ring.len() <= 4);
    }
}
