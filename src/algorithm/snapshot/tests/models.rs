//! The snapshot under loom: a world without a registry, where the byte locks say who lives.

use loom::sync::Arc;

use super::super::{Author, Seat, Seated, Snapshot, SnapshotState, Unclaimed, Unseated};
use crate::algorithm::snapshot::layout::Held;
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_one_less, is_byte_locked,
};
use crate::facade::{AtomicU64, Deadline, Pace, Words};
use crate::format::Padded;
use crate::participant::stage::{KernelLiveness, finish, players, start, tag};
use crate::wait::on_event::EventWaitError;

mod two_deaths;

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (370, ONE, "a reader does not acquire the latest edition"),
    (371, ONE, "a commit does not publish the buffer"),
    (
        372,
        ONE,
        "a reader has no barrier before it looks at the latest",
    ),
    (
        373,
        ONE,
        "the writer has no barrier before it looks who chooses",
    ),
    (
        374,
        ONE,
        "a reader does not say that it has done with a buffer",
    ),
    (
        375,
        ONE,
        "the writer does not acquire that a buffer is free",
    ),
    (377, GIVEN, "a reader does not acquire what it is given"),
    (378, ONE, "the writer gives nothing to those who choose"),
    (
        379,
        SUCCESSOR,
        "a successor gives nothing to those who choose",
    ),
    (
        380,
        SUCCESSOR,
        "a successor has no barrier before it looks who chooses",
    ),
    (381, ONE, "the writer overlooks what readers have"),
    (382, ONE, "the writer writes over the latest"),
    (
        384,
        REPLACED,
        "taking a dead reader's seat does not pass on that it has done",
    ),
    (385, SEATS, "a seat is taken from one that lives"),
    (
        386,
        LEFT,
        "leaving a seat does not say that its buffer is done with",
    ),
    (
        387,
        REAPED,
        "freeing a dead reader's seat does not pass on that it has done",
    ),
    (388, ONE, "a reader does not say that it is choosing"),
    (389, HEARS, "a sleeper does not look once more"),
    (390, HEARS, "a commit does not ring"),
    (
        391,
        WRITER_REAPED,
        "giving back a dead writer's role wakes nobody",
    ),
    (
        392,
        NEWS,
        "one that is told that the writer has left does not look once more",
    ),
    (
        393,
        GIVEN,
        "a reader takes what it saw, though another was given to it",
    ),
    (394, NEWS, "a writer that leaves wakes nobody"),
    (757, two_deaths::WRITERS, "a second death goes unnoticed"),
];

const ONE: &str = "model_snapshot_a_reader_has_a_whole_value_that_is_never_older";
const GIVEN: &str = "model_snapshot_one_that_chooses_for_long_is_given_what_is_the_latest";
const SUCCESSOR: &str = "model_snapshot_a_writer_dies_and_its_successor_publishes";
const REPLACED: &str = "model_snapshot_a_reader_dies_and_another_takes_its_seat";
const REAPED: &str = "model_snapshot_a_dead_readers_seat_is_freed_by_others";
const SEATS: &str = "model_snapshot_a_seat_has_one_reader";
const LEFT: &str = "model_snapshot_a_reader_leaves_and_its_buffer_is_used_again";
const NEWS: &str = "model_snapshot_one_that_waits_is_told_of_each_version_and_of_the_end";
const HEARS: &str = "model_snapshot_one_that_waits_hears_of_a_version_though_the_writer_stays";
const WRITER_REAPED: &str = "model_snapshot_one_that_waits_is_told_of_a_writer_that_others_reaped";

/// A snapshot and its buffers: two numbers each, which are equal but while somebody writes.
struct Board {
    state: SnapshotState,
    seats: Vec<Seat>,
    stamps: Vec<AtomicU64>,
    buffers: Vec<[Words<1>; 2]>,
}

