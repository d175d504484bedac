//! The world of the work queues: a queue with some messages, and a process that died at it before.

use std::time::Duration;

use crossdock::queue::{
    ByteOptions, ByteQueue, Channel, ReceiverOf, SenderOf, WaitIdleError, WorkOptions, WorkQueue,
};
use crossdock::segment::Placeable;
use crossdock_spec::work::{End, Message, Op, Returned, Side, Work};
use crossdock_spec::{Actor, FAILED, Specification as _, Told as _, tell};

use super::verb::{FIRST, Verb};
use crate::crash::operation::{Base, Scene};
use crate::crash::victim::Death;
use crate::line::{Held, Line, Patience, Refused, Task};
use crate::process::{Broken, Rig};

/// For so many messages there is room.
const CAPACITY: u64 = 5;
/// After so many deliveries a message that comes back is a dead letter.
const ATTEMPTS: u8 = 3;
/// What a process sent that was killed before its commit: it must not arrive.
const NEVER: u64 = 66;
/// What shows at the end that the queue works.
const LAST: u64 = 80;
/// What stands for a message that is not as it was sent.
const TORN: u64 = 99;
/// Longer than any test.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);

/// Where in an operation a process died before the victim came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// In a send: with a loan.
    Loaning,
    /// In a send: in the step before its commit.
    Sending,
    /// In a receipt of the first message: with its slot as it was.
    Receiving,
    /// With the first message in its hands.
    Holding,
    /// In a receipt, and all that it left is done, but for the slot: what came back is in none.
    Done,
}

impl Dead {
    /// After how many changes of the segment it died: in a queue in which messages span cells with
    /// some of them. What came back is in no slot.
    fn changes(self, spans: bool, is_returned: bool) -> usize {
        match self {
            Self::Loaning if spans => 4,
            Self::Holding if !is_returned => 2,
            Self::Loaning | Self::Receiving | Self::Holding | Self::Done => 1,
            Self::Sending => 3,
        }
    }

    /// Whether it died before anything was sent that is there.
    fn is_early(self) -> bool {
        !matches!(self, Self::Receiving | Self::Holding)
    }
}

/// A kind of queues.
pub(super) trait Kind: Line + Placeable + 'static {
    /// Whether its messages span cells.
    const SPANS: bool;
    /// What a segment with two of them takes.
    const BYTES: u64;

    fn options() -> Self::Config;
}

impl Kind for WorkQueue<u64> {
    const SPANS: bool = false;
    const BYTES: u64 = 8192;

    fn options() -> WorkOptions {
        WorkOptions::new(CAPACITY).max_attempts(ATTEMPTS)
    }
}

impl Kind for ByteQueue {
    const SPANS: bool = true;
    const BYTES: u64 = 16384;

    /// Enough for as many messages, though they differ in length.
    fn options() -> ByteOptions {
        ByteOptions::new(6 * CAPACITY)
            .cell_size(16)
            .max_attempts(ATTEMPTS)
    }
}

impl Kind for Channel<Task> {
    const SPANS: bool = true;
    const BYTES: u64 = 16384;

    /// As queues of bytes.
    fn options() -> ByteOptions {
        <ByteQueue as Kind>::options()
    }
}

/// The queue, and what is in it.
pub(super) struct Place<Q> {
    pub(super) base: Base,
    pub(super) queue: Q,
    /// An empty one, for victims to go through their motions with.
    pub(super) spare: Q,
    /// What it is before the victim comes.
    pub(super) first: Work,
}

/// What is wrong with the preparation of a world.
fn wrong(error: impl std::fmt::Debug) -> Broken {
    Broken(format!("preparing a work queue: {error:?}"))
}

/// The messages in the hands of a process, with room for some: a victim that allocates takes
/// hundreds of steps more.
pub(super) struct Hand<'q, Q: Line + 'q>(Vec<Q::Held<'q>>);

impl<Q: Line> Default for Hand<'_, Q> {
    fn default() -> Self {
        Self(Vec::with_capacity(4))
    }
}

/// The one process that is counted.
pub(super) enum Counted<Q: Line> {
    Sender(SenderOf<Q>),
    Receiver(ReceiverOf<Q>),
}

impl<Q: Line> Counted<Q> {
    pub(super) fn at(queue: &Q, side: Side) -> Option<Self> {
        Some(match side {
            Side::Sender => Self::Sender(queue.count_sender().ok()?),
            Side::Receiver => Self::Receiver(queue.count_receiver().ok()?),
        })
    }

    pub(super) fn queue(&self) -> &Q {
        match self {
            Self::Sender(sender) => sender,
            Self::Receiver(receiver) => receiver,
        }
    }
}

/// A message as it is delivered.
fn message(held: &impl Held) -> Message {
    let word = held.word().unwrap_or(TORN);
    Message {
        word: u32::try_from(word).unwrap_or(u32::MAX),
        attempts: held.attempt(),
    }
}

fn done(outcome: Result<(), Refused>) -> Result<Option<Returned>, Refused> {
    outcome.map(|()| Some(Returned::Done))
}

