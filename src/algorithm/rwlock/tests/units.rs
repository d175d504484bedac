//! One process and a lock whose words may hold anything.

use core::time::Duration;

use proptest::prelude::*;

use super::super::cell::EnterError;
use super::super::{
    Cell, MOST, NoHook, OWNER_DIED, POISONED, RwLock, RwLockError, RwLockState, RwLockStatus,
};
use crate::facade::{Deadline, Ordering};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;

const PARTICIPANTS: u32 = 4;
const BLOCKED: u32 = 1 << 11;
const WAITING: u32 = 1 << 12;
const DRAINING: u32 = 1 << 10;
const FLAGS: u32 = OWNER_DIED | POISONED;

/// A liveness in which one other participant may be alive, and the caller's membership lost.
#[derive(Clone, Copy)]
struct TestLiveness {
    alive: Option<Tag>,
    membership_lost: bool,
    /// Whether the other participant is the caller.
    is_other: bool,
}

const ALONE: TestLiveness = TestLiveness {
    alive: None,
    membership_lost: false,
    is_other: false,
};

impl TestLiveness {
    /// The same, as the other participant is told.
    fn of_other(self) -> Self {
        Self {
            is_other: true,
            ..self
        }
    }
}

fn with_other() -> TestLiveness {
    TestLiveness {
        alive: Some(other()),
        ..ALONE
    }
}

impl Liveness for TestLiveness {
    fn me(&self) -> Tag {
        if self.is_other { other() } else { me() }
    }
    fn is_alive(&self, tag: Tag) -> bool {
        tag == me() || self.alive == Some(tag)
    }
    fn is_member(&self) -> bool {
        !self.membership_lost
    }
    fn is_unregistered(&self, tag: Tag) -> bool {
        !self.is_alive(tag)
    }
    fn participants(&self) -> u32 {
        PARTICIPANTS
    }
}

fn me() -> Tag {
    Tag::new(0, 1).unwrap()
}

fn other() -> Tag {
    Tag::new(1, 7).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(1))
}

struct Lock {
    state: RwLockState,
    cells: [Padded<Cell>; PARTICIPANTS as usize],
}

impl Lock {
    fn new() -> Self {
        Self::of(0, [0; 4], 0)
    }

    fn of(writing: u32, cells: [u32; 4], roster: u64) -> Self {
        let state = RwLockState::new();
        state.writing.store(writing, Ordering::Relaxed);
        for word in &state.roster {
            word.store(roster, Ordering::Relaxed);
        }
        Self {
            state,
            cells: cells.map(|word| Padded(Cell::new(word))),
        }
    }