impl Board {
    fn of(readers: usize) -> Arc<Self> {
        players();
        let number = |buffer| Words::new([if buffer == 0 { 0 } else { 99 }]);
        Arc::new(Self {
            state: SnapshotState::new(),
            seats: (0..readers).map(|_| Padded(AtomicU64::new(0))).collect(),
            stamps: (0..readers + 2).map(|_| AtomicU64::new(0)).collect(),
            buffers: (0..readers + 2)
                .map(|buffer| [number(buffer), number(buffer)])
                .collect(),
        })
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            seats: &self.seats,
            stamps: &self.stamps,
        }
    }

    fn claim(&self, id: u32) -> Result<Author, Unclaimed> {
        self.snapshot().claim(tag(id), &KernelLiveness(id))
    }

    fn author(&self, id: u32) -> Cell<Author> {
        Cell(self.claim(id).expect("nobody has it"))
    }

    fn sit(&self, id: u32) -> Result<Seated, Unseated> {
        self.snapshot()
            .sit(tag(id), Held::Nothing, &KernelLiveness(id))
    }

    fn reader(&self, id: u32) -> Cell<Seated> {
        Cell(self.sit(id).expect("a seat is free"))
    }

    /// A writer that has published, and a reader that has what was there before, in buffer 0.
    fn between(&self, writer: u32, reader: u32) -> (Cell<Author>, Cell<Seated>) {
        let mut seated = self.sit(reader).expect("a seat is free");
        assert_eq!(self.read(&mut seated), 0);
        let mut author = self.claim(writer).expect("nobody has it");
        self.publish(&mut author);
        (Cell(author), Cell(seated))
    }

    /// Publishes the number of its version, twice.
    fn publish(&self, author: &mut Author) {
        let version = author.edition().version() + 1;
        let index = self.snapshot().pick(author).expect("the role is its own");
        for number in &self.buffers[index as usize] {
            number.write(&[version]);
        }
        let edition = self.snapshot().commit(author, index).expect("as above");
        assert_eq!(edition.version(), version);
    }

    /// The two numbers of a buffer that somebody has.
    fn value(&self, index: u32) -> u64 {
        let [first, second] = &self.buffers[index as usize];
        let ([first], [second]) = (first.read(), second.read());
        assert_eq!(first, second, "a torn value");
        first
    }

    /// Reads; what is read is whole, and what its version says.
    fn read(&self, seated: &mut Seated) -> u64 {
        let index = self.snapshot().read(seated).expect("the seat is its own");
        let version = self.value(index);
        let edition = seated.edition().expect("something was read");
        assert_eq!(version, edition.version(), "another version stands there");
        version
    }

    /// Reads so many times; no value is older than the one before.
    fn reads(&self, seated: &mut Seated, times: u32) -> u64 {
        let mut last = 0;
        for _ in 0..times {
            let version = self.read(seated);
            assert!(version >= last, "{version} after {last}");
            last = version;
        }
        last
    }

    /// When all is done: what was published last is read, and there is a buffer to write.
    fn close(&self, least: u64) {
        let mut author = self.claim(3).expect("nobody has it");
        let last = author.edition().version();
        assert!(last >= least, "{last} of {least} are published");
        for seat in &self.seats {
            seat.0.swap(0, crate::facade::Ordering::AcqRel);
        }
        let mut seated = self.sit(3).expect("a seat is free");
        assert_eq!(self.read(&mut seated), last);
        self.publish(&mut author);
        assert_eq!(self.read(&mut seated), last + 1);
    }
}

/// What a process takes with it.
struct Cell<T>(T);

impl<T: Clone> Cell<T> {
    fn take(&self) -> T {
        self.0.clone()
    }
}

/// Hunts: a buffer that is written while somebody reads it, or read before it is written; versions that go
/// back.
#[test]
fn model_snapshot_a_reader_has_a_whole_value_that_is_never_older() {
    explore_at_least("snapshot: a writer and a reader", 3, || {
        let board = Board::of(1);
        let (writer, reader) = (board.clone(), board.clone());
        let (author, seated) = (board.author(1), board.reader(2));
        finish([
            start(1, None, move || {
                let mut author = author.take();
                (0..3).for_each(|_| writer.publish(&mut author));
                writer.snapshot().leave(tag(1));
            }),
            start(2, None, move || {
                reader.reads(&mut seated.take(), 2);
            }),
        ]);
        board.close(3);
    });
}

/// Hunts: a reader that is given a buffer which it does not see written. It has chosen for as long as it
/// takes to publish.
#[test]
fn model_snapshot_one_that_chooses_for_long_is_given_what_is_the_latest() {
    explore("snapshot: a reader that is in the middle", || {
        let board = Board::of(1);
        let (writer, reader) = (board.clone(), board.clone());
        let author = board.author(1);
        // It has said that it chooses, and not looked yet.
        let snapshot = board.snapshot();
        let choosing = Cell(
            snapshot
                .sit(tag(2), Held::Choosing, &KernelLiveness(2))
                .unwrap(),
        );
        finish([
            start(1, None, move || {
                let mut author = author.take();
                (0..2).for_each(|_| writer.publish(&mut author));
                writer.snapshot().leave(tag(1));
            }),
            start(2, None, move || {
                let mut seated = choosing.take();
                let index = reader.snapshot().choose(&mut seated).expect("its own");
                let version = reader.value(index);
                assert_eq!(Some(version), seated.edition().map(|has| has.version()));
                assert_eq!(reader.snapshot().leave_seat(&seated), Ok(()));
            }),
        ]);
        board.close(2);
    });
}

