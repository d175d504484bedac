//! The mutex under loom: a world without a registry, where the byte locks say who lives.
//!
//! What a mutex and a registry do together is among the registry's models.

use core::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{LockToken, MutexError, MutexState};
use crate::facade::Deadline;
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_deaths_at_least, explore_soft_faults,
    is_byte_locked, process, soft_fault_at,
};
use crate::participant::stage::{KernelLiveness, Pair, finish, players, start, tag};

mod two_deaths;

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (1, TWO, "the locking CAS does not acquire"),
    (2, TWO, "the unlocking CAS does not release"),
    (3, TWO, "unlock wakes nobody"),
    (4, DEATH, "a taken lock does not say that its owner died"),
    (
        5,
        THREE,
        "a waiter that slept forgets that others may sleep still",
    ),
    (6, TWO, "a waiter takes the lock of an owner that lives"),
    (
        7,
        REAPERS,
        "a reaper frees a lock that the dead one does not hold",
    ),
    (8, TWO, "a waiter sleeps without saying so"),
    (
        9,
        PASSED,
        "a reaper does not pass on what it saw of the dead owner's stores",
    ),
    (10, FLAGS, "unlock drops the sticky flags"),
    (
        11,
        REAPERS,
        "a reaper frees a lock without saying that its owner died",
    ),
    (
        12,
        TWO,
        "a waiter says that it sleeps before its first sleep only",
    ),
    (
        13,
        DEADLINE,
        "a waiter that gives up keeps a wake that others need",
    ),
    (
        14,
        DEADLINE,
        "a waiter that locks at its deadline forgets that others may sleep still",
    ),
    (
        15,
        BARGE,
        "a sleeper whose word has changed trusts that it will be woken",
    ),
    (
        16,
        REPAIR,
        "declaring the data consistent forgets that others sleep",
    ),
    (
        17,
        DEATH,
        "a waiter takes a dead owner's lock over without saying so",
    ),
    (
        18,
        LATE,
        "a try takes a dead owner's lock over without saying so",
    ),
    (19, LEAVER, "giving back a lock wakes nobody"),
    (750, two_deaths::THIRD, "a second death goes unnoticed"),
    (
        570,
        LOST,
        "who locks at once does not ask whether it is a participant still",
    ),
    (
        571,
        LOST,
        "who asks whether it is a participant still does so before its tag is there",
    ),
    (
        572,
        LOST,
        "who was reaped does not take its tag out of the lock again",
    ),
    (
        573,
        LOST_TAKES_OVER,
        "who takes a lock over does not ask whether it is a participant still",
    ),
    (
        575,
        LOST,
        "a reaper looks for a tag before it has said that its owner is dead",
    ),
];

const DEATH: &str = "model_survivor_gets_the_lock_wherever_the_owner_dies";
const TWO: &str = "model_mutex_two_contenders_exclude_each_other_and_lose_no_wake";
const THREE: &str = "model_three_contenders_leave_no_sleeper_behind";
const REAPERS: &str = "model_reapers_and_waiters_give_one_lock_back_once";
const DEADLINE: &str = "model_a_waiter_that_gives_up_hands_its_wake_on";
const BARGE: &str = "model_mutex_no_waiter_is_lost_when_an_unlocker_dies_and_another_barges_in";
const REPAIR: &str = "model_declaring_the_data_consistent_keeps_the_sleepers_known";
const LATE: &str = "model_a_dead_owner_is_never_called_busy";
const LEAVER: &str = "model_a_leaver_gives_its_leaked_lock_to_a_sleeper";
const PASSED: &str = "model_a_reaper_passes_on_what_the_dead_owner_wrote";
const LOST: &str = "model_mutex_no_tag_of_a_reaped_process_stays";
const LOST_TAKES_OVER: &str = "model_mutex_a_takeover_by_a_reaped_process_keeps_owner_died";
const FLAGS: &str = "model_mutex_flags_survive_the_announcement_of_a_sleeper";

/// Data behind a lock.
struct Shop {
    mutex: MutexState,
    data: Pair,
    /// How many visitors were told that an owner had died.
    told: Ledger,
}

