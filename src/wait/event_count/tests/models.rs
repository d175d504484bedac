//! An event count where the kernel refuses membarrier(2): to a sleeper, or to a notifier.

use loom::sync::Arc;

use super::super::{EventCount, use_events, waiter_barrier};
use crate::facade::model::{explore, explore_at_least, soft_fault_at, without_membarrier};
use crate::facade::{AtomicU64, Ordering, futex_wait, mutants, mutation};
use crate::participant::stage::{StartWith, finish};
use crate::wait::SleepOn;

mutants! {
    model_event_count_a_sleeper_without_membarrier_is_woken:
        630 "a notifier that finds FENCES makes no fence",
        631 "a sleeper whose barrier is refused does not set FENCES";
    model_event_count_a_notifier_without_membarrier_wakes_a_sleeper:
        632 "a process that cannot take part in barriers does not set FENCES";
    model_event_count_a_sleeper_beside_another_stopped_behind_its_barrier_is_woken:
        663 "a sleeper that finds FENCED does not acquire",
        666 "FENCED is not released";
    model_event_count_a_barrier_of_an_earlier_generation_is_not_relied_on:
        664 "setting WAITERS does not change the generation";
    model_event_count_a_sleeper_beside_another_stopped_before_its_barrier_is_woken:
        665 "a sleeper takes WAITERS for FENCED";
    model_event_count_a_round_wakes_a_sleeper_that_is_about_to_sleep:
        940 "a round leaves the generation as it is";
    model_event_count_a_sleeper_of_the_next_round_is_woken:
        941 "a round is over before its commit";
}

const NEVER: core::time::Duration = core::time::Duration::MAX;

/// An event count, and whether its condition was committed.
struct Fixture {
    event: EventCount,
    commits: AtomicU64,
}

impl Fixture {
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

    fn commit_and_notify(&self) {
        // ORDERING: Relaxed; as above.
        self.commits.store(1, Ordering::Relaxed);
        self.event.notify();
    }

    /// Ends a round, the first one or the second.
    fn end_round(&self) {
        let early = mutation(941);
        if early {
            self.event.notify_round();
        }
        // ORDERING: Relaxed; as above.
        self.commits.fetch_add(1, Ordering::Relaxed);
        if !early {
            self.event.notify_round();
        }
    }

    /// Slices do not end: there is no death.
    fn wait_for_round(&self, round: u64) {
        // ORDERING: Relaxed; as above.
        let is_over = || self.commits.load(Ordering::Relaxed) >= round;
        while !is_over() {
            self.sleep(is_over);
        }
    }

    fn sleep(&self, ready: impl FnOnce() -> bool) {
        if let Some(SleepOn::One(word, expected)) = self.event.announce(ready) {
            futex_wait(word, expected, NEVER);
        }
    }

    /// Announces a sleeper, makes its barrier, stores FENCED, and stops.
    fn announce_and_stop(&self) {
        let key = self.event.prepare_wait();
        waiter_barrier(key.needs_barrier, [key]);
    }

    /// Slices do not end: there is no death.
    fn wait(&self) {
        while !self.is_committed() {
            self.sleep(|| self.is_committed());
        }
    }
}

/// Hunts: a sleeper that misses a commit because its barrier was none in the notifier. Its first
/// sleep, in which it learns that, ends spuriously.
#[test]
fn model_event_count_a_sleeper_without_membarrier_is_woken() {
    without_membarrier(|| {
        explore(|| {
            let fixture = Fixture::new();
            soft_fault_at(Some(0));
            fixture.sleep(|| false);
            soft_fault_at(None);
            // As a notifier leaves it.
            fixture.event.wake_all();
            finish([
                fixture.start(1, None, move |sleeper| sleeper.wait()),
                fixture.start(2, None, move |notifier| notifier.commit_and_notify()),
            ]);
        });
    });
}

/// Hunts: the same, where the notifier is not reached by the barriers of others.
#[test]
fn model_event_count_a_notifier_without_membarrier_wakes_a_sleeper() {
    without_membarrier(|| {
        explore(|| {
            let fixture = Fixture::new();
            finish([
                fixture.start(1, None, move |sleeper| sleeper.wait()),
                fixture.start(2, None, move |notifier| {
                    use_events([&notifier.event]);
                    notifier.commit_and_notify();
                }),
            ]);
        });
    });
}

/// Hunts: a sleeper that makes no barrier because another has set WAITERS and is stopped before it
/// makes one.
#[test]
fn model_event_count_a_sleeper_beside_another_stopped_before_its_barrier_is_woken() {
    explore_at_least(3, || {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, None, move |stopped| {
                stopped.event.prepare_wait();
            }),
            fixture.start(2, None, move |notifier| notifier.commit_and_notify()),
            fixture.start(3, None, move |sleeper| sleeper.wait()),
        ]);
    });
}

/// Hunts: the same, where the barrier was made, and the sleeper relies on it.
#[test]
fn model_event_count_a_sleeper_beside_another_stopped_behind_its_barrier_is_woken() {
    explore_at_least(3, || {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, None, move |stopped| stopped.announce_and_stop()),
            fixture.start(2, None, move |notifier| notifier.commit_and_notify()),
            fixture.start(3, None, move |sleeper| sleeper.wait()),
        ]);
    });
}

/// Hunts: a sleeper that relies on another's barrier from an earlier generation, while the sleeper
/// that started this generation is stopped before its own.
#[test]
fn model_event_count_a_barrier_of_an_earlier_generation_is_not_relied_on() {
    explore_at_least(3, || {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, None, move |late| late.announce_and_stop()),
            fixture.start(2, None, move |notifier| {
                notifier.event.wake_all();
                notifier.commit_and_notify();
            }),
            fixture.start(3, None, move |sleeper| {
                // Another sleeper's, which is stopped here.
                sleeper.event.prepare_wait();
                sleeper.wait();
            }),
        ]);
    });
}

/// Hunts: a sleeper between its last check and its sleep, which a round that wakes another one
/// leaves asleep.
#[test]
fn model_event_count_a_round_wakes_a_sleeper_that_is_about_to_sleep() {
    explore(|| {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, None, |sleeper| sleeper.wait_for_round(1)),
            fixture.start(2, None, |sleeper| sleeper.wait_for_round(1)),
            fixture.start(3, None, |notifier| notifier.end_round()),
        ]);
    });
}

/// Hunts: a sleeper that relies on a barrier from an earlier round, and misses the next commit.
#[test]
fn model_event_count_a_sleeper_of_the_next_round_is_woken() {
    explore(|| {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, None, |sleeper| {
                sleeper.wait_for_round(1);
                sleeper.wait_for_round(2);
            }),
            fixture.start(2, None, |notifier| {
                notifier.end_round();
                notifier.end_round();
            }),
        ]);
    });
}
