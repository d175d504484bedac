//! The registry under loom, alone and with a mutex whose waiters ask it.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32 as Number;

use super::super::{Joined, Reaped, Registry};
use super::Word;
use crate::algorithm::mutex::MutexState;
use crate::facade::model::{
    die, explore_at_least, explore_deaths, explore_deaths_at_least, explore_two_deaths, lock_byte,
    process, unlock_byte,
};
use crate::facade::{AtomicU32, Deadline, Ordering, Words, barrier_after_rmw, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{ModelByteLocks, Pair, StartWith, finish, start};

mutants! {
    model_registry_a_joiner_that_comes_second_leaves_no_trace:
        20 "join does not read the word again under the lock",
        29 "join keeps the byte of an index that it did not get";
    model_registry_a_dead_tag_stays_dead:
        21 "a tag of any generation is alive while its index is",
        52 "the lock of an index's next owner is taken for that of the tag";
    model_registry_a_late_helper_does_not_touch_the_next_owner:
        22 "a reaper does not ask the kernel",
        23 "a reaper frees the index before it has repaired",
        24 "join takes an index whose dead owner is not reaped",
        26 "a late helper frees the index of its next owner",
        28 "the registry does not publish";
    model_registry_wherever_a_participant_dies_its_index_and_word_come_back:
        25 "leave frees the index before it has given back",
        53 "leave gives nothing back";
    model_registry_a_newcomer_that_locks_is_not_robbed:
        50 "the locking CAS of a mutex does not publish that its owner has joined",
        51 "a waiter for a mutex does not acquire what its owner's tag publishes";
    model_registry_two_joiners_never_share_an_index:
        54 "leave keeps the byte";
    model_registry_a_tag_stored_after_membership_was_lost_does_not_stay:
        540 "a reaper has no barrier before it visits",
        541 "a reaper that finds the mark has no barrier of its own";
    model_registry_two_deaths_leave_index_and_word_to_the_third:
        754 "a second death goes unnoticed";
    model_registry_a_participant_whose_byte_was_unlocked_learns_it:
        574 "a process that finds a participant dead does not mark it";
}

/// The tag of an asker that has no index of these small registries.
fn asker_tag() -> Tag {
    Tag::new(2, 1).unwrap()
}

/// A segment with `N` indices and a word that one participant can hold.
struct Club<const N: usize> {
    words: [Word; N],
    cursor: AtomicU32,
    /// The process at each index, written by the owner alone: loom fails the model if two have one
    /// index.
    desks: [Words<1>; N],
    /// 0, or the tag of the holder.
    word: AtomicU32,
}

impl<const N: usize> Club<N> {
    fn open() -> Arc<Self> {
        Arc::new(Self {
            words: core::array::from_fn(|_| Word::new(0)),
            cursor: AtomicU32::new(0),
            desks: core::array::from_fn(|_| Words::new([0])),
            word: AtomicU32::new(0),
        })
    }

    fn registry(&self) -> Registry<'_, Word> {
        Registry::new(&self.words, &self.cursor)
    }

    /// Joins, and notes the process at its index.
    fn join(&self, id: u32) -> Option<Tag> {
        let joined = self.registry().join(
            &ModelByteLocks(id),
            || 0,
            |index| {
                let state = self.registry().state(index);
                assert!(
                    !state.is_live(),
                    "described over an index that is not reaped: {state:?}"
                );
                self.desks[index as usize].write(&[id.into()]);
            },
        );
        match joined {
            Ok(Joined::As(tag)) => {
                self.assert_unheld_by_former(tag);
                Some(tag)
            }
            Ok(Joined::Full | Joined::Resting(_)) => None,
        }
    }

    /// Asserts that no former owner of the index of `tag` holds the word.
    fn assert_unheld_by_former(&self, tag: Tag) {
        let word = self.word.load(Ordering::Relaxed);
        let former = word != tag.bits()
            && Tag::in_word(word, 3).is_some_and(|holder| holder.index() == tag.index());
        assert!(!former, "the word is held by a former owner of the index");
    }

    fn hold(&self, tag: Tag) -> bool {
        let hold = self
            .word
            .compare_exchange(0, tag.bits(), Ordering::AcqRel, Ordering::Relaxed);
        hold.is_ok()
    }

    fn let_go(&self, tag: Tag) {
        let held = self
            .word
            .compare_exchange(tag.bits(), 0, Ordering::AcqRel, Ordering::Relaxed);
        assert_eq!(held, Ok(tag.bits()), "taken from a live owner");
    }

    /// Takes a word from `dead`, as every kind's recovery does: looks, then CASes.
    fn give_back(&self, dead: Tag) -> bool {
        if self.word.load(Ordering::Relaxed) == dead.bits() {
            let _ = self
                .word
                .compare_exchange(dead.bits(), 0, Ordering::AcqRel, Ordering::Relaxed);
        }
        true
    }

    fn reap(&self, id: u32, index: u32) -> Reaped {
        self.registry()
            .reap(index, None, &ModelByteLocks(id), |dead| {
                self.give_back(dead)
            })
    }

    fn reap_all(&self, id: u32) {
        for index in 0..u32::try_from(N).unwrap() {
            self.reap(id, index);
        }
    }

    fn leave(&self, id: u32, tag: Tag) {
        let Ok(()) = self
            .registry()
            .leave(tag, &ModelByteLocks(id), |me| self.give_back(me));
    }

    /// Process 1 has joined, held the word, and died.
    fn dead(&self) -> Tag {
        let tag = std::cell::Cell::new(None);
        let died = !process(1, None, || {
            let joined = self.join(1).expect("no other participant");
            assert!(self.hold(joined));
            tag.set(Some(joined));
            die();
        });
        assert!(died);
        tag.get().unwrap()
    }

    /// Joins, holds the word for a while, and leaves; returns whether there was room.
    fn live(&self, id: u32) -> bool {
        let Some(tag) = self.join(id) else {
            return false;
        };
        let desk = &self.desks[tag.index() as usize];
        if self.hold(tag) {
            assert!(
                self.registry().is_member(tag, &ModelByteLocks(id)),
                "taken for dead while it lives"
            );
            self.let_go(tag);
        }
        assert_eq!(desk.read(), [id.into()], "two have one index");
        self.leave(id, tag);
        true
    }
}

