//! One process and a registry whose words may hold anything.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::time::Duration;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{ByteLocks, Joined, PACE, QUICK, Reaped, Registry};
use super::Word;
use crate::facade::AtomicU32;
use crate::participant::Tag;

/// Byte locks without a kernel, all held by one process or by none.
#[derive(Default)]
struct Bytes {
    locked: RefCell<BTreeSet<u32>>,
    asked: Cell<u32>,
}

impl ByteLocks for Bytes {
    type Error = Infallible;

    fn try_lock(&self, index: u32) -> Result<bool, Infallible> {
        Ok(self.locked.borrow_mut().insert(index))
    }
    fn unlock(&self, index: u32) -> Result<(), Infallible> {
        self.locked.borrow_mut().remove(&index);
        Ok(())
    }
    fn is_locked(&self, index: u32) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.locked.borrow().contains(&index)
    }
}

struct Room {
    words: Vec<Word>,
    now: Cell<u64>,
    cursor: AtomicU32,
    bytes: Bytes,
}

impl Room {
    fn new(words: impl IntoIterator<Item = u32>) -> Self {
        let words = words.into_iter();
        Self {
            words: words.map(Word::new).collect(),
            now: Cell::new(0),
            cursor: AtomicU32::new(0),
            bytes: Bytes::default(),
        }
    }

    fn registry(&self) -> Registry<'_, Word> {
        Registry::new(&self.words, &self.cursor)
    }

    fn join(&self) -> Option<Tag> {
        match self.try_join() {
            Joined::As(tag) => Some(tag),
            Joined::Full | Joined::Resting(_) => None,
        }
    }

    fn try_join(&self) -> Joined {
        let registry = self.registry();
        let Ok(joined) = registry.join(&self.bytes, || self.now.get(), |_| {});
        joined
    }

    fn leave(&self, tag: Tag) {
        let Ok(()) = self.registry().leave(tag, &self.bytes, |_| true);
    }

    /// Drops the lock of the participant at `index`, as the kernel does.
    fn kill(&self, index: u32) {
        self.bytes.locked.borrow_mut().remove(&index);
    }
}

