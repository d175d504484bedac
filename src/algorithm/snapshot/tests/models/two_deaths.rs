//! The snapshot under loom, where two of three processes die.

use super::Board;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{finish, start, tag};

pub(super) const WRITERS: &str = "model_two_deaths_of_snapshot_writers_leave_a_whole_value";

/// Hunts: a value that is torn, or goes back, after a writer and its successor have died: the buffers that the
/// one had chosen, and the other has not given to those who choose.
#[test]
fn model_two_deaths_of_snapshot_writers_leave_a_whole_value() {
    explore_two_deaths(
        "snapshot: a writer, its successor, a reader",
        |[first, second]| {
            let board = Board::of(1);
            let (writer, successor, reader) = (board.clone(), board.clone(), board.clone());
            let (author, seated) = (board.author(1), board.reader(3));
            finish([
                start(1, first, move || {
                    writer.publish(&mut author.take());
                    writer.snapshot().leave(tag(1));
                }),
                start(2, second, move || {
                    if let Ok(mut author) = successor.claim(2) {
                        successor.publish(&mut author);
                        successor.snapshot().leave(tag(2));
                    }
                }),
                start(3, None, move || {
                    reader.reads(&mut seated.take(), 2);
                }),
            ]);
            board.close(0);
        },
    );
}