/// Hunts: two joiners that get one index; a joiner that gets none although it was alone.
#[test]
fn model_registry_two_joiners_never_share_an_index() {
    explore_at_least(4, || {
        let club = Club::<1>::open();
        let room = Arc::new(Number::new(0));
        finish([1, 2].map(|id| {
            let (club, room) = (club.clone(), room.clone());
            start(id, None, move || {
                room.fetch_add(u32::from(club.live(id)), Ordering::Relaxed)
            })
        }));
        assert!(room.load(Ordering::Relaxed) > 0, "neither got the index");
        assert!(club.live(3), "the index did not come back");
    });
}

/// Hunts: a kill at any step of join, of a life with a word held, and of a leave with the word
/// leaked, after which a word or an index is lost.
#[test]
fn model_registry_wherever_a_participant_dies_its_index_and_word_come_back() {
    explore_deaths_at_least(3, |death| {
        let club = Club::<1>::open();
        finish([
            club.start(1, death, move |victim| {
                if let Some(tag) = victim.join(1) {
                    victim.hold(tag);
                    victim.leave(1, tag);
                }
            }),
            club.start(2, None, move |other| {
                other.reap_all(2);
                other.live(2);
            }),
        ]);
        club.reap_all(3);
        assert_eq!(club.word.load(Ordering::Relaxed), 0, "the word is lost");
        assert!(club.live(3), "the index is lost");
    });
}

/// Hunts: helpers that were stopped anywhere in a repair and continue when the index has a new
/// owner; an index given away while a word carries its old tag. The victim dies at every step.
#[test]
fn model_registry_a_late_helper_does_not_touch_the_next_owner() {
    explore_deaths(|death| {
        let club = Club::<1>::open();
        finish([
            club.start(1, death, move |victim| {
                if let Some(tag) = victim.join(1) {
                    victim.hold(tag);
                    victim.leave(1, tag);
                }
            }),
            club.start(2, None, move |helper| helper.reap(2, 0)),
            club.start(3, None, move |joiner| {
                joiner.reap(3, 0);
                joiner.live(3);
            }),
        ]);
        club.reap_all(4);
        assert!(club.live(4), "the index is lost");
    });
}

