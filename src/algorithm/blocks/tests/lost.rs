//! Blocks under loom, and a writer that was reaped and has not learnt it: it goes on beside its
//! successor. Only its successor's changes, and its own that were committed before, count.

use loom::sync::Arc;

use super::super::write::{WriteError, Writer};
use super::super::{Edition, Shape};
use super::fixture::{FIRST, Fixture, OTHER, key, value};
use crate::facade::model::{explore, explore_one_less, explore_stops, stopped_process};
use crate::facade::{Deadline, mutants};
use crate::participant::stage::{ModelRegistry, StartWith, finish, tag};

mutants! {
    model_blocks_a_reaped_writer_makes_no_table_current:
        654 "a sweep does not change the root";
    model_blocks_a_reaped_writer_makes_no_list_longer:
        655 "a sweep leaves the length its edition";
    model_blocks_a_reaped_writers_single_value_is_kept_or_never_there:
        656 "a sweep leaves a slot its edition",
        554 "a writer does not compare the root before it locks and after";
    model_blocks_a_reaped_writers_key_is_kept_or_never_there:
        552 "what is free by an earlier edition counts",
        657 "a commit expects a word of another edition",
        555 "a block is taken without a look at the root",
        556 "a table is filled without a look at the root",
        558 "what a writer did not commit is used again first",
        910 "the length that a reaped process stored counts";
    model_blocks_a_waiter_that_was_reaped_as_it_swept_loses_no_block:
        653 "a waiter sweeps as an owner of the same edition, and tells none";
    model_blocks_a_sweep_that_a_former_owner_disturbs_begins_again:
        925 "a sweep that is disturbed as it puts blocks in order says that the membership is lost";
}

struct Shared {
    object: Arc<Fixture>,
    registry: ModelRegistry,
}

impl Shared {
    fn open(shape: Shape) -> Arc<Self> {
        Self::with(Fixture::open(shape))
    }

    fn with(object: Arc<Fixture>) -> Arc<Self> {
        Arc::new(Self {
            object,
            registry: ModelRegistry::new(),
        })
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.object.state().recover(tag(1));
    }

    /// Changes the object as process `id`.
    fn write<R>(
        &self,
        id: u32,
        change: impl FnMut(Writer<'_>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        self.object.write(id, &self.registry.liveness(id), change)
    }

    fn put(&self, id: u32, words: &[u64], number: u64) -> Result<Option<bool>, WriteError> {
        let mut out = Vec::new();
        self.write(id, |writer| {
            writer.put(&key(words), &value(number), &mut out, |_| true)
        })
    }

    fn remove(&self, id: u32, words: &[u64]) -> Result<bool, WriteError> {
        let mut out = Vec::new();
        self.write(id, |writer| writer.remove(&key(words), &mut out, |_| true))
    }

    fn store(&self, id: u32, number: u64) -> Result<Option<u64>, WriteError> {
        self.write(id, |writer| writer.store(None, &value(number)))
    }

    fn push(&self, id: u32, number: u64) -> Result<(), WriteError> {
        let pushed = value(number);
        self.write(id, |writer| writer.push([pushed.as_slice()].into_iter()))
    }

    fn pop(&self, id: u32) -> Result<(), WriteError> {
        let mut out = Vec::new();
        self.write(id, |writer| writer.pop(&mut out).map(drop))
    }

    fn set(&self, id: u32, number: u64) -> Result<Option<bool>, WriteError> {
        let mut out = Vec::new();
        self.write(id, |writer| writer.set(0, None, &value(number), &mut out))
    }

    /// Puts a value before all others of the list.
    fn put_first(&self, id: u32, number: u64) -> Result<bool, WriteError> {
        let value = value(number);
        self.write(id, |writer| {
            let len = writer.len();
            let order = core::iter::once(None).chain((0..len).map(Some));
            writer.rearrange(None, Some(&value), len + 1, order, |_| false)
        })
    }

    /// What each key has. As many keys as there are, are counted.
    fn keys(&self) -> [Option<u64>; 2] {
        let keys = [&FIRST, &OTHER].map(|words| self.object.get(words));
        let len = self.object.blocks().len();
        assert_eq!(len, keys.iter().flatten().count() as u64, "{keys:?}");
        keys
    }

    fn values(&self) -> Vec<u64> {
        (0..).map_while(|index| self.object.at(index)).collect()
    }
}

type Change = fn(&Shared, u32);

const NOTHING: Change = |_, _| {};

/// Stops process 1 before each step of its change; process 2 reaps it, and makes a change of its
/// own. Then process 1 goes on, and after it process 3 changes the object, so that all free blocks
/// are used.
fn explore_changes_of_a_reaped_writer<S: PartialEq + core::fmt::Debug + 'static>(
    name: &str,
    shape: Shape,
    state: fn(&Shared) -> S,
    [before, its, others, next]: [Change; 4],
) {
    explore_stops(name, move |stop| {
        let shared = Shared::with(Fixture::roomy(shape));
        finish([loom::thread::spawn(move || {
            let (lost, other) = (shared.clone(), shared.clone());
            before(&shared, 3);
            let seen = Arc::new(loom::sync::Mutex::new(None));
            let found = seen.clone();
            let successor = move || {
                other.reap();
                others(&other, 2);
                *found.lock().unwrap() = Some(state(&other));
            };
            stopped_process(1, stop, successor, || its(&lost, 1));
            if let Some(seen) = seen.lock().unwrap().take() {
                assert_eq!(state(&shared), seen, "a reaped process changed it");
                // What the reaped one spoilt is found.
                (0..6).for_each(|_| next(&shared, 3));
                assert_eq!(state(&shared), seen, "a free block was not free");
                assert!(shared.object.state().used() <= 3, "blocks are lost");
            }
            true
        })]);
    });
}