impl Shop {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            mutex: MutexState::new(),
            data: Pair::new(),
            told: Ledger::new(0),
        })
    }

    fn lock(&self, id: u32) -> LockToken {
        self.mutex
            .lock(tag(id), &KernelLiveness(id), &Deadline::never())
            .expect("no deadline")
    }

    fn try_lock(&self, id: u32) -> Result<LockToken, MutexError> {
        self.mutex.try_lock(tag(id), &KernelLiveness(id))
    }

    /// Does with the lock what an honest user does, and unlocks.
    fn serve(&self, mut held: LockToken) {
        if held.owner_died() {
            self.told.fetch_add(1, Relaxed);
            self.data.repair();
            self.mutex.mark_consistent(&mut held);
        }
        self.data.bump();
        self.mutex.unlock(held, false);
    }

    fn visit(&self, id: u32) {
        self.serve(self.lock(id));
    }

    /// Gives back what `dead` holds, if it is dead.
    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.mutex.recover(tag(dead));
        }
    }

    /// How many visitors were told that an owner had died.
    fn told(&self) -> u32 {
        self.told.load(Relaxed)
    }

    /// Everybody has gone or died: the next one gets the lock at once, and the data are whole.
    fn close(&self, visits: RangeInclusive<u64>) {
        let held = self
            .try_lock(3)
            .expect("the lock is somebody's who is not there");
        self.serve(held);
        let made = self.data.value() - 1;
        assert!(visits.contains(&made), "{made} visits, expected {visits:?}");
    }
}

/// Hunts: data that one owner wrote and the next does not see; a waiter that is between its look
/// and its sleep when the owner unlocks; an owner robbed. Nobody dies, so no slice ends.
#[test]
fn model_mutex_two_contenders_exclude_each_other_and_lose_no_wake() {
    explore_at_least("two contenders, two visits each", 4, || {
        let shop = Shop::open();
        finish([1, 2].map(|id| {
            let shop = shop.clone();
            start(id, None, move || (0..2).for_each(|_| shop.visit(id)))
        }));
        assert_eq!(shop.told(), 0, "nobody died");
        shop.close(4..=4);
    });
}

/// Hunts: a sleeper that nobody wakes, because the one that was woken forgot it.
#[test]
fn model_three_contenders_leave_no_sleeper_behind() {
    explore_at_least("three contenders", 3, || {
        let shop = Shop::open();
        finish([1, 2, 3].map(|id| {
            let shop = shop.clone();
            start(id, None, move || shop.visit(id))
        }));
        assert_eq!(shop.told(), 0, "nobody died");
        shop.close(3..=3);
    });
}

/// Hunts: a wake that goes to a waiter whose deadline passes, and is lost with it: another barges
/// in with a word that does not say that there are sleepers.
#[test]
fn model_a_waiter_that_gives_up_hands_its_wake_on() {
    explore(
        "an owner that returns, a waiter that gives up, and one that does not",
        || {
            let shop = Shop::open();
            let held = shop.try_lock(1).expect("no other participant");
            let (owner, hasty, patient) = (shop.clone(), shop.clone(), shop.clone());
            let owner = start(1, None, move || {
                owner.serve(held);
                owner.visit(1);
            });
            let hasty = start(2, None, move || {
                match hasty
                    .mutex
                    .lock(tag(2), &KernelLiveness(2), &Deadline::after_looks(1))
                {
                    Ok(held) => hasty.serve(held),
                    Err(refused) => assert_eq!(refused, MutexError::Busy),
                }
            });
            let patient = start(3, None, move || patient.visit(3));
            finish([owner, hasty, patient]);
            shop.close(3..=4);
        },
    );
}

/// Hunts: an owner killed anywhere (before the lock, holding it with the data torn, between the
/// unlocking CAS and the wake, asleep) whose lock, data or wake is lost.
#[test]
fn model_survivor_gets_the_lock_wherever_the_owner_dies() {
    explore_deaths_at_least("two contenders, one killed", 4, |death| {
        let shop = Shop::open();
        let (victim, survivor) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || victim.visit(1)),
            start(2, None, move || (0..2).for_each(|_| survivor.visit(2))),
        ]);
        shop.close(2..=3);
    });
}

