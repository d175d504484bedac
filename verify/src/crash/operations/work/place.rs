//! The world of the work queues: a queue with some messages, and a process that died at it before.

use std::time::Duration;

use crossdock::queue::{ByteOptions, ByteQueue, Channel, WorkOptions, WorkQueue};
use crossdock::segment::Placeable;

use super::verb::{FIRST, Told, Verb};
use crate::crash::operation::{Base, Scene};
use crate::crash::victim::Death;
use crate::line::{Held, Line, Patience, Refused, Task};
use crate::process::{Broken, Child, Rig, forked};

pub(super) const CAPACITY: u64 = 5;
/// After so many deliveries a message that comes back is a dead letter.
pub(super) const ATTEMPTS: u8 = 3;
/// What a process sent that was killed before its commit: it must not arrive.
const NEVER: u64 = 66;
/// What shows at the end that the queue works.
const LAST: u64 = 80;
/// What a sleeper ends with when it was told that nothing comes any more, or that all is done.
pub(super) const TOLD: u8 = 200;
const FAILED: u8 = 250;
/// What a sleeper sends.
pub(super) const SLEEPERS: u64 = 8;

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
}

impl Dead {
    /// After how many changes of the segment it died: in a queue in which messages span cells with
    /// some of them. What came back is in no slot.
    fn changes(self, spans: bool, is_returned: bool) -> usize {
        match self {
            Self::Loaning if spans => 4,
            Self::Holding if !is_returned => 2,
            Self::Loaning | Self::Receiving | Self::Holding => 1,
            Self::Sending => 3,
        }
    }

    pub(super) fn is_sender(self) -> bool {
        matches!(self, Self::Loaning | Self::Sending)
    }
}

/// Who sleeps at the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleeper {
    Receiver,
    Sender,
    /// Who waits for it to be idle.
    Waiter,
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
}

/// What a process did with a message that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Acked,
    Nacked,
    /// It was a dead letter, and acknowledged.
    Letter,
}

/// A message as it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) item: u64,
    pub(super) attempt: u8,
    pub(super) done: Done,
}

/// What could be received without waiting.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) got: Vec<Got>,
    /// It was said that nothing comes any more.
    pub(super) over: bool,
}

impl Taken {
    /// How many messages were acknowledged.
    pub(super) fn acked(&self) -> usize {
        let got = self.got.iter();
        got.filter(|got| got.done == Done::Acked).count()
    }
}

/// What is wrong with the preparation of a world.
fn wrong(error: impl std::fmt::Debug) -> Broken {
    Broken(format!("preparing a work queue: {error:?}"))
}

/// What stands for a message that is not as it was sent.
const TORN: u64 = 99;

/// Acknowledges a message, or says that it cannot be.
fn ack(delivery: impl Held, done: Done, scene: &mut Scene) -> Got {
    let got = Got {
        item: delivery.word().unwrap_or(TORN),
        attempt: delivery.attempt(),
        done,
    };
    if let Err(error) = delivery.ack() {
        scene.duplicated(format!("{got:?} cannot be acknowledged: {error}"));
    }
    got
}

impl<Q: Kind> Place<Q> {
    /// A queue with the messages of `verb` in it, in a lap that is not the first.
    pub(super) fn new(verb: Verb, death: &Death) -> Rig<Self> {
        let base = Base::of_size(6, Q::BYTES)?;
        let queue = base.segment.create::<Q>("queue", Q::options())?;
        let spare = base.segment.create::<Q>("spare", Q::options())?;
        let place = Self { base, queue, spare };
        // Not at the beginning, and where no hint is set.
        for _ in 0..place.queue.capacity() + 6 {
            place.prepare(0)?;
            place.prepared()?.ack()?;
        }
        let dead = verb.dead();
        if let Some(dead) = dead.filter(|dead| dead.is_sender()) {
            place.with_a_death(dead, verb, death)?;
        }
        if verb == Verb::SendPast {
            // Its slot stays: what came back is in none.
            place.prepare(FIRST)?;
            place.with_a_death(Dead::Receiving, verb, death)?;
            place.base.segment.reap();
            place.prepared()?.ack()?;
        }
        for item in verb.before() {
            if verb.breaks() && *item == FIRST {
                place.prepare_broken(*item)?;
            } else {
                place.prepare(*item)?;
            }
        }
        for _ in 0..verb.returned() {
            place.prepared()?.nack(Duration::ZERO)?;
        }
        if verb.buries() {
            place.prepared()?.reject()?;
        }
        if let Some(dead) = dead.filter(|dead| !dead.is_sender()) {
            place.with_a_death(dead, verb, death)?;
        }
        Ok(place)
    }

    fn prepare(&self, item: u64) -> Rig {
        self.queue.send(item, Patience::Try).map_err(wrong)
    }

    fn prepare_broken(&self, item: u64) -> Rig {
        let sent = self.queue.send_broken(item, Patience::Try);
        sent.ok_or_else(|| wrong("no message of this kind cannot be read"))?
            .map_err(wrong)
    }