/// Does an operation at a queue. Waits as long as it takes, or no longer than `time`: `None` then.
fn attempt<'q, Q: Line>(
    queue: &'q Q,
    base: &Base,
    op: Op,
    Hand(hand): &mut Hand<'q, Q>,
    time: Option<Duration>,
) -> Result<Option<Returned>, Refused> {
    let waits = time.map_or(Patience::Ever, Patience::For);
    let fault = |error: crossdock::Fault| Refused::Wrong(error.to_string());
    let returned = match op {
        Op::Send(word) => return done(queue.send(word.into(), waits)),
        Op::TrySend(word) => return done(queue.send(word.into(), Patience::Try)),
        Op::TrySendUnreadable(word) => {
            let sent = queue.send_broken(word.into(), Patience::Try);
            return done(sent.ok_or(Refused::Wrong("all can be read".into()))?);
        }
        Op::LoanSend(word) => return done(queue.send_loan(word.into(), waits, false)),
        Op::LoanDrop(word) => match queue.send_loan(word.into(), waits, true) {
            Err(Refused::Nothing) => Returned::Done,
            other => return done(other),
        },
        Op::Recv | Op::TryRecv => {
            let waits = if op == Op::Recv { waits } else { Patience::Try };
            let held = queue.receive(waits)?;
            let got = message(&held);
            hand.push(held);
            Returned::Got(got)
        }
        Op::End(_, which) if which >= hand.len() => Returned::Done,
        Op::End(end, which) => {
            let held = hand.remove(which);
            match end {
                End::Ack => {
                    let got = message(&held);
                    held.ack().map_err(fault)?;
                    return Ok(Some(Returned::Got(got)));
                }
                End::Nack => held.nack(Duration::ZERO).map_err(fault)?,
                End::Delay => held.nack(LATER).map_err(fault)?,
                End::Reject => held.reject().map_err(fault)?,
                End::Drop => drop(held),
            }
            Returned::Done
        }
        Op::Letter => {
            let Some(letter) = queue.letter()? else {
                return Ok(Some(Returned::Nothing));
            };
            let got = message(&letter);
            hand.push(letter);
            Returned::Got(got)
        }
        Op::Room => Returned::Count(usize::try_from(queue.room()).unwrap_or(usize::MAX)),
        Op::IsIdle => Returned::Is(queue.is_idle()),
        Op::WaitIdle => match queue.wait_idle(waits) {
            Ok(()) => Returned::Done,
            Err(WaitIdleError::Timeout) => return Ok(None),
            Err(error) => return Err(Refused::Wrong(error.to_string())),
        },
        Op::Close => {
            queue.close();
            Returned::Done
        }
        Op::IsClosed => Returned::Is(queue.is_closed()),
        Op::Join(side) => {
            let counted = Counted::at(queue, side);
            std::mem::forget(counted.ok_or(Refused::Wrong("not counted".into()))?);
            Returned::Done
        }
        Op::Reap => match base.segment.reap().stuck {
            0 => Returned::Done,
            stuck => return Err(Refused::Wrong(format!("{stuck} places cannot be freed"))),
        },
        op => {
            return Err(Refused::Wrong(format!(
                "{op:?} is no operation of a process"
            )));
        }
    };
    Ok(Some(returned))
}

impl<Q: Kind> Place<Q> {
    /// A queue as `verb` finds it, in a lap that is not the first.
    pub(super) fn new(verb: &Verb, death: &Death) -> Rig<Self> {
        let base = Base::of_size(6, Q::BYTES)?;
        let queue = base.segment.create::<Q>("queue", Q::options())?;
        let spare = base.segment.create::<Q>("spare", Q::options())?;
        let first = Work::new(5, ATTEMPTS);
        let mut place = Self {
            base,
            queue,
            spare,
            first,
        };
        // Not at the beginning, and where no hint is set.
        for _ in 0..place.queue.capacity() + 6 {
            place.queue.send(0, Patience::Try).map_err(wrong)?;
            let held = place.queue.receive(Patience::Try).map_err(wrong)?;
            held.ack()?;
        }
        let (early, late) = match verb.dead {
            dead if dead.is_some_and(Dead::is_early) => (dead, None),
            dead => (None, dead),
        };
        place.with_a_death(early, verb, death)?;
        place.prepare(verb.ready)?;
        place.with_a_death(late, verb, death)?;
        Ok(place)
    }

    /// Does this, and notes what the queue is then.
    fn prepare(&mut self, ops: &[Op]) -> Rig {
        let mut hand = Hand::default();
        for op in ops {
            let returned = self.run(&self.queue, *op, &mut hand, Some(Duration::ZERO));
            let returned = returned.map_err(wrong)?;
            let left = returned.and_then(|what| self.first.after(*op, Actor::Other, what));
            self.first = left.ok_or_else(|| wrong((op, returned)))?;
        }
        Ok(())
    }

