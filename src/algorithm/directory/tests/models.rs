//! The directory under loom.

use loom::sync::Arc;

use super::super::{Directory, Found, Missing, NotCreated, RecordState};
use crate::algorithm::directory::index::Index;
use crate::algorithm::mutex::MutexState;
use crate::facade::model::{
    explore_at_least, explore_deaths, explore_deaths_at_least, explore_two_deaths,
};
use crate::facade::{AtomicU32, AtomicU64, Ordering, Words, mutants};
use crate::format::{Name, NameHash, PADDING, PayloadShape, RECORD_WORDS, Record};
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};

mutants! {
    model_directory_a_reader_finds_complete_entries_or_none:
        30 "a reader does not acquire the count",
        32 "the count is stored before the record",
        33 "the count does not publish the record";
    model_directory_one_of_two_creators_of_a_name_makes_it:
        31 "create does not check whether the name exists",
        34 "a creator that finds the name keeps the control mutex";
    model_directory_two_creators_never_share_bytes:
        35 "a creator does not take the control mutex",
        36 "a creator ignores the bytes of other entries";
    model_directory_two_deaths_leave_the_name_to_the_third:
        755 "a second death goes unnoticed";
    model_directory_what_was_found_is_found_again:
        700 "the load of a slot does not acquire its record",
        701 "a reader does not acquire the slots below the number",
        702 "the number of slots does not publish them",
        703 "a slot does not publish its record",
        707 "the number is stored before the slot";
    model_directory_wherever_a_creator_dies_others_create_and_find:
        704 "a reader does not compare the records that are not in the index yet",
        705 "a creator does not index the record of a killed one";
    model_directory_two_records_that_get_slots_at_once_are_both_found:
        706 "a slot is taken from the record that has it";
}

/// The bytes of an entry in the arena, and the number of entries that fit.
pub(super) const LEN: u64 = PADDING as u64;
const ROOM: usize = 3;
const SLOT_COUNT: usize = 8;

/// A directory, and the arena as one race-checked cell for each place in it.
pub(super) struct Store {
    pub(super) control: MutexState,
    count: AtomicU64,
    pub(super) records: [RecordState; ROOM],
    indexed: AtomicU32,
    slots: [AtomicU32; SLOT_COUNT],
    arena: [Words<1>; ROOM],
}

impl Store {
    pub(super) fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            control: MutexState::new(),
            count: AtomicU64::new(0),
            records: core::array::from_fn(|_| Words::new([0; RECORD_WORDS])),
            indexed: AtomicU32::new(0),
            slots: core::array::from_fn(|_| AtomicU32::new(0)),
            arena: core::array::from_fn(|_| Words::new([0])),
        })
    }

    pub(super) fn directory(&self) -> Directory<'_> {
        Directory {
            control: &self.control,
            count: &self.count,
            records: &self.records,
            index: self.index(),
            arena: LEN,
            end: LEN * (1 + ROOM as u64),
        }
    }

    fn index(&self) -> Index<'_> {
        Index {
            indexed: &self.indexed,
            slots: &self.slots,
        }
    }

    fn bytes(&self, offset: u64) -> &Words<1> {
        assert_eq!(offset % LEN, 0);
        &self.arena[usize::try_from(offset / LEN).unwrap() - 1]
    }

    /// Creates an entry as process `id`, which is noted in its record and in its bytes.
    fn create(&self, id: u32, name: &str) -> Result<Found, NotCreated> {
        let record = Record {
            kind: 1,
            offset: 0,
            len: LEN,
            payload: PayloadShape::none(),
            config: [id.into(), 0, 0, 0],
            name: Name::entry(name).unwrap(),
        };
        self.directory()
            .create(record, &KernelLiveness(id), |offset| {
                self.bytes(offset).write(&[id.into()]);
            })
    }

    /// Empties the index.
    fn forget_slots(&self) {
        self.indexed.store(0, Ordering::Relaxed);
        for slot in &self.slots {
            slot.store(0, Ordering::Relaxed);
        }
    }

    /// Looks for a name, and asserts that what is found is complete and its bytes are its
    /// creator's.
    fn find(&self, name: &str) -> Result<Found, Missing> {
        let found = self.directory().find(Name::entry(name).unwrap());
        match found {
            Ok(found) => {
                let [by] = self.bytes(found.record.offset).read();
                assert_eq!(by, found.record.config[0], "another's bytes");
            }
            Err(missing) => assert_eq!(missing, Missing::Name),
        }
        found
    }
}

/// Two names that are looked for from the same slot on.
fn names_of_one_home() -> [String; 2] {
    let home = |name: &str| NameHash::of(Name::entry(name).unwrap()).home(SLOT_COUNT);
    let other = (0..).map(|number| format!("name {number}"));
    let same = |name: &String| home(name) == home("stock");
    ["stock".to_owned(), other.into_iter().find(same).unwrap()]
}

