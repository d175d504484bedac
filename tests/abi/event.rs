//! The bytes of an event.

use std::sync::atomic::Ordering;

use crossdock::sync::Event;

use crate::support::image::{Window, u64_at};
use crate::support::process::asleep;
use crate::{ARENA, bytes, recorded, segment, support};

#[test]
fn an_event_is_a_word_that_counts_its_sets() {
    assert_eq!(recorded::<Event>(false), (15, 128, 0, 1));
    let segment = segment();
    let event = segment.create::<Event>("e", true).unwrap();
    let word = || u64_at(&bytes(&segment), ARENA);
    assert_eq!(word(), 1);
    event.set();
    assert_eq!(word(), 1);
    event.clear();
    assert_eq!(word(), 0);
    event.set();
    assert_eq!(word(), 3);
    event.clear();
    event.set();
    assert_eq!(word(), 5);
    let bytes = bytes(&segment);
    let rest = ARENA + 8..bytes.len();
    assert!(rest.into_iter().all(|at| bytes[at] == 0));
}

#[test]
fn a_waiter_that_sleeps_shows_behind_the_word() {
    let _watch = support::watch();
    let segment = segment();
    let event = segment.create::<Event>("e", false).unwrap();
    let window = Window::of(&segment);
    let sleeps = || window.word(ARENA + 8).load(Ordering::Relaxed) & 1 == 1;
    let waiter = asleep(|| event.wait().unwrap());
    assert!(sleeps());
    event.set();
    waiter.join();
    assert!(!sleeps());
}
