//! Operations on a work queue: what was sent is done once, and a process that goes on finds it
//! working.
//!
//! What a victim and others do are operations of the specification, which says what is allowed.

mod place;
mod verb;

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::forget;
use std::time::Duration;

use crossdock::queue::{ByteQueue, Channel, WorkQueue};
use crossdock_spec::allowed::State as _;
use crossdock_spec::run::{Run, Seen};
use crossdock_spec::work::{Op, Returned, Side, Work};
use crossdock_spec::{Actor, FAILED, Specification as _};

use crate::crash::allowed::Allowed;
use crate::crash::operation::{Base, Fate, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::crash::victim::Death;
use crate::line::Task;
use crate::process::{Child, Rig, forked_asleep};
use place::{Counted, Hand, Kind, Place, rehearse};
use verb::{ACK, Bug, NACK, OTHER, Verb};

struct Working<Q> {
    verb: Verb,
    seeded: bool,
    death: Death,
    /// How many victims were killed alone.
    alone: Cell<u32>,
    kind: PhantomData<Q>,
}

/// What others saw.
#[derive(Default)]
struct Watch {
    allowed: Allowed<Run<Work>>,
    /// The process that sleeps at the queue.
    sleeper: Option<Child>,
}

/// A third party, which tells the judge all that it sees.
struct Third<'a, Q: Kind> {
    place: &'a Place<Q>,
    allowed: &'a mut Allowed<Run<Work>>,
    scene: &'a mut Scene,
    hand: Hand<'a, Q>,
}

/// How long others may take for a message that is there, or is not: some slices.
const SLICES: Duration = Duration::from_millis(25);

impl<Q: Kind> Third<'_, Q> {
    /// Does that, and waits for it no longer than `time`; what it returned.
    fn does(&mut self, op: Op, time: Duration) -> Option<Returned> {
        let place = self.place;
        match place.run(&place.queue, op, &mut self.hand, Some(time)) {
            Ok(returned) => {
                let event = Seen::Returned(op, returned);
                self.allowed.see(event, self.scene);
                returned
            }
            Err(what) => {
                self.scene.lost(what);
                None
            }
        }
    }

    fn tries(&mut self, op: Op) -> Option<Returned> {
        self.does(op, Duration::ZERO)
    }

    fn waits(&mut self, op: Op) -> Option<Returned> {
        self.does(op, self.scene.patience)
    }

    fn is_so(&mut self, op: Op) -> bool {
        self.tries(op) == Some(Returned::Is(true))
    }

    /// Receives what is there now, and acknowledges `most` messages at most, or as many as it
    /// returns. Gives the first that is new back first, if it `nacks`.
    fn takes(&mut self, most: usize, mut nacks: bool) -> usize {
        let mut acked = 0;
        while acked < most
            && let Some(Returned::Got(message)) = self.tries(Op::TryRecv)
        {
            if nacks && message.attempts == 1 {
                nacks = false;
                self.tries(NACK);
            } else {
                self.tries(ACK);
                acked += 1;
            }
        }
        acked
    }

    /// Receives what must come without another process's help.
    fn waits_for_all(&mut self) {
        while self.allowed.all(|run| run.state().has_messages()) {
            let Some(Returned::Got(_)) = self.waits(Op::Recv) else {
                break;
            };
            self.tries(ACK);
        }
        self.takes(usize::MAX, false);
    }

    /// Receives one message if one comes within some slices.
    fn looks_for_one(&mut self) {
        let place = self.place;
        let found = place.run(&place.queue, Op::Recv, &mut self.hand, Some(SLICES));
        if let Ok(Some(returned)) = found {
            let event = Seen::Returned(Op::Recv, Some(returned));
            self.allowed.see(event, self.scene);
            self.tries(ACK);
        }
    }
}

