//! Models of the ring, without a registry: the byte locks say which processes live.

use std::sync::atomic::Ordering::Relaxed;

use crossdock_spec::queue::{AGAIN, Event, State, Step, bit};
use loom::sync::Arc;

use super::super::Cursor;
use super::super::wait::EventWaitError;
use super::fixture::{Fixture, Handle};
use crate::facade::model::{explore, explore_deaths, explore_one_less, unlock_byte};
use crate::facade::{AtomicU64, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::model::judge;
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

mutants! {
    model_mpmc_items_arrive_once_in_order_and_no_wake_is_lost:
        62 "notifying one wakes no sleeper",
        67 "clearing an event count wakes no sleeper that has come since",
        105 "a send does not release its item",
        106 "a receipt does not release its slot",
        107 "a commit does not notify";
    model_mpmc_slot_of_a_new_participant_is_not_taken:
        100 "a walker does not acquire the words it loads",
        101 "a claim neither acquires nor releases";
    model_mpmc_no_item_arrives_after_the_end:
        102 "a sender has no barrier between its claim and its check",
        103 "a sender sends into a queue that it finds closed",
        112 "a receiver has no barrier before its last check",
        113 "a receiver does not wait for an item that is being written";
    model_mpmc_item_of_a_dead_receiver_wakes_a_sleeper:
        104 "a receiver does not search for orphans",
        114 "a reaper does not orphan a dead receiver's item",
        115 "a reaper that leaves an orphan does not advance the epoch",
        117 "a reaper wakes no waiter";
    model_mpmc_slot_of_a_live_owner_is_not_taken:
        108 "a slot is taken from a live owner";
    model_mpmc_slot_of_a_dead_sender_is_freed:
        109 "a dead sender's slot is never skipped",
        110 "skipping a slot wakes no waiter";
    model_mpmc_idle_handle_catches_up:
        111 "a hint is not acquired";
    model_mpmc_receiver_finds_the_orphans_of_an_epoch:
        116 "the epoch does not release the orphans";
    model_mpmc_two_items_wake_two_sleepers:
        118 "a receiver that slept and received an item does not check for more";
    model_mpmc_item_of_a_dead_receiver_can_be_replaced:
        119 "a sender waits for a dead receiver that is not reaped";
    model_mpmc_orphan_left_by_a_sender_wakes_a_sleeper:
        120 "a sender that leaves an orphan does not advance the epoch",
        121 "a sender that leaves an orphan wakes no waiter",
        122 "a reaper announces only orphans of its own";
    model_mpmc_is_as_specified:
        949 "an item of a dead receiver is not marked";
}

/// Hunts: items that are lost, duplicated, torn or out of order, and sleepers on either side that
/// are not woken, over several laps.
#[test]
fn model_mpmc_items_arrive_once_in_order_and_no_wake_is_lost() {
    explore(|| {
        let fixture = Fixture::of(2);
        finish([
            fixture.run(1, None, move |sender| {
                for item in 0..3 {
                    assert_eq!(sender.send(item), Ok(()));
                }
            }),
            fixture.run(2, None, move |receiver| {
                for item in 0..3 {
                    assert_eq!(receiver.recv(), Ok(item));
                }
            }),
        ]);
        fixture.check(0);
    });
}

/// Hunts: an item of a killed sender that arrives in part, or was committed and does not arrive; an
/// item behind it that is not found; a slot that stays blocked.
#[test]
fn model_mpmc_sender_dies_beside_another() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        finish([
            fixture.run(1, death, move |victim| victim.try_send(1)),
            fixture.run(2, None, move |other| assert_eq!(other.try_send(2), Ok(()))),
            fixture.run(3, None, move |receiver| receiver.poll()),
        ]);
        fixture.check(0);
    });
}

/// Hunts: the same where each process sends and receives, in three slots: two laps for each slot.
#[test]
fn model_mpmc_two_processes_send_and_receive_one_killed() {
    explore_deaths(|death| {
        let fixture = Fixture::of(3);
        let first = fixture.handle(3);
        for item in [1, 2] {
            assert_eq!(first.try_send(item), Ok(()));
            assert_eq!(first.poll(), Some(item));
        }
        finish([
            fixture.run(1, death, move |victim| {
                (victim.try_send(3), victim.poll(), victim.try_send(4))
            }),
            fixture.run(2, None, move |other| {
                assert_eq!(other.try_send(5), Ok(()));
                let _ = other.poll();
            }),
        ]);
        fixture.check(0);
    });
}

/// Hunts: an item that two receivers get, or none, because one of them was killed while it received
/// the item.
#[test]
fn model_mpmc_receiver_dies_beside_another() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        let first = fixture.handle(3);
        assert_eq!((first.try_send(1), first.try_send(2)), (Ok(()), Ok(())));
        finish([
            fixture.run(1, death, move |victim| victim.poll()),
            fixture.run(2, None, move |other| {
                assert!(other.poll().is_some(), "two items, and one other receiver");
                let _ = other.try_send(3);
            }),
        ]);
        fixture.check(0);
    });
}

