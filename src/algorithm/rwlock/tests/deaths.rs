//! A lock of readers and writers under loom, when somebody is killed, or leaves.

use super::stage::Library;
use crate::facade::Deadline;
use crate::facade::model::{explore, explore_deaths, explore_deaths_one_less, process};
use crate::participant::Tag;
use crate::participant::stage::{KernelLiveness, finish, start, tag};

pub(super) const READER: &str = "model_rwlock_a_reader_may_die_anywhere";
pub(super) const WRITER: &str = "model_rwlock_a_writer_may_die_anywhere";
pub(super) const DIED: &str = "model_rwlock_the_next_after_a_dead_writer_learns_of_it";
pub(super) const PASSED: &str = "model_rwlock_a_reaper_passes_on_what_the_dead_have_read";
pub(super) const LEAVER: &str = "model_rwlock_a_leaver_gives_its_leaked_read_lock_to_a_writer";
pub(super) const LEAKED: &str = "model_rwlock_a_leaver_gives_its_leaked_write_lock_to_readers";
pub(super) const EXPELLED: &str = "model_rwlock_a_late_leave_does_not_touch_the_next_owners_cell";
pub(super) const REPAIRED: &str = "model_rwlock_death_and_poison_are_kept_apart";

/// Hunts: a reader killed anywhere (coming in by its cell, coming for the first time, at the door,
/// reading, leaving, asleep) whom a writer waits for, or of whom it is told.
#[test]
fn model_rwlock_a_reader_may_die_anywhere() {
    for knows in [true, false] {
        let name = if knows { "a reader" } else { "a newcomer" };
        explore_deaths_of(name, knows);
    }
}

fn explore_deaths_of(name: &str, knows: bool) {
    let model = move |death: Option<u32>| {
        let library = if knows {
            Library::with_readers([1])
        } else {
            Library::open()
        };
        let (victim, writer) = (library.clone(), library.clone());
        finish([
            start(1, death, move || {
                victim.read(1);
            }),
            start(2, None, move || writer.write(2)),
        ]);
        assert_eq!((library.writers_told(), library.readers_told()), (0, 0));
        library.close(1..=1);
    };
    explore_deaths(&format!("rwlock: {name} that is killed, a writer"), model);
}

/// Hunts: a reader that sleeps on behind a reader that died at the door.
#[test]
fn model_rwlock_a_reader_dead_with_the_writer_mutex_leaves_it_to_the_next() {
    explore_deaths_one_less(
        "rwlock: poisoned data, a reader killed, a reader",
        |death| {
            let library = Library::with_readers([1, 2]);
            let mut token = library.try_write(3).expect("no other participant");
            library.work(&mut token);
            library.lock().stop_writing(token, true);
            let (victim, other) = (library.clone(), library.clone());
            finish([
                start(1, death, move || {
                    victim.read(1);
                }),
                start(2, None, move || {
                    assert_eq!(other.read(2), Some(1));
                }),
            ]);
            assert_eq!(library.readers_told(), 0);
            library.state.clear_poison();
            library.close(1..=1);
        },
    );
}

/// Hunts: a writer killed anywhere (at the door, barring, waiting, writing with the data torn,
/// opening, leaving) after whom a reader or a writer sleeps on, or sees torn data and is told
/// nothing.
#[test]
fn model_rwlock_a_writer_may_die_anywhere() {
    explore_deaths("rwlock: a writer that is killed, a reader", |death| {
        let library = Library::with_readers([2]);
        let (victim, reader) = (library.clone(), library.clone());
        finish([
            start(1, death, move || victim.write(1)),
            start(2, None, move || {
                reader.read(2);
            }),
        ]);
        library.close(0..=1);
    });
}

/// The same where a reader is waited for.
#[test]
fn model_rwlock_a_writer_may_die_while_it_waits() {
    explore_deaths(
        "rwlock: a process that reads twice, a writer killed",
        |death| {
            let library = Library::with_readers([2]);
            let reading = library.try_read(2).expect("nobody writes");
            let (victim, reader) = (library.clone(), library.clone());
            finish([
                start(1, death, move || victim.write(1)),
                start(2, None, move || {
                    assert_eq!(reader.browse(reading), Some(0));
                    reader.read(2);
                }),
            ]);
            library.close(0..=1);
        },
    );
}

/// Hunts: a dead writer of whom nobody is told, or who is told of though it had not begun, or had
/// finished; of whom only the first reader is told; and a reaper that hides it.
#[test]
fn model_rwlock_the_next_after_a_dead_writer_learns_of_it() {
    explore_deaths_one_less("rwlock: a dead writer, a reader, a writer", |death| {
        let library = Library::with_readers([2]);
        let victim = library.clone();
        process(1, death, move || victim.write(1));
        let torn = library.state.is_written();
        let (reader, writer) = (library.clone(), library.clone());
        finish([
            start(2, None, move || {
                reader.reap(1);
                reader.read(2);
            }),
            start(3, None, move || writer.write(3)),
        ]);
        assert_eq!(library.writers_told(), u32::from(torn));
        assert!(torn || library.readers_told() == 0);
        library.close(1..=2);
    });
}

