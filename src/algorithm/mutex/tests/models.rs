//! The mutex under loom, without a registry: the byte locks say which processes live.
//!
//! The registry's models cover mutex and registry together.

use core::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32 as Ledger, Ordering::Relaxed};

use crossdock_spec::lock::{Op, State, found};
use loom::sync::Arc;

use super::super::{LockToken, MutexError, MutexState};
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_deaths_at_least, explore_soft_faults,
    explore_two_deaths, is_byte_locked, process, soft_fault_at,
};
use crate::facade::{Deadline, Words, mutants};
use crate::participant::stage::model::{Roles, Specified, explore_as_specified};
use crate::participant::stage::{KernelLiveness, Pair, StartWith, finish, players, start, tag};

mutants! {
    model_mutex_two_contenders_exclude_each_other_and_lose_no_wake:
        1 "the locking CAS does not acquire",
        2 "the unlocking CAS does not release",
        3 "unlock makes no wake",
        6 "a waiter takes over from a live owner",
        8 "a waiter sleeps without CONTENDED",
        12 "a waiter sets CONTENDED before its first sleep only";
    model_mutex_survivor_gets_the_lock_wherever_the_owner_dies:
        4 "a takeover does not report the owner's death",
        17 "a waiter takes over from a dead owner without OWNER_DIED";
    model_mutex_three_contenders_leave_no_sleeper_behind:
        5 "a waiter that slept does not keep CONTENDED";
    model_mutex_reapers_and_waiters_give_one_lock_back_once:
        7 "a reaper frees a lock that the dead participant does not hold",
        11 "a reaper frees a lock without OWNER_DIED";
    model_mutex_a_reaper_passes_on_what_the_dead_owner_wrote:
        9 "a reaper does not pass on what it saw of the dead owner's stores";
    model_mutex_flags_survive_the_announcement_of_a_sleeper:
        10 "unlock drops the sticky flags";
    model_mutex_a_waiter_that_gives_up_hands_its_wake_on:
        13 "a waiter that gives up keeps a wake that others need",
        14 "a waiter that locks at its deadline does not keep CONTENDED";
    model_mutex_no_waiter_is_lost_when_an_unlocker_dies_and_another_barges_in:
        15 "a sleeper whose word has changed trusts that it will be woken";
    model_mutex_declaring_the_data_consistent_keeps_the_sleepers_known:
        16 "declaring the data consistent drops CONTENDED";
    model_mutex_a_dead_owner_is_never_called_busy:
        18 "a try takes over from a dead owner without OWNER_DIED";
    model_mutex_a_leaver_gives_its_leaked_lock_to_a_sleeper:
        19 "recovering a lock makes no wake";
    model_mutex_two_deaths_leave_the_lock_to_the_third:
        750 "a second death goes unnoticed";
    model_mutex_no_tag_of_a_reaped_process_stays:
        570 "the fast path does not ask whether it is still registered",
        571 "the registry is asked before the tag is in the word",
        572 "a reaped process does not take its tag out of the lock again",
        575 "a reaper looks for a tag before it has marked its owner dead";
    model_mutex_a_takeover_by_a_reaped_process_keeps_owner_died:
        573 "a takeover does not ask whether it is still registered";
    model_mutex_is_as_specified:
        947 "a lock is taken by a load and a store",
        948 "a lock that was declared consistent reports a death again";
}

/// Data behind a lock.
pub(super) struct Fixture {
    pub(super) mutex: MutexState,
    data: Pair,
    /// The number of visitors that learnt of an owner's death.
    told: Ledger,
}

impl Fixture {
    pub(super) fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            mutex: MutexState::new(),
            data: Pair::new(),
            told: Ledger::new(0),
        })
    }

    fn lock(&self, id: u32) -> LockToken {
        self.mutex
            .lock(&KernelLiveness(id), &Deadline::never())
            .expect("no deadline")
    }

    fn try_lock(&self, id: u32) -> Result<LockToken, MutexError> {
        self.mutex.try_lock(&KernelLiveness(id))
    }

    /// Uses the data as a correct owner does, and unlocks.
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

    /// Recovers what `dead` holds, if it is dead.
    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.mutex.recover(tag(dead));
        }
    }

    /// The number of visitors that learnt of an owner's death.
    fn deaths_seen(&self) -> u32 {
        self.told.load(Relaxed)
    }

    /// Asserts, after all have left or died, that the lock is taken at once and the data are whole.
    fn close(&self, visits: RangeInclusive<u64>) {
        let held = self.try_lock(3).expect("the lock has no live owner");
        self.serve(held);
        let made = self.data.value() - 1;
        assert!(visits.contains(&made), "{made} visits, expected {visits:?}");
    }
}

