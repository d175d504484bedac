//! The reader-writer lock under loom, without deaths.

use loom::sync::Arc;

use super::super::{LockHook, RwLock, RwLockError, WriterToken};
use super::stage::Fixture;
use crate::facade::model::{
    explore, explore_at_least, explore_one_less, explore_soft_faults, soft_fault_at,
};
use crate::facade::{AtomicU32, Deadline, Ordering, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{KernelLiveness, StartWith, finish, start, tag};

mutants! {
    model_rwlock_a_reader_and_a_writer_exclude_each_other:
        300 "entering a cell does not acquire",
        301 "leaving a cell does not release",
        304 "opening a cell does not release",
        308 "a writer blocks no cell",
        316 "a writer that is done leaves its tag",
        321 "a newcomer's cell is not put on the roster",
        336 "the fast path of a writer does not check for readers again";
    model_rwlock_a_reaper_passes_on_what_the_dead_have_read:
        302 "blocking a cell does not acquire what was read before it",
        324 "a reaper of a reader does not release";
    model_rwlock_a_writer_waits_for_readers:
        303 "a writer that waits for a reader does not acquire",
        305 "the last reader that leaves makes no wake",
        306 "a sleeper on a cell does not set WAITING",
        309 "a writer does not wait for readers",
        310 "a writer takes a live reader for dead";
    model_rwlock_a_writer_that_waits_is_not_overtaken:
        307 "a reader enters a blocked cell";
    model_rwlock_readers_that_wait_are_all_woken:
        311 "opening a cell makes no wake";
    model_rwlock_a_writer_may_die_anywhere:
        312 "a reader does not ask whether the mutex holder lives",
        317 "a writer does not store its tag";
    model_rwlock_the_next_after_a_dead_writer_learns_of_it:
        313 "a dead writer is not noticed";
    model_rwlock_a_reader_may_die_anywhere:
        314 "a dead mutex holder is taken for a writer";
    model_rwlock_a_leaver_gives_its_leaked_write_lock_to_readers:
        315 "releasing the mutex opens the cells although a writer died",
        326 "recovering a writer wakes no reader";
    model_rwlock_no_writer_enters_during_a_downgrade:
        319 "a downgrade unlocks before the reader is counted",
        320 "a downgrade does not count the reader";
    model_rwlock_a_late_leave_does_not_touch_the_next_owners_cell:
        323 "a reaped reader leaves by its successor's cell",
        332 "a reaper recovers the cell of its next owner";
    model_rwlock_a_leaver_gives_its_leaked_read_lock_to_a_writer:
        325 "recovering a reader makes no wake";
    model_rwlock_readers_of_poisoned_data_are_woken_and_learn_of_it:
        327 "releasing the mutex with the cells blocked makes no wake",
        328 "it wakes before the mutex is unlocked",
        329 "it does not release that the mutex is free",
        330 "a sleeper does not acquire that the mutex is free",
        331 "a sleeper does not load the mutex again",
        339 "releasing the mutex opens the cells although the data is poisoned";
    model_rwlock_a_writer_that_gives_up_lets_readers_in:
        333 "a writer that gives up leaves the cells blocked";
    model_rwlock_death_and_poison_are_kept_apart:
        334 "finding a dead writer clears the poison",
        335 "declaring the data consistent clears the poison";
    model_two_deaths_of_rwlock_writers_leave_the_lock_to_the_third:
        751 "a second death goes unnoticed";
    model_two_deaths_of_rwlock_reader_and_writer_leave_the_lock_to_the_third:
        752 "a second death goes unnoticed";
    model_rwlock_no_process_enters_before_the_hook_is_closed:
        338 "a writer does not close the hook";
}

/// Hunts: data that a reader sees half, or late; a reader that a writer does not see, because it
/// entered for the first time just then. There is no death, so no slice ends.
#[test]
fn model_rwlock_a_reader_and_a_writer_exclude_each_other() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |reader| {
                let first = reader.read(1);
                assert!(reader.read(1) >= first, "stale data");
            }),
            fixture.start(2, None, move |writer| (0..2).for_each(|_| writer.write(2))),
        ]);
        assert_eq!(
            (fixture.writers_informed(), fixture.readers_informed()),
            (0, 0)
        );
        fixture.close(2..=2);
    });
}

