//! Handles of a work queue that were idle for a whole turn of the laps in its words.

use crate::support::watch;
use crate::work::{done, work};

/// Two handles of a queue are idle while a third moves it on by twice as many messages as there are
/// laps, less `early`.
fn is_idle_for_a_whole_turn(capacity: u64, early: u64) {
    let _watch = watch();
    const LAPS: u64 = 1 << 20;
    let (_segment, queue) = work::<u64>(capacity);
    let (sends, receives) = (queue.clone(), queue.clone());
    for idle in [&sends, &receives] {
        idle.send(0).unwrap();
        assert_eq!(done(idle), (0, 1));
    }
    for item in 0..2 * LAPS - early {
        queue.send(item).unwrap();
        queue.try_recv().unwrap().ack().unwrap();
    }
    sends.send(7).unwrap();
    assert_eq!(*queue.try_recv().unwrap(), 7);
    assert_eq!(done(&queue), (7, 2));
    queue.send(8).unwrap();
    assert_eq!(*receives.try_recv().unwrap(), 8);
}

#[test]
fn a_handle_that_was_idle_for_a_whole_turn_of_the_laps_of_one_slot_finds_its_way() {
    is_idle_for_a_whole_turn(1, 1);
}

#[test]
fn a_handle_that_was_idle_for_a_whole_turn_of_the_laps_finds_its_way() {
    is_idle_for_a_whole_turn(2, 0);
}

#[test]
fn a_handle_that_was_idle_for_nearly_a_whole_turn_of_the_laps_finds_its_way() {
    is_idle_for_a_whole_turn(2, 1);
}
