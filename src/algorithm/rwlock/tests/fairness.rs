//! The reader-writer lock under loom: readers that have waited, and the writers that come later.
//!
//! No turn is lost for lateness here, so a turn that no reader takes is a deadlock.

use std::sync::atomic::{AtomicU32 as Note, Ordering::Relaxed};

use loom::sync::Arc;

use super::stage::Fixture;
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, explore_two_deaths, soft_fault_at,
};
use crate::facade::{Deadline, mutants};
use crate::participant::stage::{StartWith, finish, start};

mutants! {
    model_rwlock_no_later_writer_overtakes_a_reader_that_waits:
        678 "a reader that enters in its turn makes no wake",
        680 "opening a cell takes the turn from its sleepers",
        681 "a writer does not wait for those whose turn it is";
    model_rwlock_a_reader_that_gives_up_gives_up_its_turn:
        679 "a reader that gives up keeps its turn";
    model_rwlock_a_reader_that_comes_in_by_the_mutex_has_no_turn:
        682 "a reader that is admitted with the mutex keeps its turn";
    model_rwlock_the_last_reader_leaves_the_turn_to_those_that_wait:
        683 "the last reader that leaves takes the turn of those that wait";
    model_rwlock_no_writer_waits_for_the_turn_of_a_dead_reader:
        684 "a writer that waits for a turn does not ask whether the reader lives";
}

/// Writes of process 1, which holds the lock at first: unlocks, and writes once more, which must
/// come after the reader of process 2 if that waits when the first write is unlocked.
struct Writes {
    fixture: Arc<Fixture>,
    has_read: Arc<Note>,
}

impl Writes {
    fn again(&self, waited: bool) {
        let never = Deadline::never();
        let token = self.fixture.begin_writing(1, &never).expect("no deadline");
        let has_read = self.has_read.load(Relaxed) != 0;
        assert!(has_read || !waited, "a reader that waits is overtaken");
        self.fixture.serve(token);
    }
}

/// Hunts: a writer that comes later, and is faster than a reader that was woken; a turn that is
/// taken without a wake.
#[test]
fn model_rwlock_no_later_writer_overtakes_a_reader_that_waits() {
    explore(|| {
        let fixture = Fixture::with_readers([2]);
        let token = fixture.try_write(1).expect("no reader");
        let has_read = Arc::new(Note::new(0));
        let writes = Writes {
            fixture: fixture.clone(),
            has_read: has_read.clone(),
        };
        finish([
            start(1, None, move || {
                let waits = writes.fixture.has_waiters(2);
                writes.fixture.serve(token);
                writes.again(waits);
            }),
            fixture.start(2, None, move |fixture| {
                let reading = fixture.begin_reading(2, &Deadline::never());
                has_read.store(1, Relaxed);
                fixture.browse(reading.expect("no deadline"));
            }),
        ]);
        fixture.close(2..=2);
    });
}

/// Hunts: a turn that is left to a reader that does not come.
#[test]
fn model_rwlock_a_reader_that_gives_up_gives_up_its_turn() {
    explore(|| {
        let fixture = Fixture::with_readers([2]);
        let token = fixture.try_write(1).expect("no reader");
        finish([
            fixture.start(1, None, move |writer| {
                writer.serve(token);
                writer.write(1);
            }),
            fixture.start(2, None, move |reader| {
                // Its sleep ends spuriously, and its time is up then.
                soft_fault_at(Some(0));
                let reading = reader.begin_reading(2, &Deadline::after_looks(1));
                soft_fault_at(None);
                if let Ok(reading) = reading {
                    reader.browse(reading);
                }
            }),
        ]);
        fixture.close(2..=2);
    });
}

/// Hunts: a turn that is left to a reader that has read already: it found the mutex without a live
/// holder.
#[test]
fn model_rwlock_a_reader_that_comes_in_by_the_mutex_has_no_turn() {
    explore_deaths(|death| {
        let fixture = Fixture::with_readers([2]);
        finish([
            fixture.start(1, death, move |writer| writer.write(1)),
            fixture.start(2, None, move |reader| {
                reader.read(2);
                reader.write(2);
            }),
        ]);
        fixture.close(1..=2);
    });
}

/// Hunts: a thread that waits for a writer that waits for another thread of its process. When that
/// leaves, both are woken, and the next writer is faster.
#[test]
fn model_rwlock_the_last_reader_leaves_the_turn_to_those_that_wait() {
    explore_one_less(|| {
        let fixture = Fixture::with_readers([2]);
        let reading = fixture.try_read(2).expect("no writer");
        let (has_read, waits) = (Arc::new(Note::new(0)), Arc::new(Note::new(0)));
        let writes = Writes {
            fixture: fixture.clone(),
            has_read: has_read.clone(),
        };
        let (noted, leaver) = (waits.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                writes.again(false);
                writes.again(waits.load(Relaxed) != 0);
            }),
            start(2, None, move || {
                noted.store(u32::from(leaver.has_waiters(2)), Relaxed);
                leaver.browse(reading);
            }),
            fixture.start(2, None, move |fixture| {
                let reading = fixture.begin_reading(2, &Deadline::never());
                has_read.store(1, Relaxed);
                fixture.browse(reading.expect("no deadline"));
            }),
        ]);
        fixture.close(2..=2);
    });
}

/// Hunts: a writer that waits for a reader that was killed in its turn.
#[test]
fn model_rwlock_no_writer_waits_for_the_turn_of_a_dead_reader() {
    explore_deaths(|death| {
        let fixture = Fixture::with_readers([2]);
        let token = fixture.try_write(1).expect("no reader");
        finish([
            fixture.start(1, None, move |writer| {
                writer.serve(token);
                writer.write(1);
            }),
            fixture.start(2, death, move |reader| reader.read(2)),
        ]);
        fixture.close(2..=2);
    });
}

/// Hunts: a turn that two deaths leave to none: that of a reader, and that of the writer that waits
/// for it.
#[test]
fn model_rwlock_two_deaths_leave_no_turn_behind() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::with_readers([2]);
        let token = fixture.try_write(1).expect("no reader");
        let [first, second] = deaths;
        let writer = fixture.clone();
        finish([
            start(1, first, move || {
                writer.serve(token);
                writer.write(1);
            }),
            fixture.start(2, second, move |reader| reader.read(2)),
        ]);
        finish([fixture.start(3, None, move |third| third.write(3))]);
        fixture.close(1..=3);
    });
}
