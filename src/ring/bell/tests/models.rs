//! A bell where the kernel refuses membarrier(2): to a sleeper, or to a process that rings.

use loom::sync::Arc;

use super::super::{Bell, use_bells};
use crate::facade::model::{explore, soft_fault_at, without_membarrier};
use crate::facade::{AtomicU64, Ordering, futex_wait};
use crate::raw::stage::{finish, start};
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
];

const SLEEPER: &str = "model_a_sleeper_that_is_refused_its_barrier_is_woken";
const RINGER: &str = "model_a_process_that_takes_part_in_no_barrier_wakes_a_sleeper";

const NEVER: core::time::Duration = core::time::Duration::MAX;

/// A bell, and how much was committed.
struct Hall {
    bell: Bell,
    commits: AtomicU64,
}

impl Hall {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bell: Bell::new(),
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
        self.bell.ring();
    }

    fn sleep(&self, ready: impl FnOnce() -> bool) {
        if let Some(SleepOn::One(word, expected)) = self.bell.announce(ready) {
            futex_wait(word, expected, NEVER);
        }
    }

    /// No slice ends: nobody dies.
    fn wait(&self) {
        while !self.is_committed() {
            self.sleep(|| self.is_committed());
        }
    }
}

/// Hunts: a sleeper that misses a commit, because its barrier was none in the process that rings. Its first
/// sleep, in which it finds out, has ended for no reason.
#[test]
fn model_a_sleeper_that_is_refused_its_barrier_is_woken() {
    without_membarrier(|| {
        explore("bell: a sleeper without membarrier", || {
            let hall = Hall::new();
            soft_fault_at(Some(0));
            hall.sleep(|| false);
            soft_fault_at(None);
            // As one that rings leaves it.
            hall.bell.wake();
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
fn model_a_process_that_takes_part_in_no_barrier_wakes_a_sleeper() {
    without_membarrier(|| {
        explore("bell: one that rings without membarrier", || {
            let hall = Hall::new();
            let (sleeper, ringer) = (hall.clone(), hall.clone());
            finish([
                start(1, None, move || sleeper.wait()),
                start(2, None, move || {
                    use_bells([&ringer.bell]);
                    ringer.commit_and_ring();
                }),
            ]);
        });
    });
}