/// Hunts: the known hole of robust mutexes. The owner is killed between the unlocking CAS and the
/// wake, a third process barges in with a word that does not say `CONTENDED`, and its unlock wakes
/// nobody.
#[test]
fn model_mutex_no_waiter_is_lost_when_an_unlocker_dies_and_another_barges_in() {
    explore_deaths_at_least("killed unlocking, another barges in", 3, |death| {
        let shop = Shop::open();
        let held = shop.try_lock(1).expect("no other participant");
        let (victim, sleeper, barger) = (shop.clone(), shop.clone(), shop.clone());
        finish([
            start(1, death, move || victim.mutex.unlock(held, false)),
            start(2, None, move || sleeper.visit(2)),
            start(3, None, move || {
                if let Ok(held) = barger.try_lock(3) {
                    barger.serve(held);
                }
            }),
        ]);
        shop.close(1..=2);
    });
}

/// The same with a barger that waits, and all three from the beginning: the hole needs three
/// preemptions then.
#[test]
fn model_mutex_three_contenders_one_killed() {
    explore_deaths_at_least("three contenders, one killed", 3, |death| {
        let shop = Shop::open();
        finish([(1, death), (2, None), (3, None)].map(|(id, death)| {
            let shop = shop.clone();
            start(id, death, move || shop.visit(id))
        }));
        shop.close(2..=3);
    });
}

/// Hunts: reapers that race each other and a waiter for the same dead owner: a lock given back
/// twice is one taken from its next owner, and exactly one must be told of the death.
#[test]
fn model_reapers_and_waiters_give_one_lock_back_once() {
    explore_deaths("a dead owner, two reapers and a waiter", |death| {
        let shop = Shop::open();
        let victim = shop.clone();
        let died = !process(1, death, move || victim.visit(1));
        let held = shop.mutex.peek().locked;
        assert!(died || !held);
        let reapers = [2, 3].map(|id| {
            let shop = shop.clone();
            start(id, None, move || {
                shop.reap(1);
                if id == 3 {
                    shop.visit(id);
                }
            })
        });
        finish(reapers);
        shop.close(1..=2);
        assert_eq!(
            shop.told(),
            u32::from(held),
            "one is told of the death, if it left the lock"
        );
    });
}

/// Hunts: data that the dead owner wrote and a reaper saw, but not the one that locks next without
/// a look at the dead.
#[test]
fn model_a_reaper_passes_on_what_the_dead_owner_wrote() {
    explore_deaths("one killed, a reaper and a visitor", |death| {
        let shop = Shop::open();
        let (victim, reaper, visitor) = (shop.clone(), shop.clone(), shop.clone());
        finish([
            start(1, death, move || victim.visit(1)),
            start(2, None, move || visitor.visit(2)),
            start(3, None, move || reaper.reap(1)),
        ]);
        shop.close(1..=2);
    });
}

/// Hunts: a lock that a leaver leaked, given back without a wake. The leaver lives, so no slice
/// ends.
#[test]
fn model_a_leaver_gives_its_leaked_lock_to_a_sleeper() {
    explore("a leaver and two sleepers", || {
        let shop = Shop::open();
        let leaked = shop.try_lock(1).expect("no other participant");
        assert_eq!(leaked.owner(), tag(1));
        let leaver = shop.clone();
        let leaver = start(1, None, move || leaver.mutex.recover(tag(1)));
        let sleepers = [2, 3].map(|id| {
            let shop = shop.clone();
            start(id, None, move || shop.visit(id))
        });
        finish([leaver].into_iter().chain(sleepers));
        assert_eq!(shop.told(), 1, "one is told of the owner that went");
        shop.close(2..=2);
    });
}

/// Hunts: a deadline or a `try_lock` that finds the word as a dead owner left it, and takes its
/// owner for alive because it was once, or because a reaper is at work.
#[test]
fn model_a_dead_owner_is_never_called_busy() {
    explore_deaths("a dead owner, a reaper, and one in a hurry", |death| {
        let shop = Shop::open();
        let victim = shop.clone();
        let died = !process(1, death, move || victim.visit(1));
        let held = shop.mutex.peek().locked;
        let (hasty, reaper) = (shop.clone(), shop.clone());
        let hasty = start(2, None, move || {
            hasty.serve(hasty.try_lock(2).expect("nobody alive has the lock"));
            let deadline = Deadline::after_looks(0);
            let held = hasty.mutex.lock(tag(2), &KernelLiveness(2), &deadline);
            hasty.serve(held.expect("nobody alive has the lock"));
        });
        let reaper = start(3, None, move || {
            if died {
                reaper.reap(1);
            }
        });
        finish([hasty, reaper]);
        shop.close(2..=3);
        assert_eq!(
            shop.told(),
            u32::from(held),
            "one is told of the death, if it left the lock"
        );
    });
}

