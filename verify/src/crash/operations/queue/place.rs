//! The world of the queues: a queue with some items, and a process that died at it before.

use std::cell::OnceCell;
use std::time::Duration;

use crossdock::queue::{
    Queue, Received, RecvError, RecvTimeoutError, TryRecvError, TrySendError, wait_any_timeout,
};

use crate::crash::operation::{Base, Scene};
use crate::crash::victim::{Step, Victim};
use crate::process::{Broken, Child, forked};

pub(super) const CAPACITY: u64 = 4;
/// What a process sent that was killed before its commit: it must not arrive.
pub(super) const NEVER: u64 = 66;
/// What shows at the end that the queue works.
const LAST: u64 = 80;
/// What a sleeper ends with when it was told that nothing comes any more.
pub(super) const TOLD: u8 = 100;
const FAILED: u8 = 250;

/// Where in an operation a process died before the victim came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// In a send that had claimed the first slot.
    Sending,
    /// In a receipt of the first item.
    Receiving,
}

/// The queue, and what is in it.
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) queue: Queue<u64>,
    /// An empty one, for victims to go through their motions with.
    pub(super) spare: Queue<u64>,
}

/// An item as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) item: u64,
    pub(super) again: bool,
}

impl Got {
    pub(super) fn new(received: Received<u64>) -> Self {
        Self {
            item: received.value,
            again: received.redelivered,
        }
    }
}

/// What could be received without waiting.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) got: Vec<Got>,
    /// It was said that nothing comes any more.
    pub(super) over: bool,
}

/// What is wrong with the preparation of a world.
fn wrong(error: impl std::fmt::Display) -> Broken {
    Broken(format!("preparing a queue: {error}"))
}

impl Place {
    /// A queue with `items` in it, in a lap that is not the first; `dead` died before the first of
    /// them, or over it.
    pub(super) fn new(
        items: &[u64],
        dead: Option<Dead>,
        steps_to_claim: &OnceCell<usize>,
    ) -> Result<Self, Broken> {
        let base = Base::new(6)?;
        let queue = base.segment.create::<Queue<u64>>("queue", CAPACITY)?;
        let spare = base.segment.create::<Queue<u64>>("spare", CAPACITY)?;
        let place = Self { base, queue, spare };
        // Not at the beginning: slices shall cross the end.
        for _ in 0..CAPACITY + 2 {
            place.queue.try_send(0).map_err(wrong)?;
            place.queue.try_recv().map_err(wrong)?;
        }
        if dead == Some(Dead::Sending) {
            place.with_a_death(Dead::Sending, steps_to_claim)?;
        }
        for item in items {
            place.queue.try_send(*item).map_err(wrong)?;
        }
        if dead == Some(Dead::Receiving) {
            place.with_a_death(Dead::Receiving, steps_to_claim)?;
        }
        Ok(place)
    }

    /// Has a process die in the step after its first change of the segment: it has claimed a slot.
    fn with_a_death(&self, dead: Dead, steps_to_claim: &OnceCell<usize>) -> Result<(), Broken> {
        let mut doomed = Victim::start(|begin| {
            rehearse(&self.spare);
            begin();
            let done = match dead {
                Dead::Sending => self.queue.try_send(NEVER).is_ok(),
                Dead::Receiving => self.queue.try_recv().is_ok(),
            };
            u8::from(done)
        })?;
        let step = |doomed: &mut Victim| match doomed.step()? {
            Step::Stopped => Ok(()),
            Step::Ended(_) => Err(Broken("a process did not die where it was to".into())),
        };
        if let Some(steps) = steps_to_claim.get() {
            for _ in 0..*steps {
                step(&mut doomed)?;
            }
            return doomed.kill();
        }
        let (mut before, mut now) = (Vec::new(), Vec::new());
        self.base.image(&mut before)?;
        self.base.image(&mut now)?;
        let mut steps = 0;
        while now == before {
            step(&mut doomed)?;
            steps += 1;
            self.base.image(&mut now)?;
        }
        // The first one has found it out for all.
        let _ = steps_to_claim.set(steps);
        doomed.kill()
    }

