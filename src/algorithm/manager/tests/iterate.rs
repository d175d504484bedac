//! Iteration over an index while it grows, under loom: the object "a" is an index of four slots in
//! one block of the pool, and becomes one of eight in the other.

use core::cell::Cell;

use loom::sync::Arc;

use super::super::growth::read_newest;
use super::super::holds::read_live;
use super::super::look_up::Wanted;
use super::super::{HeldObject, HoldError};
use super::fixture::{Extents, Fixture, block_of, record};
use crate::algorithm::blocks::index::Key;
use crate::algorithm::blocks::iterate::Homes;
use crate::algorithm::blocks::tests::fixture::{Fixture as Index, Keys, number, value};
use crate::algorithm::blocks::write::WriteError;
use crate::algorithm::blocks::{Blocks, HEADER};
use crate::facade::model::{explore, explore_deaths_one_less, is_byte_locked};
use crate::facade::{Deadline, Ordering, mutants};
use crate::participant::stage::{KernelLiveness, StartWith, finish, tag};

mutants! {
    model_manager_a_key_that_stays_comes_once_while_its_object_grows:
        902 "the homes of a larger table are those of the same numbers",
        903 "the homes of a larger table are those of the same high bits",
        904 "what was found before the object moved counts";
    model_manager_no_key_of_another_object_comes:
        905 "an iteration does not look whether the object is still live";
}

/// The keys that are there all the while: of one home at first, and of two in the larger table.
const STAYING: [u64; 2] = [5, 1];
/// The key for which there is no room at first.
const NEW: u64 = 2;
/// The key of another object.
const OTHER: u64 = 9;

struct Growing {
    base: Arc<Fixture>,
    /// The words of each block of the pool.
    indexes: [Index; 2],
}

impl Growing {
    fn with_keys() -> Arc<Self> {
        let growing = Arc::new(Self {
            base: Fixture::with_a(2),
            indexes: [Index::empty_index(4, 2), Index::empty_index(8, 4)],
        });
        STAYING.iter().for_each(|key| growing.put(1, *key));
        growing
    }

    fn blocks(&self, offset: u64) -> Blocks<'_> {
        self.indexes[block_of(offset)].blocks()
    }

    /// Puts a key, with its own number as its value; the index grows if it has no room.
    fn put(&self, id: u32, key: u64) {
        loop {
            let held = self.base.open(id, "a").expect("it is there");
            let put = self.put_into(&held, id, key);
            self.base.release(id, held);
            match put {
                Err(WriteError::Moved) => {}
                put => return assert_eq!(put, Ok(Some(true))),
            }
        }
    }

    fn put_into(&self, held: &HeldObject, id: u32, key: u64) -> Result<Option<bool>, WriteError> {
        let (manager, me, peers) = (self.base.manager(), tag(id), KernelLiveness(id));
        let blocks = self.blocks(held.record.offset);
        let never = Deadline::never();
        blocks.write(me, &peers, &never, |writer| {
            if writer.is_successor() && !manager.renew(held.object)
                || manager.is_removed(held.object)
            {
                return Err(WriteError::Moved);
            }
            let (key, value, mut out) = ([key], value(key), Vec::new());
            let key = Key::with_hash(&key, key[0]);
            match writer.put(&key, &value, &mut out, |_| true) {
                Err(WriteError::Full { .. }) => {
                    let used = &mut Extents::default();
                    let is_writer = || writer.is_still_owner();
                    let copy = |offset| {
                        self.base.fill("a", offset);
                        writer.copy_to(self.blocks(offset), &mut out).is_ok()
                    };
                    let grown = manager.grow(held, record("a"), me, &peers, used, is_writer, copy);
                    let grown = grown.expect("there is room");
                    manager.release(grown.object.index, me);
                    Err(WriteError::Moved)
                }
                put => put,
            }
        })
    }

    /// Creates another object, of whose words those of a key of "a" are other ones, if it is where
    /// that was.
    fn create_other(&self, id: u32) {
        let used = &mut Extents::default();
        let (manager, peers) = (self.base.manager(), KernelLiveness(id));
        let made = manager.create(record("b"), tag(id), &peers, used, |offset| {
            self.base.fill("b", offset);
            let cells = self.blocks(offset).blocks;
            let content = cells.iter().skip(HEADER);
            for word in content.take(3) {
                word.store(OTHER, Ordering::Relaxed);
            }
        });
        manager.release(made.expect("there is room").object.index, tag(id));
    }

    /// Asserts that an iteration, by a handle of what `first` was, finds each key once that is
    /// there all the while, and no other more than once; returns whether the new one is there.
    fn iterate(&self, id: u32, first: HeldObject) -> bool {
        let (manager, me, peers) = (self.base.manager(), tag(id), KernelLiveness(id));
        let newest = Cell::new(first);
        let (mut keys, mut found, mut out) = (Vec::new(), Keys::default(), Vec::new());
        for home in Homes::of(self.blocks(first.record.offset)) {
            let read = read_newest(
                || newest.get(),
                |held| {
                    let state = manager.state_of(held.object).expect("a record");
                    // SAFETY: the words of the fixture, which is there.
                    let state = unsafe { state.as_ref() };
                    let blocks = self.blocks(held.record.offset);
                    read_live(state, held.object, || {
                        blocks.keys_of(home, &mut out, &mut found)
                    })
                },
                |held| {
                    let wanted = Wanted::Number(held.number);
                    newest.set(manager.open(wanted, me, &peers)?);
                    manager.release(held.object.index, me);
                    Ok::<_, HoldError>(())
                },
            );
            read.expect("the object is lost").expect("it is whole");
            for (content, words) in found.0.drain(..) {
                assert_eq!(number(&content, &words), words[0], "another key's value");
                keys.push(words[0]);
            }
        }
        self.base.release(id, newest.get());
        keys.sort_unstable();
        assert!(keys == [1, 5] || keys == [1, NEW, 5], "{keys:?}");
        keys.contains(&NEW)
    }
}

/// Hunts: a key that is there all the while and does not come, or comes twice, since the table
/// grows meanwhile.
#[test]
fn model_manager_a_key_that_stays_comes_once_while_its_object_grows() {
    explore_deaths_one_less(|death| {
        let growing = Growing::with_keys();
        finish([
            growing.start(1, death, |grower| grower.put(1, NEW)),
            growing.start(2, None, |reader| {
                let first = reader.base.open(2, "a").expect("it is there");
                reader.iterate(2, first);
            }),
        ]);
        finish([growing.start(3, None, |last| {
            last.base.reap(3, 1);
            let first = last.base.open(3, "a").expect("it is there");
            let is_there = last.iterate(3, first);
            assert!(is_there || !is_byte_locked(0), "a key is lost");
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: a key that is another object's, which has the room by now: another thread's handle has
/// moved on, and the reader holds nothing.
#[test]
fn model_manager_no_key_of_another_object_comes() {
    explore(|| {
        let growing = Growing::with_keys();
        let first = growing.base.open(2, "a").expect("it is there");
        growing.base.release(2, first);
        finish([
            growing.start(1, None, |grower| {
                grower.put(1, NEW);
                grower.create_other(1);
            }),
            growing.start(2, None, move |reader| reader.iterate(2, first)),
        ]);
    });
}