/// Hunts: a helper killed in the middle, after which no other can finish.
#[test]
fn model_registry_wherever_a_helper_dies_another_finishes() {
    explore_deaths_at_least(3, |death| {
        let club = Club::<1>::open();
        let former = club.dead();
        finish([
            club.start(2, death, move |helper| helper.reap(2, 0)),
            club.start(3, None, move |joiner| {
                assert_ne!(joiner.reap(3, 0), Reaped::Stuck);
                assert!(joiner.live(3), "the index is not free when it was reaped");
            }),
        ]);
        let word = club.word.load(Ordering::Relaxed);
        assert_ne!(word, former.bits(), "the word is lost");
    });
}

/// Hunts: a process that was reaped, because its lock was taken from it, and puts its tag into a
/// word that no reaper visits any more without learning it. The first reaper dies at every step.
#[test]
fn model_registry_a_tag_stored_after_membership_was_lost_does_not_stay() {
    explore_deaths(|death| {
        let club = Club::<1>::open();
        let tag = club.join(1).expect("no other participant");
        unlock_byte(0, 1);
        let lost = club.clone();
        finish([
            start(1, None, move || {
                assert!(lost.hold(tag));
                barrier_after_rmw();
                if !lost.registry().is_live(tag) {
                    lost.give_back(tag);
                }
            }),
            club.start(2, death, move |first| first.reap(2, 0)),
            club.start(3, None, move |second| second.reap(3, 0)),
        ]);
        club.reap_all(4);
        assert_eq!(club.word.load(Ordering::Relaxed), 0, "the tag stays");
        assert!(club.live(4), "the index is lost");
    });
}

/// Hunts: a tag that seems to live because its index does.
#[test]
fn model_registry_a_dead_tag_stays_dead() {
    explore_at_least(4, || {
        let club = Club::<1>::open();
        let former = club.dead();
        finish([
            club.start(2, None, move |successor| {
                successor.reap(2, 0);
                let tag = successor.join(2).expect("the index was freed");
                assert!(successor.hold(tag));
            }),
            club.start(3, None, move |asker| {
                let lives = asker
                    .registry()
                    .is_alive(former, asker_tag(), &ModelByteLocks(3));
                assert!(!lives, "a dead tag lives");
            }),
        ]);
    });
}

/// Hunts: a process that reads a tag from a word and does not see the registry list it as live.
#[test]
fn model_registry_a_tag_in_a_word_is_alive() {
    explore_at_least(4, || {
        let club = Club::<1>::open();
        let holder = club.clone();
        finish([
            start(1, None, move || {
                let tag = holder.join(1).expect("no other participant");
                assert!(holder.hold(tag));
            }),
            club.start(2, None, move |asker| {
                let word = asker.word.load(Ordering::Acquire);
                if let Some(tag) = Tag::in_word(word, 1) {
                    let lives = asker
                        .registry()
                        .is_alive(tag, asker_tag(), &ModelByteLocks(2));
                    assert!(lives, "a holder is dead");
                }
            }),
        ]);
    });
}

/// Hunts: a joiner that finds the index taken by a participant that has died meanwhile, and
/// describes itself over it or keeps its byte, so that the dead one seems to live.
#[test]
fn model_registry_a_joiner_that_comes_second_leaves_no_trace() {
    explore_deaths_at_least(3, |death| {
        let club = Club::<1>::open();
        let victim = club.start(1, death, move |victim| victim.join(1));
        let second = club.start(2, None, move |second| second.join(2));
        let survived = victim.join().unwrap();
        finish([second]);
        let state = club.registry().state(0);
        if let Some(tag) = state.tag(0).filter(|_| state.is_live()) {
            let lives = club
                .registry()
                .is_alive(tag, asker_tag(), &ModelByteLocks(3));
            let seated = club.desks[0].read();
            assert_eq!(
                lives,
                survived || seated == [2],
                "{seated:?} are at that index"
            );
        }
    });
}

/// A mutex whose waiters ask the registry.
struct Workshop {
    club: Arc<Club<2>>,
    mutex: MutexState,
    data: Pair,
}

/// The liveness that member `tag`, process `id`, is told.
struct Member<'a> {
    club: &'a Club<2>,
    tag: Tag,
    id: u32,
}

impl Liveness for Member<'_> {
    fn me(&self) -> Tag {
        self.tag
    }
    fn is_alive(&self, other: Tag) -> bool {
        self.club
            .registry()
            .is_alive(other, self.tag, &ModelByteLocks(self.id))
    }
    fn is_member(&self) -> bool {
        true
    }
    fn participants(&self) -> u32 {
        2
    }
}

