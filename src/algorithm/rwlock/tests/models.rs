//! A lock of readers and writers under loom, while everybody lives.

use loom::sync::Arc;

use super::super::{LockHook, RwLock, RwLockError, WriterToken};
use super::deaths::{DIED, EXPELLED, LEAKED, LEAVER, PASSED, READER, REPAIRED, WRITER};
use super::stage::Library;
use super::two_deaths::{BOTH, WRITERS};
use crate::facade::model::{
    explore, explore_at_least, explore_one_less, explore_soft_faults, soft_fault_at,
};
use crate::facade::{AtomicU32, Deadline, Ordering};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{KernelLiveness, finish, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (300, EXCLUDE, "a reader that comes in does not acquire"),
    (301, EXCLUDE, "a reader that leaves does not release"),
    (
        302,
        PASSED,
        "a bar does not acquire what was read before it",
    ),
    (
        303,
        DRAIN,
        "a writer that waits for a reader does not acquire",
    ),
    (304, EXCLUDE, "whoever opens a cell does not release"),
    (305, DRAIN, "the last reader that leaves wakes nobody"),
    (306, DRAIN, "one that sleeps on a cell does not say so"),
    (307, OVERTAKEN, "a reader takes no notice of a bar"),
    (308, EXCLUDE, "a writer bars nobody"),
    (309, DRAIN, "a writer does not wait for those who read"),
    (310, DRAIN, "a writer takes a reader that lives for dead"),
    (311, TOGETHER, "whoever opens a cell wakes nobody"),
    (
        312,
        WRITER,
        "a reader does not ask whether the one at the door lives",
    ),
    (313, DIED, "a dead writer is not noticed"),
    (
        314,
        READER,
        "one that died at the door is taken for a writer",
    ),
    (
        315,
        LEAKED,
        "whoever leaves the door opens the cells although a writer died",
    ),
    (316, EXCLUDE, "a writer that is done leaves its tag"),
    (317, WRITER, "a writer does not say that it writes"),
    (
        319,
        DOWNGRADE,
        "a writer that goes on to read leaves before it is counted",
    ),
    (
        320,
        DOWNGRADE,
        "a writer that goes on to read is not counted",
    ),
    (321, EXCLUDE, "a newcomer's cell is not put on the roster"),
    (
        323,
        EXPELLED,
        "one that was taken for dead leaves by its successor's cell",
    ),
    (324, PASSED, "whoever reaps a reader does not release"),
    (325, LEAVER, "whoever gives back a reader wakes nobody"),
    (326, LEAKED, "whoever gives back a writer wakes no reader"),
    (
        327,
        POISONED,
        "whoever leaves the door and keeps the cells barred wakes nobody",
    ),
    (328, POISONED, "it wakes before it has left the door"),
    (329, POISONED, "it does not release that the door is free"),
    (
        330,
        POISONED,
        "one that goes to sleep does not acquire that the door is free",
    ),
    (
        331,
        POISONED,
        "one that goes to sleep does not look at the door again",
    ),
    (
        332,
        EXPELLED,
        "whoever reaps gives back the cell of its next owner",
    ),
    (
        333,
        DEADLINE,
        "a writer that gives up leaves the cells barred",
    ),
    (334, REPAIRED, "finding a dead writer clears the poison"),
    (
        335,
        REPAIRED,
        "declaring the data consistent clears the poison",
    ),
    (
        336,
        EXCLUDE,
        "a writer that finds the door free does not look again whether somebody reads",
    ),
    (751, WRITERS, "a second death goes unnoticed"),
    (752, BOTH, "a second death goes unnoticed"),
    (338, ANNEXED, "a writer does not shut the annex"),
    (
        339,
        POISONED,
        "whoever leaves the door opens the cells although the data is poisoned",
    ),
];

