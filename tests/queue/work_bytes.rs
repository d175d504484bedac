//! The work queue of bytes, and what all work queues say of themselves.

use std::io::Write;
use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{
    ByteOptions, ByteQueue, SendError, SendTimeoutError, TryRecvError, TrySendError, Waitable,
    WorkQueue, wait_any_timeout,
};

use crate::SOON;
use crate::support::watch;

/// A queue of 6 cells of 16 bytes in a segment of its own.
fn lines() -> (Segment, ByteQueue) {
    let segment = Segment::anonymous().unwrap();
    let options = ByteOptions::new(6).cell_size(16).max_attempts(2);
    let queue = segment.create("lines", options).unwrap();
    (segment, queue)
}

fn message(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}

#[test]
fn messages_of_every_length_come_back_in_their_parts() {
    let (_segment, queue) = lines();
    assert_eq!((queue.max_message_len(), queue.cell_size()), (96, 16));
    for len in 0..=96 {
        let sent = message(len);
        queue.try_send(&sent).unwrap();
        let cells = len.div_ceil(16).max(1);
        assert_eq!(queue.free_capacity(), 6 - cells as u64);
        let delivery = queue.recv().unwrap();
        assert_eq!((delivery.len(), delivery.is_empty()), (len, len == 0));
        let parts: Vec<_> = delivery.parts().map(<[u8]>::len).collect();
        assert_eq!(parts.iter().sum::<usize>(), len);
        assert!(parts.iter().rev().skip(1).all(|len| *len == 16));
        assert_eq!(delivery.parts().collect::<Vec<_>>().concat(), sent);
        let slice = (len <= 16).then_some(&sent[..]);
        assert_eq!(delivery.as_slice(), slice);
        let mut place = [0xff; 40];
        assert_eq!(delivery.copy_to(&mut place), len.min(40));
        assert_eq!(place[..len.min(40)], sent[..len.min(40)]);
        assert!(place[len.min(40)..].iter().all(|byte| *byte == 0xff));
        assert_eq!(delivery.to_vec(), sent);
        assert_eq!(delivery.into_inner().unwrap(), sent);
        assert_eq!(queue.free_capacity(), 6);
    }
}

#[test]
fn a_loan_is_written_in_parts_and_as_a_stream() {
    let (_segment, queue) = lines();
    for len in [0, 1, 16, 17, 40, 96] {
        let sent = message(len);
        let mut loan = queue.loan(len).unwrap();
        assert_eq!((loan.len(), loan.is_empty()), (len, len == 0));
        let mut rest = &sent[..];
        for part in loan.parts_mut() {
            let (now, later) = rest.split_at(part.len());
            part.copy_from_slice(now);
            rest = later;
        }
        assert!(rest.is_empty());
        loan.send().unwrap();
        assert_eq!(queue.recv().unwrap().into_inner().unwrap(), sent);

        let mut loan = queue.try_loan(len).unwrap();
        for chunk in sent.chunks(7) {
            loan.write_all(chunk).unwrap();
        }
        assert_eq!(loan.write(b"more").unwrap(), 0, "it is full");
        loan.send().unwrap();
        assert_eq!(queue.recv().unwrap().into_inner().unwrap(), sent);
    }
    drop(queue.loan_timeout(90, SOON).unwrap());
    assert_eq!(queue.free_capacity(), 6, "what is dropped is given back");
}

#[test]
fn a_message_that_is_too_long_says_by_how_much() {
    let (_segment, queue) = lines();
    let long = message(97);
    let tried = queue.try_send(&long).unwrap_err();
    assert!(matches!(tried, TrySendError::TooLong((), it) if (it.len, it.limit) == (97, 96)));
    assert!(matches!(queue.send(&long), Err(SendError::TooLong((), _))));
    assert!(matches!(
        queue.send_timeout(&long, SOON),
        Err(SendTimeoutError::TooLong((), _))
    ));
    assert!(matches!(queue.try_loan(97), Err(TrySendError::TooLong(..))));
    assert!(matches!(
        queue.loan(usize::MAX),
        Err(SendError::TooLong((), it)) if it.len == usize::MAX
    ));
    assert!(queue.is_idle() && queue.is_empty());
}

#[test]
fn a_message_waits_until_enough_cells_are_free() {
    let _watch = watch();
    let (_segment, queue) = lines();
    queue.send(&message(50)).unwrap();
    assert!(matches!(
        queue.try_send(&message(33)),
        Err(TrySendError::Full(()))
    ));
    assert!(matches!(
        queue.send_timeout(&message(33), SOON),
        Err(SendTimeoutError::Timeout(()))
    ));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| queue.send(&message(33)));
        queue.recv().unwrap().ack().unwrap();
        sender.join().unwrap().unwrap();
    });
    assert_eq!(queue.recv().unwrap().into_inner().unwrap(), message(33));
}

#[test]
fn bytes_are_redelivered_and_become_dead_letters() {
    let (_segment, queue) = lines();
    queue.send(&message(40)).unwrap();
    queue.recv().unwrap().nack(Duration::ZERO).unwrap();
    let again = queue.recv().unwrap();
    assert_eq!((again.attempt(), again.to_vec()), (2, message(40)));
    drop(again);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    queue.send(b"short").unwrap();
    queue.recv().unwrap().reject().unwrap();
    let letters = queue.dead_letters();
    assert_eq!((letters.len(), letters.is_empty()), (2, false));
    let mut found = Vec::new();
    while let Some(letter) = letters.take().unwrap() {
        assert_eq!(letter.attempt(), 2);
        found.push(letter.into_inner().unwrap());
    }
    found.sort_by_key(Vec::len);
    assert_eq!(found, [b"short".to_vec(), message(40)]);
    assert_eq!(queue.free_capacity(), 6);
}

#[test]
fn a_queue_says_how_full_it_is() {
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create::<WorkQueue<u64>>("work", 2).unwrap();
    let says = || (queue.len(), queue.is_empty(), queue.is_full());
    assert_eq!(says(), (0, true, false));
    assert_eq!((queue.max_message_len(), queue.cell_size()), (8, 8));
    queue.send(1).unwrap();
    queue.send(2).unwrap();
    assert_eq!(says(), (2, false, true));
    let held = queue.recv().unwrap();
    assert_eq!(says(), (1, false, true), "in flight it is not there");
    held.nack(Duration::from_secs(3600)).unwrap();
    assert_eq!(says(), (2, false, true), "delayed it is");
    assert_eq!(queue.recv().unwrap().into_inner().unwrap(), 2);
    assert_eq!(says(), (1, false, false));
}

#[test]
fn iterators_give_what_is_there_and_what_comes() {
    let _watch = watch();
    let (_segment, queue) = lines();
    for line in [&b"one"[..], b"two"] {
        queue.send(line).unwrap();
    }
    let there: Vec<_> = queue
        .try_iter()
        .map(|line| line.unwrap().into_inner().unwrap())
        .collect();
    assert_eq!(there, [b"one", b"two"]);
    assert_eq!(queue.try_iter().count(), 0);
    queue.send(b"three").unwrap();
    queue.close();
    let mut coming = queue.iter();
    let three = coming.next().unwrap().unwrap();
    assert_eq!(three.into_inner().unwrap(), b"three");
    assert!(coming.next().is_none() && coming.next().is_none());
    assert_eq!(queue.try_iter().count(), 0);
    let ready: &dyn Waitable = &queue;
    assert_eq!(wait_any_timeout(&[ready], SOON).unwrap(), 0);
}
