//! Operations on a work queue: what was sent is done once, and a process that goes on finds it
//! working.
//!
//! Each message is judged by its attempts, and not the queue by its states, as that of `queue` is:
//! what is given back may be redelivered in any order.

mod judge;
mod place;
mod verb;

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crossdock::queue::{ByteQueue, Channel, WorkQueue};

use crate::crash::operation::{Base, Fate, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::crash::victim::Death;
use crate::line::{Patience, Refused, Task};
use crate::process::{Child, End, Rig};
use place::{CAPACITY, Done, Got, Kind, Place, SLEEPERS, Sleeper, TOLD};
use verb::{FIRST, OTHER, Told, Verb, act, act_wrongly};

struct Working<Q> {
    verb: Verb,
    seeded: bool,
    death: Death,
    /// How many victims were killed alone.
    alone: Cell<u32>,
    kind: PhantomData<Q>,
}

/// What others did, and got.
#[derive(Default)]
struct Seen {
    /// What they sent.
    sent: Vec<u64>,
    /// What was delivered to them, in this order.
    got: Vec<Got>,
    /// Who sleeps at the queue.
    sleeper: Option<Child>,
    /// What it got, if it receives.
    woken: Option<Got>,
    /// How many messages they had got when the queue was idle, if it was seen so.
    idle_after: Option<usize>,
}

impl Seen {
    /// How many messages are done.
    fn done(&self) -> usize {
        let got = self.got.iter().chain(&self.woken);
        got.filter(|got| got.done != Done::Nacked).count()
    }
}

/// How long others may take for a message that is there, or is not: some slices.
const SLICES: Duration = Duration::from_millis(25);

impl<Q: Kind> Working<Q> {
    fn new(verb: Verb, seeded: bool) -> Self {
        Self {
            verb,
            seeded,
            death: Death::default(),
            alone: Cell::new(0),
            kind: PhantomData,
        }
    }

    /// True every few times: waiting for what does not come takes long.
    fn is_chosen(&self) -> bool {
        self.alone.get() % 4 == 1
    }

    /// Every other time a process reaps before any process receives.
    fn reaps_first(&self) -> bool {
        self.alone.get().is_multiple_of(2)
    }

    /// All messages that are in the queue, or were, but for the victim's.
    fn all(&self, seen: &Seen) -> Vec<u64> {
        let mut all = self.verb.before().to_vec();
        all.extend(&seen.sent);
        all
    }

    /// Whether the victim had made its commit when it was killed, where that can be said.
    fn committed(&self, place: &Place<Q>, scene: &Scene) -> Option<bool> {
        let cells = usize::try_from(place.queue.cells(FIRST)).ok()?;
        Some(scene.left? <= self.verb.after_commit(cells)?)
    }

    /// A third party sends one message beside a stopped victim, as far as there must be room.
    fn offer(&self, place: &Place<Q>, seen: &mut Seen, scene: &mut Scene) {
        let dead = self.verb.dead().is_some_and(|dead| dead.is_sender());
        let used = self.verb.before().len() + self.verb.loans() + usize::from(dead);
        // Where the other side may be gone, or the victim closes, no process needs to take it.
        let may_refuse = self.verb.closes() || self.verb == Verb::DropReceiver;
        if place.offer(OTHER, scene) {
            seen.sent.push(OTHER);
        } else if !may_refuse && (used as u64) < CAPACITY {
            scene.stuck("there is no room beside a stopped victim");
        }
    }

    /// A third party receives all that the victim neither has nor waits for: no process hides
    /// anything from it.
    fn receive(&self, place: &Place<Q>, seen: &mut Seen, scene: &mut Scene) {
        let verb = self.verb;
        // What cannot be read is no receiver's to acknowledge.
        let all = self.all(seen).len() - usize::from(verb.breaks());
        let most = match verb {
            // It stays as good as full.
            Verb::TrySendFull => 1,
            _ => all - verb.takes(),
        };
        // Nor what a process has died with, before it is known.
        let died_with = verb.dead().is_some_and(|dead| !dead.is_sender());
        let out_of_sight = verb.holds() || verb.buries() || (died_with && verb.takes() == 0);
        let least = most.min(all - verb.takes() - usize::from(out_of_sight));
        let taken = place.take(most, true, scene);
        let acked = taken.acked();
        if acked < least {
            scene.stuck(format!(
                "{acked} of {least} messages come beside a stopped victim"
            ));
        }
        if taken.over && matches!(verb, Verb::SenderSend | Verb::CountSender) {
            scene.duplicated("the only sender is taken for dead, and is stopped");
        }
        seen.got.extend(taken.got);
        if place.queue.is_idle() {
            seen.idle_after = Some(seen.got.len());
        }
    }

    /// A receiver that sleeps wakes for a message that is there, and for the end.
    fn wake_receiver(
        &self,
        place: &Place<Q>,
        seen: &mut Seen,
        scene: &mut Scene,
        sleeper: &mut Child,
    ) {
        let slept_out = |sleeper: &mut Child, time| !matches!(sleeper.end_within(time), Ok(None));
        // It wakes by itself if there is something for it.
        let deadline = Instant::now() + scene.patience;
        while !slept_out(sleeper, Duration::ZERO)
            && !place.queue.is_idle()
            && Instant::now() < deadline
        {
            std::thread::yield_now();
        }
        if slept_out(sleeper, Duration::ZERO) || !place.queue.is_idle() || place.queue.is_closed() {
            return;
        }
        if self.verb.closes() {
            place.queue.close();
        } else if place.offer(OTHER + 1, scene) {
            seen.sent.push(OTHER + 1);
        }
    }

    /// Who sleeps wakes for what he waits for.
    fn wake(&self, place: &Place<Q>, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let Some(mut sleeper) = seen.sleeper.take() else {
            return Ok(());
        };
        let who = self.verb.sleeper();
        match who {
            Some(Sleeper::Receiver) => self.wake_receiver(place, seen, scene, &mut sleeper),
            // A process must make room; if it is there already, it wakes by itself.
            Some(Sleeper::Sender) if place.queue.room() == 0 => {
                seen.got.extend(place.wait_for(1, scene));
            }
            // What the victim has died with comes again, and is done.
            Some(Sleeper::Waiter) if !place.queue.is_idle() => {
                seen.got.extend(place.wait_for(1, scene));
                seen.got.extend(place.take(usize::MAX, false, scene).got);
            }
            _ => {}
        }
        match sleeper.end_within(scene.patience)? {
            None => scene.stuck(format!("a {who:?} sleeps on")),
            Some(End::Exited(TOLD)) if who == Some(Sleeper::Sender) => seen.sent.push(SLEEPERS),
            Some(End::Exited(TOLD)) if who == Some(Sleeper::Waiter) => scene.outcome("idle"),
            Some(End::Exited(TOLD)) if place.queue.is_closed() => scene.outcome("told"),
            Some(End::Exited(code)) if Told::from_code(code).is_some() => {
                seen.woken = Told::from_code(code).map(|Told { item, attempt }| Got {
                    item,
                    attempt,
                    done: Done::Acked,
                });
            }
            Some(other) => scene.lost(format!("a {who:?} ended with {other:?}")),
        }
        Ok(())
    }

    /// Receives the rest beside no other process: first what must come by itself, then all.
    fn drain(&self, place: &Place<Q>, seen: &mut Seen, ended: bool, scene: &mut Scene) {
        let verb = self.verb;
        // A message that may be done without others, or not in the queue.
        let in_doubt = verb.acks() || verb.delays() || verb.ends_buried() || verb == Verb::Reject;
        let due = self.all(seen).len() - usize::from(in_doubt);
        let due = due.saturating_sub(seen.done());
        seen.got.extend(place.wait_for(due, scene));
        seen.got.extend(place.take(usize::MAX, false, scene).got);
        let is_missing = seen.done() < self.all(seen).len();
        let looked = scene.fate == Fate::KilledAlone && self.is_chosen();
        if !ended
            && is_missing
            && self.committed(place, scene) == Some(false)
            && !verb.ends_buried()
        {
            seen.got.extend(place.wait_for(1, scene));
        } else if is_missing && looked {
            seen.got.extend(place.look_for_one(SLICES, scene));
        }
        if !verb.is_sender() && !verb.is_receiver() {
            // Newcomers find the room of the dead by themselves.
            if looked && !in_doubt && !verb.closes() {
                place.works(false, scene);
            }
            place.base.segment.reap();
            let late = place.take(usize::MAX, false, scene).got;
            if looked && !late.is_empty() {
                scene.stuck(format!(
                    "{late:?} comes when a process reaps, and not before"
                ));
            }
            seen.got.extend(late);
        }
        seen.got.extend(place.letters(scene));
        if let Some(after) = seen.idle_after {
            let were_there = [self.verb.before(), &[OTHER]].concat();
            let is_late = |got: &&Got| were_there.contains(&got.item) && got.done != Done::Letter;
            let late: Vec<&Got> = seen.got[after..].iter().filter(is_late).collect();
            if !late.is_empty() {
                scene.lost(format!("{late:?} came when the queue had been idle"));
            }
        }
    }

    /// Once the last that was counted is gone, the other side is told. One that was killed before
    /// it was counted never was there.
    fn ends(&self, place: &Place<Q>, seen: &mut Seen, counted: bool, scene: &mut Scene) {
        let is_told = |told| if told { "told" } else { "not counted" };
        if !counted && self.verb == Verb::CountSender {
            let over = place.take(1, false, scene).over;
            scene.outcome(is_told(over));
        } else if !counted && self.verb == Verb::CountReceiver {
            let refused = !place.offer(OTHER + 1, scene);
            scene.outcome(is_told(refused));
            place.take(1, false, scene);
        } else if self.verb.is_sender() {
            match place.queue.receive(Patience::For(scene.patience)) {
                Err(Refused::Gone) => scene.outcome("told"),
                Err(other) => scene.stuck(format!("the last sender is gone, and: {other:?}")),
                Ok(_) => scene.duplicated("the last sender is gone, and a message comes"),
            }
        } else if self.verb.is_receiver() {
            loop {
                let patience = Patience::For(scene.patience);
                match place.queue.send(OTHER + 1, patience) {
                    // It was not known yet.
                    Ok(()) if seen.sent.len() < 4 => seen.sent.push(OTHER + 1),
                    Err(Refused::Gone) => break scene.outcome("told"),
                    other => {
                        scene.stuck(format!("the last receiver is gone, and send: {other:?}"));
                        break;
                    }
                }
            }
        }
    }

    /// All works on, unless it was closed.
    fn reuse(&self, place: &Place<Q>, scene: &mut Scene) {
        if self.verb.closes() {
            scene.outcome(if place.queue.is_closed() {
                "closed"
            } else {
                "open"
            });
        }
        if place.queue.is_closed() {
            if !self.verb.closes() {
                scene.lost("the queue is closed, and no process has closed it");
            }
            if place.offer(OTHER, scene) {
                scene.duplicated("a message was sent after the queue was closed");
            }
            if !place.take(1, false, scene).over {
                scene.stuck("the closed queue is empty, and does not say that it is over");
            }
            return;
        }
        // What was sent before it was known that no process receives.
        place.take(usize::MAX, false, scene);
        if self.verb.delays() && !place.queue.is_idle() {
            return;
        }
        place.works(true, scene);
    }
}

impl<Q: Kind> Operation for Working<Q> {
    type World = Place<Q>;
    type Seen = Seen;

    fn world(&self) -> Rig<Place<Q>> {
        Place::new(self.verb, &self.death)
    }

    fn base<'a>(&self, place: &'a Place<Q>) -> &'a Base {
        &place.base
    }

    fn victim(&self, place: Owned<Place<Q>>, begin: &mut dyn FnMut()) -> u8 {
        if self.seeded {
            act_wrongly(self.verb, &place, begin)
        } else {
            act(self.verb, &place, begin)
        }
    }

    fn assemble(&self, place: &Place<Q>, seen: &mut Seen) -> Rig {
        if let Some(who) = self.verb.sleeper() {
            seen.sleeper = Some(place.sleeper(who, Duration::from_secs(10))?);
        }
        Ok(())
    }

    fn meanwhile(&self, place: &Place<Q>, seen: &mut Seen, scene: &mut Scene) -> Rig {
        self.offer(place, seen, scene);
        if self.verb.sleeper() != Some(Sleeper::Receiver) {
            self.receive(place, seen, scene);
        }
        Ok(())
    }

    fn after_kill(&self, place: &Place<Q>, mut seen: Seen, scene: &mut Scene) -> Rig {
        if scene.fate == Fate::KilledAlone {
            self.alone.set(self.alone.get() + 1);
            if self.reaps_first() {
                place.base.segment.reap();
            }
        }
        self.wake(place, &mut seen, scene)?;
        self.drain(place, &mut seen, false, scene);
        self.judge(place, &seen, None, scene);
        self.ends(place, &mut seen, false, scene);
        self.reuse(place, scene);
        Ok(())
    }

    fn after_end(&self, place: &Place<Q>, mut seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        self.wake(place, &mut seen, scene)?;
        self.drain(place, &mut seen, true, scene);
        self.judge(place, &seen, Some(code), scene);
        self.ends(place, &mut seen, true, scene);
        if self.verb.closes() && !place.queue.is_closed() {
            scene.lost("the queue was closed, and is open");
        }
        self.reuse(place, scene);
        Ok(())
    }
}