const EXCLUDE: &str = "model_rwlock_a_reader_and_a_writer_exclude_each_other";
const DRAIN: &str = "model_rwlock_a_writer_waits_for_readers";
const TOGETHER: &str = "model_rwlock_readers_that_wait_are_all_woken";
const OVERTAKEN: &str = "model_rwlock_a_writer_that_waits_is_not_overtaken";
const DOWNGRADE: &str = "model_rwlock_no_writer_enters_during_a_downgrade";
const POISONED: &str = "model_rwlock_readers_of_poisoned_data_are_woken_and_learn_of_it";
const DEADLINE: &str = "model_rwlock_a_writer_that_gives_up_lets_readers_in";
const ANNEXED: &str = "model_rwlock_no_process_enters_before_the_hook_is_closed";

/// Hunts: data that a reader sees half, or late; a reader that a writer does not see, because it
/// came for the first time just then. Nobody dies, so no slice ends.
#[test]
fn model_rwlock_a_reader_and_a_writer_exclude_each_other() {
    explore("rwlock: a newcomer that reads twice, a writer", || {
        let library = Library::open();
        let (reader, writer) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                let first = reader.read(1);
                assert!(reader.read(1) >= first, "data of the past");
            }),
            start(2, None, move || (0..2).for_each(|_| writer.write(2))),
        ]);
        assert_eq!((library.writers_told(), library.readers_told()), (0, 0));
        library.close(2..=2);
    });
}

/// Hunts: a writer that does not wait for one who reads, or that sleeps when the last one leaves.
#[test]
fn model_rwlock_a_writer_waits_for_readers() {
    explore("rwlock: a process that reads, a writer", || {
        let library = Library::with_readers([1]);
        let reading = library.try_read(1).expect("nobody writes");
        let (reader, writer) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                assert_eq!(reader.browse(reading), Some(0));
            }),
            start(2, None, move || writer.write(2)),
        ]);
        library.close(1..=1);
    });
}

/// Hunts: readers that come while somebody writes, and of whom one sleeps on; a second writer that
/// nobody wakes.
#[test]
fn model_rwlock_readers_that_wait_are_all_woken() {
    explore("rwlock: a process that writes, two readers", || {
        let library = Library::with_readers([2, 3]);
        let token = library.try_write(1).expect("nobody reads");
        let writer = library.clone();
        let writer = start(1, None, move || writer.serve(token));
        let readers = [2, 3].map(|id| {
            let library = library.clone();
            start(id, None, move || {
                assert_eq!(library.read(id), Some(1));
            })
        });
        finish([writer].into_iter().chain(readers));
        library.close(1..=1);
    });
}

/// Hunts: a writer that a reader's leaving of the door leaves asleep, and the other way round.
#[test]
fn model_rwlock_two_writers_and_a_reader_lose_no_wake() {
    explore_one_less("rwlock: two writers, a reader", || {
        let library = Library::with_readers([3]);
        let writers = [1, 2].map(|id| {
            let library = library.clone();
            start(id, None, move || library.write(id))
        });
        let reader = library.clone();
        let reader = start(3, None, move || {
            reader.read(3);
        });
        finish(writers.into_iter().chain([reader]));
        library.close(2..=2);
    });
}

/// Hunts: a reader that comes after a writer that waits, and goes in before it.
#[test]
fn model_rwlock_a_writer_that_waits_is_not_overtaken() {
    explore_one_less(
        "rwlock: a process that reads, a writer, one that comes later",
        || {
            let library = Library::with_readers([1, 3]);
            let reading = library.try_read(1).expect("nobody writes");
            let (reader, writer, late) = (library.clone(), library.clone(), library.clone());
            finish([
                start(1, None, move || {
                    assert_eq!(reader.browse(reading), Some(0));
                }),
                start(2, None, move || writer.write(2)),
                start(3, None, move || {
                    let is_late = late.is_blocked(3);
                    let seen = late.read(3);
                    assert!(!is_late || seen == Some(1), "before one that waited");
                }),
            ]);
            library.close(1..=1);
        },
    );
}