impl Workshop {
    fn open() -> Arc<Self> {
        Arc::new(Self {
            club: Club::open(),
            mutex: MutexState::new(),
            data: Pair::new(),
        })
    }

    fn visit(&self, id: u32, tag: Tag) {
        let peers = Member {
            club: &self.club,
            tag,
            id,
        };
        let mut held = self
            .mutex
            .lock(&peers, &Deadline::never())
            .expect("no deadline");
        if held.owner_died() {
            self.data.repair();
            self.mutex.mark_consistent(&mut held);
        }
        self.data.bump();
        self.mutex.unlock(held, false);
    }

    fn give_back(&self, dead: Tag) -> bool {
        self.mutex.recover(dead);
        true
    }

    fn leave(&self, id: u32, tag: Tag) {
        let Ok(()) = self
            .club
            .registry()
            .leave(tag, &ModelByteLocks(id), |me| self.give_back(me));
    }
}

/// Hunts: a waiter that reads a newcomer's tag from the lock, does not see it in the registry, and
/// takes the lock from it.
#[test]
fn model_registry_a_newcomer_that_locks_is_not_robbed() {
    explore_at_least(4, || {
        let shop = Workshop::open();
        let waiter_tag = shop.club.join(2).expect("no other participant");
        finish([
            shop.start(1, None, move |newcomer| {
                let tag = newcomer.club.join(1).expect("there is room for two");
                newcomer.visit(1, tag);
            }),
            shop.start(2, None, move |waiter| waiter.visit(2, waiter_tag)),
        ]);
        shop.visit(2, waiter_tag);
    });
}

/// Hunts: a lock whose owner is dead by the registry, while the waiter that takes over has not seen
/// what it wrote; a lock leaked by a leave.
#[test]
fn model_registry_wherever_a_member_dies_its_lock_comes_back() {
    explore_deaths(|death| {
        let shop = Workshop::open();
        let victim_tag = shop.club.join(1).expect("no other participant");
        let waiter_tag = shop.club.join(2).expect("there is room for two");
        finish([
            shop.start(1, death, move |victim| {
                victim.visit(1, victim_tag);
                victim.leave(1, victim_tag);
            }),
            shop.start(2, None, move |waiter| waiter.visit(2, waiter_tag)),
            shop.start(3, None, move |reaper| {
                let registry = reaper.club.registry();
                registry.reap(victim_tag.index(), None, &ModelByteLocks(3), |dead| {
                    reaper.give_back(dead)
                });
            }),
        ]);
        shop.visit(2, waiter_tag);
    });
}

/// Hunts: a participant whose byte other code has unlocked, so that others take it for dead, and
/// that does not learn it: it would claim the same word again and again, and they would take it
/// away.
#[test]
fn model_registry_a_participant_whose_byte_was_unlocked_learns_it() {
    explore_at_least(2, || {
        let club = Club::<1>::open();
        assert!(lock_byte(1, 2) && lock_byte(2, 3));
        let tag = club.join(1).expect("no other participant");
        unlock_byte(0, 1);
        finish([
            club.start(2, None, move |asker| {
                let lives = asker
                    .registry()
                    .is_alive(tag, asker_tag(), &ModelByteLocks(2));
                assert!(!lives, "the byte is free");
                assert!(!asker.registry().is_live(tag), "it is not told");
            }),
            club.start(3, None, move |reaper| reaper.reap(3, 0)),
        ]);
        assert!(!club.registry().is_live(tag));
    });
}

/// Hunts: a participant that dies, and a helper that dies over it, or after it has taken its index:
/// an index or a word that does not come back.
#[test]
fn model_registry_two_deaths_leave_index_and_word_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let club = Club::<1>::open();
        finish([
            club.start(1, first, move |victim| {
                if let Some(tag) = victim.join(1) {
                    victim.hold(tag);
                    victim.leave(1, tag);
                }
            }),
            club.start(2, second, move |helper| {
                helper.reap(2, 0);
                helper.live(2);
            }),
            club.start(3, None, move |third| third.reap_all(3)),
        ]);
        club.reap_all(3);
        assert_eq!(club.word.load(Ordering::Relaxed), 0, "the word is lost");
        assert!(club.live(3), "the index is lost");
    });
}