impl Watch {
    fn third<'a, Q: Kind>(&'a mut self, place: &'a Place<Q>, scene: &'a mut Scene) -> Third<'a, Q> {
        Third {
            place,
            allowed: &mut self.allowed,
            scene,
            hand: Hand::default(),
        }
    }
}

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

    /// Has a sleeper wake for what it waits for.
    fn wake(&self, place: &Place<Q>, watch: &mut Watch, scene: &mut Scene) -> Rig {
        let Some(sleeper) = watch.sleeper.take() else {
            return Ok(());
        };
        let mut third = watch.third(place, scene);
        // If it is there already, it wakes by itself.
        third.tries(Op::IsIdle);
        third.tries(Op::IsClosed);
        if !Q::SPANS {
            third.tries(Op::Room);
        }
        if !third.allowed.all(Run::is_served) {
            for op in self.verb.rescue {
                third.waits(*op);
            }
            if self.verb.rescue.is_empty() {
                third.waits_for_all();
            }
        }
        drop(third);
        if let Some(code) = scene.code_of(sleeper)? {
            watch.allowed.see(Seen::WaiterEnded(0, code), scene);
        }
        Ok(())
    }

    /// Receives the rest beside no other process: first what must come by itself, then all.
    fn drain(&self, third: &mut Third<'_, Q>) {
        third.waits_for_all();
        let looks = third.scene.fate == Fate::KilledAlone && self.is_chosen();
        if looks && !third.allowed.all(|run| !run.state().has_messages()) {
            third.looks_for_one();
        }
        // A process that waits for the other side finds out by itself.
        if self.verb.counted().is_none() {
            let is_new = |run: &Run<Work>| run.state().is_empty() && !run.state().is_closed();
            // Newcomers find the room of the dead by themselves.
            if looks && third.allowed.all(is_new) {
                third.place.works(false, third.scene);
            }
            third.tries(Op::Reap);
            let late = third.takes(usize::MAX, false);
            if looks && late > 0 {
                let what = format!("{late} come when a process reaps, and not before");
                third.scene.stuck(what);
            }
        }
        while let Some(Returned::Got(_)) = third.tries(Op::Letter) {
            third.scene.outcome("buried");
            third.tries(ACK);
        }
        let is_drained = |run: &Run<Work>| run.state().is_drained();
        let what = "all came that is there";
        third.allowed.keep(what, is_drained, third.scene);
        if !third.is_so(Op::IsIdle) {
            third.scene.outcome("delayed");
        }
        third.allowed.outcome(third.scene);
    }

    /// Once the last that was counted is gone, the other side is told. One that was killed before
    /// it was counted never was there.
    fn ends(&self, third: &mut Third<'_, Q>) {
        let is_told = |told| if told { "told" } else { "not counted" };
        let Some(side) = self.verb.counted() else {
            return;
        };
        let was_counted = third.allowed.all(|run| run.state().has_left(side));
        match side {
            Side::Sender if !was_counted => {
                let told = third.tries(Op::TryRecv) == Some(Returned::Gone);
                third.scene.outcome(is_told(told));
            }
            Side::Receiver if !was_counted => {
                let told = third.tries(Op::TrySend(OTHER + 1)) == Some(Returned::Gone);
                third.scene.outcome(is_told(told));
                third.takes(1, false);
            }
            Side::Sender => {
                if third.waits(Op::Recv) == Some(Returned::Gone) {
                    third.scene.outcome("told");
                }
            }
            Side::Receiver => {
                // It may not be known yet.
                for _ in 0..4 {
                    match third.waits(Op::Send(OTHER + 1)) {
                        Some(Returned::Done) => {}
                        Some(Returned::Gone) => return third.scene.outcome("told"),
                        _ => return,
                    }
                }
                let what = "the last receiver is gone, and messages are sent";
                third.scene.stuck(what);
            }
        }
    }

    /// All works on, unless it was closed.
    fn reuse(&self, third: &mut Third<'_, Q>) {
        let is_closed = third.is_so(Op::IsClosed);
        if self.verb.closes() {
            let what = if is_closed { "closed" } else { "open" };
            third.scene.outcome(what);
        }
        if is_closed {
            third.tries(Op::TrySend(OTHER));
            third.tries(Op::TryRecv);
            return;
        }
        // What was sent before it was known that no process receives.
        third.takes(usize::MAX, false);
        if third.allowed.all(|run| run.state().is_empty()) {
            third.place.works(true, third.scene);
        }
    }

    /// The victim is gone.
    fn rest(&self, place: &Place<Q>, mut watch: Watch, scene: &mut Scene) -> Rig {
        self.wake(place, &mut watch, scene)?;
        let mut third = watch.third(place, scene);
        self.drain(&mut third);
        self.ends(&mut third);
        self.reuse(&mut third);
        Ok(())
    }
}