/// Hunts: data that one owner wrote and the next does not see; a waiter that is between its check
/// and its sleep when the owner unlocks; a lock taken from a live owner. There is no death, so no
/// slice ends.
#[test]
fn model_mutex_two_contenders_exclude_each_other_and_lose_no_wake() {
    explore_at_least(4, || {
        let fixture = Fixture::open();
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                (0..2).for_each(|_| fixture.visit(id))
            })
        }));
        assert_eq!(fixture.deaths_seen(), 0, "there was no death");
        fixture.close(4..=4);
    });
}

/// Hunts: a sleeper that is never woken, because the woken waiter dropped `CONTENDED`.
#[test]
fn model_mutex_three_contenders_leave_no_sleeper_behind() {
    explore_at_least(3, || {
        let fixture = Fixture::open();
        finish([1, 2, 3].map(|id| fixture.start(id, None, move |fixture| fixture.visit(id))));
        assert_eq!(fixture.deaths_seen(), 0, "there was no death");
        fixture.close(3..=3);
    });
}

/// Hunts: a wake that goes to a waiter whose deadline passes, and is lost with it: another barges
/// in with a word that shows no sleepers.
#[test]
fn model_mutex_a_waiter_that_gives_up_hands_its_wake_on() {
    explore(|| {
        let fixture = Fixture::open();
        let held = fixture.try_lock(1).expect("no other participant");
        let owner = fixture.start(1, None, move |owner| {
            owner.serve(held);
            owner.visit(1);
        });
        let hasty = fixture.start(2, None, move |hasty| {
            match hasty
                .mutex
                .lock(&KernelLiveness(2), &Deadline::after_looks(1))
            {
                Ok(held) => hasty.serve(held),
                Err(refused) => assert_eq!(refused, MutexError::Busy),
            }
        });
        let patient = fixture.start(3, None, move |patient| patient.visit(3));
        finish([owner, hasty, patient]);
        fixture.close(3..=4);
    });
}

/// Hunts: an owner killed anywhere (before the lock, holding it with the data torn, between the
/// unlocking CAS and the wake, asleep) whose lock, data or wake is lost.
#[test]
fn model_mutex_survivor_gets_the_lock_wherever_the_owner_dies() {
    explore_deaths_at_least(4, |death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.visit(1)),
            fixture.start(2, None, move |survivor| {
                (0..2).for_each(|_| survivor.visit(2))
            }),
        ]);
        fixture.close(2..=3);
    });
}

/// Hunts: the known hole of robust mutexes. The owner is killed between the unlocking CAS and the
/// wake, a third process barges in with a word without `CONTENDED`, and its unlock wakes no waiter.
#[test]
fn model_mutex_no_waiter_is_lost_when_an_unlocker_dies_and_another_barges_in() {
    explore_deaths_at_least(3, |death| {
        let fixture = Fixture::open();
        let held = fixture.try_lock(1).expect("no other participant");
        finish([
            fixture.start(1, death, move |victim| victim.mutex.unlock(held, false)),
            fixture.start(2, None, move |sleeper| sleeper.visit(2)),
            fixture.start(3, None, move |barger| {
                if let Ok(held) = barger.try_lock(3) {
                    barger.serve(held);
                }
            }),
        ]);
        fixture.close(1..=2);
    });
}

/// The same with a barging process that waits, and all three from the beginning: the hole needs
/// three preemptions then.
#[test]
fn model_mutex_three_contenders_one_killed() {
    explore_deaths_at_least(3, |death| {
        let fixture = Fixture::open();
        finish(
            [(1, death), (2, None), (3, None)]
                .map(|(id, death)| fixture.start(id, death, move |fixture| fixture.visit(id))),
        );
        fixture.close(2..=3);
    });
}

/// Hunts: reapers that race each other and a waiter for the same dead owner: a second recovery
/// takes the lock from its next owner, and exactly one visitor must learn of the death.
#[test]
fn model_mutex_reapers_and_waiters_give_one_lock_back_once() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        let died = !process(1, death, || fixture.visit(1));
        let held = fixture.mutex.peek().locked;
        assert!(died || !held);
        let reapers = [2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                fixture.reap(1);
                if id == 3 {
                    fixture.visit(id);
                }
            })
        });
        finish(reapers);
        fixture.close(1..=2);
        assert_eq!(
            fixture.deaths_seen(),
            u32::from(held),
            "one visitor learns of the death, if it left the lock"
        );
    });
}

