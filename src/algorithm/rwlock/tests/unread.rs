//! The reader-writer lock under loom, where no process has read: the mark in the writer mutex says
//! that its owner writes.

use loom::sync::Arc;

use super::super::WriterToken;
use super::stage::Fixture;
use crate::facade::model::{
    explore, explore_deaths, explore_deaths_one_less, explore_two_deaths, process,
};
use crate::facade::{Deadline, mutants};
use crate::participant::stage::{KernelLiveness, ModelRegistry, StartWith, finish, tag};

mutants! {
    model_rwlock_no_reaped_process_writes_by_its_mark:
        519 "a writer that has marked the mutex does not ask whether it is still registered";
    model_rwlock_writers_pass_on_what_they_wrote_where_no_process_reads:
        520 "unlocking a marked mutex does not release",
        521 "unlocking a marked mutex makes no wake";
    model_rwlock_a_marked_writer_that_panics_or_downgrades_may_die_anywhere:
        522 "a writer clears its mark before its tag is in `writing`";
    model_rwlock_the_next_after_a_dead_marked_writer_learns_of_it:
        523 "a dead writer's mark is not noticed";
    model_rwlock_a_mark_beside_a_reader_is_no_writers:
        524 "a dead owner's mark is taken for a writer's although a cell is in use";
    model_two_deaths_of_rwlock_marked_writer_and_its_successor_are_told_to_the_third:
        525 "a dead writer's mark is cleared before `writing` says so";
}

/// Begins to write as process 1, which finds no other process.
fn begin(fixture: &Fixture) -> WriterToken {
    let token = fixture.begin_writing(1, &Deadline::never());
    token.expect("no deadline")
}

/// Hunts: a write that the next writer does not see, and a writer that sleeps on. There is no
/// death, so no slice ends.
#[test]
fn model_rwlock_writers_pass_on_what_they_wrote_where_no_process_reads() {
    explore(|| {
        let fixture = Fixture::open();
        finish([1, 2].map(|id| fixture.start(id, None, move |fixture| fixture.write(id))));
        assert_eq!(fixture.writers_informed(), 0);
        fixture.close(2..=2);
    });
}

/// Hunts: a dead writer that is not reported, or is reported although it had not begun, or had
/// finished; and a reaper that hides it.
#[test]
fn model_rwlock_the_next_after_a_dead_marked_writer_learns_of_it() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::open();
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

/// Hunts: torn data without a report after a writer that was to poison it, or went on to read.
#[test]
fn model_rwlock_a_marked_writer_that_panics_or_downgrades_may_die_anywhere() {
    for panics in [true, false] {
        explore_deaths(move |death| {
            let fixture = Fixture::open();
            process(1, death, || {
                let mut token = begin(&fixture);
                if panics {
                    fixture.data.tear();
                    fixture.lock().stop_writing(token, true);
                } else {
                    fixture.work(&mut token);
                    let reading = fixture.lock().downgrade(token, &KernelLiveness(1));
                    assert_eq!(fixture.browse(reading), Some(1));
                }
            });
            finish([fixture.start(2, None, move |writer| {
                let token = writer.begin_writing(2, &Deadline::never());
                let token = token.expect("no deadline");
                if token.is_poisoned() {
                    writer.data.repair();
                    writer.state.clear_poison();
                }
                writer.serve(token);
            })]);
            fixture.close(1..=2);
        });
    }
}

/// Hunts: a writer's death that is reported although a reader kept it from writing.
#[test]
fn model_rwlock_a_mark_beside_a_reader_is_no_writers() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.write(1)),
            fixture.start(2, None, move |reader| {
                reader.read(2);
            }),
        ]);
        // The reader has come before it, or would have taken the mutex over.
        if fixture.state.mutex.marks().owner().is_some() {
            let token = fixture.try_write(3).expect("its owner is dead");
            assert!(!token.owner_died(), "it has not written");
            fixture.serve(token);
            assert_eq!(fixture.data.value(), 1);
        }
        fixture.close(0..=2);
    });
}

/// Hunts: a mark that is cleared by a process that dies before it has said what the mark says.
#[test]
fn model_two_deaths_of_rwlock_marked_writer_and_its_successor_are_told_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::open();
        for (id, death) in [(1, first), (2, second)] {
            process(id, death, || fixture.write(id));
        }
        finish([fixture.start(3, None, move |third| {
            third.read(3);
            third.write(3);
        })]);
        fixture.close(1..=3);
    });
}

/// Hunts: a process that writes, or keeps the mutex, though the registry does not list it.
#[test]
fn model_rwlock_no_reaped_process_writes_by_its_mark() {
    explore(|| {
        let fixture = Fixture::open();
        let registry = Arc::new(ModelRegistry::new());
        registry.unregister(1);
        let (lost, other) = (registry.clone(), registry);
        finish([
            fixture.start(1, None, move |writer| {
                let peers = lost.liveness(1);
                assert_eq!(writer.lock().write_clean(&peers), None);
            }),
            fixture.start(2, None, move |writer| {
                let (peers, never) = (other.liveness(2), Deadline::never());
                let token = writer.lock().write(&peers, Some(&never));
                writer.serve(token.expect("no deadline"));
            }),
        ]);
        assert!(!fixture.state.mutex.is_of(tag(1)), "it holds the mutex");
        fixture.close(1..=1);
    });
}