impl<Q: Kind> Operation for Working<Q> {
    type World = Place<Q>;
    type Seen = Watch;

    /// A list takes some dozens of steps for each operation.
    const FEW_STEPS: usize = 900;

    fn world(&self) -> Rig<Place<Q>> {
        Place::new(&self.verb, &self.death)
    }

    fn base<'a>(&self, place: &'a Place<Q>) -> &'a Base {
        &place.base
    }

    fn victim(&self, place: Owned<Place<Q>>, begin: &mut dyn FnMut()) -> u8 {
        let verb = &self.verb;
        if !verb.joins {
            rehearse(&place.spare);
        }
        let counted = match verb.before {
            [Op::Join(side)] => Counted::at(&place.queue, *side),
            _ => None,
        };
        if let [Op::Leave(_)] = verb.act {
            begin();
            if let (true, Bug::First(ops)) = (self.seeded, verb.bug) {
                place.do_all(&place.queue, ops, &mut Hand::default());
            }
            drop(counted);
            return 0;
        }
        let queue = counted.as_ref().map_or(&place.queue, Counted::queue);
        let mut hand = Hand::default();
        if counted.is_none() && place.do_all(queue, verb.before, &mut hand) == FAILED {
            return FAILED;
        }
        begin();
        let told = match (self.seeded, verb.bug) {
            (false, _) => place.do_all(queue, verb.act, &mut hand),
            (true, Bug::First(ops)) => {
                place.do_all(queue, ops, &mut hand);
                place.do_all(queue, verb.act, &mut hand)
            }
            (true, Bug::Instead(ops)) => place.do_all(queue, ops, &mut hand),
            (true, Bug::SendAgain) => {
                place.do_all(queue, &[Op::Recv], &mut hand);
                place.send_again(queue, &mut hand)
            }
            (true, Bug::Elsewhere) => place.do_all(&place.spare, verb.act, &mut hand),
        };
        forget(hand);
        forget(counted);
        told
    }

    fn assemble(&self, place: &Place<Q>, watch: &mut Watch) -> Rig {
        let mut first = place.first.clone();
        for op in self.verb.before {
            first.apply(*op, Actor::Victim);
        }
        let run = Run::new(first, self.verb.steps(), [self.verb.sleepers_steps()]);
        watch.allowed = Allowed::from(run);
        if !self.verb.sleeper.is_empty() {
            let sleep = || place.do_all(&place.queue, self.verb.sleeper, &mut Hand::default());
            watch.sleeper = Some(forked_asleep(sleep)?);
        }
        Ok(())
    }

    /// A third party sends one message, and receives all that the victim neither has nor waits for:
    /// no process hides anything from it.
    fn meanwhile(&self, place: &Place<Q>, watch: &mut Watch, scene: &mut Scene) -> Rig {
        let mut third = watch.third(place, scene);
        let sent = third.tries(Op::TrySend(OTHER)) == Some(Returned::Done);
        let most = match self.verb.act {
            // It stays as good as full.
            [Op::TrySend(_)] => 1,
            _ => (place.first.readable() + usize::from(sent)).saturating_sub(self.verb.takes()),
        };
        if !self.verb.wakes_receiver() {
            third.takes(most, true);
            third.tries(Op::IsIdle);
        }
        Ok(())
    }

    fn after_kill(&self, place: &Place<Q>, mut watch: Watch, scene: &mut Scene) -> Rig {
        let cells = usize::try_from(place.queue.cells(verb::FIRST.into()))?;
        if let (Some(left), Some(after)) = (scene.left, (self.verb.after_commit)(cells)) {
            let committed = left <= after;
            let what = ["killed before its commit", "killed after its commit"];
            let is_so = |run: &Run<Work>| run.code().is_some() == committed;
            let what = what[usize::from(committed)];
            watch.allowed.keep(what, is_so, scene);
        }
        watch.allowed.end(None, scene);
        if scene.fate == Fate::KilledAlone {
            self.alone.set(self.alone.get() + 1);
            if self.reaps_first() {
                watch.third(place, scene).tries(Op::Reap);
            }
        }
        self.rest(place, watch, scene)
    }

    /// A bug is judged by what is there, and not by what the victim tells.
    fn after_end(&self, place: &Place<Q>, mut watch: Watch, code: u8, scene: &mut Scene) -> Rig {
        if self.seeded && code != FAILED {
            let is_done = |run: &Run<Work>| run.code().is_some();
            watch.allowed.keep("the victim ended", is_done, scene);
            watch.allowed.dies();
        } else {
            watch.allowed.end(Some(code), scene);
        }
        self.rest(place, watch, scene)
    }
}