    fn view(&self) -> RwLock<'_> {
        RwLock::new(&self.state, &self.cells, NoHook)
    }

    fn cell(&self, tag: Tag) -> &Cell {
        &self.cells[tag.index() as usize].0
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_words_admit_or_give_an_error(
        writing: u32,
        cells: [u32; 4],
        roster: u64,
        alive: bool,
        waits: bool,
        writes: bool,
    ) {
        let lock = Lock::of(writing, cells, roster);
        let peers = if alive { with_other() } else { ALONE };
        let deadline = soon();
        let wait = waits.then_some(&deadline);
        let is_tag = Tag::in_word(writing, PARTICIPANTS).is_some();
        let corrupt = writing & !FLAGS != 0 && (!is_tag || writing & (1 << 29) != 0);
        let told = writing & FLAGS | if is_tag { OWNER_DIED } else { 0 };
        if writes {
            match lock.view().write(&peers, wait) {
                Ok(token) => {
                    prop_assert!(!corrupt);
                    prop_assert_eq!((token.owner_died(), token.is_poisoned()), (told & OWNER_DIED != 0, told & POISONED != 0));
                    lock.view().stop_writing(token, false);
                }
                Err(RwLockError::Corrupt { word }) => prop_assert!(corrupt && word == writing),
                Err(refused) => prop_assert_eq!(refused, RwLockError::Busy),
            }
        } else {
            match lock.view().read(&peers, wait) {
                Ok(reading) => {
                    lock.view().stop_reading(reading);
                }
                Err(RwLockError::Corrupt { word }) => prop_assert!(corrupt && word == writing),
                Err(refused) => prop_assert_eq!(refused, RwLockError::Full),
            }
        }
        prop_assert_eq!(lock.state.mutex.holder(&peers), Ok(None));
    }

    #[test]
    fn any_mutex_word_is_taken_or_refused(word: u32, writes: bool) {
        let lock = Lock::new();
        lock.state.mutex.set(word);
        let corrupt = word & Tag::MASK != 0 && Tag::in_word(word, PARTICIPANTS).is_none();
        let refused = if writes {
            lock.view().write(&ALONE, Some(&soon())).map(drop)
        } else {
            lock.view().read(&ALONE, Some(&soon())).map(drop)
        };
        match refused {
            Ok(()) => prop_assert!(!corrupt),
            Err(RwLockError::Corrupt { word: found }) => prop_assert!(corrupt && found == word),
            Err(refused) => prop_assert_eq!((refused, word & Tag::MASK), (RwLockError::Busy, me().bits())),
        }
    }

    #[test]
    fn recovery_touches_the_dead_ones_cell_and_no_other(cells: [u32; 4]) {
        let lock = Lock::of(0, cells, 0);
        lock.view().recover(other());
        for (index, (cell, before)) in lock.cells.iter().zip(cells).enumerate() {
            let is_dead = index == 1 && before >> 13 == 7;
            let expected = if is_dead { 0 } else { before };
            prop_assert_eq!(cell.0.bits(), expected);
        }
    }

    #[test]
    fn what_became_of_the_last_writer_is_told_and_outlives_the_guard(flags in prop::bits::u32::masked(FLAGS)) {
        let lock = Lock::of(flags, [0; 4], 0);
        let expected = (flags & OWNER_DIED != 0, flags & POISONED != 0);
        for _ in 0..2 {
            let reading = lock.view().read(&ALONE, None).unwrap();
            prop_assert_eq!((reading.owner_died(), reading.is_poisoned()), expected);
            lock.view().stop_reading(reading);
            let token = lock.view().write(&ALONE, None).unwrap();
            prop_assert_eq!((token.owner_died(), token.is_poisoned()), expected);
            let reading = lock.view().downgrade(token, &ALONE);
            prop_assert_eq!((reading.owner_died(), reading.is_poisoned()), expected);
            lock.view().stop_reading(reading);
        }
    }
}

#[test]
fn a_reader_with_a_cell_enters_by_it() {
    let lock = Lock::new();
    assert_eq!(lock.view().read_clean(&ALONE), None);
    let first = lock.view().read(&ALONE, None).unwrap();
    let second = lock.view().read_clean(&ALONE).unwrap();
    assert_eq!(lock.view().peek().readers, 2);
    assert_eq!(
        lock.view().write(&with_other().of_other(), None).map(drop),
        Err(RwLockError::Busy)
    );
    lock.view().stop_reading(first);
    lock.view().stop_reading(second);
    let token = lock.view().write(&with_other().of_other(), None).unwrap();
    assert_eq!(
        lock.view().peek(),
        RwLockStatus {
            writes: true,
            readers: 0,
            owner_died: false,
            poisoned: false
        }
    );
    assert_eq!(lock.view().read_clean(&ALONE), None);
    assert_eq!(
        lock.view().read(&with_other(), Some(&soon())),
        Err(RwLockError::Busy)
    );
    lock.view().stop_writing(token, false);
    let reading = lock
        .view()
        .read_clean(&ALONE)
        .expect("the cell is open again");
    lock.view().stop_reading(reading);
}

#[test]
fn no_more_are_counted_than_can_be() {
    let full = 1 << 13 | MOST;
    let lock = Lock::of(0, [full, 0, 0, 0], 1);
    assert_eq!(lock.cell(me()).enter(&ALONE), Err(EnterError::Full));
    let refused = lock.view().read(&ALONE, None);
    assert_eq!(refused, Err(RwLockError::Full));
    let lock = Lock::of(0, [full | BLOCKED, 0, 0, 0], 1);
    let refused = lock.view().read(&ALONE, Some(&soon()));
    assert_eq!(refused, Err(RwLockError::Full));
    assert_eq!(lock.cell(me()).bits(), full, "left as a full cell");
}

