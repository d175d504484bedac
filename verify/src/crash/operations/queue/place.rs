//! The world of the queues: a queue with some items, and a process that died at it before.

use std::time::Duration;

use crossdock::queue::{
    Queue, RecvError, RecvTimeoutError, TryRecvError, TrySendError, wait_any_timeout,
};
use crossdock_spec::queue::{self, Event, State};

use crate::crash::allowed::Allowed;
use crate::crash::operation::{Base, Scene};
use crate::crash::victim::Death;
use crate::process::{Broken, Child, Rig, forked};

pub(super) const CAPACITY: u64 = queue::CAPACITY as u64;
/// What a process sent that was killed before its commit: it must not arrive.
const NEVER: u64 = 66;
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

/// What is wrong with the preparation of a world.
fn wrong(error: impl std::fmt::Display) -> Broken {
    Broken(format!("preparing a queue: {error}"))
}

impl Place {
    /// A queue with `items` in it, in a lap that is not the first; `dead` died before the first of
    /// them, or over it.
    pub(super) fn new(items: &[u64], dead: Option<Dead>, death: &Death) -> Rig<Self> {
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
            place.with_a_death(Dead::Sending, death)?;
        }
        for item in items {
            place.queue.try_send(*item).map_err(wrong)?;
        }
        if dead == Some(Dead::Receiving) {
            place.with_a_death(Dead::Receiving, death)?;
        }
        Ok(place)
    }

    /// Has a process die that has claimed a slot.
    fn with_a_death(&self, dead: Dead, death: &Death) -> Rig {
        death.after(1, &self.base, |begin| {
            rehearse(&self.spare);
            begin();
            u8::from(match dead {
                Dead::Sending => self.queue.try_send(NEVER).is_ok(),
                Dead::Receiving => self.queue.try_recv().is_ok(),
            })
        })
    }

    /// Receives what is there now, `most` items at most; how many came.
    pub(super) fn take(
        &self,
        most: usize,
        allowed: &mut Allowed<State>,
        scene: &mut Scene,
    ) -> usize {
        let received = |_: &usize| matches!(self.receive(allowed, scene), Event::Received(..));
        (0..most).take_while(received).count()
    }

    /// Receives an item if one is there.
    pub(super) fn receive(&self, allowed: &mut Allowed<State>, scene: &mut Scene) -> Event {
        let event = match self.queue.try_recv_marked() {
            Ok(got) => Event::Received(got.value, got.redelivered),
            Err(TryRecvError::Disconnected) => Event::Over,
            Err(TryRecvError::Empty | TryRecvError::Busy) => Event::Empty,
            Err(error) => {
                scene.lost(format!("receiving: {error}"));
                return Event::Empty;
            }
        };
        allowed.see(event, scene);
        event
    }

    /// Looks whether nothing comes any more to an empty queue.
    pub(super) fn is_over(&self, allowed: &mut Allowed<State>, scene: &mut Scene) {
        let is_ready = wait_any_timeout(&[&self.queue], Duration::ZERO).is_ok();
        let event = self.receive(allowed, scene);
        if is_ready != (event == Event::Over) {
            scene.lost(format!("ready: {is_ready}, and {event:?}"));
        }
    }

    /// Receives an item that must come without another process's help; whether one came in time.
    pub(super) fn wait_for_one(
        &self,
        patience: Duration,
        allowed: &mut Allowed<State>,
        scene: &mut Scene,
    ) -> bool {
        match self.queue.recv_marked_timeout(patience) {
            Ok(got) => allowed.see(Event::Received(got.value, got.redelivered), scene),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => {
                allowed.see(Event::Over, scene);
                return false;
            }
            Err(error) => {
                scene.lost(format!("receiving: {error}"));
                return false;
            }
        }
        true
    }

    /// Sends an item without waiting.
    pub(super) fn offer(
        &self,
        item: u64,
        allowed: &mut Allowed<State>,
        scene: &mut Scene,
    ) -> Event {
        let event = match self.queue.try_send(item) {
            Ok(()) => Event::Sent(item),
            Err(TrySendError::Full(_) | TrySendError::Busy(_)) => Event::Full,
            Err(TrySendError::Disconnected(_)) => Event::Refused,
            Err(error) => {
                scene.lost(format!("sending: {error}"));
                return Event::Full;
            }
        };
        allowed.see(event, scene);
        event
    }

    /// Starts a process that receives one item, waiting for it, and ends with its number.
    pub(super) fn sleeper(&self, patience: Duration) -> Rig<Child> {
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
        let got: Vec<_> = std::iter::from_fn(|| self.queue.try_recv_marked().ok())
            .map(|got| (got.value, got.redelivered))
            .collect();
        if !got
            .iter()
            .copied()
            .eq(items.into_iter().map(|item| (item, false)))
        {
            scene.lost(format!("a newcomer's items came as {got:?}"));
        }
    }
}

/// Goes through the motions of sending and receiving, and joins.
pub(super) fn rehearse(spare: &Queue<u64>) {
    let _ = spare.try_send(0);
    let _ = spare.try_recv_marked();
}