    /// Has a process die after some changes of the segment.
    fn with_a_death(&mut self, dead: Option<Dead>, verb: &Verb, death: &Death) -> Rig {
        let Some(dead) = dead else {
            return Ok(());
        };
        if dead == Dead::Done {
            self.prepare(&[Op::TrySend(FIRST)])?;
        }
        let is_returned = verb.ready.contains(&super::verb::NACK);
        let changes = dead.changes(Q::SPANS, is_returned);
        let sends = matches!(dead, Dead::Loaning | Dead::Sending);
        death.after(changes, &self.base, |begin| {
            rehearse(&self.spare);
            begin();
            let done = if sends {
                self.queue.send(NEVER, Patience::Try).is_ok()
            } else {
                let delivery = self.queue.receive(Patience::Try);
                let done = delivery.is_ok();
                std::mem::forget(delivery);
                done
            };
            u8::from(done)
        })?;
        let op = if sends { Op::Begin } else { Op::Recv };
        let done = self.first.apply(op, Actor::Victim);
        done.ok_or_else(|| wrong(op))?;
        self.first.dies(Actor::Victim);
        if dead == Dead::Done {
            self.prepare(&[Op::Reap, Op::TryRecv, super::verb::ACK])?;
        }
        Ok(())
    }

    /// Does an operation at a queue. Waits as long as it takes, or no longer than `time`: `None`
    /// then. Fails with what must not be.
    pub(super) fn run<'q>(
        &self,
        queue: &'q Q,
        op: Op,
        hand: &mut Hand<'q, Q>,
        time: Option<Duration>,
    ) -> Result<Option<Returned>, String> {
        match attempt(queue, &self.base, op, hand, time) {
            Ok(returned) => Ok(returned),
            Err(Refused::Nothing) if matches!(op, Op::TryRecv | Op::TrySend(_)) => {
                Ok(Some(Returned::Nothing))
            }
            Err(Refused::Nothing) => Ok(None),
            Err(Refused::Gone) => Ok(Some(Returned::Gone)),
            Err(Refused::Wrong(error)) => Err(format!("{op:?}: {error}")),
        }
    }

    /// Does all that, and tells what came of it.
    pub(super) fn do_all<'q>(&self, queue: &'q Q, ops: &[Op], hand: &mut Hand<'q, Q>) -> u8 {
        let mut told = 0;
        for op in ops {
            match self.run(queue, *op, hand, None) {
                Ok(Some(returned)) => told = tell(told, returned.byte()),
                _ => return FAILED,
            }
        }
        told
    }

    /// Sends the message again that a process has, and acknowledges that.
    pub(super) fn send_again<'q>(&self, queue: &'q Q, hand: &mut Hand<'q, Q>) -> u8 {
        let Some(held) = hand.0.pop() else {
            return 0;
        };
        let sent = queue.send(message(&held).word.into(), Patience::Ever);
        if sent.is_ok() && held.ack().is_ok() {
            0
        } else {
            FAILED
        }
    }

    /// Whatever happened, all cells can be used, in order, and the queue knows when it is idle.
    /// Where no process `reaped`, the last few may not be looked for: a message needs more than are
    /// left.
    pub(super) fn works(&self, reaped: bool, scene: &mut Scene) {
        let _receiver = match self.queue.count_receiver() {
            Ok(receiver) => receiver,
            Err(error) => return scene.stuck(format!("no process can be counted: {error}")),
        };
        let mut items = Vec::new();
        let (mut next, mut used) = (LAST, self.queue.cells(LAST));
        while used <= self.queue.capacity() {
            let sent = self.queue.send(next, Patience::For(scene.patience));
            if sent.is_err() {
                scene.stuck(format!("message {next} of a newcomer finds no room"));
                return;
            }
            items.push(next);
            next += 1;
            used += self.queue.cells(next);
        }
        if self.queue.send(next, Patience::Try).is_ok() {
            scene.duplicated("the queue takes more than its capacity");
        }
        if self.queue.is_idle() {
            scene.lost("a full queue is idle");
        }
        let mut got = Vec::new();
        while let Ok(held) = self.queue.receive(Patience::Try) {
            got.push((held.word().unwrap_or(TORN), held.attempt()));
            if let Err(error) = held.ack() {
                scene.duplicated(format!("{got:?} cannot be acknowledged: {error}"));
            }
        }
        if !got.iter().copied().eq(items.iter().map(|item| (*item, 1))) {
            scene.lost(format!("a newcomer's messages came as {got:?}"));
        }
        if let Err(error) = self.queue.wait_idle(Patience::For(scene.patience)) {
            scene.stuck(format!(
                "everything is done, and the queue not idle: {error}"
            ));
        }
        let (room, all) = (self.queue.room(), self.queue.capacity());
        if room != all && (reaped || !Q::SPANS) {
            scene.stuck(format!("{room} of {all} cells are free at the end"));
        }
    }
}

/// Goes through the motions of sending and receiving, and joins.
pub(super) fn rehearse(spare: &impl Line) {
    let _ = spare.send(0, Patience::Try);
    let _ = spare.receive(Patience::Try).map(Held::ack);
    let _ = spare.send_loan(0, Patience::Try, true);
    let _ = spare.letter();
    let _ = spare.is_idle();
}
