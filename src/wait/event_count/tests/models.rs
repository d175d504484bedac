//! An event count where the kernel refuses membarrier(2): to a sleeper, or to a process that rings.

use loom::sync::Arc;

use super::super::{EventCount, use_events, waiter_barrier};
use crate::facade::model::{explore, explore_at_least, soft_fault_at, without_membarrier};
use crate::facade::{AtomicU64, Ordering, futex_wait};
use crate::participant::stage::{finish, start};
use crate::wait::SleepOn;

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        630,
        SLEEPER,
        "a process that rings and finds FENCES makes no fence",
    ),
    (
        631,
        SLEEPER,
        "a sleeper that is refused its barrier keeps that to itself",
    ),
    (
        632,
        RINGER,
        "a process that cannot take part in barriers keeps that to itself",
    ),
    (663, AFTER, "a sleeper that finds FENCED does not acquire"),
    (664, AGAIN, "arming does not change the generation"),
    (665, BEFORE, "a sleeper takes WAITERS for FENCED"),
    (666, AFTER, "FENCED is not released"),
];

const BEFORE: &str =
    "model_event_count_a_sleeper_beside_another_stopped_before_its_barrier_is_woken";
const AFTER: &str =
    "model_event_count_a_sleeper_beside_another_stopped_behind_its_barrier_is_woken";
const AGAIN: &str = "model_event_count_a_barrier_of_an_earlier_generation_is_not_relied_on";

const SLEEPER: &str = "model_event_count_a_sleeper_without_membarrier_is_woken";
const RINGER: &str = "model_event_count_a_notifier_without_membarrier_wakes_a_sleeper";

const NEVER: core::time::Duration = core::time::Duration::MAX;

/// An event count, and how much was committed.
struct Hall {
    event: EventCount,
    commits: AtomicU64,
}

impl Hall {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            event: EventCount::new(),
            commits: AtomicU64::new(0),
        })
    }

    fn is_committed(&self) -> bool {
        // ORDERING: Relaxed; the barriers are what is modelled.
        self.commits.load(Ordering::Relaxed) != 0
    }

    fn commit_and_ring(&self) {
        // ORDERING: Relaxed; as above.
        self.commits.store(1, Ordering::Relaxed);
        self.event.notify();
    }

    fn sleep(&self, ready: impl FnOnce() -> bool) {
        if let Some(SleepOn::One(word, expected)) = self.event.announce(ready) {
            futex_wait(word, expected, NEVER);
        }
    }

    /// Arms the event count, makes a barrier, says so, and is stopped.
    fn arm_and_stop(&self) {
        let armed = self.event.prepare_wait();
        waiter_barrier(armed.needs_barrier, [armed]);
    }

    /// No slice ends: nobody dies.
    fn wait(&self) {
        while !self.is_committed() {
            self.sleep(|| self.is_committed());
        }
    }
}

/// Hunts: a sleeper that misses a commit, because its barrier was none in the process that rings.
/// Its first sleep, in which it finds out, has ended for no reason.
#[test]
fn model_event_count_a_sleeper_without_membarrier_is_woken() {
    without_membarrier(|| {
        explore("event count: a sleeper without membarrier", || {
            let hall = Hall::new();
            soft_fault_at(Some(0));
            hall.sleep(|| false);
            soft_fault_at(None);
            // As one that rings leaves it.
            hall.event.wake_all();
            let (sleeper, ringer) = (hall.clone(), hall.clone());
            finish([
                start(1, None, move || sleeper.wait()),
                start(2, None, move || ringer.commit_and_ring()),
            ]);
        });
    });
}

/// Hunts: the same, where the process that rings is not reached by the barriers of others.
#[test]
fn model_event_count_a_notifier_without_membarrier_wakes_a_sleeper() {
    without_membarrier(|| {
        explore("event count: a notifier without membarrier", || {
            let hall = Hall::new();
            let (sleeper, ringer) = (hall.clone(), hall.clone());
            finish([
                start(1, None, move || sleeper.wait()),
                start(2, None, move || {
                    use_events([&ringer.event]);
                    ringer.commit_and_ring();
                }),
            ]);
        });
    });
}

/// Hunts: a sleeper that makes no barrier, since another has armed the event count, which is
/// stopped before it makes one.
#[test]
fn model_event_count_a_sleeper_beside_another_stopped_before_its_barrier_is_woken() {
    explore_at_least(
        "event count: a sleeper stopped before its barrier",
        3,
        || {
            let hall = Hall::new();
            let (stopped, sleeper, ringer) = (hall.clone(), hall.clone(), hall.clone());
            finish([
                start(1, None, move || {
                    stopped.event.prepare_wait();
                }),
                start(2, None, move || ringer.commit_and_ring()),
                start(3, None, move || sleeper.wait()),
            ]);
        },
    );
}

/// Hunts: the same, where the barrier was made, and the sleeper relies on it.
#[test]
fn model_event_count_a_sleeper_beside_another_stopped_behind_its_barrier_is_woken() {
    explore_at_least(
        "event count: a sleeper stopped behind its barrier",
        3,
        || {
            let hall = Hall::new();
            let (stopped, sleeper, ringer) = (hall.clone(), hall.clone(), hall.clone());
            finish([
                start(1, None, move || stopped.arm_and_stop()),
                start(2, None, move || ringer.commit_and_ring()),
                start(3, None, move || sleeper.wait()),
            ]);
        },
    );
}

/// Hunts: a sleeper that relies on the barrier of another, which was made before the event count
/// was disarmed, and armed again by a third that is stopped before its own.
#[test]
fn model_event_count_a_barrier_of_an_earlier_generation_is_not_relied_on() {
    explore_at_least("event count: another generation", 3, || {
        let hall = Hall::new();
        let (late, sleeper, ringer) = (hall.clone(), hall.clone(), hall.clone());
        finish([
            start(1, None, move || late.arm_and_stop()),
            start(2, None, move || {
                ringer.event.wake_all();
                ringer.commit_and_ring();
            }),
            start(3, None, move || {
                // Another's, which is stopped here.
                sleeper.event.prepare_wait();
                sleeper.wait();
            }),
        ]);
    });
}
