//! Models of the snapshot in which two of three processes die.

use super::Fixture;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{StartWith, finish, tag};

/// Hunts: a value that is torn or goes back after a writer and its successor have died: the first
/// had claimed buffers that the second has not assigned to choosing readers.
#[test]
fn model_two_deaths_of_snapshot_writers_leave_a_whole_value() {
    explore_two_deaths(
        "snapshot: a writer, its successor, a reader",
        |[first, second]| {
            let fixture = Fixture::of(1);
            let (writer_claim, reader_claim) = (fixture.writer_claim(1), fixture.reader_claim(3));
            finish([
                fixture.start(1, first, move |writer| {
                    writer.publish(&mut writer_claim.clone());
                    writer.snapshot().release_writer(tag(1));
                }),
                fixture.start(2, second, move |successor| {
                    if let Ok(mut writer_claim) = successor.claim(2) {
                        successor.publish(&mut writer_claim);
                        successor.snapshot().release_writer(tag(2));
                    }
                }),
                fixture.start(3, None, move |reader| {
                    reader.reads(&mut { reader_claim }, 2);
                }),
            ]);
            fixture.close(0);
        },
    );
}
