//! Growth under loom: the object "a" has a number, a writers' mutex for it, and moves between two
//! blocks.

use core::sync::atomic::Ordering;

use loom::sync::Arc;

use super::super::holds::read_live;
use super::super::making::NotMade;
use super::super::{HeldObject, HoldError};
use super::fixture::{Extents, Fixture, block_of, record};
use crate::algorithm::mutex::{MutexError, MutexState};
use crate::facade::model::{explore, explore_at_least, explore_deaths, is_byte_locked};
use crate::facade::{AtomicU64, Deadline, mutants};
use crate::participant::stage::{KernelLiveness, ModelRegistry, StartWith, finish, tag};
use crate::participant::{Liveness, Tag};

mutants! {
    model_manager_an_object_is_found_while_it_grows:
        887 "an opener does not look again",
        888 "a growth is not counted";
    model_manager_a_removed_object_does_not_come_back_by_a_growth:
        889 "what has the place of a removed object is live";
    model_manager_a_killed_grower_leaves_one_object:
        890 "what is to take the place is live before the commit";
    model_manager_a_reaped_collector_frees_no_object:
        891 "a collector does not settle what it found to have moved";
    model_manager_a_reaped_growers_commit_brings_no_lost_room:
        892 "a grower loads the word after it was visible",
        896 "a collector does not change the word";
    model_manager_a_reaped_growers_commit_loses_no_change:
        893 "a writer's successor does not change the word";
    model_manager_a_read_without_a_hold_is_of_its_object:
        894 "a reader does not look again",
        898 "a reader has no fence";
}

/// What another object has in its block.
const OTHER: u64 = 99;

pub(super) struct Growing {
    pub(super) base: Arc<Fixture>,
    writers: [MutexState; 2],
    numbers: [AtomicU64; 2],
    registry: ModelRegistry,
    /// The additions that were made.
    made: AtomicU64,
}

impl Growing {
    pub(super) fn with_a() -> Arc<Self> {
        Arc::new(Self {
            base: Fixture::with_a(2),
            writers: [MutexState::new(), MutexState::new()],
            numbers: [AtomicU64::new(0), AtomicU64::new(0)],
            registry: ModelRegistry::new(),
            made: AtomicU64::new(0),
        })
    }

    fn number(&self, held: &HeldObject) -> &AtomicU64 {
        &self.numbers[block_of(held.record.offset)]
    }

    fn writers(&self, held: &HeldObject) -> &MutexState {
        &self.writers[block_of(held.record.offset)]
    }

    /// Calls `change` as the owner of the writers' mutex of a live object; `None` if the object has
    /// moved or was removed, or this process was reaped.
    fn write<R>(
        &self,
        held: &HeldObject,
        peers: &impl Liveness,
        change: impl FnOnce() -> Option<R>,
    ) -> Option<R> {
        let lock = self.writers(held);
        let mut token = lock.lock(peers, &Deadline::never()).ok()?;
        let manager = self.base.manager();
        let is_successor = token.owner_died() || token.is_poisoned();
        if is_successor {
            lock.clear_poison();
            lock.mark_consistent(&mut token);
        }
        let is_live = !is_successor || manager.renew(held.object);
        let changed = match is_live && !manager.is_removed(held.object) {
            true => change(),
            false => None,
        };
        match lock.unlock_if_held(token, false) {
            true => changed,
            false => None,
        }
    }

