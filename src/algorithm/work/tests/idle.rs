//! Whether all is done, under loom.

use loom::sync::Arc;

use super::super::{Cursor, Mine};
use super::stage::{Shop, Worker, worker};
use crate::facade::Words;
use crate::facade::model::{explore, explore_deaths};
use crate::participant::stage::{finish, start};

/// Message 0 is in the hands of process 1, in the last of two cells; and what it knows then.
fn holding(shop: &Shop) -> (Mine, Cursor) {
    let holder = worker(shop, 1);
    assert!(holder.try_send(7) && holder.try_send(0));
    assert_eq!(holder.pick(), Some(7));
    let mine = holder.receive().unwrap();
    assert_eq!((holder.read(mine), mine.cell), (0, 1));
    (mine, holder.cursor.get())
}

/// Hunts: a queue that is taken for idle, because the message that it has is at neither cell when it is
/// looked for: its holder sends another one before it acknowledges this one.
#[test]
fn model_work_a_holder_that_sends_is_not_idle() {
    for receives in [false, true] {
        explore("work: a holder that sends, one that looks", move || {
            let shop = Shop::of(2, 2);
            let (mine, known) = holding(&shop);
            let (holder, looking) = (shop.clone(), shop.clone());
            finish([
                start(1, None, move || {
                    let holder = worker(&holder, 1).knowing(known);
                    assert!(holder.try_send(1));
                    holder.ack(mine);
                    if receives {
                        assert!(holder.receive().is_ok());
                    }
                }),
                start(2, None, move || {
                    assert!(!looking.work().is_idle(), "one of them is not done");
                }),
            ]);
        });
    }
}

/// How a holder is done with its message.
type End = fn(&Worker<'_>, Mine);
const ENDS: [End; 3] = [
    |holder, mine| holder.ack(mine),
    |holder, mine| holder.bury(mine),
    |holder, mine| holder.give_back(mine),
];

/// Hunts: one that waits for it to be idle and is woken too early, or never: a holder sends another message,
/// and is done with both. What it did before is seen.
#[test]
fn model_work_idleness_is_told() {
    for end in ENDS {
        explore(
            "work: a holder that sends, one that waits for idleness",
            move || {
                let shop = Shop::of(2, 1);
                let (mine, known) = holding(&shop);
                let note = Arc::new(Words::new([0]));
                let (holder, sleeper, noted) = (shop.clone(), shop.clone(), note.clone());
                finish([
                    start(1, None, move || {
                        let holder = worker(&holder, 1).knowing(known);
                        assert!(holder.try_send(1));
                        end(&holder, mine);
                        let mine = holder.receive().unwrap();
                        noted.write(&[1]);
                        end(&holder, mine);
                    }),
                    start(2, None, move || {
                        worker(&sleeper, 2).wait_idle();
                        assert_eq!(note.read(), [1], "too early");
                    }),
                ]);
                shop.balance();
            },
        );
    }
}

/// Hunts: one that waits for it to be idle and is not woken, although the holder was killed at some step, and
/// somebody reaped it, and was done with its message.
#[test]
fn model_work_idleness_after_a_death_is_told() {
    for end in ENDS {
        explore_deaths(
            "work: a holder killed, one that waits for idleness",
            move |death| {
                let shop = Shop::of(1, 1);
                let holder = worker(&shop, 1);
                assert!(holder.try_send(0));
                let mine = holder.receive().unwrap();
                holder.read(mine);
                let (holder, sleeper, reaper) = (shop.clone(), shop.clone(), shop.clone());
                let holder = start(1, death, move || end(&worker(&holder, 1), mine));
                let sleeper = start(2, None, move || worker(&sleeper, 2).wait_idle());
                finish([holder]);
                let reaper = start(3, None, move || reaper.reap());
                finish([sleeper, reaper]);
                shop.balance();
            },
        );
    }
}