    fn prepared(&self) -> Rig<Q::Held<'_>> {
        self.queue.receive(Patience::Try).map_err(wrong)
    }

    /// Has a process die after some changes of the segment.
    fn with_a_death(&self, dead: Dead, verb: Verb, death: &Death) -> Rig {
        let changes = dead.changes(Q::SPANS, verb.returned() > 0);
        death.after(changes, &self.base, |begin| {
            rehearse(&self.spare);
            begin();
            let done = match dead {
                Dead::Loaning | Dead::Sending => self.queue.send(NEVER, Patience::Try).is_ok(),
                Dead::Receiving | Dead::Holding => {
                    let delivery = self.queue.receive(Patience::Try);
                    let done = delivery.is_ok();
                    std::mem::forget(delivery);
                    done
                }
            };
            u8::from(done)
        })
    }

    /// Receives what is there now, and acknowledges `most` messages at most. Gives the first that
    /// is new back first, if it `nacks`.
    pub(super) fn take(&self, most: usize, nacks: bool, scene: &mut Scene) -> Taken {
        let mut taken = Taken::default();
        let mut nacks = nacks;
        while taken.acked() < most {
            match self.queue.receive(Patience::Try) {
                Ok(delivery) if nacks && delivery.attempt() == 1 => {
                    nacks = false;
                    let got = Got {
                        item: delivery.word().unwrap_or(TORN),
                        attempt: 1,
                        done: Done::Nacked,
                    };
                    if let Err(error) = delivery.nack(Duration::ZERO) {
                        scene.duplicated(format!("{got:?} cannot be given back: {error}"));
                    }
                    taken.got.push(got);
                }
                Ok(delivery) => taken.got.push(ack(delivery, Done::Acked, scene)),
                Err(Refused::Nothing) => break,
                Err(Refused::Gone) => {
                    taken.over = true;
                    break;
                }
                Err(Refused::Wrong(error)) => {
                    scene.lost(format!("receiving: {error}"));
                    break;
                }
            }
        }
        taken
    }

    /// Receives and acknowledges `count` messages that must come without another process's help.
    pub(super) fn wait_for(&self, count: usize, scene: &mut Scene) -> Vec<Got> {
        let mut all = Vec::new();
        for _ in 0..count {
            match self.queue.receive(Patience::For(scene.patience)) {
                Ok(delivery) => all.push(ack(delivery, Done::Acked, scene)),
                Err(Refused::Nothing) => {
                    scene.stuck(format!("{} of {count} messages come", all.len()));
                    break;
                }
                Err(error) => {
                    scene.lost(format!(
                        "after {} of {count} messages: {error:?}",
                        all.len()
                    ));
                    break;
                }
            }
        }
        all
    }

    /// Receives one message if one comes within `time`.
    pub(super) fn look_for_one(&self, time: Duration, scene: &mut Scene) -> Option<Got> {
        let delivery = self.queue.receive(Patience::For(time)).ok()?;
        Some(ack(delivery, Done::Acked, scene))
    }

    /// Takes and acknowledges the dead letters.
    pub(super) fn letters(&self, scene: &mut Scene) -> Vec<Got> {
        let mut letters = Vec::new();
        loop {
            match self.queue.letter() {
                Ok(Some(letter)) => letters.push(ack(letter, Done::Letter, scene)),
                Ok(None) => return letters,
                Err(error) => {
                    scene.lost(format!("taking dead letters: {error}"));
                    return letters;
                }
            }
        }
    }

    /// Sends a message without waiting; whether it was sent.
    pub(super) fn offer(&self, item: u64, scene: &mut Scene) -> bool {
        match self.queue.send(item, Patience::Try) {
            Ok(()) => true,
            Err(Refused::Nothing | Refused::Gone) => false,
            Err(Refused::Wrong(error)) => {
                scene.lost(format!("sending: {error}"));
                false
            }
        }
    }

    /// Starts a process that waits for the queue.
    pub(super) fn sleeper(&self, who: Sleeper, patience: Duration) -> Rig<Child> {
        let child = forked(|| match who {
            Sleeper::Receiver => match self.queue.receive(Patience::Ever) {
                Ok(delivery) => {
                    let told = Told::of(&delivery);
                    delivery.ack().map_or(FAILED, |()| told.code())
                }
                Err(Refused::Gone) => TOLD,
                Err(_) => FAILED,
            },
            Sleeper::Sender => {
                let sent = self.queue.send(SLEEPERS, Patience::Ever);
                sent.map_or(FAILED, |()| TOLD)
            }
            Sleeper::Waiter => {
                let waited = self.queue.wait_idle(Patience::Ever);
                waited.map_or(FAILED, |()| TOLD)
            }
        })?;
        if !child.sleeps_on_a_futex(patience) {
            return Err(Broken(format!("a {who:?} does not go to sleep")));
        }
        Ok(child)
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
        let got = self.take(usize::MAX, false, scene).got;
        let is_whole = got.iter().map(|got| got.item).eq(items)
            && got
                .iter()
                .all(|got| (got.attempt, got.done) == (1, Done::Acked));
        if !is_whole {
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