/// Hunts: data that the dead owner wrote and a reaper saw, but not the next owner, which does not
/// ask about the dead.
#[test]
fn model_mutex_a_reaper_passes_on_what_the_dead_owner_wrote() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.visit(1)),
            fixture.start(2, None, move |visitor| visitor.visit(2)),
            fixture.start(3, None, move |reaper| reaper.reap(1)),
        ]);
        fixture.close(1..=2);
    });
}

/// Hunts: a lock that a leaver leaked, recovered without a wake. The leaver lives, so no slice
/// ends.
#[test]
fn model_mutex_a_leaver_gives_its_leaked_lock_to_a_sleeper() {
    explore(|| {
        let fixture = Fixture::open();
        let leaked = fixture.try_lock(1).expect("no other participant");
        assert_eq!(leaked.owner(), tag(1));
        let leaver = fixture.start(1, None, move |leaver| leaver.mutex.recover(tag(1)));
        let sleepers = [2, 3].map(|id| fixture.start(id, None, move |fixture| fixture.visit(id)));
        finish([leaver].into_iter().chain(sleepers));
        assert_eq!(
            fixture.deaths_seen(),
            1,
            "one visitor learns of the dead owner"
        );
        fixture.close(2..=2);
    });
}

/// Hunts: a deadline or a `try_lock` that finds the word as a dead owner left it, and takes the
/// owner for alive because it was once, or because a reaper is at work.
#[test]
fn model_mutex_a_dead_owner_is_never_called_busy() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        let died = !process(1, death, || fixture.visit(1));
        let held = fixture.mutex.peek().locked;
        let hasty = fixture.start(2, None, move |hasty| {
            hasty.serve(hasty.try_lock(2).expect("the lock has no live owner"));
            let deadline = Deadline::after_looks(0);
            let held = hasty.mutex.lock(&KernelLiveness(2), &deadline);
            hasty.serve(held.expect("the lock has no live owner"));
        });
        let reaper = fixture.start(3, None, move |reaper| {
            if died {
                reaper.reap(1);
            }
        });
        finish([hasty, reaper]);
        fixture.close(2..=3);
        assert_eq!(
            fixture.deaths_seen(),
            u32::from(held),
            "one visitor learns of the death, if it left the lock"
        );
    });
}

/// Hunts: a deadline that hides what a waiter must learn: the owner dies while it waits.
#[test]
fn model_mutex_a_deadline_ends_the_wait_for_the_living_only() {
    explore_deaths_at_least(4, |death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.visit(1)),
            fixture.start(2, None, move |hasty| {
                let dead = !is_byte_locked(0);
                match hasty
                    .mutex
                    .lock(&KernelLiveness(2), &Deadline::after_looks(1))
                {
                    Ok(held) => hasty.serve(held),
                    Err(refused) => assert!(!dead && refused == MutexError::Busy, "{refused:?}"),
                }
            }),
        ]);
        fixture.close(0..=2);
    });
}

/// Hunts: a repairer that overwrites a `CONTENDED` that was just set, and sleepers that are never
/// woken.
#[test]
fn model_mutex_declaring_the_data_consistent_keeps_the_sleepers_known() {
    explore(|| {
        let fixture = Fixture::open();
        assert!(!process(1, Some(2), || fixture.visit(1)));
        let held = fixture.try_lock(2).expect("its owner is dead");
        assert!(held.owner_died());
        finish([
            fixture.start(2, None, move |repairer| repairer.serve(held)),
            fixture.start(3, None, move |waiter| waiter.visit(3)),
        ]);
        assert_eq!(
            fixture.deaths_seen(),
            1,
            "one visitor learns of the dead owner"
        );
        fixture.close(2..=2);
    });
}

/// Hunts: an unlock or a `clear_poison` that races a waiter's `CONTENDED` and loses a flag, or the
/// waiter.
#[test]
fn model_mutex_flags_survive_the_announcement_of_a_sleeper() {
    explore(|| {
        let fixture = Fixture::open();
        assert!(!process(1, Some(2), || fixture.visit(1)));
        let held = fixture.try_lock(2).expect("its owner is dead");
        finish([
            // Panics before it has repaired the data.
            fixture.start(2, None, move |panicking| panicking.mutex.unlock(held, true)),
            fixture.start(3, None, move |waiter| {
                let held = waiter.lock(3);
                assert!(held.owner_died() && held.is_poisoned(), "{held:?}");
                waiter.mutex.clear_poison();
                waiter.serve(held);
            }),
        ]);
        let held = fixture.try_lock(2).expect("no other participant");
        assert!(!held.owner_died() && !held.is_poisoned(), "{held:?}");
        fixture.mutex.unlock(held, false);
        fixture.close(1..=1);
    });
}