/// Hunts: one in a hurry that takes the dead for the living.
#[test]
fn model_rwlock_the_dead_are_never_called_busy() {
    for writes in [false, true] {
        explore_deaths_one_less(
            "rwlock: a process that is dead, one in a hurry, a reaper",
            move |death| {
                let library = Library::with_readers([2]);
                let victim = library.clone();
                let died = !process(1, death, move || {
                    if writes {
                        victim.write(1);
                    } else {
                        victim.read(1);
                    }
                });
                let (hasty, reaper) = (library.clone(), library.clone());
                let hasty = start(2, None, move || {
                    let reading = hasty.try_read(2).expect("nobody alive writes");
                    hasty.browse(reading);
                    let token = hasty.try_write(2).expect("nobody alive is there");
                    hasty.serve(token);
                });
                let reaper = start(3, None, move || {
                    if died {
                        reaper.reap(1);
                    }
                });
                finish([hasty, reaper]);
                library.close(1..=2);
            },
        );
    }
}

/// Hunts: what a dead reader read, in the eyes of a writer that has not asked the kernel: still
/// being read.
#[test]
fn model_rwlock_a_reaper_passes_on_what_the_dead_have_read() {
    explore_deaths_one_less(
        "rwlock: a reader that is killed, a reaper, a writer",
        |death| {
            let library = Library::with_readers([1]);
            let (victim, reaper, writer) = (library.clone(), library.clone(), library.clone());
            finish([
                start(1, death, move || {
                    victim.read(1);
                }),
                start(2, None, move || writer.write(2)),
                start(3, None, move || reaper.reap(1)),
            ]);
            library.close(1..=1);
        },
    );
}

/// Hunts: a read lock that a leaver leaked, given back without a wake. The leaver lives, so no
/// slice ends.
#[test]
fn model_rwlock_a_leaver_gives_its_leaked_read_lock_to_a_writer() {
    explore("rwlock: a leaver that reads, a writer", || {
        let library = Library::with_readers([1]);
        let leaked = library.try_read(1).expect("nobody writes");
        assert_eq!(leaked.owner(), tag(1));
        let (leaver, writer) = (library.clone(), library.clone());
        finish([
            start(1, None, move || leaver.lock().recover(tag(1))),
            start(2, None, move || writer.write(2)),
        ]);
        library.close(1..=1);
    });
}

/// Hunts: a write lock that a leaver leaked, given back without a wake of a reader; a
/// second reader that is not told.
#[test]
fn model_rwlock_a_leaver_gives_its_leaked_write_lock_to_readers() {
    explore("rwlock: a leaver that writes, a reader", || {
        let library = Library::with_readers([2]);
        let leaked = library.try_write(1).expect("no other participant");
        assert_eq!(leaked.owner(), tag(1));
        let (leaver, reader) = (library.clone(), library.clone());
        finish([
            start(1, None, move || leaver.lock().recover(tag(1))),
            start(2, None, move || {
                for _ in 0..2 {
                    assert_eq!(reader.read(2), None, "a writer went");
                }
            }),
        ]);
        assert_eq!(library.readers_told(), 2);
        library.close(0..=0);
        assert_eq!(library.writers_told(), 1);
    });
}

/// Hunts: one that was taken for dead and goes on, or a late helper, and the cell is another's by
/// then.
#[test]
fn model_rwlock_a_late_leave_does_not_touch_the_next_owners_cell() {
    explore("rwlock: a reaped reader, a late helper", || {
        let library = Library::with_readers([1]);
        let lost = library.try_read(1).expect("nobody writes");
        library.lock().recover(tag(1));
        // The index's next owner.
        let next = Tag::new(0, 2).unwrap();
        let peers = KernelLiveness(2);
        let reading = library.lock().read(next, &peers, Some(&Deadline::never()));
        let reading = reading.expect("nobody writes");
        let (expelled, helper) = (library.clone(), library.clone());
        finish([
            start(1, None, move || expelled.lock().stop_reading(lost)),
            start(2, None, move || helper.lock().recover(tag(1))),
        ]);
        assert_eq!(library.lock().peek().readers, 1);
        library.lock().stop_reading(reading);
        library.close(0..=0);
    });
}

/// Hunts: a panic that is forgotten when a writer dies, or when the data is repaired, and a death
/// that is forgotten by a panic.
#[test]
fn model_rwlock_death_and_poison_are_kept_apart() {
    explore("rwlock: poisoned data whose writer died", || {
        let library = Library::with_readers([2]);
        let mut token = library.try_write(3).expect("no other participant");
        library.work(&mut token);
        library.lock().stop_writing(token, true);
        let victim = library.clone();
        let died = !process(1, Some(8), move || {
            let token = victim.begin_writing(1, &Deadline::never());
            victim.serve(token.expect("no other participant"));
        });
        assert!(died && library.state.is_written());
        let mut token = library.try_write(3).expect("its owner is dead");
        assert!(token.owner_died() && token.is_poisoned());
        library.work(&mut token);
        let reading = library.lock().downgrade(token, &KernelLiveness(1));
        assert!(reading.is_poisoned());
        let reader = library.clone();
        let cleaner = library.clone();
        finish([
            start(2, None, move || {
                let reading = reader.begin_reading(2, &Deadline::never());
                let reading = reading.expect("nobody writes");
                assert!(!reading.owner_died());
                reader.browse(reading);
            }),
            start(3, None, move || {
                cleaner.browse(reading);
            }),
        ]);
        assert!(library.lock().peek().poisoned);
        library.state.clear_poison();
        library.close(2..=2);
    });
}
