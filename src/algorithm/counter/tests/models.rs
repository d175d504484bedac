//! The counters under loom.

use loom::sync::Arc;

use super::super::CounterState;
use crate::algorithm::counter::sharded::Sharded;
use crate::facade::model::{explore, explore_at_least, explore_deaths};
use crate::facade::{Words, mutants};
use crate::participant::stage::{StartWith, finish, start};

mutants! {
    model_counter_no_addition_is_lost:
        40 "add is a load and a store";
    model_counter_a_read_of_an_update_sees_what_was_written_before:
        41 "add does not publish",
        42 "get does not acquire";
}

/// Hunts: an addition that overwrites another's; two that return the same value.
#[test]
fn model_counter_no_addition_is_lost() {
    explore_at_least(4, || {
        let counter = Arc::new(CounterState::new(u64::MAX));
        finish([1, 2].map(|id| {
            counter.start(id, None, move |counter| {
                let first = counter.add(1).wrapping_add(1);
                let second = counter.add(1).wrapping_add(1);
                assert!(second > first, "{first} came before {second}");
            })
        }));
        assert_eq!(counter.get(), 3);
    });
}

/// Hunts: an addition of a killed process that is half made, or undoes another's.
#[test]
fn model_counter_a_killed_addition_was_made_or_not() {
    explore_deaths(|death| {
        let counter = Arc::new(CounterState::new(0));
        let victim = counter.start(1, death, move |victim| victim.add(1 << 40));
        finish([counter.start(2, None, move |other| other.add(1))]);
        let survived = victim.join().unwrap();
        assert_eq!(counter.get(), if survived { 1 << 40 | 1 } else { 1 });
    });
}

/// Hunts: an update that is seen before what its process wrote (C1).
#[test]
fn model_counter_a_read_of_an_update_sees_what_was_written_before() {
    explore_at_least(4, || {
        let shared = Arc::new((CounterState::new(0), Words::new([0])));
        finish([
            shared.start(1, None, move |writer| {
                writer.1.write(&[7]);
                writer.0.add(1);
            }),
            shared.start(2, None, move |reader| {
                if reader.0.get() == 1 {
                    assert_eq!(reader.1.read(), [7]);
                }
            }),
        ]);
    });
}

/// Hunts: the same across a third process's addition, and with the reader's own addition.
#[test]
fn model_counter_additions_of_others_keep_what_an_update_publishes() {
    explore(|| {
        let shared = Arc::new((CounterState::new(0), Words::new([0])));
        finish([
            shared.start(1, None, move |writer| {
                writer.1.write(&[7]);
                writer.0.add(10);
            }),
            shared.start(2, None, move |other| other.0.add(1)),
            shared.start(3, None, move |reader| {
                if reader.0.add(1) >= 10 {
                    assert_eq!(reader.1.read(), [7]);
                }
            }),
        ]);
    });
}

/// Hunts: additions of two threads of one process to one cell; a sum that misses what was added
/// before it began.
#[test]
fn model_counter_a_sum_has_every_addition_made_before() {
    explore(|| {
        let cells = Arc::new([CounterState::new(0), CounterState::new(0)]);
        let adders = [0, 0, 1].map(|index| {
            let cells = cells.clone();
            start(1 + index, None, move || {
                Sharded::new(&*cells).add(index, 1);
                assert!((1..=3).contains(&Sharded::new(&*cells).sum()));
            })
        });
        finish(adders);
        assert_eq!(Sharded::new(&*cells).sum(), 3);
    });
}