/// Hunts: a name that two entries have; a loser that does not see the winner's entry.
#[test]
fn model_directory_one_of_two_creators_of_a_name_makes_it() {
    explore_at_least(4, || {
        let store = Store::open();
        finish([1, 2].map(|id| {
            store.start(id, None, move |store| match store.create(id, "stock") {
                Ok(made) => assert_eq!(made.record.config[0], id.into()),
                Err(NotCreated::Exists(found)) => {
                    assert_ne!(found.record.config[0], id.into());
                    assert_eq!(store.find("stock"), Ok(found));
                }
                Err(other) => panic!("{other:?}"),
            })
        }));
        assert_eq!(
            store.directory().records().unwrap().count(),
            1,
            "the name exists twice"
        );
        store.create(3, "total").expect("no creator is left");
    });
}

/// Hunts: two entries that overlap in the directory or in the arena.
#[test]
fn model_directory_two_creators_never_share_bytes() {
    explore_at_least(4, || {
        let store = Store::open();
        finish([(1, "stock"), (2, "total")].map(|(id, name)| {
            store.start(id, None, move |store| {
                store.create(id, name).expect("there is room for both")
            })
        }));
        let [stock, total] = ["stock", "total"].map(|name| store.find(name).expect("it was made"));
        assert_ne!(stock.record.offset, total.record.offset);
        assert_ne!(stock.index, total.index);
    });
}

/// Hunts: a count that is seen before its records.
#[test]
fn model_directory_a_reader_finds_complete_entries_or_none() {
    explore_at_least(4, || {
        let store = Store::open();
        finish([
            store.start(1, None, move |creator| {
                creator.create(1, "stock").expect("there is room");
                creator.create(1, "total").expect("there is room");
            }),
            store.start(2, None, move |reader| {
                if reader.find("total").is_ok() {
                    reader.find("stock").expect("it was made first");
                }
            }),
        ]);
    });
}

/// Hunts: an entry that moves from the records into the index, and is found in neither meanwhile; a
/// slot that is seen before its record.
#[test]
fn model_directory_what_was_found_is_found_again() {
    explore_at_least(4, || {
        let store = Store::open();
        finish([
            store.start(1, None, move |creator| {
                creator.create(1, "stock").expect("there is room")
            }),
            store.start(2, None, move |reader| {
                let first = reader.find("stock");
                if first.is_ok() {
                    assert_eq!(reader.find("stock"), first, "it is gone");
                }
            }),
        ]);
        store.find("stock").expect("it was made");
    });
}

/// Hunts: a creator that was stopped before it gave its record a slot, and takes that of a later
/// record.
#[test]
fn model_directory_two_records_that_get_slots_at_once_are_both_found() {
    let names = names_of_one_home();
    explore_at_least(3, move || {
        let store = Store::open();
        names.iter().for_each(|name| {
            store.create(1, name).expect("there is room");
        });
        store.forget_slots();
        finish([1, 2].map(|id| {
            let (store, name) = (store.clone(), names[id as usize - 1].clone());
            start(id, None, move || {
                let name = Name::entry(&name).unwrap();
                assert!(store.index().insert(name, id - 1));
            })
        }));
        store.index().set_indexed(2);
        names.iter().for_each(|name| {
            store.find(name).expect("it has a slot");
        });
    });
}

/// Hunts: a creator killed anywhere that leaves a half entry to a reader, a control mutex or bytes
/// unusable, or an entry that cannot be found any more.
#[test]
fn model_directory_wherever_a_creator_dies_others_create_and_find() {
    explore_deaths(|death| {
        let store = Store::open();
        finish([
            store.start(1, death, move |victim| {
                victim.create(1, "stock").expect("there is room")
            }),
            store.start(2, None, move |creator| {
                creator.create(2, "total").expect("there is room");
                creator.find("total").expect("it was made");
            }),
            store.start(3, None, move |reader| reader.find("stock")),
        ]);
        let stock = match store.create(3, "stock") {
            Ok(found) | Err(NotCreated::Exists(found)) => found,
            Err(other) => panic!("{other:?}"),
        };
        let total = store.find("total").expect("it was made");
        assert_eq!(store.find("stock"), Ok(stock));
        assert_ne!(stock.record.offset, total.record.offset);
        let all = store.directory().records().unwrap().count();
        assert_eq!(all, 2, "a name exists twice");
    });
}

/// Hunts: the same for one name, which either of the two makes or finds.
#[test]
fn model_directory_wherever_a_creator_dies_its_name_can_be_made() {
    explore_deaths_at_least(3, |death| {
        let store = Store::open();
        finish([
            store.start(1, death, move |victim| victim.create(1, "stock")),
            store.start(2, None, move |creator| {
                let made = creator.create(2, "stock");
                assert!(
                    matches!(made, Ok(_) | Err(NotCreated::Exists(_))),
                    "{made:?}"
                );
                creator.find("stock").expect("one has made it");
            }),
        ]);
        assert_eq!(store.directory().records().unwrap().count(), 1);
    });
}

/// Hunts: a creator that takes over the control mutex from a dead one and dies too; a record of
/// the first that the second has half overwritten.
#[test]
fn model_directory_two_deaths_leave_the_name_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let store = Store::open();
        let deaths = [(1, first), (2, second), (3, None)];
        finish(deaths.map(|(id, death)| {
            store.start(id, death, move |store| {
                let made = store.create(id, "stock");
                let expected = matches!(made, Ok(_) | Err(NotCreated::Exists(_)));
                assert!(expected, "{made:?}");
                store.find("stock").expect("a creator has made it");
            })
        }));
        assert_eq!(store.directory().records().unwrap().count(), 1);
    });
}