/// Hunts: a slot that is taken from a live owner.
#[test]
fn model_mpmc_slot_of_a_live_owner_is_not_taken() {
    explore(|| {
        let fixture = Fixture::of(2);
        finish([
            fixture.run(1, None, move |sender| {
                assert_eq!(sender.try_send(1), Ok(()));
                let _ = sender.try_send(2);
            }),
            fixture.run(2, None, move |receiver| (receiver.poll(), receiver.poll())),
        ]);
        fixture.check(0);
    });
}

/// Hunts: the state left by a helper that is killed while it helps: process 3 died as it sent, and
/// another time as it received.
#[test]
fn model_mpmc_helper_dies_too() {
    for receives in [false, true] {
        explore_deaths(move |death| {
            let fixture = Fixture::of(2);
            let first = fixture.handle(2);
            assert_eq!(first.try_send(1), Ok(()));
            let dead = fixture.handle(3);
            if receives {
                let taken = dead.with(|ring, cursor| ring.claim_recv(cursor, &dead));
                assert!(taken.is_ok());
            } else {
                assert!(dead.claim().is_ok());
            }
            unlock_byte(2, 3);
            finish([
                fixture.start(1, death, move |helper| {
                    helper.ring().recover(tag(3));
                    let _ = helper.handle(1).poll();
                }),
                fixture.start(2, None, move |other| {
                    other.ring().recover(tag(3));
                    let other = other.handle(2);
                    let _ = (other.poll(), other.try_send(2));
                }),
            ]);
            // Process 3 is a new one, with the same tag; its predecessor was recovered.
            fixture.check(0);
        });
    }
}

/// Hunts: an item that both the sender that replaces it and a receiver get, or neither; items out
/// of order.
#[test]
fn model_mpmc_oldest_item_is_replaced_while_it_is_received() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        let first = fixture.handle(3);
        assert_eq!((first.try_send(0), first.try_send(1)), (Ok(()), Ok(())));
        let handles = [
            fixture.run(1, death, move |replacer| {
                let claimed = replacer.with(|ring, cursor| ring.claim_replace(cursor, &replacer));
                if let Ok(claimed) = claimed {
                    replacer.commit(&replacer.take_oldest(claimed), 2);
                }
            }),
            fixture.run(2, None, move |receiver| {
                let (first, second) = (receiver.poll(), receiver.poll());
                let late = |item: Option<u64>| item.unwrap_or(9);
                // A redelivered item may arrive after newer ones.
                let in_order = death.is_some() || second.is_none() || late(first) < late(second);
                assert!(in_order, "{second:?} after {first:?}");
            }),
        ];
        finish(handles);
        // If the victim was killed between the commit of the old item and its record, it has
        // the item.
        fixture.check(u64::from(death.is_some()));
    });
}

/// Hunts: an item that is sent after a receiver was told that the queue is disconnected.
#[test]
fn model_mpmc_no_item_arrives_after_the_end() {
    explore(|| {
        let fixture = Fixture::of(2);
        finish([
            fixture.run(1, None, move |sender| sender.try_send(1)),
            fixture.start(3, None, move |closer| closer.ring().close()),
            fixture.run(2, None, move |receiver| {
                while receiver.recv() != Err(EventWaitError::Disconnected) {}
            }),
        ]);
        let (sent, received) = (fixture.sent.load(Relaxed), fixture.received.load(Relaxed));
        assert_eq!(sent, received, "sent after the end");
    });
}

/// Hunts: a receiver that does not pass the slot of a dead sender, and a sender that sleeps
/// although the slot was skipped: two senders, two slots, one of them free at once.
#[test]
fn model_mpmc_slot_of_a_dead_sender_is_freed() {
    explore_one_less(|| {
        let fixture = Fixture::of(2);
        let first = fixture.handle(1);
        assert_eq!(first.try_send(1), Ok(()));
        let dead = fixture.handle(3);
        assert!(dead.claim().is_ok());
        unlock_byte(2, 3);
        let passed = dead.cursor.get();
        // Two threads of one process.
        let senders = [2, 3].map(|item| {
            fixture.start(2, None, move |fixture| {
                let sender = fixture.handle(2);
                sender.cursor.set(passed);
                assert_eq!(sender.send(item), Ok(()));
            })
        });
        let receiver = fixture.start(1, None, move |receiver| {
            let receiver = receiver.handle(1);
            assert_eq!(receiver.poll(), Some(1));
            let _ = receiver.poll();
        });
        finish(senders.into_iter().chain([receiver]));
        assert_eq!(fixture.sent.load(Relaxed) & 0b1100, 0b1100);
    });
}