/// Hunts: a value of a reaped process that is there after its successor's; a successor's that is
/// overwritten.
#[test]
fn model_blocks_a_reaped_writers_single_value_is_kept_or_never_there() {
    let swap: Change = |shared, id| {
        let now = shared.object.load();
        let stored = shared.store(id, now);
        assert!(id == 1 || stored.is_ok(), "{stored:?}");
    };
    let store: Change = |shared, id| {
        let stored = shared.store(id, 1 + u64::from(id));
        assert!(id == 1 || stored.is_ok(), "{stored:?}");
    };
    let only_sweeps: Change = |shared, id| {
        let none = shared.write(id, |writer| writer.store(Some(None), &value(1)));
        assert_eq!(none, Ok(None));
    };
    let state = |shared: &Shared| shared.object.load();
    for (name, others) in [("stores", store), ("sweeps", only_sweeps)] {
        let name = format!(", a reaped process stores, another {name}");
        let changes = [NOTHING, store, others, swap];
        explore_changes_of_a_reaped_writer(&name, Shape::Single, state, changes);
    }
}

/// Hunts: a key that a reaped process takes from its successor, or brings back.
#[test]
fn model_blocks_a_reaped_writers_key_is_kept_or_never_there() {
    let update: Change = |shared, id| {
        let _ = shared.put(id, &FIRST, 2);
    };
    let insert: Change = |shared, id| {
        let put = shared.put(id, &OTHER, 9);
        assert!(id == 1 || put.is_ok(), "{put:?}");
    };
    let remove: Change = |shared, id| {
        let removed = shared.remove(id, &FIRST);
        assert!(id == 1 || removed.is_ok(), "{removed:?}");
    };
    let clear: Change = |shared, id| {
        let _ = shared.write(id, |writer| writer.clear());
    };
    let rebuild: Change = |shared, id| {
        let rebuilt = shared.write(id, |writer| writer.rebuild());
        assert!(id == 1 || rebuilt.is_ok(), "{rebuilt:?}");
    };
    let rebuild_twice: Change = |shared, id| {
        for _ in 0..2 {
            assert_eq!(shared.write(id, |writer| writer.rebuild()), Ok(()));
        }
    };
    let again: Change = |shared, id| {
        for (words, value) in [&FIRST, &OTHER].into_iter().zip(shared.keys()) {
            if let Some(value) = value {
                assert_eq!(shared.put(id, words, value), Ok(Some(false)));
            }
        }
    };
    let changes = [
        ("updates, inserts", update, insert),
        ("inserts, inserts", insert, insert),
        ("removes, inserts", remove, insert),
        ("inserts, removes", insert, remove),
        ("clears, inserts", clear, insert),
        ("rebuilds, inserts", rebuild, insert),
        ("clears, rebuilds", clear, rebuild),
        ("rebuilds, rebuilds", rebuild, rebuild_twice),
    ];
    for (name, its, others) in changes {
        let name = format!(", a reaped process and its successor: {name}");
        let changes = [NOTHING, its, others, again];
        explore_changes_of_a_reaped_writer(&name, Shape::Index, Shared::keys, changes);
    }
}

