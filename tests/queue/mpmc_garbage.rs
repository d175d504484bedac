//! The queue for many, over words of participants who never were and items that are no values.

use std::sync::atomic::Ordering::Relaxed;

use crossdock::Segment;
use crossdock::bytemuck::{CheckedBitPattern, NoUninit};
use crossdock::queue::{Queue, RecvError, RecvTimeoutError, TryRecvError};

use crate::support::garbage::{Garbage, SHORT};
use crate::support::image::Window;
use crate::support::process::child;
use crate::support::watch;

/// Generation 77 of the last participant, who never was.
const NOBODY: u64 = 77 << 10 | 3;
const WRITING: u64 = 1 << 29 | NOBODY;
const READING: u64 = 3 << 29 | NOBODY;

/// A full queue of 2, with the items 5 and 6, in which the first slot is `held` by nobody.
fn held_by_nobody(held: u64) -> (Garbage<Queue<u64>>, Queue<u64>) {
    let place = Garbage::<Queue<u64>>::of(2);
    let queue = place.fresh();
    queue.send_slice(&[5, 6]).unwrap();
    let ready = 2 << 29;
    let words = (0..place.bytes.len()).step_by(8);
    let mut slots = words.filter(|at| place.read(*at) == ready);
    let (Some(first), Some(_), None) = (slots.next(), slots.next(), slots.next()) else {
        panic!("expected two words that say that there is an item");
    };
    place.write(first, held);
    (place, queue)
}

#[test]
fn what_nobody_writes_is_skipped() {
    let _watch = watch();
    let (_place, queue) = held_by_nobody(WRITING);
    assert_eq!(queue.recv().unwrap(), 6);
    assert!(matches!(
        queue.recv_timeout(SHORT),
        Err(RecvTimeoutError::Timeout)
    ));
    queue.send(7).unwrap();
    assert_eq!(queue.recv().unwrap(), 7);
}

#[test]
fn what_nobody_reads_comes_again() {
    let _watch = watch();
    let (_place, queue) = held_by_nobody(READING);
    let got = [(); 2].map(|()| queue.recv_marked().unwrap());
    assert_eq!(got.map(|got| got.value), [6, 5]);
    assert_eq!(got.map(|got| got.redelivered), [false, true]);
    queue.send(7).unwrap();
    assert_eq!(queue.recv().unwrap(), 7);
}

#[test]
fn what_nobody_holds_can_be_replaced() {
    let _watch = watch();
    for (held, replaced) in [(WRITING, None), (READING, Some(5))] {
        let (_place, queue) = held_by_nobody(held);
        let replacer = child(|| assert_eq!(queue.force_send(7).unwrap(), replaced));
        replacer.join();
        assert_eq!([(); 2].map(|()| queue.recv().unwrap()), [6, 7]);
        queue.send(8).unwrap();
        assert_eq!(queue.recv().unwrap(), 8);
    }
}

/// A payload of which not every bit pattern is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, CheckedBitPattern)]
#[repr(u32)]
enum Colour {
    Red = 0x5ed0_5ed0,
    Green = 0x9ee4_9ee4,
}
crossdock::payload!(Colour, "test.sent-colour/1");

/// Where the only word is that holds `value`.
fn only_word_with(window: &Window, value: u32) -> usize {
    let bytes = window.bytes();
    let mut words = (0..bytes.len()).step_by(4);
    let found = words
        .find(|at| window.word(*at).load(Relaxed) == value)
        .unwrap();
    assert!(words.all(|at| window.word(at).load(Relaxed) != value));
    found
}

#[test]
fn bytes_that_are_no_value_are_told_and_passed_over() {
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create::<Queue<Colour>>("queue", 4).unwrap();
    let window = Window::of(&segment);
    let spoil = || {
        queue.send(Colour::Red).unwrap();
        let at = only_word_with(&window, Colour::Red as u32);
        window.word(at).store(9, Relaxed);
        queue.send(Colour::Green).unwrap();
    };
    spoil();
    assert!(matches!(
        queue.try_recv(),
        Err(TryRecvError::Invalid { .. })
    ));
    assert_eq!(queue.try_recv().unwrap(), Colour::Green);
    spoil();
    assert!(matches!(queue.recv(), Err(RecvError::Invalid { .. })));
    assert_eq!(queue.recv().unwrap(), Colour::Green);
    spoil();
    let all: Vec<_> = queue.try_iter().collect();
    assert!(matches!(
        all[..],
        [Err(TryRecvError::Invalid { .. }), Ok(Colour::Green)]
    ));
    spoil();
    let mut items = [Colour::Green; 4];
    assert!(matches!(
        queue.recv_slice(&mut items),
        Err(TryRecvError::Invalid { .. })
    ));
    assert_eq!(queue.recv_slice(&mut items).unwrap(), 1);
    spoil();
    queue.send(Colour::Green).unwrap();
    queue.send(Colour::Green).unwrap();
    assert_eq!(queue.force_send(Colour::Green).unwrap(), None);
    assert_eq!(queue.try_iter().map(Result::unwrap).count(), 4);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
}
