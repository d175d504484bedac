//! The queue for many: one process, then several.

use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{
    Queue, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

fn queue(capacity: u64) -> Queue<u64> {
    let segment = Segment::anonymous().unwrap();
    segment.create("queue", capacity).unwrap()
}

#[test]
fn what_is_sent_is_received_in_order_over_many_laps() {
    for capacity in [2, 3, 5, 64, 100] {
        let queue = queue(capacity);
        let other = queue.clone();
        for lap in 0..5 {
            let items: Vec<_> = (0..capacity).map(|item| lap * 1000 + item).collect();
            for item in &items {
                queue.try_send(*item).unwrap();
            }
            assert!(queue.is_full() && !queue.is_empty() && other.len() == capacity);
            assert!(matches!(other.try_send(9), Err(TrySendError::Full(9))));
            let got: Result<Vec<_>, _> = other.try_iter().collect();
            assert_eq!(got.unwrap(), items);
            assert!(other.is_empty() && queue.is_empty());
            assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        }
    }
}

#[test]
fn a_handle_that_was_idle_for_many_laps_finds_its_way() {
    let queue = queue(3);
    let idle = queue.clone();
    for item in 0..10_000 {
        queue.send(item).unwrap();
        assert_eq!(queue.recv().unwrap(), item);
    }
    idle.send(1).unwrap();
    assert_eq!(idle.len(), 1);
    assert_eq!(idle.recv().unwrap(), 1);
}

#[test]
fn force_send_drops_the_oldest_when_there_is_no_room() {
    let queue = queue(2);
    assert_eq!(queue.force_send(1).unwrap(), None);
    assert_eq!(queue.force_send(2).unwrap(), None);
    assert_eq!(queue.force_send(3).unwrap(), Some(1));
    assert_eq!(queue.force_send(4).unwrap(), Some(2));
    let left: Result<Vec<_>, _> = queue.try_iter().collect();
    assert_eq!(left.unwrap(), [3, 4]);
}

#[test]
fn a_receiver_that_was_idle_finds_what_replacing_left() {
    for (capacity, laps) in [
        (2, 3_000),
        (3, 3_000),
        (64, 3_000),
        (100, 2_000),
        (1024, 200),
    ] {
        let queue = queue(capacity);
        let idle = queue.clone();
        for item in 0..capacity * laps {
            let oldest = queue.force_send(item).unwrap();
            assert_eq!(oldest, item.checked_sub(capacity));
        }
        assert_eq!(idle.len(), capacity);
        let left: Result<Vec<_>, _> = idle.try_iter().collect();
        let expected: Vec<_> = (capacity * (laps - 1)..capacity * laps).collect();
        assert_eq!(left.unwrap(), expected, "capacity {capacity}");
    }
}

#[test]
fn a_closed_queue_is_drained_and_then_disconnected() {
    let queue = queue(4);
    queue.send(1).unwrap();
    queue.close();
    assert!(queue.is_closed());
    assert!(matches!(queue.send(2), Err(SendError::Disconnected(2))));
    assert!(matches!(
        queue.force_send(2),
        Err(SendError::Disconnected(2))
    ));
    assert_eq!(queue.recv().unwrap(), 1);
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
}

#[test]
fn timeouts_pass() {
    let queue = queue(2);
    let short = Duration::from_millis(5);
    assert!(matches!(
        queue.recv_timeout(short),
        Err(RecvTimeoutError::Timeout)
    ));
    queue.send_slice(&[1, 2]).unwrap();
    assert!(matches!(
        queue.send_timeout(3, short),
        Err(SendTimeoutError::Timeout(3))
    ));
}

#[test]
fn the_last_sender_that_goes_ends_the_iteration() {
    let queue = queue(8);
    let first = queue.sender().unwrap();
    let second = first.sender().unwrap();
    first.send(1).unwrap();
    drop(first);
    assert!(matches!(queue.try_recv(), Ok(1)));
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    second.send(2).unwrap();
    drop(second);
    let got: Result<Vec<_>, _> = queue.iter().collect();
    assert_eq!(got.unwrap(), [2]);
    let third = queue.sender().unwrap();
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    drop(third);
}

#[test]
fn the_last_receiver_that_goes_ends_sending() {
    let queue = queue(8);
    queue.send(1).unwrap();
    let receiver = queue.receiver().unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    drop(receiver);
    assert!(matches!(queue.send(2), Err(SendError::Disconnected(2))));
}

#[test]
fn threads_lose_nothing() {
    let queue = queue(4);
    let (senders, each) = (3, 20_000_u64);
    let total = std::thread::scope(|scope| {
        for id in 0..senders {
            let sender = queue.sender().unwrap();
            scope.spawn(move || {
                for item in 0..each {
                    sender.send(id << 32 | item).unwrap();
                }
            });
        }
        let receivers: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                scope.spawn(move || {
                    let mut next = [0; 3];
                    let mut count = 0;
                    for item in &queue {
                        let item = item.unwrap();
                        let (id, item) = ((item >> 32) as usize, item & 0xffff_ffff);
                        assert!(item >= next[id], "out of order");
                        next[id] = item + 1;
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        receivers
            .into_iter()
            .map(|receiver| receiver.join().unwrap())
            .sum::<u64>()
    });
    assert_eq!(total, senders * each);
}
