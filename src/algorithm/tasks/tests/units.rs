//! The fields of a task's word.

use proptest::prelude::*;

use super::super::*;
use crate::facade::AtomicU64;

proptest! {
    #[test]
    fn the_fields_of_a_word_are_kept(
        id in 0..1_u64 << 27,
        attempt in 0..=MAX_SENT,
        place in 0..MAX_PLACES,
        items in 0..100_u32,
    ) {
        let (word, since) = (AtomicU64::new(0), AtomicU64::new(0));
        let task = Task { word: &word, since: &since };
        let queued = TaskWord::queued(id, attempt);
        task.queue(queued);
        let mut running = task.begin(queued, place, 7).unwrap();
        for _ in 0..items {
            running = task.advance(running, 8).unwrap();
        }
        prop_assert_eq!(running.state(), Some(TaskState::Running));
        prop_assert_eq!((running.place(), running.item()), (place, items));
        prop_assert_eq!(running.0 >> ID_SHIFT, id);
        prop_assert_eq!(running.field(ATTEMPT_SHIFT, ATTEMPT_BITS), attempt);
        prop_assert_eq!(task.finish(running).unwrap().state(), Some(TaskState::Done));
    }
}

#[test]
fn a_task_that_was_sent_again_is_another_word() {
    assert_ne!(TaskWord::queued(7, 1), TaskWord::queued(7, 2));
    assert_ne!(TaskWord::queued(7, 1), TaskWord::queued(8, 1));
}

#[test]
fn the_buffer_of_another_task_holds_no_item_of_this_one() {
    let words = [AtomicU64::new(0), AtomicU64::new(0)];
    let place = Place {
        task: &words[0],
        done: &words[1],
    };
    place.open(3);
    place.record(Done { items: 2, bytes: 9 });
    assert_eq!(place.read(3), Done { items: 2, bytes: 9 });
    assert_eq!(place.read(4), Done::default());
    place.open(4);
    assert_eq!(place.read(4), Done::default());
}
