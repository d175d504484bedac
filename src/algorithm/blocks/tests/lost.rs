//! Blocks under loom, and a writer that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::Shape;
use super::super::write::Writer;
use super::fixture::{FIRST, Fixture, OTHER, key, value};
use crate::facade::model::explore_one_less;
use crate::facade::mutants;
use crate::participant::stage::{ModelRegistry, StartWith, finish, tag};

mutants! {
    model_blocks_a_reaped_writer_makes_no_table_current:
        654 "a sweep does not change the root";
    model_blocks_a_reaped_writer_makes_no_list_longer:
        655 "a reaped writer does not take back the length";
}

struct Shared {
    object: Arc<Fixture>,
    registry: ModelRegistry,
}

impl Shared {
    fn open(shape: Shape) -> Arc<Self> {
        Arc::new(Self {
            object: Fixture::open(shape),
            registry: ModelRegistry::new(),
        })
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.object.state().recover(tag(1));
    }
}

/// Hunts: a key that was inserted, and is not in the table that a reaped process makes current.
#[test]
fn model_blocks_a_reaped_writer_makes_no_table_current() {
    explore_one_less(|| {
        let shared = Shared::open(Shape::Index);
        finish([
            shared.start(1, None, |lost| {
                let peers = lost.registry.liveness(1);
                let _ = lost.object.write(1, &peers, |writer| writer.rebuild());
            }),
            shared.start(2, None, |other| {
                other.reap();
                let peers = other.registry.liveness(2);
                let mut out = Vec::new();
                let put =
                    |writer: Writer<'_>| writer.put(&key(&OTHER), &value(9), &mut out, |_| true);
                assert_eq!(other.object.write(2, &peers, put), Ok(Some(true)));
            }),
        ]);
        assert_eq!(
            shared.object.get(&OTHER),
            Some(9),
            "an inserted key is lost"
        );
        assert_eq!(shared.object.get(&FIRST), Some(1));
    });
}

/// Hunts: a value of another index, since a reaped process makes the list longer by a block that
/// its successor has used.
#[test]
fn model_blocks_a_reaped_writer_makes_no_list_longer() {
    explore_one_less(|| {
        let shared = Shared::open(Shape::List);
        finish([
            shared.start(1, None, |lost| {
                let peers = lost.registry.liveness(1);
                let pushed = value(5);
                let push = |writer: Writer<'_>| writer.push([pushed.as_slice()].into_iter());
                let _ = lost.object.write(1, &peers, push);
            }),
            shared.start(2, None, |other| {
                other.reap();
                let peers = other.registry.liveness(2);
                let mut out = Vec::new();
                let set = |writer: Writer<'_>| writer.set(0, None, &value(7), &mut out);
                // An error, if what was pushed has the only other block.
                let _ = other.object.write(2, &peers, set);
            }),
        ]);
        let second = shared.object.at(1);
        assert!(matches!(second, None | Some(5)), "{second:?}");
    });
}
