//! The reader-writer lock under loom, where a process is killed, or leaves.

use super::stage::Fixture;
use crate::facade::Deadline;
use crate::facade::model::{explore, explore_deaths, explore_deaths_one_less, process};
use crate::participant::stage::{KernelLiveness, ModelRegistry, StartWith, finish, start, tag};

/// Hunts: a reader killed anywhere (entering by its cell, entering for the first time, holding the
/// writer mutex, reading, leaving, asleep) for which a writer waits, or whose death is reported.
#[test]
fn model_rwlock_a_reader_may_die_anywhere() {
    for knows in [true, false] {
        explore_deaths(move |death| {
            let fixture = if knows {
                Fixture::with_readers([1])
            } else {
                Fixture::open()
            };
            finish([
                fixture.start(1, death, move |victim| victim.read(1)),
                fixture.start(2, None, move |writer| writer.write(2)),
            ]);
            assert_eq!(
                (fixture.writers_informed(), fixture.readers_informed()),
                (0, 0)
            );
            fixture.close(1..=1);
        });
    }
}

/// Hunts: a reader that sleeps on behind a reader that died with the writer mutex.
#[test]
fn model_rwlock_a_reader_dead_with_the_writer_mutex_leaves_it_to_the_next() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::with_readers([1, 2]);
        let mut token = fixture.try_write(3).expect("no other participant");
        fixture.work(&mut token);
        fixture.lock().stop_writing(token, true);
        finish([
            fixture.start(1, death, move |victim| victim.read(1)),
            fixture.start(2, None, move |other| assert_eq!(other.read(2), Some(1))),
        ]);
        assert_eq!(fixture.readers_informed(), 0);
        fixture.state.clear_poison();
        fixture.close(1..=1);
    });
}

/// Hunts: a writer killed anywhere (with the writer mutex, blocking, waiting, writing with the data
/// torn, opening, leaving) after which a reader or a writer sleeps on, or sees torn data without a
/// report.
#[test]
fn model_rwlock_a_writer_may_die_anywhere() {
    explore_deaths(|death| {
        let fixture = Fixture::with_readers([2]);
        finish([
            fixture.start(1, death, move |victim| victim.write(1)),
            fixture.start(2, None, move |reader| reader.read(2)),
        ]);
        fixture.close(0..=1);
    });
}

/// The same while the writer waits for a reader.
#[test]
fn model_rwlock_a_writer_may_die_while_it_waits() {
    explore_deaths(|death| {
        let fixture = Fixture::with_readers([2]);
        let reading = fixture.try_read(2).expect("no writer");
        finish([
            fixture.start(1, death, move |victim| victim.write(1)),
            fixture.start(2, None, move |reader| {
                assert_eq!(reader.browse(reading), Some(0));
                reader.read(2);
            }),
        ]);
        fixture.close(0..=1);
    });
}

/// Hunts: a dead writer that is not reported, or is reported although it had not begun, or had
/// finished; that is reported to the first reader only; and a reaper that hides it.
#[test]
fn model_rwlock_the_next_after_a_dead_writer_learns_of_it() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::with_readers([2]);
        process(1, death, || fixture.write(1));
        let torn = fixture.state.writer().is_some();
        finish([
            fixture.start(2, None, move |reader| {
                reader.reap(1);
                reader.read(2);
            }),
            fixture.start(3, None, move |writer| writer.write(3)),
        ]);
        assert_eq!(fixture.writers_informed(), u32::from(torn));
        assert!(torn || fixture.readers_informed() == 0);
        fixture.close(1..=2);
    });
}

/// Hunts: a try that takes a dead process for alive.
#[test]
fn model_rwlock_the_dead_are_never_called_busy() {
    for writes in [false, true] {
        explore_deaths_one_less(move |death| {
            let fixture = Fixture::with_readers([2]);
            let died = !process(1, death, || {
                if writes {
                    fixture.write(1);
                } else {
                    fixture.read(1);
                }
            });
            let hasty = fixture.start(2, None, move |hasty| {
                let reading = hasty.try_read(2).expect("no live writer");
                hasty.browse(reading);
                let token = hasty.try_write(2).expect("no live holder");
                hasty.serve(token);
            });
            let reaper = fixture.start(3, None, move |reaper| {
                if died {
                    reaper.reap(1);
                }
            });
            finish([hasty, reaper]);
            fixture.close(1..=2);
        });
    }
}