#[test]
fn leaving_twice_uncounts_once() {
    let lock = Lock::new();
    let reading = lock.view().read(&ALONE, None).unwrap();
    lock.view().stop_reading(reading);
    lock.view().stop_reading(reading);
    assert_eq!(lock.cell(me()).bits(), 1 << 13);
}

#[test]
fn the_last_that_leaves_takes_the_sleepers_flag_with_it() {
    // The writer's, not that of the readers, whose turn is after it.
    let waiting = 1 << 13 | BLOCKED | WAITING;
    let lock = Lock::of(0, [waiting | DRAINING | 2, 0, 0, 0], 1);
    lock.cell(me()).leave(me());
    assert_eq!(lock.cell(me()).bits(), waiting | DRAINING | 1);
    lock.cell(me()).leave(me());
    assert_eq!(lock.cell(me()).bits(), waiting);
}

#[test]
fn the_first_that_enters_takes_the_turn() {
    let turn = 1 << 13 | WAITING;
    let lock = Lock::of(0, [turn, 0, 0, 0], 1);
    let reading = lock.view().read(&ALONE, None).unwrap();
    assert_eq!(lock.cell(me()).bits(), 1 << 13 | 1);
    lock.view().stop_reading(reading);
}

#[test]
fn a_turn_that_no_reader_takes_ends_and_a_try_does_not_wait_for_it() {
    let turn = 1 << 13 | WAITING;
    let lock = Lock::of(0, [turn, 0, 0, 0], 1);
    let token = lock.view().write(&ALONE, None).unwrap();
    lock.view().stop_writing(token, false);
    assert_eq!(lock.cell(me()).bits(), turn);
    let late = Deadline::after(Duration::ZERO);
    let refused = lock.view().write(&ALONE, Some(&late));
    assert_eq!(refused, Err(RwLockError::Busy));
    assert_eq!(lock.cell(me()).bits(), turn);
    let token = lock.view().write(&ALONE, Some(&Deadline::never()));
    lock.view().stop_writing(token.unwrap(), false);
    assert_eq!(lock.cell(me()).bits(), 1 << 13);
}

#[test]
fn a_writer_whose_lock_was_taken_over_commits_nothing() {
    let lock = Lock::new();
    let reading = lock.view().read(&ALONE, None).unwrap();
    lock.view().stop_reading(reading);
    let mut lost = lock.view().write(&ALONE.of_other(), None).unwrap();
    let token = lock.view().write(&ALONE, None).unwrap();
    assert!(token.owner_died());
    lock.view().mark_consistent(&mut lost);
    lock.view().stop_writing(lost, true);
    let reading = lock.view().downgrade(lost, &ALONE);
    lock.view().stop_reading(reading);
    let status = lock.view().peek();
    assert!(status.writes && status.owner_died && !status.poisoned);
    assert_eq!(lock.view().read_clean(&ALONE), None, "the cell is blocked");
    lock.view().stop_writing(token, false);
}

#[test]
fn a_writer_that_died_where_no_process_has_read_is_reported() {
    let lock = Lock::new();
    let lost = lock.view().write_clean(&with_other().of_other()).unwrap();
    let status = lock.view().peek();
    assert!(status.writes && !status.owner_died);
    assert_eq!(lock.view().writer(), Some(other()));
    lock.view().recover(other());
    let status = lock.view().peek();
    assert!(!status.writes && status.owner_died);
    assert_eq!(lock.view().write_clean(&ALONE), None);
    let mut token = lock.view().write(&ALONE, None).unwrap();
    assert!(token.owner_died());
    // It was taken for dead, and lives: it changes nothing.
    lock.view().stop_writing(lost, true);
    assert!(lock.view().is_held(&token) && lock.view().peek().writes);
    lock.view().mark_consistent(&mut token);
    lock.view().stop_writing(token, false);
    let token = lock.view().write_clean(&ALONE).unwrap();
    assert!(!token.owner_died());
    lock.view().stop_writing(token, false);
    assert_eq!(lock.state.mutex.holder(&ALONE), Ok(None));
}

