//! The directory under loom, and a creator that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::{Found, NotCreated};
use super::models::LEN;
use crate::algorithm::mutex::MutexError;
use crate::facade::model::explore;
use crate::facade::mutants;
use crate::format::{Name, PayloadShape, Record};
use crate::participant::stage::{StartWith, WithRegistry, finish, tag};

mutants! {
    model_directory_a_reaped_creator_publishes_no_half_of_anothers_record:
        620 "a creator publishes by the count alone";
    model_directory_a_reaped_creator_overwrites_no_record:
        621 "a creator does not check its stamp before it writes its record";
}

/// A directory, and the registry.
type Store = WithRegistry<Arc<super::models::Store>>;

impl Store {
    fn open() -> Arc<Self> {
        Arc::new(Self::new(super::models::Store::open()))
    }

    fn make(&self, id: u32, name: &str, prepare: impl FnOnce()) -> Result<Found, NotCreated> {
        let peers = self.registry.liveness(id);
        self.directory().create(record(name), &peers, |_| prepare())
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
    explore(|| {
        let store = Store::open();
        let late = store.directory().stamp(tag(1));
        store.reap();
        let stamped = store.directory().stamp(tag(2));
        finish([
            store.start(1, None, move |lost| {
                assert!(!lost.directory().publish(late), "it is another's")
            }),
            store.start(2, None, move |creator| {
                let mut stock = record("stock");
                stock.offset = LEN;
                creator.records[0].write(&stock.encode());
                assert!(creator.directory().publish(stamped));
            }),
            store.start(3, None, move |reader| {
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
    explore(|| {
        let store = Store::open();
        finish([store.start(1, None, move |lost| {
            let created = lost.make(1, "total", || {
                lost.reap();
                lost.make(2, "stock", || {}).expect("there is room");
            });
            let expelled = NotCreated::Control(MutexError::MembershipLost);
            assert_eq!(created.err(), Some(expelled));
        })]);
        let find = |name| store.directory().find(Name::entry(name).unwrap());
        assert!(find("stock").is_ok(), "it has vanished");
        assert!(find("total").is_err());
        assert!(store.make(3, "total", || {}).is_ok());
    });
}