/// Hunts: a writer that does not wait for a reader, or that sleeps when the last one leaves.
#[test]
fn model_rwlock_a_writer_waits_for_readers() {
    explore(|| {
        let fixture = Fixture::with_readers([1]);
        let reading = fixture.try_read(1).expect("no writer");
        finish([
            fixture.start(1, None, move |reader| {
                assert_eq!(reader.browse(reading), Some(0))
            }),
            fixture.start(2, None, move |writer| writer.write(2)),
        ]);
        fixture.close(1..=1);
    });
}

/// Hunts: readers that come during a write, of which one sleeps on; a second writer that is never
/// woken.
#[test]
fn model_rwlock_readers_that_wait_are_all_woken() {
    explore(|| {
        let fixture = Fixture::with_readers([2, 3]);
        let token = fixture.try_write(1).expect("no reader");
        let writer = fixture.start(1, None, move |writer| writer.serve(token));
        let readers = [2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                assert_eq!(fixture.read(id), Some(1))
            })
        });
        finish([writer].into_iter().chain(readers));
        fixture.close(1..=1);
    });
}

/// Hunts: a writer that a reader's release of the mutex leaves asleep, and vice versa.
#[test]
fn model_rwlock_two_writers_and_a_reader_lose_no_wake() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([3]);
        let writers = [1, 2].map(|id| fixture.start(id, None, move |fixture| fixture.write(id)));
        let reader = fixture.start(3, None, move |reader| reader.read(3));
        finish(writers.into_iter().chain([reader]));
        fixture.close(2..=2);
    });
}

/// Hunts: a reader that comes after a waiting writer and enters before it.
#[test]
fn model_rwlock_a_writer_that_waits_is_not_overtaken() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([1, 3]);
        let reading = fixture.try_read(1).expect("no writer");
        finish([
            fixture.start(1, None, move |reader| {
                assert_eq!(reader.browse(reading), Some(0))
            }),
            fixture.start(2, None, move |writer| writer.write(2)),
            fixture.start(3, None, move |late| {
                let is_late = late.is_blocked(3);
                let seen = late.read(3);
                assert!(!is_late || seen == Some(1), "before a waiter");
            }),
        ]);
        fixture.close(1..=1);
    });
}

/// Hunts: a writer that gets in during a downgrade, and a reader that does not get in after it.
#[test]
fn model_rwlock_no_writer_enters_during_a_downgrade() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([3]);
        let mut token = fixture.try_write(1).expect("no other participant");
        fixture.work(&mut token);
        finish([
            fixture.start(1, None, move |first| {
                let reading = first.lock().downgrade(token, &KernelLiveness(1));
                assert_eq!(first.browse(reading), Some(1), "a writer got in");
            }),
            fixture.start(2, None, move |second| second.write(2)),
            fixture.start(3, None, move |reader| assert!(reader.read(3) >= Some(1))),
        ]);
        fixture.close(2..=2);
    });
}

/// Hunts: a reader that enters by its cell and does not learn of a panic; a reader that goes to
/// sleep on its cell after the panicking writer has checked for sleepers.
#[test]
fn model_rwlock_readers_of_poisoned_data_are_woken_and_learn_of_it() {
    explore_at_least(3, || {
        let fixture = Fixture::with_readers([2]);
        let token = write_and_panic(&fixture);
        finish([
            fixture.start(1, None, move |panicking| {
                panicking.lock().stop_writing(token, true)
            }),
            fixture.start(2, None, move |reader| {
                (0..2).for_each(|_| read_poisoned(reader, 2))
            }),
        ]);
        fixture.state.clear_poison();
        fixture.close(1..=1);
    });
}

/// Hunts: a reader that the mutex's last holder leaves asleep.
#[test]
fn model_rwlock_readers_of_poisoned_data_wake_each_other() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([2, 3]);
        let token = write_and_panic(&fixture);
        let panicking = fixture.start(1, None, move |panicking| {
            panicking.lock().stop_writing(token, true)
        });
        let readers =
            [2, 3].map(|id| fixture.start(id, None, move |fixture| read_poisoned(fixture, id)));
        finish([panicking].into_iter().chain(readers));
        fixture.state.clear_poison();
        fixture.close(1..=1);
    });
}

/// Writes as process 1, which is about to panic.
fn write_and_panic(fixture: &Fixture) -> WriterToken {
    let mut token = fixture.try_write(1).expect("no other participant");
    fixture.work(&mut token);
    token
}

fn read_poisoned(fixture: &Fixture, id: u32) {
    let reading = fixture.begin_reading(id, &Deadline::never());
    let reading = reading.expect("no deadline");
    assert!(reading.is_poisoned() && !reading.owner_died());
    assert_eq!(fixture.browse(reading), Some(1));
}

