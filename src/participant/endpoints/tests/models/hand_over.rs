//! Endpoint counts under loom while an end goes from a parent to its child.
//!
//! Process 1 is the parent, which is counted; process 2 the child; process 3 all others.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64};

use super::super::super::Endpoint;
use super::End;
use crate::facade::Ordering::Relaxed;
use crate::facade::model::is_byte_locked;
use crate::facade::model::{explore, explore_at_least, explore_deaths, explore_two_deaths};
use crate::facade::mutation;
use crate::participant::hand_over::TakeOverError;
use crate::participant::stage::{KernelLiveness, StartWith, finish, start, tag};

/// A queue's end, and what the child and the others were told.
struct Stage {
    end: Arc<End>,
    /// The count as of which the parent hands it over.
    as_of: AtomicU64,
    /// The child has the end.
    taken: AtomicBool,
    /// A receiver found the queue disconnected.
    told: AtomicBool,
}

impl Stage {
    /// The parent is counted.
    fn new() -> Arc<Self> {
        let end = End::new();
        end.count(1);
        Arc::new(Self {
            as_of: AtomicU64::new(end.endpoints().as_of()),
            end,
            taken: AtomicBool::new(false),
            told: AtomicBool::new(false),
        })
    }

    /// What the child does before it acknowledges.
    fn take_over(&self) {
        let endpoints = self.end.endpoints();
        let end = (Endpoint::Sender, self.as_of.load(Relaxed));
        match endpoints.take_over(end, &KernelLiveness(2)) {
            Ok(()) => self.taken.store(true, Relaxed),
            Err((TakeOverError::Over, _)) => {}
            Err((error, _)) => panic!("{error:?}"),
        }
    }

    /// A receiver looks whether the queue is disconnected.
    fn look(&self) {
        if self.end.is_over() {
            self.told.store(true, Relaxed);
        }
    }

    fn reap(&self) {
        for id in [1, 2] {
            if !is_byte_locked(id - 1) {
                self.end.endpoints().recover(tag(id));
            }
        }
    }

    fn is_taken(&self) -> bool {
        self.taken.load(Relaxed)
    }

    fn is_told(&self) -> bool {
        self.told.load(Relaxed)
    }
}

/// Hunts: an endpoint that counts no participant for a moment, while the parent waits for its
/// child.
#[test]
fn model_endpoints_handed_over_as_another_sender_leaves() {
    let handed_over = |death| {
        let stage = Stage::new();
        stage.end.count(3);
        let child = stage.start(2, death, move |child| child.take_over());
        let parent = stage.start(1, None, move |parent| {
            if mutation(515) {
                parent.end.uncount(1);
            }
        });
        let other = stage.start(3, None, move |other| {
            other.end.uncount(3);
            other.look();
        });
        // The parent waits until its child has acknowledged or is dead.
        finish([child, parent]);
        if !mutation(515) {
            stage.end.uncount(1);
        }
        finish([other]);
        let lives = is_byte_locked(1);
        if lives {
            assert!(stage.is_taken(), "the parent lived, so the end is not over");
            assert!(
                !stage.is_told(),
                "a receiver was told, and the child has it"
            );
            assert!(!stage.end.is_over(), "the child is counted");
            stage.end.uncount(2);
        } else {
            stage.reap();
        }
        assert!(stage.end.is_over(), "no sender is left");
    };
    explore(move || {
        handed_over(None);
    });
    explore_deaths(handed_over);
}

/// Hunts: a receiver that is told of the end while the child takes it over; an endpoint that is
/// gone and is revived by the child.
#[test]
fn model_endpoints_handed_over_by_a_parent_that_dies() {
    explore_deaths(|death| {
        let stage = Stage::new();
        // A clone, which the parent drops meanwhile.
        stage.end.count(1);
        let child = stage.clone();
        finish([
            stage.start(1, death, move |parent| parent.end.uncount(1)),
            start(2, None, move || child.take_over()),
            stage.start(3, None, move |reaper| {
                reaper.reap();
                reaper.look();
            }),
        ]);
        stage.reap();
        if stage.is_taken() {
            assert!(
                !stage.is_told(),
                "a receiver was told, and the child has it"
            );
            assert!(!stage.end.is_over(), "the child is counted");
            stage.end.uncount(2);
            if is_byte_locked(0) {
                stage.end.uncount(1);
            }
        }
        assert!(stage.end.is_over(), "no sender is left");
    });
}

/// Hunts: a child that finds the endpoint gone, and keeps another sender's departure from being
/// noticed; a child that joins a sender which began anew after others were told of the end.
#[test]
fn model_endpoints_handed_over_too_late_as_another_sender_comes() {
    explore_at_least(3, || {
        let stage = Stage::new();
        stage.end.uncount(1);
        assert!(stage.end.is_over());
        finish([
            stage.start(2, None, move |child| child.take_over()),
            stage.start(3, None, move |other| {
                other.end.count(3);
                other.end.uncount(3);
            }),
        ]);
        assert!(!stage.is_taken(), "others were told of the end");
        assert!(stage.end.is_over(), "no sender is left");
    });
}

/// Hunts: an end that is taken for over since the endpoint was gone before it was handed over.
#[test]
fn model_endpoints_handed_over_after_a_new_beginning() {
    explore_at_least(3, || {
        let stage = Stage::new();
        stage.end.uncount(1);
        let parent = stage.clone();
        finish([
            start(1, None, move || {
                parent.end.count(1);
                let as_of = parent.end.endpoints().as_of();
                parent.as_of.store(as_of, Relaxed);
            }),
            stage.start(3, None, move |other| {
                other.end.count(3);
                other.end.uncount(3);
            }),
        ]);
        finish([stage.start(2, None, move |child| child.take_over())]);
        assert!(stage.is_taken(), "the parent lives, so the end is not over");
    });
}

/// Hunts: a parent and a child that both die and still count after both were reaped.
#[test]
fn model_two_deaths_of_parent_and_child_end_the_queue() {
    explore_two_deaths(|[first, second]| {
        let stage = Stage::new();
        finish([
            stage.start(1, first, move |parent| parent.end.uncount(1)),
            stage.start(2, second, move |child| {
                child.take_over();
                if child.is_taken() {
                    child.end.uncount(2);
                }
            }),
            stage.start(3, None, move |reaper| reaper.reap()),
        ]);
        stage.reap();
        assert!(
            stage.end.is_over(),
            "a sender counts that is dead or has left"
        );
    });
}