    /// Lets "a" grow; whether it did.
    pub(super) fn grow(&self, me: Tag, peers: &impl Liveness) -> bool {
        let Ok(held) = self.base.open_as("a", me, peers) else {
            return false;
        };
        let grown = self.write(&held, peers, || {
            let is_writer = || self.writers(&held).is_still_of(me);
            let copy = |offset| {
                let number = self.number(&held).load(Ordering::Relaxed);
                self.numbers[block_of(offset)].store(number, Ordering::Relaxed);
                self.base.fill("a", offset);
                true
            };
            let manager = self.base.manager();
            let used = &mut Extents::default();
            match manager.grow(&held, record("a"), me, peers, used, is_writer, copy) {
                Ok(grown) => {
                    manager.release(grown.object.index, me);
                    Some(())
                }
                Err(
                    NotMade::Hold(HoldError::Removed | HoldError::MembershipLost)
                    | NotMade::Mutex(MutexError::MembershipLost)
                    | NotMade::Full { .. }
                    | NotMade::RecordsFull,
                ) => None,
                Err(error) => panic!("{error:?}"),
            }
        });
        self.base.manager().release(held.object.index, me);
        grown.is_some()
    }

    /// Adds one to the number of "a", wherever it is; whether there is such an object.
    pub(super) fn add(&self, me: Tag, peers: &impl Liveness) -> bool {
        for _ in 0..4 {
            let held = match self.base.open_as("a", me, peers) {
                Ok(held) => held,
                Err(HoldError::Removed | HoldError::MembershipLost) => return false,
                Err(error) => panic!("{error:?}"),
            };
            let added = self.write(&held, peers, || {
                let number = self.number(&held);
                let now = number.load(Ordering::Relaxed);
                number.store(now + 1, Ordering::Relaxed);
                Some(())
            });
            self.base.manager().release(held.object.index, me);
            if added.is_some() {
                self.made.fetch_add(1, Ordering::AcqRel);
                return true;
            }
        }
        panic!("it has not grown so often");
    }

    /// The number of "a".
    fn load(&self, id: u32) -> Option<u64> {
        let held = self.base.open(id, "a").ok()?;
        let number = self.number(&held).load(Ordering::Acquire);
        self.base.release(id, held);
        Some(number)
    }

    /// Recovers what `dead` holds; its byte says whether it is dead.
    pub(super) fn reap(&self, id: u32, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.recover(id, dead);
        }
    }

    fn recover(&self, id: u32, dead: u32) {
        self.base.manager().state.lock().recover(tag(dead));
        self.base
            .manager()
            .visit(tag(dead), Some(tag(id)), |record| {
                self.writers[block_of(record.offset)].recover(tag(dead));
                true
            });
    }

    /// Unregisters and recovers a process that lives.
    fn reap_alive(&self, id: u32, lost: u32) {
        self.registry.unregister(lost);
        self.recover(id, lost);
    }

    /// Asserts that "a" is there with all additions, or one more by a killed process.
    pub(super) fn has_all(&self, id: u32) {
        let made = self.made.load(Ordering::Acquire);
        let found = self.load(id).expect("the object is lost");
        assert!(
            (made..=made + 1).contains(&found),
            "{found} of {made} additions"
        );
    }
}

/// Hunts: an open that misses an object, since it moves behind the opener.
#[test]
fn model_manager_an_object_is_found_while_it_grows() {
    explore(|| {
        let growing = Growing::with_a();
        // Into the first record, and then back into the second one.
        assert!(growing.grow(tag(1), &KernelLiveness(1)));
        finish([
            growing.start(1, None, |grower| {
                assert!(grower.grow(tag(1), &KernelLiveness(1)));
            }),
            growing.start(2, None, |user| {
                assert!(user.base.visit(2, "a"), "a live object was not found");
            }),
        ]);
        growing.base.conserves(3);
    });
}