#[test]
fn a_mark_with_a_cell_in_use_is_no_writers() {
    // As of a process that died before it had looked at the roster.
    let lock = Lock::new();
    let dead = lock.view().write_clean(&with_other().of_other()).unwrap();
    lock.state.roster[0].store(1, Ordering::Relaxed);
    let token = lock.view().write(&ALONE, None).unwrap();
    assert!(!token.owner_died(), "{dead:?}");
    lock.view().stop_writing(token, false);
}

#[test]
fn a_marked_writer_poisons_and_downgrades() {
    let lock = Lock::new();
    let token = lock.view().write_clean(&ALONE).unwrap();
    lock.view().stop_writing(token, true);
    assert!(lock.view().peek().poisoned && !lock.view().peek().writes);
    lock.state.clear_poison();
    let token = lock.view().write_clean(&ALONE).unwrap();
    let reading = lock.view().downgrade(token, &ALONE);
    let status = lock.view().peek();
    assert!(!status.writes && status.readers == 1 && !status.owner_died);
    assert_eq!(lock.view().write_clean(&with_other().of_other()), None);
    lock.view().stop_reading(reading);
}

#[test]
fn every_cell_is_looked_at() {
    let cells: [Padded<Cell>; 300] = core::array::from_fn(|_| Padded(Cell::new(0)));
    for index in [0, 63, 64, 127, 128, 191, 299] {
        let state = RwLockState::new();
        let lock = RwLock::new(&state, &cells, NoHook);
        state.roster[index / 64].store(1 << (index % 64), Ordering::Relaxed);
        assert_eq!(lock.write_clean(&ALONE), None, "cell {index}");
        assert_eq!(state.mutex.holder(&ALONE), Ok(None));
    }
}

#[test]
fn a_waiter_without_membership_does_not_wait() {
    let membership_lost = TestLiveness {
        membership_lost: true,
        ..with_other()
    };
    let lock = Lock::new();
    let reading = lock.view().read(&with_other(), None).unwrap();
    lock.view().stop_reading(reading);
    let token = lock.view().write(&with_other().of_other(), None).unwrap();
    let never = Deadline::never();
    let refused = lock.view().read(&membership_lost, Some(&never));
    assert_eq!(refused, Err(RwLockError::MembershipLost));
    let refused = lock.view().write(&membership_lost, Some(&never));
    assert_eq!(refused.map(drop), Err(RwLockError::MembershipLost));
    lock.view().stop_writing(token, false);
    let reading = lock.view().read(&with_other().of_other(), None).unwrap();
    let refused = lock.view().write(&membership_lost, Some(&never));
    assert_eq!(refused.map(drop), Err(RwLockError::MembershipLost));
    lock.view().stop_reading(reading);
}

#[test]
fn a_cell_without_an_owner_leaves_the_roster() {
    let lock = Lock::of(0, [0; 4], u64::MAX);
    let token = lock.view().write(&ALONE, None).unwrap();
    lock.view().stop_writing(token, false);
    lock.view()
        .each(|index, _| panic!("{index} is on the roster"));
}

#[test]
fn a_panic_is_remembered_until_it_is_cleared() {
    let lock = Lock::new();
    let token = lock.view().write(&ALONE, None).unwrap();
    lock.view().stop_writing(token, true);
    let reading = lock.view().read(&ALONE, None).unwrap();
    assert!(reading.is_poisoned() && reading.owner() == me());
    lock.view().stop_reading(reading);
    assert_eq!(lock.view().read_clean(&ALONE), None, "all learn of it");
    lock.state.clear_poison();
    let reading = lock.view().read(&ALONE, None).unwrap();
    assert!(!reading.is_poisoned());
    lock.view().stop_reading(reading);
    let reading = lock
        .view()
        .read_clean(&ALONE)
        .expect("the cell is open again");
    lock.view().stop_reading(reading);
}