/// The operations on work queues of values.
pub(crate) const LISTED: &[Listed] = listed! {
    Working::<WorkQueue<u64>>::new;
    "WorkQueue::loan, dropped" LOAN_DROP "a message that no process sent"
    "WorkQueue::loan, Loan::send" LOAN_SEND "a message that no process sent before it"
    "WorkQueue::send" SEND "a message that no process sent before it"
    "WorkQueue::send, joining" SEND_FIRST "a message that no process sent before it"
    "WorkQueue::send to a sleeper" SEND_WAKE "a message sent to another queue"
    "WorkQueue::send past a dead receiver" SEND_PAST "a message that no process sent"
    "WorkQueue::send to the place of the dead" SEND_REAP "a message that no process sent"
    "WorkQueue::try_send when full" TRY_SEND_FULL "a message thrown away to make room"
    "WorkQueue::recv" RECV "a message sent again and acknowledged"
    "WorkQueue::recv, ack" RECV_ACK "a message sent again and acknowledged"
    "WorkQueue::recv of what came back" RECV_RETURNED "a message sent again and acknowledged"
    "WorkQueue::recv of an orphan" RECV_AGAIN "a message sent again and acknowledged"
    "WorkQueue::recv beside a dead sender" RECV_BESIDE "a message sent again and acknowledged"
    "Delivery::ack" ACK "a message given back"
    "Delivery::ack beside a sender asleep" ACK_WAKE "a message given back"
    "Delivery::ack beside wait_idle" ACK_IDLE "a message given back"
    "Delivery::nack" NACK "a message acknowledged"
    "Delivery::nack, delayed" NACK_LATER "a message acknowledged"
    "Delivery::nack to a sleeper" NACK_WAKE "a message acknowledged"
    "Delivery: drop" DROP "a message acknowledged"
    "Delivery::reject" REJECT "a message given back"
    "Delivery::nack, the last attempt" NACK_LAST "a message acknowledged"
    "Delivery: drop, the last attempt" DROP_LAST "a message acknowledged"
    "DeadLetters::take, ack" LETTER_ACK "a dead letter given back"
    "DeadLetters::take, drop" LETTER_DROP "a dead letter acknowledged"
    "WorkQueue::wait_idle" WAIT_IDLE "a message sent when waiting"
    "WorkQueue::close" CLOSE "a message sent when closing"
    "WorkQueue::close beside a sleeper" CLOSE_WAKE "another queue closed"
    "WorkQueue::sender" COUNT_SENDER "a message sent when counting"
    "WorkQueue: Sender::send" SENDER_SEND "a message that no process sent before it"
    "WorkQueue: Sender: drop" DROP_SENDER "a message sent when leaving"
    "WorkQueue::receiver" COUNT_RECEIVER "a message sent when counting"
    "WorkQueue: Receiver::recv" RECEIVER_RECV "a message sent again and acknowledged"
    "WorkQueue: Receiver: drop" DROP_RECEIVER "a message sent when leaving"
    "WorkQueue: reap a dead loaner" REAP_LOANER "a message sent for the dead"
    "WorkQueue: reap a dead sender" REAP_SENDER "a message sent for the dead"
    "WorkQueue: reap a dead receiver" REAP_RECEIVER "a message sent by the reaper"
    "WorkQueue: reap a dead holder" REAP_HOLDER "a message sent by the reaper"
    "WorkQueue: reap a holder's last attempt" REAP_LAST "a message sent by the reaper"
};