/// Hunts: an object that was removed, and is there again since it was to grow.
#[test]
fn model_manager_a_removed_object_does_not_come_back_by_a_growth() {
    explore_deaths(|death| {
        let growing = Growing::with_a();
        finish([
            growing.start(1, death, |grower| {
                grower.grow(tag(1), &KernelLiveness(1));
            }),
            growing.start(2, None, |remover| {
                remover.base.remove_whatever(2, "a");
                assert!(!remover.base.visit(2, "a"), "a removed object is there");
            }),
        ]);
        finish([growing.start(3, None, |last| {
            last.reap(3, 1);
            assert!(!last.base.visit(3, "a"), "a removed object is there");
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: an object that is lost, or is there twice; room that a grower that was killed keeps.
#[test]
fn model_manager_a_killed_grower_leaves_one_object() {
    explore_deaths(|death| {
        let growing = Growing::with_a();
        finish([
            growing.start(1, death, |grower| {
                grower.grow(tag(1), &KernelLiveness(1));
            }),
            growing.start(2, None, |writer| {
                assert!(writer.add(tag(2), &KernelLiveness(2)), "the object is lost");
            }),
        ]);
        finish([growing.start(3, None, |last| {
            last.reap(3, 1);
            last.has_all(3);
            // Whatever was left, it can grow again.
            assert!(last.grow(tag(3), &KernelLiveness(3)), "room is lost");
            last.has_all(3);
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: a collector that is reaped alive, and frees what has just moved, before what took its
/// place is live.
#[test]
fn model_manager_a_reaped_collector_frees_no_object() {
    explore_deaths(|death| {
        let growing = Growing::with_a();
        finish([
            growing.start(2, None, |lost| {
                let peers = lost.registry.liveness(2);
                let _ = lost.base.manager().room(&peers, &mut Extents::default());
            }),
            growing.start(1, death, |grower| {
                grower.reap_alive(1, 2);
                grower.grow(tag(1), &grower.registry.liveness(1));
            }),
        ]);
        finish([growing.start(3, None, |last| {
            last.reap(3, 1);
            last.has_all(3);
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: a commit of a grower that was reaped, which brings what a collector has given back.
#[test]
fn model_manager_a_reaped_growers_commit_brings_no_lost_room() {
    explore_at_least(3, || {
        let growing = Growing::with_a();
        finish([
            growing.start(1, None, |lost| {
                lost.grow(tag(1), &lost.registry.liveness(1));
            }),
            growing.start(2, None, |other| {
                other.reap_alive(2, 1);
                let peers = other.registry.liveness(2);
                let room = other.base.manager().room(&peers, &mut Extents::default());
                room.expect("it is a participant");
            }),
        ]);
        finish([growing.start(3, None, |last| {
            last.has_all(3);
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: a commit of a grower that was reaped, which loses what its successor has written.
#[test]
fn model_manager_a_reaped_growers_commit_loses_no_change() {
    explore(|| {
        let growing = Growing::with_a();
        finish([
            growing.start(1, None, |lost| {
                lost.grow(tag(1), &lost.registry.liveness(1));
            }),
            growing.start(2, None, |other| {
                other.reap_alive(2, 1);
                let added = other.add(tag(2), &other.registry.liveness(2));
                assert!(added, "the object is lost");
            }),
        ]);
        assert_eq!(growing.load(3), Some(1), "a change is lost");
    });
}

/// Hunts: a number of another object, which has the room by now.
#[test]
fn model_manager_a_read_without_a_hold_is_of_its_object() {
    explore(|| {
        let growing = Growing::with_a();
        let held = growing.base.open(1, "a").expect("it is there");
        growing.base.release(1, held);
        finish([
            growing.start(1, None, move |reader| {
                let manager = reader.base.manager();
                let state = manager.state_of(held.object).expect("a record");
                // SAFETY: the words of the fixture, which is there.
                let state = unsafe { state.as_ref() };
                let number = reader.number(&held);
                let read = read_live(state, held.object, || number.load(Ordering::Relaxed));
                assert_ne!(read, Some(OTHER), "another object's number");
            }),
            growing.start(2, None, |maker| {
                let peers = KernelLiveness(2);
                assert!(maker.grow(tag(2), &peers));
                let used = &mut Extents::default();
                let manager = maker.base.manager();
                let made = manager.create(record("b"), tag(2), &peers, used, |offset| {
                    maker.numbers[block_of(offset)].store(OTHER, Ordering::Relaxed);
                });
                made.expect("there is room");
            }),
        ]);
    });
}
