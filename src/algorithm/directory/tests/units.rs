//! One process and a directory that may hold anything.

use proptest::prelude::*;

use super::super::{Directory, DirectoryFault, Missing, NotCreated, RecordState};
use crate::algorithm::directory::index::Index;
use crate::algorithm::mutex::MutexState;
use crate::facade::{AtomicU32, AtomicU64, Ordering, Words};
use crate::format::{Name, PADDING, PayloadShape, RECORD_WORDS, Record, RecordFault};
use crate::participant::tests::ALIVE;

const ARENA: u64 = 4096;
const ROOM: usize = 3;
const SLOTS: usize = 8;

struct Store {
    control: MutexState,
    count: AtomicU64,
    records: [RecordState; ROOM],
    indexed: AtomicU32,
    slots: [AtomicU32; SLOTS],
    end: u64,
}

impl Store {
    /// Creates an arena of this many bytes.
    fn new(len: u64) -> Self {
        Self {
            control: MutexState::new(),
            count: AtomicU64::new(0),
            records: core::array::from_fn(|_| Words::new([0; RECORD_WORDS])),
            indexed: AtomicU32::new(0),
            slots: [const { AtomicU32::new(0) }; SLOTS],
            end: ARENA + len,
        }
    }

    fn directory(&self) -> Directory<'_> {
        Directory {
            control: &self.control,
            count: &self.count,
            records: &self.records,
            index: Index {
                indexed: &self.indexed,
                slots: &self.slots,
            },
            arena: ARENA,
            end: self.end,
        }
    }

    fn create(&self, name: &str, len: u64) -> Result<u64, Box<NotCreated>> {
        let record = Record {
            kind: 1,
            offset: 0,
            len,
            payload: PayloadShape::none(),
            config: [0; 4],
            name: Name::entry(name).unwrap(),
        };
        let found = self.directory().create(record, &ALIVE, |_| {});
        let found = found.map_err(Box::new)?;
        assert!(!self.control.peek().locked);
        Ok(found.record.offset)
    }

    fn find(&self, name: &str) -> Result<u64, Missing> {
        let found = self.directory().find(Name::entry(name).unwrap())?;
        assert_eq!(self.directory().at(found.index), Ok(found));
        Ok(found.record.offset)
    }
}

proptest! {
    #[test]
    fn entries_lie_one_behind_the_other_or_are_refused(lens in prop::collection::vec(0u64..400, 1..5)) {
        let store = Store::new(1024);
        let mut end = ARENA;
        for (at, len) in lens.into_iter().enumerate() {
            let name = format!("entry {at}");
            match store.create(&name, len) {
                Ok(offset) => {
                    prop_assert!(offset >= end && offset % PADDING as u64 == 0);
                    end = offset + len;
                    prop_assert!(end <= store.end);
                    prop_assert_eq!(store.find(&name), Ok(offset));
                }
                Err(refused) => match *refused {
                    NotCreated::DirectoryFull => prop_assert_eq!(at, ROOM),
                    NotCreated::ArenaFull { free } => prop_assert!(free < len),
                    other => prop_assert!(false, "{other:?}"),
                },
            }
        }
    }

    #[test]
    fn any_count_and_any_record_are_found_out(count: u32, word in 0..RECORD_WORDS, value: u64) {
        let store = Store::new(1024);
        store.create("stock", 8).unwrap();
        let mut words = store.records[0].read();
        prop_assume!(words[word] != value);
        words[word] = value;
        store.records[0].write(&words);
        let fault = DirectoryFault::Record { index: 0, fault: RecordFault::Checksum };
        prop_assert_eq!(store.find("stock"), Err(Missing::Corrupt(fault)));
        prop_assert_eq!(store.create("stock", 8), Err(Box::new(NotCreated::Corrupt(fault))));
        store.count.store(count.into(), Ordering::Relaxed);
        if count as usize > ROOM {
            let fault = DirectoryFault::Count { found: count };
            prop_assert_eq!(store.find("total"), Err(Missing::Corrupt(fault)));
            prop_assert_eq!(store.create("total", 8), Err(Box::new(NotCreated::Corrupt(fault))));
        }
    }

    /// With any values of one slot and the number beside the slots, an entry is found as it is, or
    /// there is an error; only an emptied slot hides one.
    #[test]
    fn any_slot_and_any_number_of_the_index_are_found_out(slot: u32, at in 0..SLOTS, indexed: u32) {
        let store = Store::new(1024);
        let made = ["stock", "total"].map(|name| (name, store.create(name, 8).unwrap()));
        let before = store.slots[at].swap(slot, Ordering::Relaxed);
        store.indexed.store(indexed, Ordering::Relaxed);
        for (name, offset) in made {
            match store.find(name) {
                Ok(found) => prop_assert_eq!(found, offset),
                Err(Missing::Corrupt(_)) => {}
                Err(Missing::Name) => prop_assert!(before != 0 && slot == 0 && indexed > 0),
            }
        }
        let created = store.create("third", 8);
        let reported = matches!(created.as_ref().map_err(AsRef::as_ref), Err(NotCreated::Corrupt(_)));
        prop_assert!(created.is_ok() || reported, "{created:?}");
        prop_assert!(indexed <= 2 || reported);
    }
}

/// A directory without an index, or with an incomplete one, is read record by record; the next
/// creator completes it.
#[test]
fn the_index_is_made_again_from_the_records() {
    let store = Store::new(1024);
    let made = ["stock", "total"].map(|name| (name, store.create(name, 8).unwrap()));
    store.indexed.store(0, Ordering::Relaxed);
    for slot in &store.slots {
        slot.store(0, Ordering::Relaxed);
    }
    for (name, offset) in made {
        assert_eq!(store.find(name), Ok(offset));
    }
    store.create("third", 8).unwrap();
    assert_eq!(store.indexed.load(Ordering::Relaxed), 3);
    let taken = |slot: &&AtomicU32| slot.load(Ordering::Relaxed) != 0;
    assert_eq!(store.slots.iter().filter(taken).count(), 3);
    for (name, offset) in made {
        assert_eq!(store.find(name), Ok(offset));
    }
}

/// The search ends if all slots are taken, which only garbage causes.
#[test]
fn an_index_without_an_empty_slot_is_found_out() {
    let store = Store::new(1024);
    store.create("stock", 8).unwrap();
    let stock = store.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
    let stock = stock.max().unwrap();
    for slot in &store.slots {
        slot.store(stock, Ordering::Relaxed);
    }
    assert!(store.find("stock").is_ok());
    let refused = store.create("total", 8).map_err(|refused| *refused);
    assert_eq!(refused, Err(NotCreated::Corrupt(DirectoryFault::Index)));
}

#[test]
fn a_name_is_made_once() {
    let store = Store::new(1024);
    let made = store.create("stock", 8).unwrap();
    match store.create("stock", 8).map_err(|refused| *refused) {
        Err(NotCreated::Exists(found)) => assert_eq!(found.record.offset, made),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.find("total"), Err(Missing::Name));
}

#[test]
fn an_absurd_length_is_refused() {
    let store = Store::new(1024);
    let refused = store.create("stock", u64::MAX);
    assert_eq!(refused, Err(Box::new(NotCreated::ArenaFull { free: 1024 })));
}