/// Hunts: a writer that has not asked the kernel and writes what a dead reader is still reading.
#[test]
fn model_rwlock_a_reaper_passes_on_what_the_dead_have_read() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::with_readers([1]);
        finish([
            fixture.start(1, death, move |victim| victim.read(1)),
            fixture.start(2, None, move |writer| writer.write(2)),
            fixture.start(3, None, move |reaper| reaper.reap(1)),
        ]);
        fixture.close(1..=1);
    });
}

/// Hunts: a read lock that a leaver leaked, recovered without a wake. The leaver lives, so no slice
/// ends.
#[test]
fn model_rwlock_a_leaver_gives_its_leaked_read_lock_to_a_writer() {
    explore(|| {
        let fixture = Fixture::with_readers([1]);
        let leaked = fixture.try_read(1).expect("no writer");
        assert_eq!(leaked.owner(), tag(1));
        finish([
            fixture.start(1, None, move |leaver| leaver.lock().recover(tag(1))),
            fixture.start(2, None, move |writer| writer.write(2)),
        ]);
        fixture.close(1..=1);
    });
}

/// Hunts: a write lock that a leaver leaked, recovered without a wake of a reader; a second reader
/// to which it is not reported.
#[test]
fn model_rwlock_a_leaver_gives_its_leaked_write_lock_to_readers() {
    explore(|| {
        let fixture = Fixture::with_readers([2]);
        let leaked = fixture.try_write(1).expect("no other participant");
        assert_eq!(leaked.owner(), tag(1));
        finish([
            fixture.start(1, None, move |leaver| leaver.lock().recover(tag(1))),
            fixture.start(2, None, move |reader| {
                for _ in 0..2 {
                    assert_eq!(reader.read(2), None, "a writer has died");
                }
            }),
        ]);
        assert_eq!(fixture.readers_informed(), 2);
        fixture.close(0..=0);
        assert_eq!(fixture.writers_informed(), 1);
    });
}

/// Hunts: a reaped process that continues, or a late helper, when the cell is another's.
#[test]
fn model_rwlock_a_late_leave_does_not_touch_the_next_owners_cell() {
    explore(|| {
        let fixture = Fixture::with_readers([1]);
        let lost = fixture.try_read(1).expect("no writer");
        fixture.lock().recover(tag(1));
        // The index's next owner.
        let registry = ModelRegistry::new();
        let peers = registry.successor_liveness();
        let reading = fixture.lock().read(&peers, Some(&Deadline::never()));
        let reading = reading.expect("no writer");
        finish([
            fixture.start(1, None, move |expelled| expelled.lock().stop_reading(lost)),
            fixture.start(2, None, move |helper| helper.lock().recover(tag(1))),
        ]);
        assert_eq!(fixture.lock().peek().readers, 1);
        fixture.lock().stop_reading(reading);
        fixture.close(0..=0);
    });
}

/// Hunts: a panic that is forgotten when a writer dies or the data is repaired, and a death that is
/// forgotten after a panic.
#[test]
fn model_rwlock_death_and_poison_are_kept_apart() {
    explore(|| {
        let fixture = Fixture::with_readers([2]);
        let mut token = fixture.try_write(3).expect("no other participant");
        fixture.work(&mut token);
        fixture.lock().stop_writing(token, true);
        let died = !process(1, Some(10), || {
            let token = fixture.begin_writing(1, &Deadline::never());
            fixture.serve(token.expect("no other participant"));
        });
        assert!(died && fixture.state.writer().is_some());
        let mut token = fixture.try_write(3).expect("its owner is dead");
        assert!(token.owner_died() && token.is_poisoned());
        fixture.work(&mut token);
        let reading = fixture.lock().downgrade(token, &KernelLiveness(3));
        assert!(reading.is_poisoned());
        finish([
            fixture.start(2, None, move |reader| {
                let reading = reader.begin_reading(2, &Deadline::never());
                let reading = reading.expect("no writer");
                assert!(!reading.owner_died());
                reader.browse(reading);
            }),
            fixture.start(3, None, move |cleaner| cleaner.browse(reading)),
        ]);
        assert!(fixture.lock().peek().poisoned);
        fixture.state.clear_poison();
        fixture.close(2..=2);
    });
}