/// Hunts: a writer that gets in when another goes on to read, and a reader that does not.
#[test]
fn model_rwlock_no_writer_enters_during_a_downgrade() {
    explore_one_less(
        "rwlock: a process that downgrades, a writer, a reader",
        || {
            let library = Library::with_readers([3]);
            let mut token = library.try_write(1).expect("no other participant");
            let (first, second, reader) = (library.clone(), library.clone(), library.clone());
            library.work(&mut token);
            finish([
                start(1, None, move || {
                    let reading = first.lock().downgrade(token, &KernelLiveness(1));
                    assert_eq!(first.browse(reading), Some(1), "somebody wrote");
                }),
                start(2, None, move || second.write(2)),
                start(3, None, move || {
                    assert!(reader.read(3) >= Some(1));
                }),
            ]);
            library.close(2..=2);
        },
    );
}

/// Hunts: a reader that is let in by its cell and so not told of a panic; one that goes to sleep on
/// its cell when the panicking writer has looked for sleepers.
#[test]
fn model_rwlock_readers_of_poisoned_data_are_woken_and_learn_of_it() {
    explore_at_least("rwlock: a process that panics, a reader", 3, || {
        let library = Library::with_readers([2]);
        let token = write_and_panic(&library);
        let (panicking, reader) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                panicking.lock().stop_writing(token, true);
            }),
            start(2, None, move || {
                (0..2).for_each(|_| read_poisoned(&reader, 2))
            }),
        ]);
        library.state.clear_poison();
        library.close(1..=1);
    });
}

/// Hunts: a reader that the one before it at the door leaves asleep.
#[test]
fn model_rwlock_readers_of_poisoned_data_wake_each_other() {
    explore_one_less("rwlock: a process that panics, two readers", || {
        let library = Library::with_readers([2, 3]);
        let token = write_and_panic(&library);
        let panicking = library.clone();
        let panicking = start(1, None, move || {
            panicking.lock().stop_writing(token, true);
        });
        let readers = [2, 3].map(|id| {
            let library = library.clone();
            start(id, None, move || read_poisoned(&library, id))
        });
        finish([panicking].into_iter().chain(readers));
        library.state.clear_poison();
        library.close(1..=1);
    });
}

/// Process 1 has written, and is about to panic.
fn write_and_panic(library: &Library) -> WriterToken {
    let mut token = library.try_write(1).expect("no other participant");
    library.work(&mut token);
    token
}

fn read_poisoned(library: &Library, id: u32) {
    let reading = library.begin_reading(id, &Deadline::never());
    let reading = reading.expect("no deadline");
    assert!(reading.is_poisoned() && !reading.owner_died());
    assert_eq!(library.browse(reading), Some(1));
}

/// Hunts: a poison that is cleared from outside while a writer comes and goes, and comes back.
#[test]
fn model_rwlock_a_poison_that_is_cleared_stays_so() {
    explore_one_less("rwlock: poison cleared from outside", || {
        let library = Library::with_readers([3]);
        let mut token = library.try_write(1).expect("no other participant");
        library.work(&mut token);
        library.lock().stop_writing(token, true);
        let (writer, reader, cleaner) = (library.clone(), library.clone(), library.clone());
        finish([
            start(1, None, move || writer.write(1)),
            start(2, None, move || cleaner.state.clear_poison()),
            start(3, None, move || {
                assert!(reader.read(3) >= Some(1));
            }),
        ]);
        assert!(!library.lock().peek().poisoned);
        library.close(2..=2);
    });
}

