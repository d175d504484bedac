//! The snapshot, by one thread: buffers, seats, garbage.

use super::super::{Author, Corrupt, Seat, Seated, Snapshot, SnapshotState, Unclaimed, Unseated};
use crate::algorithm::snapshot::layout::{Held, SeatWord, SnapshotLayout};
use crate::facade::{AtomicU64, Ordering::Relaxed};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;

struct All {
    alive: bool,
}

impl Liveness for All {
    fn is_alive(&self, _: Tag) -> bool {
        self.alive
    }
    fn is_member(&self) -> bool {
        true
    }
    fn participants(&self) -> u32 {
        8
    }
}

const ALIVE: All = All { alive: true };
const DEAD: All = All { alive: false };

fn me() -> Tag {
    Tag::new(3, 7).unwrap()
}

fn other() -> Tag {
    Tag::new(4, 7).unwrap()
}

struct Board {
    state: SnapshotState,
    seats: Vec<Seat>,
    stamps: Vec<AtomicU64>,
}

impl Board {
    fn of(readers: usize) -> Self {
        Self {
            state: SnapshotState::new(),
            seats: (0..readers).map(|_| Padded(AtomicU64::new(0))).collect(),
            stamps: (0..readers + 2).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            seats: &self.seats,
            stamps: &self.stamps,
        }
    }

    fn sit(&self) -> Result<Seated, Unseated> {
        self.snapshot().sit(me(), Held::Nothing, &ALIVE)
    }

    fn publish(&self, author: &mut Author) -> u32 {
        let index = self.snapshot().pick(author).unwrap();
        self.snapshot().commit(author, index).unwrap();
        index
    }
}

#[test]
fn there_is_a_buffer_whatever_readers_have() {
    for readers in [1, 2, 61, 62, 63, 64, 126, 127, 4094] {
        let board = Board::of(readers);
        let snapshot = board.snapshot();
        let mut author = snapshot.claim(me(), &ALIVE).unwrap();
        let mut taken = vec![0];
        // Each reader has another version.
        for _ in 0..readers {
            let mut seated = board.sit().unwrap();
            taken.push(board.publish(&mut author));
            assert_eq!(snapshot.read(&mut seated), Ok(*taken.last().unwrap()));
        }
        assert_eq!(board.sit().unwrap_err(), Unseated::Full);
        taken.push(board.publish(&mut author));
        let next = snapshot.pick(&mut author).unwrap();
        assert!(!taken[1..].contains(&next), "{readers}: {next}");
        assert!((next as usize) < readers + 2);
    }
}

#[test]
fn what_was_read_before_is_read_without_a_change() {
    let board = Board::of(1);
    let snapshot = board.snapshot();
    let mut seated = board.sit().unwrap();
    assert_eq!(snapshot.read(&mut seated), Ok(0));
    let before = seated;
    assert_eq!(snapshot.read(&mut seated), Ok(0));
    assert_eq!(seated, before);
    // As if the seat were another's by now.
    board.seats[0]
        .0
        .store(SeatWord::new(other(), Held::Nothing).0, Relaxed);
    assert!(snapshot.read(&mut seated).is_err());
}

#[test]
fn a_dead_writer_is_replaced_and_does_nothing_more() {
    let board = Board::of(1);
    let snapshot = board.snapshot();
    let mut first = snapshot.claim(me(), &ALIVE).unwrap();
    let index = snapshot.pick(&mut first).unwrap();
    let taken = snapshot.claim(other(), &ALIVE).unwrap_err();
    assert_eq!(taken, Unclaimed::Taken(me()));
    let mut second = snapshot.claim(other(), &DEAD).unwrap();
    board.publish(&mut second);
    // It was taken for dead while it wrote.
    assert!(snapshot.commit(&mut first, index).is_err());
    assert!(snapshot.pick(&mut first).is_err());
    snapshot.leave(me());
    assert_eq!(board.publish(&mut second), 0);
    snapshot.recover(other());
    assert!(snapshot.claim(me(), &ALIVE).is_ok());
}

#[test]
fn seats_of_the_dead_are_taken_or_freed_and_those_of_the_living_are_not() {
    let board = Board::of(2);
    let snapshot = board.snapshot();
    for held in [Held::Nothing, Held::Choosing, Held::Buffer(1)] {
        for seat in &board.seats {
            seat.0.store(SeatWord::new(other(), held).0, Relaxed);
        }
        assert_eq!(board.sit().unwrap_err(), Unseated::Full);
        let seated = snapshot.sit(me(), Held::Nothing, &DEAD).unwrap();
        snapshot.recover(other());
        let free = board.sit().unwrap();
        assert_ne!(free, seated);
        assert_eq!(board.sit().unwrap_err(), Unseated::Full);
        assert_eq!(snapshot.leave_seat(&free), Ok(()));
        assert_eq!(snapshot.leave_seat(&seated), Ok(()));
        assert_eq!(snapshot.leave_seat(&seated), Err(Corrupt { word: 0 }));
    }
}

#[test]
fn garbage_is_told() {
    let board = Board::of(1);
    let snapshot = board.snapshot();
    let mut author = snapshot.claim(me(), &ALIVE).unwrap();
    let mut seated = board.sit().unwrap();
    let most = SnapshotLayout::READERS.1;
    for word in [3, 9, most, u64::MAX] {
        board.state.latest.0.store(word, Relaxed);
        assert_eq!(snapshot.latest(), Err(Corrupt { word }));
        assert_eq!(snapshot.read(&mut seated), Err(Corrupt { word }));
        let index = snapshot.pick(&mut author).unwrap();
        assert_eq!(snapshot.commit(&mut author, index), Err(Corrupt { word }));
        assert_eq!(snapshot.garbage(&ALIVE), word);
        board.state.latest.0.store(0, Relaxed);
        assert_eq!(snapshot.garbage(&ALIVE), 0);
        assert_eq!(snapshot.read(&mut seated), Ok(0));
    }
    for word in [5 << 32 | u64::from(me().bits()), u64::MAX] {
        board.seats[0].0.store(word, Relaxed);
        assert_eq!(snapshot.pick(&mut author), Err(Corrupt { word }));
    }
    assert_eq!(
        board.sit(),
        Err(Unseated::Corrupt(Corrupt { word: u64::MAX }))
    );
}