/// Hunts: a poison that is cleared from outside during a write, and reappears.
#[test]
fn model_rwlock_a_poison_that_is_cleared_stays_so() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([3]);
        let mut token = fixture.try_write(1).expect("no other participant");
        fixture.work(&mut token);
        fixture.lock().stop_writing(token, true);
        finish([
            fixture.start(1, None, move |writer| writer.write(1)),
            fixture.start(2, None, move |cleaner| cleaner.state.clear_poison()),
            fixture.start(3, None, move |reader| assert!(reader.read(3) >= Some(1))),
        ]);
        assert!(!fixture.lock().peek().poisoned);
        fixture.close(2..=2);
    });
}

/// Hunts: a writer that gives up and leaves cells blocked.
#[test]
fn model_rwlock_a_writer_that_gives_up_lets_readers_in() {
    explore(|| {
        let fixture = Fixture::with_readers([1, 3]);
        let reading = fixture.try_read(1).expect("no writer");
        finish([
            fixture.start(2, None, move |hasty| {
                let refused = hasty.begin_writing(2, &Deadline::after_looks(0));
                assert_eq!(refused, Err(RwLockError::Busy));
                assert_eq!(hasty.try_write(2), Err(RwLockError::Busy));
            }),
            fixture.start(3, None, move |late| assert_eq!(late.read(3), Some(0))),
        ]);
        assert_eq!(fixture.browse(reading), Some(0));
        fixture.close(0..=0);
    });
}

/// A hook: 0 closed, 1 open.
struct ModelHook(AtomicU32);

impl LockHook for &ModelHook {
    fn is_open(&self) -> bool {
        // ORDERING: Relaxed; changed with the writer mutex held.
        self.0.load(Ordering::Relaxed) != 0
    }

    fn close(&self, _: &impl Liveness, _: Option<&Deadline>) -> Result<(), RwLockError> {
        // ORDERING: Relaxed; as above.
        self.0.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// Hunts: a writer or a reader that enters by an open cell, or by the writer mutex, while the hook
/// is open.
#[test]
fn model_rwlock_no_process_enters_before_the_hook_is_closed() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([2]);
        let hook = Arc::new(ModelHook(AtomicU32::new(0)));
        let opens = |fixture: &Fixture, hook: &ModelHook| -> Result<WriterToken, RwLockError> {
            let lock = RwLock::new(&fixture.state, &fixture.cells, hook);
            let token = lock.acquire(&KernelLiveness(1), Some(&Deadline::never()))?;
            lock.exclude(&KernelLiveness(1), Some(&Deadline::never()))?;
            // ORDERING: Relaxed; changed with the writer mutex held.
            hook.0.store(1, Ordering::Relaxed);
            lock.release(token);
            Ok(token)
        };
        let hookes = [hook.clone(), hook.clone(), hook.clone()];
        let [first, second, third] = hookes;
        finish([
            fixture.start(1, None, move |opener| {
                assert!(opens(opener, &first).is_ok())
            }),
            fixture.start(2, None, move |reader| {
                let lock = RwLock::new(&reader.state, &reader.cells, &*second);
                let reading = lock.read(&KernelLiveness(2), Some(&Deadline::never()));
                let reading = reading.expect("no deadline");
                assert!(!(&*second).is_open(), "the hook is open beside a reader");
                lock.stop_reading(reading);
            }),
            fixture.start(3, None, move |writer| {
                let lock = RwLock::new(&writer.state, &writer.cells, &*third);
                let token = lock.write(&KernelLiveness(3), Some(&Deadline::never()));
                let token = token.expect("no deadline");
                assert!(!(&*third).is_open(), "the hook is open beside a writer");
                lock.stop_writing(token, false);
            }),
        ]);
        fixture.close(0..=0);
    });
}

/// Hunts: a spurious wake taken for a change.
#[test]
fn model_rwlock_soft_faults_change_nothing() {
    explore_soft_faults(|fault| {
        let fixture = Fixture::with_readers([1]);
        let reading = fixture.try_read(1).expect("no writer");
        finish([
            fixture.start(1, None, move |reader| {
                soft_fault_at(fault.filter(|k| k % 2 == 0).map(|k| k / 2));
                assert_eq!(reader.browse(reading), Some(0));
                reader.read(1);
            }),
            fixture.start(2, None, move |writer| {
                soft_fault_at(fault.filter(|k| k % 2 == 1).map(|k| k / 2));
                writer.write(2);
            }),
        ]);
        fixture.close(1..=1);
    });
}
