//! Endpoint counts under loom: which participants are counted, and which process settles.

use loom::sync::Arc;

use super::super::{Endpoint, EndpointCounts};
use super::EndpointWords;
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_two_deaths, is_byte_locked,
};
use crate::facade::{AtomicU64, Words, mutants};
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};

mod hand_over;
mutants! {
    model_endpoints_the_last_two_leave_at_once:
        130 "a receiver that finds it over does not acquire",
        132 "uncounting does not publish what was sent",
        134 "settling does not acquire what the uncounted sent",
        135 "the last to be uncounted does not settle",
        136 "two that are uncounted at once have no barrier";
    model_endpoints_a_sender_leaves_as_another_is_counted:
        131 "counting does not change the word",
        133 "settling does not acquire the counts";
    model_endpoints_the_last_sender_dies_as_it_leaves:
        137 "a reaper does not settle";
    model_endpoints_handed_over_by_a_parent_that_dies:
        512 "a child revives an endpoint that is gone",
        513 "taking an end over does not change the word",
        516 "a child changes the word before its cell";
    model_endpoints_handed_over_too_late_as_another_sender_comes:
        514 "a child that finds the endpoint gone does not settle",
        548 "a child joins a new beginning of the endpoint",
        549 "a new beginning is not noted",
        551 "a child does not acquire the note of a new beginning";
    model_endpoints_handed_over_after_a_new_beginning:
        550 "a new beginning is noted as a later one";
    model_endpoints_handed_over_as_another_sender_leaves:
        515 "a parent does not wait for its child";
    model_two_deaths_of_the_last_senders_are_noticed:
        758 "a second death goes unnoticed";
    model_two_deaths_of_parent_and_child_end_the_queue:
        517 "a second death goes unnoticed";
}

/// The end of a queue, and what its senders sent.
struct End {
    words: EndpointWords,
    sent: [Words<1>; 2],
}

impl End {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            words: EndpointWords::new(),
            sent: [0; 2].map(|_| Words::new([0])),
        })
    }

    fn endpoints(&self) -> EndpointCounts<'_> {
        self.words.endpoints()
    }

    fn count(&self, id: u32) {
        let counted = self
            .endpoints()
            .count(Endpoint::Sender, &KernelLiveness(id));
        assert!(counted.is_ok(), "{counted:?}");
    }

    fn uncount(&self, id: u32) {
        self.endpoints()
            .uncount(Endpoint::Sender, &KernelLiveness(id));
    }

    fn is_over(&self) -> bool {
        self.endpoints().is_over(Endpoint::Receiver)
    }
}

/// Hunts: two last senders of which neither settles; a receiver that finds the endpoint gone and
/// does not see what they sent.
#[test]
fn model_endpoints_the_last_two_leave_at_once() {
    explore_at_least(3, || {
        let end = End::new();
        end.count(1);
        end.count(2);
        let senders = [1, 2].map(|id| {
            end.start(id, None, move |end| {
                end.sent[id as usize - 1].write(&[1]);
                end.uncount(id);
            })
        });
        let receiver = end.start(3, None, move |receiver| {
            if receiver.is_over() {
                assert_eq!(
                    (receiver.sent[0].read(), receiver.sent[1].read()),
                    ([1], [1])
                );
            }
        });
        finish(senders.into_iter().chain([receiver]));
        assert!(end.is_over(), "neither settled");
    });
}

/// Hunts: a newcomer that is counted and taken for gone.
#[test]
fn model_endpoints_a_sender_leaves_as_another_is_counted() {
    explore(|| {
        let end = End::new();
        end.count(1);
        finish([
            end.start(1, None, move |old| old.uncount(1)),
            end.start(2, None, move |new| new.count(2)),
        ]);
        assert!(!end.is_over(), "a sender is counted");
        end.uncount(2);
        assert!(end.is_over(), "no sender is counted");
    });
}

/// Hunts: a sender that died at any step of leaving and still counts after it was reaped.
#[test]
fn model_endpoints_the_last_sender_dies_as_it_leaves() {
    explore_deaths(|death| {
        let end = End::new();
        end.count(1);
        let last = end.start(1, death, move |last| last.uncount(1));
        let early = end.start(2, None, move |reaper| {
            if !is_byte_locked(0) {
                reaper.endpoints().recover(tag(1));
            }
        });
        finish([last, early]);
        if !is_byte_locked(0) {
            end.endpoints().recover(tag(1));
        }
        assert!(end.is_over(), "it still counts");
    });
}

/// Hunts: the last two senders, which die in the middle of being counted or uncounted and still
/// count after both were reaped, each by a helper that finds the other alive or dead.
#[test]
fn model_two_deaths_of_the_last_senders_are_noticed() {
    explore_two_deaths(|[first, second]| {
        let end = End::new();
        end.count(1);
        let reap = |end: &End| {
            for id in [1, 2] {
                if !is_byte_locked(id - 1) {
                    end.endpoints().recover(tag(id));
                }
            }
        };
        finish([
            end.start(1, first, move |old| old.uncount(1)),
            end.start(2, second, move |new| {
                new.count(2);
                new.uncount(2);
            }),
            end.start(3, None, move |helper| reap(&helper)),
        ]);
        reap(&end);
        assert!(end.is_over(), "a sender counts that is dead or has left");
    });
}
