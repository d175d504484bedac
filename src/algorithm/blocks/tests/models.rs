//! Blocks under loom. The byte locks say which processes live.

use super::super::Shape;
use super::fixture::{FIRST, Fixture, OTHER};
use crate::facade::model::{
    explore, explore_deaths, explore_deaths_one_less, explore_one_less, is_byte_locked,
};
use crate::facade::{Deadline, Pace, mutants};
use crate::participant::stage::{finish, start, tag};

mutants! {
    model_blocks_a_reader_sees_each_value_whole_and_none_older:
        842 "a version does not say that its block is written",
        843 "a reader does not acquire the version",
        844 "no fence before the second look at the version",
        845 "no second look at the version",
        851 "the version does not publish the words",
        853 "the commit does not publish the version",
        859 "no fence behind WRITING";
    model_blocks_a_value_in_several_parts_is_whole:
        652 "a reader that failed does not acquire why";
    model_blocks_no_reader_sees_what_is_not_committed:
        846 "what is not committed counts",
        852 "no sweep after a death",
        855 "a version is committed before the slot",
        861 "a sweep frees nothing";
    model_blocks_a_key_that_stays_is_found:
        862 "a block of another key means that the key is not there",
        920 "a key is not compared",
        921 "only the first candidate is looked at";
    model_blocks_a_key_that_stays_is_found_while_the_table_is_rebuilt:
        848 "a reader does not acquire the slot",
        849 "no second look at the root",
        850 "a reader does not acquire the root",
        860 "a flip does not publish the table";
    model_blocks_a_value_that_is_popped_and_pushed_is_one_or_the_other:
        867 "no second look at the length",
        868 "a push does not publish the slot";
    model_blocks_a_waiter_sees_a_change:
        856 "a change makes no wake";
    model_blocks_a_waiter_sees_the_change_of_a_dead_writer:
        864 "a waiter does not sweep";
    model_blocks_a_reaper_wakes_waiters:
        857 "a reaper makes no wake";
}

/// Hunts: a value of two writes, or a value that was replaced before.
#[test]
fn model_blocks_a_reader_sees_each_value_whole_and_none_older() {
    explore(|| {
        let fixture = Fixture::open(Shape::Single);
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                writer.store(1, 2);
                writer.store(1, 3);
            }),
            start(2, None, move || {
                let first = reader.load();
                assert!(reader.load() >= first, "an older value");
            }),
        ]);
        assert_eq!(fixture.load(), 3);
    });
}

/// Hunts: a value of two parts of different contents; a value that is there and said to be
/// corrupt, since a reader fails again and again at words of another content.
#[test]
fn model_blocks_a_value_in_several_parts_is_whole() {
    explore_one_less(|| {
        let fixture = Fixture::in_parts();
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                writer.store(1, 2);
                writer.store(1, 3);
            }),
            start(2, None, move || {
                let value = reader.load();
                assert!((1..=3).contains(&value), "{value}");
            }),
        ]);
        assert_eq!(fixture.load(), 3);
    });
}

/// Hunts: parts that a writer leaves to none where it is killed.
#[test]
fn model_blocks_wherever_a_store_of_several_parts_dies_all_or_none_is_stored() {
    explore_deaths(|death| {
        let fixture = Fixture::in_parts();
        let (victim, next) = (fixture.clone(), fixture.clone());
        finish([start(1, death, move || victim.store(1, 2))]);
        let last = fixture.load();
        assert!((1..=2).contains(&last), "{last}");
        finish([start(3, None, move || {
            assert_eq!(next.load(), last);
            next.conserves(3);
        })]);
    });
}

/// Hunts: the value of a writer that was killed before its commit; blocks that it leaves to none.
#[test]
fn model_blocks_no_reader_sees_what_is_not_committed() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::open(Shape::Single);
        let (writer, reader, next) = (fixture.clone(), fixture.clone(), fixture.clone());
        finish([
            start(1, death, move || {
                writer.store(1, 2);
                writer.store(1, 3);
            }),
            start(2, None, move || {
                let first = reader.load();
                assert!(reader.load() >= first, "what was not committed");
            }),
        ]);
        let last = fixture.load();
        finish([start(3, None, move || {
            assert_eq!(next.load(), last);
            next.conserves(3);
        })]);
    });
}

/// Hunts: a key that is there all the while, and not found since its block is another key's.
#[test]
fn model_blocks_a_key_that_stays_is_found() {
    explore(|| {
        let fixture = Fixture::open(Shape::Index);
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                writer.put(1, &FIRST, 2);
                writer.put(1, &OTHER, 9);
            }),
            start(2, None, move || {
                let found = reader.get(&FIRST);
                assert!(matches!(found, Some(1 | 2)), "{found:?}");
            }),
        ]);
        assert_eq!(fixture.get(&OTHER), Some(9));
    });
}

/// Hunts: the value of another key; a key that was removed and is found.
#[test]
fn model_blocks_a_removed_key_gives_its_block_to_another() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::open(Shape::Index);
        let (writer, reader, next) = (fixture.clone(), fixture.clone(), fixture.clone());
        finish([
            start(1, death, move || {
                writer.remove(1, &FIRST);
                writer.put(1, &OTHER, 9);
            }),
            start(2, None, move || {
                let other = reader.get(&OTHER);
                assert!(matches!(other, None | Some(9)), "{other:?}");
                let first = reader.get(&FIRST);
                assert!(matches!(first, None | Some(1)), "{first:?}");
                assert!(other.is_none() || first.is_none(), "removed, and found");
            }),
        ]);
        finish([start(3, None, move || {
            next.remove(3, &FIRST);
            next.remove(3, &OTHER);
            assert_eq!(next.blocks().len(), 0);
            next.conserves(3);
        })]);
    });
}