/// Hunts: a poison cleared by a process that does not hold the lock, while another waits for it.
#[test]
fn model_mutex_clearing_the_poison_disturbs_neither_owner_nor_waiter() {
    explore(|| {
        let fixture = Fixture::open();
        let held = fixture.try_lock(1).expect("no other participant");
        fixture.mutex.unlock(held, true);
        let visitors = [1, 2].map(|id| fixture.start(id, None, move |fixture| fixture.visit(id)));
        let cleaner = fixture.start(3, None, move |cleaner| cleaner.mutex.clear_poison());
        finish(visitors.into_iter().chain([cleaner]));
        assert!(!fixture.mutex.peek().poisoned);
        fixture.close(2..=2);
    });
}

/// Hunts: a weak CAS that fails spuriously, or a sleep that ends spuriously, taken for a change.
#[test]
fn model_mutex_soft_faults_change_nothing() {
    explore_soft_faults(|fault| {
        let fixture = Fixture::open();
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                soft_fault_at(fault.filter(|_| id == 1));
                fixture.visit(id);
            })
        }));
        assert_eq!(fixture.deaths_seen(), 0, "there was no death");
        fixture.close(2..=2);
    });
}

/// Hunts: a process that takes over a dead owner's lock, dies with it, and is not noticed by the
/// third, or whose half-done repair is not reported.
#[test]
fn model_mutex_two_deaths_leave_the_lock_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::open();
        let deaths = [(1, first), (2, second), (3, None)];
        finish(
            deaths.map(|(id, death)| fixture.start(id, death, move |fixture| fixture.visit(id))),
        );
        fixture.close(1..=3);
    });
}

/// Two words behind a lock. loom tracks them: no two processes may use them at once.
struct Room {
    mutex: MutexState,
    words: [Words<1>; 2],
}

impl Room {
    fn change(&self, to: impl FnOnce(u64, u64) -> [u64; 2]) {
        let [[first], [second]] = self.words.each_ref().map(Words::read);
        let [first, second] = to(first, second);
        self.words[0].write(&[first]);
        self.words[1].write(&[second]);
    }

    fn first(&self) {
        let [first] = self.words[0].read();
        self.words[0].write(&[first + 1]);
    }

    fn second(&self) {
        let [second] = self.words[1].read();
        self.words[1].write(&[second + 1]);
    }
}

impl Specified for Room {
    type Spec = State;
    type Hand = Option<LockToken>;

    fn fixture() -> Arc<Self> {
        players();
        Arc::new(Self {
            mutex: MutexState::new(),
            words: [0; 2].map(|word| Words::new([word])),
        })
    }

    fn run(&self, id: u32, op: Op, held: &mut Self::Hand, blocks: bool) -> Option<u8> {
        let peers = KernelLiveness(id);
        match op {
            Op::Lock => {
                let came = match blocks {
                    true => self.mutex.lock(&peers, &Deadline::never()),
                    false => self.mutex.try_lock(&peers),
                };
                let token = held.insert(came.ok()?);
                return Some(token.owner_died().into());
            }
            Op::First => self.first(),
            Op::Second => self.second(),
            Op::MarkConsistent => self.mutex.mark_consistent(held.as_mut()?),
            Op::Unlock => self.mutex.unlock(held.take()?, false),
            _ => {
                let died = self.run(id, Op::Lock, held, blocks)?;
                let [[first], [second]] = self.words.each_ref().map(Words::read);
                let [first, second] = [first, second].map(|word| u8::try_from(word).expect("few"));
                self.change(|first, _| [first + 1; 2]);
                if died > 0 {
                    self.run(id, Op::MarkConsistent, held, blocks);
                }
                self.run(id, Op::Unlock, held, blocks);
                return Some(found(died, first, second));
            }
        }
        Some(0)
    }

    fn recover(&self) {
        self.mutex.recover(tag(1));
    }
}

/// Hunts: an entry that is not counted, or half counted and not told; a death that is told twice.
#[test]
fn model_mutex_is_as_specified() {
    use Op::{Enter, First, Lock, Second, Unlock};
    explore_as_specified::<Room>(&Roles {
        victim: &[Lock, First, Second, Unlock],
        other: &[Enter, Enter],
        last: &[Enter, Enter],
    });
}