/// Hunts: two readers for whom there are too few buffers, or one whose choice hides the other's.
#[test]
fn model_snapshot_two_readers_and_a_writer_are_not_in_each_others_way() {
    explore_one_less("snapshot: a writer and two readers", || {
        let board = Board::of(2);
        let writer = board.clone();
        let author = board.author(1);
        let readers = [2, 3].map(|id| {
            let (reader, seated) = (board.clone(), board.reader(id));
            start(id, None, move || {
                reader.reads(&mut seated.take(), 2);
            })
        });
        let writer = start(1, None, move || {
            let mut author = author.take();
            (0..2).for_each(|_| writer.publish(&mut author));
            writer.snapshot().leave(tag(1));
        });
        finish(readers.into_iter().chain([writer]));
        board.close(2);
    });
}

/// Hunts: a value that a writer left half written and that somebody reads; a reader that chose before the
/// writer died, and whose choice its successor writes over.
#[test]
fn model_snapshot_a_writer_dies_and_its_successor_publishes() {
    explore_deaths("snapshot: a writer killed, another, a reader", |death| {
        let board = Board::of(1);
        let (victim, successor, reader) = (board.clone(), board.clone(), board.clone());
        let (author, seated) = (board.author(1), board.reader(2));
        finish([
            start(1, death, move || {
                victim.publish(&mut author.take());
                victim.snapshot().leave(tag(1));
            }),
            start(3, None, move || {
                if let Ok(mut author) = successor.claim(3) {
                    (0..2).for_each(|_| successor.publish(&mut author));
                }
            }),
            start(2, None, move || {
                reader.reads(&mut seated.take(), 1);
            }),
        ]);
        board.state.desk().role.leave(tag(3));
        board.close(0);
    });
}

/// Hunts: a buffer that a dead reader has read, or would have been given, in its successor's way; a seat
/// that nobody can have any more.
#[test]
fn model_snapshot_a_reader_dies_and_another_takes_its_seat() {
    explore_deaths("snapshot: a reader killed, another, a writer", |death| {
        let board = Board::of(1);
        let (victim, successor, writer) = (board.clone(), board.clone(), board.clone());
        let (author, seated) = board.between(3, 1);
        finish([
            start(1, death, move || {
                victim.value(0);
                let read = victim.snapshot().read(&mut seated.take());
                assert!(read.is_ok());
            }),
            start(2, None, move || {
                if let Ok(mut seated) = successor.sit(2) {
                    successor.read(&mut seated);
                }
            }),
            start(3, None, move || {
                writer.publish(&mut author.take());
                writer.snapshot().leave(tag(3));
            }),
        ]);
        board.close(2);
    });
}

/// Hunts: a dead reader's buffer that is written over without its reads being over, as the writer sees it.
#[test]
fn model_snapshot_a_dead_readers_seat_is_freed_by_others() {
    explore_deaths("snapshot: a reader killed, a reaper, a writer", |death| {
        let board = Board::of(1);
        let (victim, reaper, writer) = (board.clone(), board.clone(), board.clone());
        let (author, seated) = board.between(3, 1);
        finish([
            start(1, death, move || {
                victim.value(0);
                victim.read(&mut seated.take());
            }),
            start(2, None, move || {
                if !is_byte_locked(0) {
                    reaper.snapshot().recover(tag(1));
                }
            }),
            start(3, None, move || {
                writer.publish(&mut author.take());
                writer.snapshot().leave(tag(3));
            }),
        ]);
        board.close(2);
    });
}

/// Hunts: a seat that two have, and one that nobody can have.
#[test]
fn model_snapshot_a_seat_has_one_reader() {
    explore("snapshot: two that want one seat", || {
        let board = Board::of(1);
        finish([1, 2].map(|id| {
            let board = board.clone();
            start(id, None, move || match board.sit(id) {
                Ok(mut seated) => {
                    board.read(&mut seated);
                    assert_eq!(board.snapshot().leave_seat(&seated), Ok(()));
                }
                Err(unseated) => assert_eq!(unseated, Unseated::Full),
            })
        }));
        assert!(board.sit(3).is_ok(), "a seat is lost");
        board.close(0);
    });
}