/// Hunts: a value that a reaped process puts into its successor's list, or takes from it.
#[test]
fn model_blocks_a_reaped_writers_list_is_its_successors() {
    let push: Change = |shared, id| {
        let pushed = shared.push(id, 5 + u64::from(id));
        assert!(id == 1 || pushed.is_ok(), "{pushed:?}");
    };
    let pop: Change = |shared, id| {
        let _ = shared.pop(id);
    };
    let set: Change = |shared, id| {
        let _ = shared.set(id, 4);
    };
    let put_first: Change = |shared, id| {
        let put = shared.put_first(id, 3);
        assert!(id == 1 || put.is_ok(), "{put:?}");
    };
    let again: Change = |shared, id| {
        if let Some(first) = shared.object.at(0) {
            assert_eq!(shared.set(id, first), Ok(Some(true)));
        }
    };
    let changes = [
        ("pushes, pushes", push, push),
        ("pops, pushes", pop, push),
        ("sets, pushes", set, push),
        ("puts first, pushes", put_first, push),
        ("pushes, puts first", push, put_first),
        ("puts first, puts first", put_first, put_first),
    ];
    for (name, its, others) in changes {
        let name = format!(", a reaped process and its successor: {name}");
        let changes = [NOTHING, its, others, again];
        explore_changes_of_a_reaped_writer(&name, Shape::List, Shared::values, changes);
    }
}

/// Hunts: blocks that are lost, or free though they are named, since a waiter sweeps beside its
/// successor.
#[test]
fn model_blocks_a_waiter_that_was_reaped_as_it_swept_loses_no_block() {
    let dies_as_owner: Change = |shared, id| {
        let peers = shared.registry.liveness(id);
        let state = shared.object.state();
        let held = state.lock().lock(&peers, &Deadline::never());
        assert!(held.is_ok());
        state.recover(tag(id));
    };
    let sweep: Change = |shared, id| {
        let peers = shared.registry.liveness(id);
        shared.object.blocks().sweep_after_death(tag(id), &peers);
    };
    let store: Change = |shared, id| assert!(shared.store(id, 2).is_ok());
    let again: Change = |shared, id| {
        let now = shared.object.load();
        assert!(shared.store(id, now).is_ok());
    };
    let sweep_and_store: Change = |shared, id| {
        let peers = shared.registry.liveness(id);
        shared.object.blocks().sweep_after_death(tag(id), &peers);
        assert!(shared.store(id, 3).is_ok());
    };
    let state = |shared: &Shared| shared.object.load();
    let reaped: Change = |shared, id| {
        let _ = shared.store(id, 2);
    };
    let changes = [
        ("sweeps, stores", [dies_as_owner, sweep, store, again]),
        ("stores, waits", [NOTHING, reaped, sweep_and_store, again]),
    ];
    for (name, changes) in changes {
        let name = format!(", a reaped process and its successor: {name}");
        explore_changes_of_a_reaped_writer(&name, Shape::Single, state, changes);
    }
}

/// Hunts: a key that was inserted, and is not in the table that a reaped process makes current.
#[test]
fn model_blocks_a_reaped_writer_makes_no_table_current() {
    explore_one_less(|| {
        let shared = Shared::open(Shape::Index);
        finish([
            shared.start(1, None, |lost| {
                let _ = lost.write(1, |writer| writer.rebuild());
            }),
            shared.start(2, None, |other| {
                other.reap();
                assert_eq!(other.put(2, &OTHER, 9), Ok(Some(true)));
            }),
        ]);
        assert_eq!(shared.keys(), [Some(1), Some(9)], "a key is lost");
    });
}

/// Hunts: a value of another index, since a reaped process makes the list longer by a block that
/// its successor has used.
#[test]
fn model_blocks_a_reaped_writer_makes_no_list_longer() {
    explore_one_less(|| {
        let shared = Shared::open(Shape::List);
        finish([
            shared.start(1, None, |lost| lost.push(1, 5)),
            shared.start(2, None, |other| {
                other.reap();
                // An error, if what was pushed has the only other block.
                let _ = other.set(2, 7);
            }),
        ]);
        let second = shared.object.at(1);
        assert!(matches!(second, None | Some(5)), "{second:?}");
    });
}

/// Hunts: a sweep that takes a former owner's store to the ring for the loss of its own membership.
#[test]
fn model_blocks_a_sweep_that_a_former_owner_disturbs_begins_again() {
    explore(|| {
        let shared = Shared::with(Fixture::roomy(Shape::Single));
        finish([
            shared.start(1, None, |lost| {
                let former = Writer {
                    blocks: lost.object.blocks(),
                    me: tag(1),
                    is_successor: false,
                    edition: Edition::of(0),
                };
                // A step of it as it frees a block.
                former.store_free(1, 3);
            }),
            shared.start(2, None, |other| {
                let lock = other.object.state().lock();
                let never = Deadline::never();
                let held = lock.lock(&other.registry.liveness(1), &never);
                assert!(held.is_ok());
                other.reap();
                assert_eq!(other.store(2, 7), Ok(Some(1)));
                assert_eq!(other.store(2, 8), Ok(Some(2)));
            }),
        ]);
        assert_eq!(shared.object.load(), 8);
    });
}