#[test]
fn every_free_index_is_looked_at_wherever_the_cursor_wraps() {
    let count = 100;
    for start in [u32::MAX, u32::MAX - 1, u32::MAX - 50, u32::MAX - 99] {
        for free in 0..count {
            // All but one are garbage, which no process joins.
            let room = Room::new((0..count).map(|index| if index == free { 0 } else { 3 }));
            room.cursor.store(start, crate::facade::Ordering::Relaxed);
            assert_eq!(room.join().map(Tag::index), Some(free));
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_words_say_join_and_reap_end_and_stay_inside(
        words in prop::collection::vec(any::<u32>(), 0..5)
    ) {
        let room = Room::new(words.iter().copied());
        let count = u32::try_from(words.len()).unwrap();
        if let Some(tag) = room.join() {
            prop_assert!(tag.index() < count);
            prop_assert!(room.registry().is_member(tag, &room.bytes));
            prop_assert_eq!(words[tag.index() as usize] & 3, 0, "the index was not free");
        }
        for index in 0..count + 2 {
            room.registry().reap(index, None, &room.bytes, |_| true);
        }
    }

    #[test]
    fn a_tag_that_is_not_there_is_dead(index in 0..Tag::MAX_PARTICIPANTS, generation in 1u32..1000) {
        let room = Room::new([0, 0]);
        let me = room.join().unwrap();
        let tag = Tag::new(index, generation).unwrap();
        prop_assert_eq!(room.registry().is_alive(tag, me, &room.bytes), tag == me);
    }
}

#[test]
fn an_index_rests_before_it_is_given_away_again() {
    let room = Room::new([0; 3]);
    let indices = [(); 4].map(|()| {
        let tag = room.join().unwrap();
        room.leave(tag);
        tag.index()
    });
    assert_eq!(indices, [0, 1, 2, 0]);
}

/// One process joins and leaves the only index of a registry, as fast as it may.
#[test]
fn a_round_of_generations_takes_a_day_however_fast_they_are_asked_for() {
    let room = Room::new([0]);
    let day = 24 * 3600 * 1_000_000_000;
    room.now.set(1);
    let first = room.join().unwrap();
    room.leave(first);
    let mut joins = 1_u32;
    loop {
        match room.try_join() {
            Joined::As(tag) => {
                room.leave(tag);
                if tag == first {
                    break;
                }
                joins += 1;
            }
            Joined::Resting(left) => {
                let left = u64::try_from(left.as_nanos()).unwrap();
                assert!((1..=PACE).contains(&left));
                room.now.set(room.now.get() + left);
            }
            Joined::Full => panic!("no other participant"),
        }
    }
    assert_eq!(joins, (1 << 19) - 1, "each tag once");
    assert!(room.now.get() > day);
}

#[test]
fn an_index_that_rests_is_taken_last_and_awaited_only_alone() {
    let room = Room::new([QUICK << 2, QUICK << 2, 0]);
    room.now.set(10 * PACE);
    // The first paced join of each waits for nothing.
    let [a, b, c] = [(); 3].map(|()| room.join().unwrap());
    assert_eq!([a.index(), b.index(), c.index()], [0, 1, 2]);
    room.leave(a);
    room.leave(b);
    assert_eq!(room.try_join(), Joined::Resting(Duration::from_nanos(PACE)));
    room.now.set(room.now.get() + PACE - 1);
    assert_eq!(room.try_join(), Joined::Resting(Duration::from_nanos(1)));
    room.leave(c);
    assert_eq!(room.join().map(Tag::index), Some(2), "it does not rest");
    room.now.set(room.now.get() + 1);
    assert!(room.join().is_some() && room.join().is_some());
}

#[test]
fn a_time_to_come_lets_no_index_rest() {
    for (joined, rests) in [(PACE, true), (PACE + 1, false), (0, false)] {
        let room = Room::new([(QUICK + 7) << 2]);
        room.now.set(PACE);
        let cell = &room.words[0].1;
        cell.store(joined, crate::facade::Ordering::Relaxed);
        let resting = Joined::Resting(Duration::from_nanos(PACE));
        assert_eq!(room.try_join() == resting, rests, "{joined}");
    }
}

#[test]
fn a_full_registry_says_so() {
    let room = Room::new([0, 0]);
    assert!(room.join().is_some() && room.join().is_some());
    assert_eq!(room.join(), None);
}

#[test]
fn generations_wrap_and_skip_no_index() {
    let last = (1 << 19) - 1;
    let room = Room::new([last << 2]);
    assert_eq!(room.join().unwrap().generation(), 1);
}

#[test]
fn the_own_tag_is_alive_without_a_system_call() {
    let room = Room::new([0]);
    let me = room.join().unwrap();
    room.kill(me.index());
    assert!(room.registry().is_alive(me, me, &room.bytes));
    assert_eq!(room.bytes.asked.get(), 0);
    assert!(!room.registry().is_member(me, &room.bytes));
}

#[test]
fn a_dead_index_is_freed_once_everything_is_given_back_and_not_before() {
    let room = Room::new([0]);
    let dead = room.join().unwrap();
    let reap = |visited| {
        let me = Tag::new(5, 1);
        let registry = room.registry();
        registry.reap(0, me, &room.bytes, |tag| {
            assert_eq!(tag, dead);
            visited
        })
    };
    assert_eq!(reap(true), Reaped::None, "it lives");
    room.kill(0);
    assert_eq!(reap(false), Reaped::Stuck);
    assert!(room.registry().state(0).is_dead());
    assert_eq!(room.join(), None, "a dead index was given away");
    assert_eq!(reap(true), Reaped::Freed);
    assert_eq!(
        room.join().map(Tag::generation),
        Some(dead.generation() + 1)
    );
}

#[test]
fn of_two_helpers_that_reap_an_index_one_frees_it() {
    let room = Room::new([0]);
    room.join().unwrap();
    room.kill(0);
    let registry = room.registry();
    let reap = |visit: &dyn Fn()| {
        registry.reap(0, Tag::new(5, 1), &room.bytes, |_| {
            visit();
            true
        })
    };
    let last = reap(&|| assert_eq!(reap(&|| {}), Reaped::Freed));
    assert_eq!(last, Reaped::FreedByAnother);
}

#[test]
fn a_participant_does_not_reap_itself() {
    let room = Room::new([0]);
    let me = room.join().unwrap();
    room.kill(0);
    let registry = room.registry();
    let reaped = registry.reap(0, Some(me), &room.bytes, |_| panic!("visited"));
    assert_eq!(reaped, Reaped::None);
}

#[test]
fn a_leave_that_cannot_recover_an_entry_leaves_the_index_dead() {
    let room = Room::new([0]);
    let me = room.join().unwrap();
    let Ok(()) = room.registry().leave(me, &room.bytes, |_| false);
    assert!(room.registry().state(0).is_live());
    assert!(!room.bytes.is_locked(0));
}