/// Hunts: a deadline that cuts short what a waiter must know: the owner dies while it waits.
#[test]
fn model_a_deadline_ends_the_wait_for_the_living_only() {
    explore_deaths_at_least("an owner that may die, and one in a hurry", 4, |death| {
        let shop = Shop::open();
        let (victim, hasty) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || victim.visit(1)),
            start(2, None, move || {
                let dead = !is_byte_locked(0);
                match hasty
                    .mutex
                    .lock(tag(2), &KernelLiveness(2), &Deadline::after_looks(1))
                {
                    Ok(held) => hasty.serve(held),
                    Err(refused) => assert!(!dead && refused == MutexError::Busy, "{refused:?}"),
                }
            }),
        ]);
        shop.close(0..=2);
    });
}

/// Hunts: a repairer that overwrites what a waiter has just said, and sleepers that nobody wakes.
#[test]
fn model_declaring_the_data_consistent_keeps_the_sleepers_known() {
    explore("a repairer and a waiter", || {
        let shop = Shop::open();
        let victim = shop.clone();
        assert!(!process(1, Some(2), move || victim.visit(1)));
        let held = shop.try_lock(2).expect("its owner is dead");
        assert!(held.owner_died());
        let repairer = shop.clone();
        let waiter = shop.clone();
        finish([
            start(2, None, move || repairer.serve(held)),
            start(3, None, move || waiter.visit(3)),
        ]);
        assert_eq!(shop.told(), 1, "one is told of the owner that went");
        shop.close(2..=2);
    });
}

/// Hunts: an unlock or a `clear_poison` that races a waiter's `CONTENDED` and loses a flag, or the
/// waiter.
#[test]
fn model_mutex_flags_survive_the_announcement_of_a_sleeper() {
    explore("a poisoned lock whose owner died before", || {
        let shop = Shop::open();
        let victim = shop.clone();
        assert!(!process(1, Some(2), move || victim.visit(1)));
        let held = shop.try_lock(2).expect("its owner is dead");
        let (panicking, waiter) = (shop.clone(), shop.clone());
        finish([
            // Panics before it has repaired the data.
            start(2, None, move || panicking.mutex.unlock(held, true)),
            start(3, None, move || {
                let held = waiter.lock(3);
                assert!(held.owner_died() && held.is_poisoned(), "{held:?}");
                waiter.mutex.clear_poison();
                waiter.serve(held);
            }),
        ]);
        let held = shop.try_lock(2).expect("no other participant");
        assert!(!held.owner_died() && !held.is_poisoned(), "{held:?}");
        shop.mutex.unlock(held, false);
        shop.close(1..=1);
    });
}

/// Hunts: a poison cleared by one who does not hold the lock, while another waits for it.
#[test]
fn model_clearing_the_poison_disturbs_neither_owner_nor_waiter() {
    explore("poison cleared from outside", || {
        let shop = Shop::open();
        let held = shop.try_lock(1).expect("no other participant");
        shop.mutex.unlock(held, true);
        let cleaner = shop.clone();
        let visitors = [1, 2].map(|id| {
            let shop = shop.clone();
            start(id, None, move || shop.visit(id))
        });
        let cleaner = start(3, None, move || cleaner.mutex.clear_poison());
        finish(visitors.into_iter().chain([cleaner]));
        assert!(!shop.mutex.peek().poisoned);
        shop.close(2..=2);
    });
}

/// Hunts: a weak CAS that fails without cause, or a sleep that ends without one, taken for news.
#[test]
fn model_soft_faults_change_nothing() {
    explore_soft_faults("two contenders", |fault| {
        let shop = Shop::open();
        finish([1, 2].map(|id| {
            let shop = shop.clone();
            start(id, None, move || {
                soft_fault_at(fault.filter(|_| id == 1));
                shop.visit(id);
            })
        }));
        assert_eq!(shop.told(), 0, "nobody died");
        shop.close(2..=2);
    });
}
