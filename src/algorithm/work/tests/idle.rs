//! Models of the detection of an idle queue.

use loom::sync::Arc;

use super::super::{Cursor, OwnedCell};
use super::fixture::{Fixture, Handle};
use crate::facade::Words;
use crate::facade::model::{explore, explore_deaths};
use crate::participant::stage::{StartWith, WithHandles, finish, start};

/// Delivers message 0 to process 1, in the last of two cells; returns it and the cursor after it.
fn holding(fixture: &Fixture) -> (OwnedCell, Cursor) {
    let holder = fixture.handle(1);
    assert!(holder.try_send(7) && holder.try_send(0));
    assert_eq!(holder.poll(), Some(7));
    let owned = holder.receive().unwrap();
    assert_eq!((holder.read(owned), owned.cell), (0, 1));
    (owned, holder.cursor.get())
}

/// Hunts: a queue that counts as idle because its message is in neither cell when that is loaded:
/// its receiver sends another one before it acknowledges this one.
#[test]
fn model_work_queue_is_not_idle_while_a_holder_sends() {
    for receives in [false, true] {
        explore(move || {
            let fixture = Fixture::of(2, 2);
            let (owned, cursor) = holding(&fixture);
            finish([
                fixture.start(1, None, move |holder| {
                    let holder = holder.handle(1).with_cursor(cursor);
                    assert!(holder.try_send(1));
                    holder.ack(owned);
                    if receives {
                        assert!(holder.receive().is_ok());
                    }
                }),
                fixture.start(2, None, move |checker| {
                    assert!(!checker.work().is_idle(), "one message is not done")
                }),
            ]);
        });
    }
}

/// How a holder ends its message.
type End = fn(&Handle<'_>, OwnedCell);
const ENDS: [End; 3] = [
    |holder, owned| holder.ack(owned),
    |holder, owned| holder.make_dead_letter(owned),
    |holder, owned| holder.return_message(owned),
];

/// Hunts: a waiter for an idle queue that is woken too early, or never: a holder sends another
/// message, and ends both. Its earlier stores are visible.
#[test]
fn model_work_idle_queue_wakes_its_waiter() {
    for end in ENDS {
        explore(move || {
            let fixture = Fixture::of(2, 1);
            let (owned, cursor) = holding(&fixture);
            let written_before = Arc::new(Words::new([0]));
            let (holder, sleeper, written) =
                (fixture.clone(), fixture.clone(), written_before.clone());
            finish([
                start(1, None, move || {
                    let holder = holder.handle(1).with_cursor(cursor);
                    assert!(holder.try_send(1));
                    end(&holder, owned);
                    let owned = holder.receive().unwrap();
                    written.write(&[1]);
                    end(&holder, owned);
                }),
                start(2, None, move || {
                    sleeper.handle(2).wait_idle();
                    assert_eq!(written_before.read(), [1], "the waiter was woken too early");
                }),
            ]);
            fixture.check();
        });
    }
}

/// Hunts: a waiter for an idle queue that is not woken although the holder was killed at some step,
/// was reaped, and its message was ended.
#[test]
fn model_work_idle_queue_after_a_death_wakes_its_waiter() {
    for end in ENDS {
        explore_deaths(move |death| {
            let fixture = Fixture::of(1, 1);
            let holder = fixture.handle(1);
            assert!(holder.try_send(0));
            let owned = holder.receive().unwrap();
            holder.read(owned);
            let holder = fixture.start(1, death, move |holder| end(&holder.handle(1), owned));
            let sleeper = fixture.start(2, None, move |sleeper| sleeper.handle(2).wait_idle());
            finish([holder]);
            let reaper = fixture.start(3, None, move |reaper| reaper.reap());
            finish([sleeper, reaper]);
            fixture.check();
        });
    }
}