/// The operations on work queues of values.
pub(crate) const LISTED: &[Listed] = listed! {
    Working::<WorkQueue<u64>>::new;
    "WorkQueue::loan, dropped" LoanDrop "a message that no process sent"
    "WorkQueue::loan, Loan::send" LoanSend "a message that no process sent before it"
    "WorkQueue::send" Send "a message that no process sent before it"
    "WorkQueue::send, joining" SendFirst "a message that no process sent before it"
    "WorkQueue::send to a sleeper" SendWake "a message sent to another queue"
    "WorkQueue::send past a dead receiver" SendPast "a message that no process sent"
    "WorkQueue::send to the place of the dead" SendReap "a message that no process sent"
    "WorkQueue::try_send when full" TrySendFull "a message thrown away to make room"
    "WorkQueue::recv" Recv "a message sent again and acknowledged"
    "WorkQueue::recv, ack" RecvAck "a message sent again and acknowledged"
    "WorkQueue::recv of what came back" RecvReturned "a message sent again and acknowledged"
    "WorkQueue::recv of an orphan" RecvAgain "a message sent again and acknowledged"
    "WorkQueue::recv beside a dead sender" RecvBeside "a message sent again and acknowledged"
    "Delivery::ack" Ack "a message given back"
    "Delivery::ack beside a sender asleep" AckWake "a message given back"
    "Delivery::ack beside wait_idle" AckIdle "a message given back"
    "Delivery::nack" Nack "a message acknowledged"
    "Delivery::nack, delayed" NackLater "a message acknowledged"
    "Delivery::nack to a sleeper" NackWake "a message acknowledged"
    "Delivery: drop" Drop "a message acknowledged"
    "Delivery::reject" Reject "a message given back"
    "Delivery::nack, the last attempt" NackLast "a message acknowledged"
    "Delivery: drop, the last attempt" DropLast "a message acknowledged"
    "DeadLetters::take, ack" LetterAck "a dead letter given back"
    "DeadLetters::take, drop" LetterDrop "a dead letter acknowledged"
    "WorkQueue::wait_idle" WaitIdle "a message sent when waiting"
    "WorkQueue::close" Close "a message sent when closing"
    "WorkQueue::close beside a sleeper" CloseWake "another queue closed"
    "WorkQueue::sender" CountSender "a message sent when counting"
    "WorkQueue: Sender::send" SenderSend "a message that no process sent before it"
    "WorkQueue: Sender: drop" DropSender "a message sent when leaving"
    "WorkQueue::receiver" CountReceiver "a message sent when counting"
    "WorkQueue: Receiver::recv" ReceiverRecv "a message sent again and acknowledged"
    "WorkQueue: Receiver: drop" DropReceiver "a message sent when leaving"
    "WorkQueue: reap a dead loaner" ReapLoaner "a message sent for the dead"
    "WorkQueue: reap a dead sender" ReapSender "a message sent for the dead"
    "WorkQueue: reap a dead receiver" ReapReceiver "a message sent by the reaper"
    "WorkQueue: reap a dead holder" ReapHolder "a message sent by the reaper"
    "WorkQueue: reap a holder's last attempt" ReapLast "a message sent by the reaper"
};