    /// Receives what is there now, `most` items at most.
    pub(super) fn take(&self, most: usize, scene: &mut Scene) -> Taken {
        let mut taken = Taken::default();
        while taken.got.len() < most {
            match self.queue.try_recv_marked() {
                Ok(got) => taken.got.push(Got::new(got)),
                Err(TryRecvError::Empty | TryRecvError::Busy) => break,
                Err(TryRecvError::Disconnected) => {
                    taken.over = true;
                    break;
                }
                Err(error) => {
                    scene.lost(format!("receiving: {error}"));
                    break;
                }
            }
        }
        taken
    }

    /// Whether a receiver is told that nothing comes any more, in a queue whose last item is the
    /// victim's: it is left to it.
    pub(super) fn is_over(&self, scene: &mut Scene) -> bool {
        if !self.queue.is_empty() {
            return false;
        }
        let is_ready = wait_any_timeout(&[&self.queue], Duration::ZERO).is_ok();
        let taken = self.take(1, scene);
        for got in &taken.got {
            scene.duplicated(format!("{got:?} comes from an empty queue"));
        }
        if is_ready != taken.over {
            scene.lost(format!("ready: {is_ready}, over: {}", taken.over));
        }
        taken.over
    }

    /// Receives `count` items that must come without another process's help.
    pub(super) fn wait_for(&self, count: usize, scene: &mut Scene) -> Vec<Got> {
        let mut all = Vec::new();
        for _ in 0..count {
            match self.queue.recv_marked_timeout(scene.patience) {
                Ok(got) => all.push(Got::new(got)),
                Err(RecvTimeoutError::Timeout) => {
                    scene.stuck(format!("{} of {count} items can be received", all.len()));
                    break;
                }
                Err(error) => {
                    scene.lost(format!("after {} of {count} items: {error}", all.len()));
                    break;
                }
            }
        }
        all
    }

    /// Sends an item without waiting; whether it was sent.
    pub(super) fn offer(&self, item: u64, scene: &mut Scene) -> bool {
        match self.queue.try_send(item) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Busy(_) | TrySendError::Disconnected(_)) => {
                false
            }
            Err(error) => {
                scene.lost(format!("sending: {error}"));
                false
            }
        }
    }

    /// Starts a process that receives one item, waiting for it, and ends with its number.
    pub(super) fn sleeper(&self, patience: Duration) -> Result<Child, Broken> {
        let child = forked(|| match self.queue.recv() {
            Ok(item) => u8::try_from(item).unwrap_or(FAILED),
            Err(RecvError::Disconnected) => TOLD,
            Err(_) => FAILED,
        })?;
        if !child.sleeps_on_a_futex(patience) {
            return Err(Broken("a receiver does not go to sleep".into()));
        }
        Ok(child)
    }

    /// Whatever happened, all of the queue's slots can be used, and it keeps its order.
    pub(super) fn works(&self, scene: &mut Scene) {
        let _receiver = match self.queue.receiver() {
            Ok(receiver) => receiver,
            Err(error) => return scene.stuck(format!("no process can be counted: {error}")),
        };
        let items: Vec<u64> = (LAST..LAST + CAPACITY).collect();
        for item in &items {
            if self.queue.send_timeout(*item, scene.patience).is_err() {
                scene.stuck(format!("item {item} of a newcomer finds no room"));
                return;
            }
        }
        if self.queue.try_send(LAST + CAPACITY).is_ok() {
            scene.duplicated("the queue takes more than its capacity");
        }
        let got = self.take(usize::MAX, scene).got;
        let is_whole = got.iter().map(|got| got.item).eq(items) && !got.iter().any(|got| got.again);
        if !is_whole {
            scene.lost(format!("a newcomer's items came as {got:?}"));
        }
    }
}

/// Goes through the motions of sending and receiving, and joins.
pub(super) fn rehearse(spare: &Queue<u64>) {
    let _ = spare.try_send(0);
    let _ = spare.try_recv_marked();
}
