//! The condition variable under loom, beside the mutex. No process holds anything by the condition
//! variable, so a lost membership changes nothing; the byte locks say which processes live.

use loom::sync::Arc;

use super::super::CondvarState;
use crate::algorithm::mutex::{LockToken, MutexState};
use crate::facade::model::{
    explore, explore_deaths, explore_deaths_one_less, explore_one_less, explore_two_deaths,
    is_byte_locked,
};
use crate::facade::{Deadline, Pace, Words, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{ReapingLiveness, StartWith, finish, players, start, tag};

mutants! {
    model_condvar_no_notification_is_missed:
        776 "a waiter loads the notifications after it has unlocked",
        777 "a notification is not counted",
        770 "a notification wakes no waiter",
        772 "a waiter does not look again before it sleeps";
    model_condvar_a_notification_of_all_wakes_all:
        771 "a notification of all wakes one waiter";
    model_condvar_a_reaper_notifies_for_the_dead:
        773 "reaping wakes no waiter of a condition variable",
        774 "reaping adds no notification";
    model_condvar_belongs_to_one_mutex:
        775 "two mutexes are bound at once";
    model_condvar_two_deaths_leave_the_third_notified:
        760 "a second death goes unnoticed";
}

/// A condition variable, its mutex, and the data that a waiter waits for.
struct Fixture {
    mutex: MutexState,
    condvar: CondvarState,
    stock: Words<1>,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            mutex: MutexState::new(),
            condvar: CondvarState::new(),
            stock: Words::new([0]),
        })
    }

    fn lock(&self, id: u32) -> LockToken {
        let (peers, never) = (self.peers(id), Deadline::never());
        let taken = self.mutex.lock(&peers, &never);
        taken.expect("no deadline")
    }

    /// Unlocks, waits for a notification, and locks.
    fn wait(&self, held: LockToken, id: u32) -> LockToken {
        let (peers, never) = (self.peers(id), Deadline::never());
        let unlock = || self.mutex.unlock(held, false);
        let waited = self.condvar.wait(unlock, &peers, &never, Pace::Park);
        waited.expect("no deadline");
        self.lock(id)
    }

    /// Waits as a process that has loaded so many notifications.
    fn wait_since(&self, notifications: u64, id: u32) {
        let (peers, never) = (self.peers(id), Deadline::never());
        let mode = Pace::Park.into();
        let waited = self.condvar.wait_since(notifications, &peers, &never, mode);
        waited.expect("no deadline");
    }

    /// Takes one from the stock; waits for it while `one_will_come`.
    fn take(&self, id: u32, one_will_come: impl Fn() -> bool) {
        let mut held = self.lock(id);
        while self.stock.read() == [0] && one_will_come() {
            held = self.wait(held, id);
        }
        let [stock] = self.stock.read();
        self.stock.write(&[stock.saturating_sub(1)]);
        self.mutex.unlock(held, false);
    }

    /// Adds one to the stock and notifies.
    fn add(&self, id: u32) {
        let held = self.lock(id);
        let [stock] = self.stock.read();
        self.stock.write(&[stock + 1]);
        self.mutex.unlock(held, false);
        self.condvar.notify_one();
    }

    fn peers(&self, id: u32) -> impl Liveness {
        ReapingLiveness(id, |dead| self.reap(dead))
    }

    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.mutex.recover(tag(dead));
            self.condvar.recover();
        }
    }
}

/// Returns whether process 1 lives, which adds to the stock.
fn notifier_lives() -> bool {
    is_byte_locked(0)
}

/// Hunts: a waiter that sleeps through a notification: between its look at the data and its sleep,
/// or asleep.
#[test]
fn model_condvar_no_notification_is_missed() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, |fixture| fixture.add(1)),
            fixture.start(2, None, |fixture| fixture.take(2, || true)),
        ]);
        assert_eq!(fixture.stock.read(), [0]);
    });
}

/// Hunts: one of two waiters that is not woken, or sleeps after the notification.
#[test]
fn model_condvar_a_notification_of_all_wakes_all() {
    explore_one_less(|| {
        let fixture = Fixture::open();
        let waits = |id| fixture.start(id, None, move |fixture| fixture.wait_since(0, id));
        finish([
            waits(2),
            waits(3),
            fixture.start(1, None, |fixture| fixture.condvar.notify_all()),
        ]);
    });
}

/// Hunts: a waiter that sleeps on after the process is dead that would have notified it.
#[test]
fn model_condvar_wherever_a_notifier_dies_the_waiter_returns() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, |fixture| fixture.add(1)),
            fixture.start(2, None, |fixture| fixture.take(2, notifier_lives)),
        ]);
    });
}

/// Hunts: a wake that a waiter has taken with it: another one needs it.
#[test]
fn model_condvar_wherever_a_woken_waiter_dies_another_returns() {
    explore_deaths_one_less(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, |fixture| fixture.wait_since(0, 1)),
            fixture.start(2, None, |fixture| fixture.wait_since(0, 2)),
            fixture.start(3, None, |fixture| {
                fixture.condvar.notify_one();
                // As if a second one came: the first has its wake in any case.
                fixture.condvar.notify_one();
            }),
        ]);
    });
}

/// Hunts: a reaper that leaves waiters asleep, or wakes them and lets them sleep again: the process
/// that would have notified them is gone.
#[test]
fn model_condvar_a_reaper_notifies_for_the_dead() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(2, None, |fixture| {
                let held = fixture.lock(2);
                if fixture.stock.read() == [0] {
                    let held = fixture.wait(held, 2);
                    assert_eq!(fixture.stock.read(), [1]);
                    fixture.mutex.unlock(held, false);
                }
            }),
            fixture.start(3, None, |fixture| {
                // As a notifier that is killed before it notifies leaves it.
                let held = fixture.lock(3);
                fixture.stock.write(&[1]);
                fixture.mutex.unlock(held, false);
                fixture.condvar.recover();
            }),
        ]);
    });
}

/// Hunts: waiters of one condition variable with the locks of two mutexes.
#[test]
fn model_condvar_belongs_to_one_mutex() {
    explore(|| {
        let fixture = Fixture::open();
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                if fixture.condvar.bind(id.into()).is_ok() {
                    assert!(fixture.condvar.bind((3 - id).into()).is_err());
                    assert!(fixture.condvar.bind(id.into()).is_ok());
                }
            })
        }));
    });
}

/// Hunts: a mutex that stays locked, or waiters that are not notified, after two deaths.
#[test]
fn model_condvar_two_deaths_leave_the_third_notified() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::open();
        finish((1..).zip(deaths).map(|(id, death)| {
            fixture.start(id, death, move |fixture| {
                fixture.reap(3 - id);
                let peers = fixture.peers(id);
                if let Ok(held) = fixture.mutex.try_lock(&peers) {
                    fixture.mutex.unlock(held, false);
                    fixture.condvar.notify_one();
                }
            })
        }));
        let before = fixture.condvar.notifications();
        let dead = [1, 2].into_iter().filter(|id| !is_byte_locked(id - 1));
        let dead: Vec<u32> = dead.collect();
        dead.iter().for_each(|id| fixture.reap(*id));
        let told = fixture.condvar.notifications() - before;
        assert_eq!(told, dead.len() as u64);
        assert_eq!(fixture.mutex.holder(&fixture.peers(3)), Ok(None));
    });
}
