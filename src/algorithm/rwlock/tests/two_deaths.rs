//! The reader-writer lock under loom, where two of three processes die.

use super::stage::Fixture;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{StartWith, finish};

/// Hunts: a writer that takes over from a dead one and dies too, and whose torn data is not
/// reported to the third.
#[test]
fn model_two_deaths_of_rwlock_writers_leave_the_lock_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::open();
        let deaths = [(1, first), (2, second), (3, None)];
        finish(
            deaths.map(|(id, death)| fixture.start(id, death, move |fixture| fixture.write(id))),
        );
        fixture.close(1..=3);
    });
}

/// Hunts: a writer that dies while it waits for a dead reader, and leaves the cells blocked to the
/// third, which reads and writes after both.
#[test]
fn model_two_deaths_of_rwlock_reader_and_writer_leave_the_lock_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::with_readers([1, 3]);
        finish([
            fixture.start(1, first, move |reader| reader.read(1)),
            fixture.start(2, second, move |writer| writer.write(2)),
        ]);
        finish([fixture.start(3, None, move |third| {
            third.read(3);
            third.write(3);
        })]);
        fixture.close(1..=2);
    });
}