/// The operations on work queues of bytes, with messages that span cells.
pub(crate) const LISTED_BYTES: &[Listed] = listed! {
    Working::<ByteQueue>::new;
    "ByteQueue::loan, dropped" LOAN_DROP "a message that no process sent"
    "ByteQueue::loan, Loan::send" LOAN_SEND "a message that no process sent before it"
    "ByteQueue::send" SEND "a message that no process sent before it"
    "ByteQueue::send to a sleeper" SEND_WAKE "a message sent to another queue"
    "ByteQueue::recv" RECV "a message sent again and acknowledged"
    "ByteQueue::recv, read, ack" RECV_ACK "a message sent again and acknowledged"
    "ByteQueue::recv beside a dead loaner" RECV_BESIDE "a message sent again and acknowledged"
    "ByteQueue::recv of an orphan" RECV_AGAIN "a message sent again and acknowledged"
    "ByteQueue: Delivery::ack" ACK "a message given back"
    "ByteQueue: Delivery::nack" NACK "a message acknowledged"
    "ByteQueue: Delivery::nack, delayed" NACK_LATER "a message acknowledged"
    "ByteQueue: Delivery: drop" DROP "a message acknowledged"
    "ByteQueue: Delivery::reject" REJECT "a message given back"
    "ByteQueue: Delivery: drop, the last attempt" DROP_LAST "a message acknowledged"
    "ByteQueue: DeadLetters::take, ack" LETTER_ACK "a dead letter given back"
    "ByteQueue: Sender: drop" DROP_SENDER "a message sent when leaving"
    "ByteQueue: Receiver: drop" DROP_RECEIVER "a message sent when leaving"
    "ByteQueue: reap a dead loaner" REAP_LOANER "a message sent for the dead"
    "ByteQueue: reap a dead holder" REAP_HOLDER "a message sent by the reaper"
};

/// The operations on channels that are more than those on the bytes.
pub(crate) const LISTED_CHANNELS: &[Listed] = listed! {
    Working::<Channel<Task>>::new;
    "Channel::send" SEND "a value that no process sent before it"
    "Channel::send to a sleeper" SEND_WAKE "a value sent to another channel"
    "Channel::recv" RECV "a value sent again and acknowledged"
    "Channel::recv, ack" RECV_ACK "a value sent again and acknowledged"
    "Channel::recv past what cannot be decoded" RECV_BROKEN "a dead letter that no process sees"
    "Channel: Delivery::ack" ACK "a value given back"
    "Channel: Delivery: drop" DROP "a value acknowledged"
    "Channel: Delivery::reject" REJECT "a value given back"
    "Channel: DeadLetters::take, ack" LETTER_ACK "a dead letter given back"
};