/// Hunts: a new participant that is seen as dead, because the process that observes its tag does
/// not observe yet that it has joined.
#[test]
fn model_mpmc_slot_of_a_new_participant_is_not_taken() {
    /// What others know of process 1: that it is alive, if they observe its store.
    struct NewParticipant<'a>(&'a AtomicU64);

    impl Liveness for NewParticipant<'_> {
        fn me(&self) -> Tag {
            tag(2)
        }
        fn is_alive(&self, _other: Tag) -> bool {
            self.0.load(Relaxed) == 1
        }
        fn is_member(&self) -> bool {
            true
        }
        fn participants(&self) -> u32 {
            3
        }
    }

    explore(|| {
        let fixture = Fixture::of(2);
        let here = Arc::new(AtomicU64::new(0));
        let seen = here.clone();
        finish([
            fixture.start(1, None, move |new| {
                here.store(1, Relaxed);
                let _ = new.handle(1).try_send(1);
            }),
            fixture.start(2, None, move |other| {
                let mut cursor = Cursor::default();
                let claim = other.ring().claim_recv(&mut cursor, &NewParticipant(&seen));
                if let Ok(claim) = claim {
                    assert_eq!(other.handle(2).take(&claim), 1);
                }
                let skipped = cursor.head != Cursor::default().head && claim.is_err();
                assert!(!skipped, "a slot was taken from a live owner");
            }),
        ]);
        fixture.check(0);
    });
}

/// Hunts: a sleeper whose wake went to another that could not use it yet: two items, the second of
/// which is committed first, by two threads of one process, and two sleepers.
#[test]
fn model_mpmc_two_items_wake_two_sleepers() {
    explore_one_less(|| {
        let fixture = Fixture::of(2);
        let sender = fixture.handle(1);
        let (first, second) = (sender.claim().unwrap(), sender.claim().unwrap());
        let receivers = [2, 3]
            .map(|id| fixture.run(id, None, move |receiver| assert!(receiver.recv().is_ok())));
        let sender = fixture.start(1, None, move |sender| {
            let sender = sender.handle(1);
            sender.commit(&second, 2);
            sender.commit(&first, 1);
        });
        finish(receivers.into_iter().chain([sender]));
        fixture.check(0);
    });
}

/// Hunts: a handle that was idle for laps and reports corruption where there is none, or finds a
/// slot that is not the next.
#[test]
fn model_mpmc_idle_handle_catches_up() {
    explore(|| {
        let fixture = Fixture::of(2);
        let known = fixture.handle(1);
        for item in 0..3 {
            assert_eq!(known.try_send(item), Ok(()));
            assert_eq!(known.poll(), Some(item));
        }
        let known = known.cursor.get();
        finish([
            fixture.run(1, None, move |busy| {
                busy.cursor.set(known);
                for item in 3..5 {
                    assert_eq!(busy.try_send(item), Ok(()));
                    assert_eq!(busy.poll(), Some(item));
                }
            }),
            fixture.run(2, None, move |idle| assert!(idle.len() <= 2)),
        ]);
        fixture.check(0);
    });
}

/// What a handle observes that tries to receive; with a mark, if the item was received before.
fn received(handle: &Handle<'_>) -> Event {
    match handle.try_claim() {
        Ok(claim) => {
            let again = claim.is_redelivered();
            Event::Received(handle.take(&claim), again)
        }
        Err(_) => Event::Empty,
    }
}

/// Hunts: an item that is lost, duplicated, out of order, or not marked when it comes again.
#[test]
fn model_mpmc_is_as_specified() {
    const STEPS: &[Step] = &[Step::Recv, Step::Send(2)];
    explore_deaths(|death| {
        let fixture = Fixture::of(4);
        assert_eq!(fixture.handle(3).try_send(1), Ok(()));
        let [victim, other, reaper, last] = [(); 4].map(|()| fixture.clone());
        judge(
            death,
            State::new(&[1], false, STEPS),
            move || {
                let handle = victim.handle(1);
                let claim = handle.wait_claim().expect("an item is there, or comes");
                let again = if claim.is_redelivered() { AGAIN } else { 0 };
                let told = bit(handle.take(&claim)) | again;
                assert_eq!(handle.send(2), Ok(()));
                told | bit(2)
            },
            move |see| {
                let handle = other.handle(2);
                let sent = handle.try_send(5).is_ok();
                see(if sent { Event::Sent(5) } else { Event::Full });
                see(received(&handle));
            },
            move || reaper.ring().recover(tag(1)),
            move |see| {
                let handle = last.handle(3);
                for _ in 0..4 {
                    see(received(&handle));
                }
            },
        );
    });
}
