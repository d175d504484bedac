//! The directory under loom, and a creator that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::{Directory, Found, NotCreated, RecordState};
use crate::algorithm::directory::index::Index;
use crate::algorithm::mutex::{MutexError, MutexState};
use crate::facade::model::explore;
use crate::facade::{AtomicU32, AtomicU64, Words, mutants};
use crate::format::{Name, PADDING, PayloadShape, RECORD_WORDS, Record};
use crate::participant::stage::{ModelRegistry, finish, players, start, tag};

mutants! {
    model_directory_a_reaped_creator_publishes_no_half_of_anothers_record:
        620 "a creator publishes by the count alone";
    model_directory_a_reaped_creator_overwrites_no_record:
        621 "a creator does not check its stamp before it writes its record";
}

const LEN: u64 = PADDING as u64;

/// A directory for two entries, and the registry.
struct Store {
    control: MutexState,
    count: AtomicU64,
    records: [RecordState; 2],
    indexed: AtomicU32,
    slots: [AtomicU32; 4],
    registry: ModelRegistry,
}

impl Store {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            control: MutexState::new(),
            count: AtomicU64::new(0),
            records: core::array::from_fn(|_| Words::new([0; RECORD_WORDS])),
            indexed: AtomicU32::new(0),
            slots: core::array::from_fn(|_| AtomicU32::new(0)),
            registry: ModelRegistry::new(),
        })
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
            arena: LEN,
            end: LEN * 3,
        }
    }

    fn create(&self, id: u32, name: &str, prepare: impl FnOnce()) -> Result<Found, NotCreated> {
        let peers = self.registry.liveness(id);
        self.directory()
            .create(record(name), tag(id), &peers, |_| prepare())
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.control.recover(tag(1));
    }
}

fn record(name: &str) -> Record {
    Record {
        kind: 1,
        offset: 0,
        len: LEN,
        payload: PayloadShape::none(),
        config: [0; 4],
        name: Name::entry(name).unwrap(),
    }
}

/// Hunts: a record that others find while it is written, since a creator that was reaped before it
/// published its own counts it.
#[test]
fn model_directory_a_reaped_creator_publishes_no_half_of_anothers_record() {
    explore("directory: a reaped creator publishes late", || {
        let store = Store::open();
        let late = store.directory().stamp(tag(1));
        store.reap();
        let stamped = store.directory().stamp(tag(2));
        let (lost, creator, reader) = (store.clone(), store.clone(), store.clone());
        finish([
            start(1, None, move || {
                assert!(!lost.directory().publish(late), "it is another's");
            }),
            start(2, None, move || {
                let mut stock = record("stock");
                stock.offset = LEN;
                creator.records[0].write(&stock.encode());
                assert!(creator.directory().publish(stamped));
            }),
            start(3, None, move || {
                for found in reader.directory().records().expect("a directory's") {
                    assert_eq!(found.expect("a record").record.offset, LEN);
                }
            }),
        ]);
        assert_eq!(store.directory().records().unwrap().count(), 1);
    });
}

/// Hunts: an entry that vanishes, because a creator that was reaped while it prepared its bytes
/// writes its record there.
#[test]
fn model_directory_a_reaped_creator_overwrites_no_record() {
    explore("directory: a creator reaped as it prepares", || {
        let store = Store::open();
        let lost = store.clone();
        finish([start(1, None, move || {
            let created = lost.create(1, "total", || {
                lost.reap();
                lost.create(2, "stock", || {}).expect("there is room");
            });
            let expelled = NotCreated::Control(MutexError::MembershipLost);
            assert_eq!(created.err(), Some(expelled));
        })]);
        let find = |name| store.directory().find(Name::entry(name).unwrap());
        assert!(find("stock").is_ok(), "it has vanished");
        assert!(find("total").is_err());
        assert!(store.create(3, "total", || {}).is_ok());
    });
}