/// Hunts: a key that is not found in a table that is filled anew.
#[test]
fn model_blocks_a_key_that_stays_is_found_while_the_table_is_rebuilt() {
    explore(|| {
        let fixture = Fixture::open(Shape::Index);
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                let rebuild = || writer.write(1, &writer.peers(1), |writer| writer.rebuild());
                rebuild().unwrap();
                rebuild().unwrap();
            }),
            start(2, None, move || assert_eq!(reader.get(&FIRST), Some(1))),
        ]);
    });
}

/// Hunts: a rebuild or a clearing that a death leaves half done.
#[test]
fn model_blocks_wherever_a_clearing_dies_all_keys_are_there_or_none() {
    explore_deaths(|death| {
        let fixture = Fixture::open(Shape::Index);
        let (victim, next) = (fixture.clone(), fixture.clone());
        finish([start(1, death, move || {
            victim
                .write(1, &victim.peers(1), |writer| writer.clear())
                .unwrap();
        })]);
        let found = fixture.get(&FIRST);
        assert!(matches!(found, None | Some(1)), "{found:?}");
        finish([start(3, None, move || next.conserves(3))]);
    });
}

/// Waits until the number of changes is not 0.
fn wait_for_a_change(fixture: &Fixture, id: u32) {
    let (peers, never) = (fixture.peers(id), Deadline::never());
    let changed = || (fixture.state().changes() != 0).then_some(());
    let waited = fixture
        .blocks()
        .wait(changed, tag(id), &peers, &never, Pace::Park);
    waited.expect("no deadline");
}

/// Hunts: a waiter that sleeps through a change.
#[test]
fn model_blocks_a_waiter_sees_a_change() {
    explore(|| {
        let fixture = Fixture::open(Shape::Single);
        let (writer, waiter) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || writer.store(1, 2)),
            start(2, None, move || {
                wait_for_a_change(&waiter, 2);
                assert_eq!(waiter.load(), 2);
            }),
        ]);
    });
}

/// Hunts: a commit that its dead writer did not count, and that no waiter learns of.
#[test]
fn model_blocks_a_waiter_sees_the_change_of_a_dead_writer() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::open(Shape::Single);
        let (writer, waiter) = (fixture.clone(), fixture.clone());
        finish([
            start(1, death, move || writer.store(1, 2)),
            start(2, None, move || {
                // A writer that died before its commit changed nothing.
                let (peers, never) = (waiter.peers(2), Deadline::never());
                let changed = || {
                    let nothing = !is_byte_locked(0) && waiter.load() == 1;
                    (waiter.state().changes() != 0 || nothing).then_some(())
                };
                let waited = waiter
                    .blocks()
                    .wait(changed, tag(2), &peers, &never, Pace::Park);
                waited.expect("no deadline");
            }),
        ]);
    });
}

/// Hunts: a waiter that no reaper wakes: the writer leaves with the mutex.
#[test]
fn model_blocks_a_reaper_wakes_waiters() {
    explore(|| {
        let fixture = Fixture::open(Shape::Single);
        let (writer, waiter) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                let peers = writer.peers(1);
                let lock = writer.state().lock();
                let _ = lock.lock(&peers, &Deadline::never()).unwrap();
                writer.state().recover(tag(1));
            }),
            start(2, None, move || {
                let (peers, never) = (waiter.peers(2), Deadline::never());
                let died = || waiter.state().lock().peek().owner_died.then_some(());
                let waited = waiter
                    .blocks()
                    .wait(died, tag(2), &peers, &never, Pace::Park);
                waited.expect("no deadline");
            }),
        ]);
    });
}

/// Hunts: a value that is not pushed yet, or that was popped before.
#[test]
fn model_blocks_a_value_that_is_popped_and_pushed_is_one_or_the_other() {
    explore_deaths(|death| {
        let fixture = Fixture::open(Shape::List);
        let (writer, reader, next) = (fixture.clone(), fixture.clone(), fixture.clone());
        let order = |value: Option<u64>| match value {
            Some(1) => 0,
            None => 1,
            Some(2) => 2,
            Some(other) => panic!("{other}"),
        };
        finish([
            start(1, death, move || {
                writer.pop(1);
                writer.push(1, 2);
            }),
            start(2, None, move || {
                let first = order(reader.at(0));
                assert!(order(reader.at(0)) >= first, "an older value");
            }),
        ]);
        finish([start(3, None, move || next.conserves(3))]);
    });
}

/// Hunts: a value of another index, whose block was used again.
#[test]
fn model_blocks_a_value_that_is_set_is_not_another_ones() {
    explore(|| {
        let fixture = Fixture::open(Shape::List);
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                writer.push(1, 5);
                writer.pop(1);
                writer.set(1, 0, 7);
            }),
            start(2, None, move || {
                let second = reader.at(1);
                assert!(matches!(second, None | Some(5)), "{second:?}");
                let first = reader.at(0);
                assert!(matches!(first, Some(1 | 7)), "{first:?}");
            }),
        ]);
    });
}