/// Hunts: a writer that gives up, and leaves readers before closed doors.
#[test]
fn model_rwlock_a_writer_that_gives_up_lets_readers_in() {
    explore(
        "rwlock: a process that reads, a writer in a hurry, a reader",
        || {
            let library = Library::with_readers([1, 3]);
            let reading = library.try_read(1).expect("nobody writes");
            let (hasty, late) = (library.clone(), library.clone());
            finish([
                start(2, None, move || {
                    let refused = hasty.begin_writing(2, &Deadline::after_looks(0));
                    assert_eq!(refused, Err(RwLockError::Busy));
                    assert_eq!(hasty.try_write(2), Err(RwLockError::Busy));
                }),
                start(3, None, move || {
                    assert_eq!(late.read(3), Some(0));
                }),
            ]);
            assert_eq!(library.browse(reading), Some(0));
            library.close(0..=0);
        },
    );
}

/// Something beside the door that somebody can be at work by: 0 shut, 1 open.
struct Hatch(AtomicU32);

impl LockHook for &Hatch {
    fn is_open(&self) -> bool {
        // ORDERING: Relaxed; changed with the door held.
        self.0.load(Ordering::Relaxed) != 0
    }

    fn close(&self, _: Tag, _: &impl Liveness, _: Option<&Deadline>) -> Result<(), RwLockError> {
        // ORDERING: Relaxed; as above.
        self.0.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// Hunts: a writer, or a reader, that comes in by an open cell, or from the door, while the annex
/// is open.
#[test]
fn model_rwlock_no_process_enters_before_the_hook_is_closed() {
    explore_one_less(
        "rwlock: a process that opens the annex, a reader, a writer",
        || {
            let library = Library::with_readers([2]);
            let hatch = Arc::new(Hatch(AtomicU32::new(0)));
            let opens = |library: &Library, hatch: &Hatch| -> Result<WriterToken, RwLockError> {
                let lock = RwLock::new(&library.state, &library.cells, hatch);
                let token = lock.acquire(tag(1), &KernelLiveness(1), Some(&Deadline::never()))?;
                lock.exclude(&KernelLiveness(1), Some(&Deadline::never()))?;
                // ORDERING: Relaxed; changed with the door held.
                hatch.0.store(1, Ordering::Relaxed);
                lock.leave(token);
                Ok(token)
            };
            let (opener, reader, writer) = (library.clone(), library.clone(), library.clone());
            let hatches = [hatch.clone(), hatch.clone(), hatch.clone()];
            let [first, second, third] = hatches;
            finish([
                start(1, None, move || {
                    assert!(opens(&opener, &first).is_ok());
                }),
                start(2, None, move || {
                    let lock = RwLock::new(&reader.state, &reader.cells, &*second);
                    let reading = lock.read(tag(2), &KernelLiveness(2), Some(&Deadline::never()));
                    let reading = reading.expect("no deadline");
                    assert!(!(&*second).is_open(), "at work beside a reader");
                    lock.stop_reading(reading);
                }),
                start(3, None, move || {
                    let lock = RwLock::new(&writer.state, &writer.cells, &*third);
                    let token = lock.write(tag(3), &KernelLiveness(3), Some(&Deadline::never()));
                    let token = token.expect("no deadline");
                    assert!(!(&*third).is_open(), "at work beside a writer");
                    lock.stop_writing(token, false);
                }),
            ]);
            library.close(0..=0);
        },
    );
}

/// Hunts: a sleep that ends without cause, taken for news.
#[test]
fn model_rwlock_soft_faults_change_nothing() {
    explore_soft_faults("rwlock: a reader and a writer", |fault| {
        let library = Library::with_readers([1]);
        let reading = library.try_read(1).expect("nobody writes");
        let (reader, writer) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                soft_fault_at(fault.filter(|k| k % 2 == 0).map(|k| k / 2));
                assert_eq!(reader.browse(reading), Some(0));
                reader.read(1);
            }),
            start(2, None, move || {
                soft_fault_at(fault.filter(|k| k % 2 == 1).map(|k| k / 2));
                writer.write(2);
            }),
        ]);
        library.close(1..=1);
    });
}