/// Hunts: a buffer that is written over before its reader has done with it: it has left.
#[test]
fn model_snapshot_a_reader_leaves_and_its_buffer_is_used_again() {
    explore_at_least("snapshot: a reader leaves, the writer goes on", 3, || {
        let board = Board::of(1);
        let (writer, reader) = (board.clone(), board.clone());
        let (author, seated) = (board.author(1), board.reader(2));
        finish([
            start(1, None, move || {
                let mut author = author.take();
                (0..2).for_each(|_| writer.publish(&mut author));
                writer.snapshot().leave(tag(1));
            }),
            start(2, None, move || {
                let mut seated = seated.take();
                reader.read(&mut seated);
                assert_eq!(reader.snapshot().leave_seat(&seated), Ok(()));
            }),
        ]);
        board.close(2);
    });
}

/// Waits and reads until the writer is gone; what was read last.
fn follow(board: &Board, seated: &mut Seated, id: u32) -> u64 {
    let mut last = 0;
    loop {
        let (peers, deadline) = (KernelLiveness(id), Deadline::never());
        match board
            .snapshot()
            .wait(seated, &peers, &deadline, Pace::Adaptive)
        {
            Ok(()) => {
                let version = board.read(seated);
                assert!(version > last, "{version} is not newer than {last}");
                last = version;
            }
            Err(EventWaitError::Disconnected) => return last,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Hunts: one that waits, and sleeps for ever, or misses what was published before the writer left.
#[test]
fn model_snapshot_one_that_waits_is_told_of_each_version_and_of_the_end() {
    explore_deaths("snapshot: one that waits", |death| {
        let board = Board::of(1);
        let (writer, reader) = (board.clone(), board.clone());
        let author = board.author(1);
        let mut seated = board.sit(2).expect("a seat is free");
        assert_eq!(board.read(&mut seated), 0);
        let seated = Cell(seated);
        finish([
            start(1, death, move || {
                writer.publish(&mut author.take());
                writer.snapshot().leave(tag(1));
            }),
            start(2, None, move || {
                let last = follow(&reader, &mut seated.take(), 2);
                let published = reader.snapshot().latest().expect("whole").version();
                assert_eq!(last, published, "a version was missed");
            }),
        ]);
        board.close(0);
    });
}

/// Hunts: one that sleeps on, though what it waits for is published: nobody leaves or dies, so no slice ends.
#[test]
fn model_snapshot_one_that_waits_hears_of_a_version_though_the_writer_stays() {
    explore("snapshot: one that waits for a version", || {
        let board = Board::of(1);
        let (writer, reader) = (board.clone(), board.clone());
        let author = board.author(1);
        let mut seated = board.sit(2).expect("a seat is free");
        assert_eq!(board.read(&mut seated), 0);
        let seated = Cell(seated);
        finish([
            start(1, None, move || writer.publish(&mut author.take())),
            start(2, None, move || {
                let mut seated = seated.take();
                let (peers, deadline) = (KernelLiveness(2), Deadline::never());
                let waited = reader
                    .snapshot()
                    .wait(&seated, &peers, &deadline, Pace::Adaptive);
                assert_eq!(waited, Ok(()));
                assert_eq!(reader.read(&mut seated), 1);
            }),
        ]);
    });
}

/// Hunts: one that waits for ever for a writer whose role others gave back.
#[test]
fn model_snapshot_one_that_waits_is_told_of_a_writer_that_others_reaped() {
    explore_one_less("snapshot: one that waits, and a leaver's reaper", || {
        let board = Board::of(1);
        let (reaper, reader) = (board.clone(), board.clone());
        let _author = board.author(1);
        let mut seated = board.sit(2).expect("a seat is free");
        assert_eq!(board.read(&mut seated), 0);
        let seated = Cell(seated);
        finish([
            // It leaves the segment with the role in its hands, and lives: no slice ends.
            start(1, None, move || reaper.snapshot().recover(tag(1))),
            start(2, None, move || {
                assert_eq!(follow(&reader, &mut seated.take(), 2), 0);
            }),
        ]);
        board.close(0);
    });
}