/// The operations on work queues of bytes, with messages that span cells.
pub(crate) const LISTED_BYTES: &[Listed] = listed! {
    Working::<ByteQueue>::new;
    "ByteQueue::loan, dropped" LoanDrop "a message that no process sent"
    "ByteQueue::loan, Loan::send" LoanSend "a message that no process sent before it"
    "ByteQueue::send" Send "a message that no process sent before it"
    "ByteQueue::send to a sleeper" SendWake "a message sent to another queue"
    "ByteQueue::recv" Recv "a message sent again and acknowledged"
    "ByteQueue::recv, read, ack" RecvAck "a message sent again and acknowledged"
    "ByteQueue::recv beside a dead loaner" RecvBeside "a message sent again and acknowledged"
    "ByteQueue::recv of an orphan" RecvAgain "a message sent again and acknowledged"
    "ByteQueue: Delivery::ack" Ack "a message given back"
    "ByteQueue: Delivery::nack" Nack "a message acknowledged"
    "ByteQueue: Delivery::nack, delayed" NackLater "a message acknowledged"
    "ByteQueue: Delivery: drop" Drop "a message acknowledged"
    "ByteQueue: Delivery::reject" Reject "a message given back"
    "ByteQueue: Delivery: drop, the last attempt" DropLast "a message acknowledged"
    "ByteQueue: DeadLetters::take, ack" LetterAck "a dead letter given back"
    "ByteQueue: Sender: drop" DropSender "a message sent when leaving"
    "ByteQueue: Receiver: drop" DropReceiver "a message sent when leaving"
    "ByteQueue: reap a dead loaner" ReapLoaner "a message sent for the dead"
    "ByteQueue: reap a dead holder" ReapHolder "a message sent by the reaper"
};

/// The operations on channels that are more than those on the bytes.
pub(crate) const LISTED_CHANNELS: &[Listed] = listed! {
    Working::<Channel<Task>>::new;
    "Channel::send" Send "a value that no process sent before it"
    "Channel::send to a sleeper" SendWake "a value sent to another channel"
    "Channel::recv" Recv "a value sent again and acknowledged"
    "Channel::recv, ack" RecvAck "a value sent again and acknowledged"
    "Channel::recv past what cannot be decoded" RecvBroken "a dead letter that no process sees"
    "Channel: Delivery::ack" Ack "a value given back"
    "Channel: Delivery: drop" Drop "a value acknowledged"
    "Channel: Delivery::reject" Reject "a value given back"
    "Channel: DeadLetters::take, ack" LetterAck "a dead letter given back"
};
