//! What victims do at a queue, each with the bug that the judge must catch.

use std::cell::Cell;
use std::mem::forget;

use crossdock::queue::{Queue, TrySendError};
use crossdock_spec::queue::Step::{self, Close, Count, Leave, MakeRoom, Recv, Send, TrySend};
use crossdock_spec::queue::{AGAIN, bit};

use super::place::{Dead, Place};
use super::{Counted, Queueing};
use crate::crash::sweep::Listed;
use crate::crash::victim::Death;

/// Prepares, calls `begin`, operates on a queue, and tells what was sent and received.
pub(super) type Act = fn(&Place, &Queue<u64>, Begin<'_>) -> u8;
type Begin<'a> = &'a mut dyn FnMut();

/// What a victim with its bug does.
#[derive(Clone, Copy)]
pub(super) enum Bug {
    /// Sends an item that no process has sent, before it does the rest.
    SendFirst,
    /// Takes an item that is lost, before it does the rest.
    LoseFirst,
    /// Does it to another queue.
    Elsewhere,
    /// Sends the first item again that it has received.
    SendAgain,
    /// Does this.
    Instead(Act),
}

impl Bug {
    pub(super) fn act(self, act: Act, place: &Place, begin: Begin<'_>) -> u8 {
        const UNHEARD_OF: u64 = 67;
        let queue = &place.queue;
        match self {
            Self::SendFirst => act(place, queue, &mut || {
                begin();
                let _ = queue.send(UNHEARD_OF);
            }),
            Self::LoseFirst => act(place, queue, &mut || {
                begin();
                let _ = queue.try_recv();
            }),
            Self::Elsewhere => act(place, &place.spare, begin),
            Self::SendAgain => {
                let told = act(place, queue, begin);
                let _ = queue.send(u64::from(told.trailing_zeros()) + 1);
                told
            }
            Self::Instead(wrong) => wrong(place, queue, begin),
        }
    }
}

/// What a victim tells that did what it was to do, and neither sent nor received.
const NONE: u8 = 0;
/// No victim tells so of anything.
const FAILED: u8 = AGAIN;

fn told<T, E>(outcome: Result<T, E>, tell: impl FnOnce(T) -> u8) -> u8 {
    outcome.map_or(FAILED, tell)
}

fn send(_: &Place, queue: &Queue<u64>, begin: Begin<'_>) -> u8 {
    begin();
    told(queue.send(7), |()| bit(7))
}

fn force_send(_: &Place, queue: &Queue<u64>, begin: Begin<'_>) -> u8 {
    begin();
    told(queue.force_send(7), |out| out.map_or(NONE, bit) | bit(7))
}

fn send_slice(queue: &Queue<u64>, items: &[u64; 3], begin: Begin<'_>) -> u8 {
    begin();
    let all = queue.send_slice(items) == Ok(items.len());
    if all { bit(7) } else { FAILED }
}

fn recv(_: &Place, queue: &Queue<u64>, begin: Begin<'_>) -> u8 {
    begin();
    told(queue.recv(), bit)
}

fn recv_marked(_: &Place, queue: &Queue<u64>, begin: Begin<'_>) -> u8 {
    begin();
    let again = |again| if again { AGAIN } else { NONE };
    told(queue.recv_marked(), |got| {
        bit(got.value) | again(got.redelivered)
    })
}

fn close(_: &Place, queue: &Queue<u64>, begin: Begin<'_>) -> u8 {
    begin();
    queue.close();
    NONE
}

fn reap(place: &Place, _: &Queue<u64>, begin: Begin<'_>) -> u8 {
    begin();
    let reaping = place.base.segment.reap();
    if reaping.stuck == 0 { NONE } else { FAILED }
}

/// A victim that does `steps` in a queue of the items `before`.
fn row(
    seeded: bool,
    act: Act,
    bug: Bug,
    before: &'static [u64],
    steps: &'static [Step],
) -> Queueing {
    Queueing {
        before,
        steps,
        act,
        bug,
        seeded,
        joins: false,
        dead: None,
        sleeper: false,
        closed: false,
        counted: None,
        death: Death::default(),
        drained: Cell::new(0),
    }
}

const FULL: &[u64] = &[1, 2, 3, 4];

/// The operations on queues.
pub(crate) const LISTED: &[Listed] = rows! {
    "Queue::send" "an item that no process sent before it"
        |seeded| row(seeded, send, Bug::SendFirst, &[1], &[Send(7)]);
    "Queue::send, joining" "an item that no process sent before it"
        |seeded| Queueing { joins: true,
            ..row(seeded, send, Bug::SendFirst, &[1], &[Send(7)]) };
    "Queue::send to a sleeper" "an item sent to another queue"
        |seeded| Queueing { sleeper: true,
            ..row(seeded, send, Bug::Elsewhere, &[], &[Send(7)]) };
    "Queue::try_send when full" "an item thrown away to make room"
        |seeded| row(seeded, |_, queue, begin| {
            begin();
            match queue.try_send(7) {
                Ok(()) => bit(7),
                Err(TrySendError::Full(7)) => NONE,
                Err(_) => FAILED,
            }
        }, Bug::LoseFirst, FULL, &[TrySend(7)]);
    "Queue::force_send when full" "two items dropped for one"
        |seeded| row(seeded, force_send, Bug::LoseFirst, FULL, &[MakeRoom, Send(7)]);
    "Queue::force_send past a dead receiver" "two items dropped for one"
        |seeded| Queueing { dead: Some(Dead::Receiving),
            ..row(seeded, force_send, Bug::LoseFirst, FULL, &[MakeRoom, Send(7)]) };
    "Queue::send_slice" "two items change places"
        |seeded| row(seeded, |_, queue, begin| send_slice(queue, &[7, 8, 9], begin),
            Bug::Instead(|_, queue, begin| send_slice(queue, &[7, 9, 8], begin)),
            &[1], &[Send(7), Send(8), Send(9)]);
    "Queue::recv" "an item received and sent again"
        |seeded| row(seeded, recv, Bug::SendAgain, &[1, 2, 3], &[Recv]);
    "Queue::recv of an orphan" "an item received and sent again"
        |seeded| Queueing { dead: Some(Dead::Receiving),
            ..row(seeded, recv_marked, Bug::SendAgain, &[1], &[Recv]) };
    "Queue::recv past a dead sender" "an item received and sent again"
        |seeded| Queueing { dead: Some(Dead::Sending),
            ..row(seeded, recv_marked, Bug::SendAgain, &[1, 2], &[Recv]) };
    "Queue::recv_slice" "an item received and sent again"
        |seeded| row(seeded, |_, queue, begin| {
            let mut items = [0; 2];
            begin();
            // Both are there, whatever others do.
            let all = queue.recv_slice(&mut items) == Ok(2);
            if all { bit(items[0]) | bit(items[1]) } else { FAILED }
        }, Bug::SendAgain, &[1, 2, 3], &[Recv, Recv]);
    "Queue::recv of the last item of a closed queue" "an item left there and told of"
        |seeded| Queueing { closed: true,
            ..row(seeded, recv, Bug::Instead(|_, queue, begin| {
                begin();
                forget(queue.receiver());
                bit(1)
            }), &[1], &[Recv]) };
    "Queue::close" "an item sent when closing"
        |seeded| row(seeded, close, Bug::SendFirst, &[1, 2], &[Close]);
    "Queue::close beside a sleeper" "another queue closed"
        |seeded| Queueing { sleeper: true,
            ..row(seeded, close, Bug::Elsewhere, &[], &[Close]) };
    "Queue::sender" "an item sent when counting"
        |seeded| Queueing { counted: Some(Counted::Sender),
            ..row(seeded, |_, queue, begin| {
                begin();
                told(queue.sender().map(forget), |()| NONE)
            }, Bug::SendFirst, &[1], &[Count]) };
    "Sender::send" "an item that no process sent before it"
        |seeded| Queueing { counted: Some(Counted::Sender),
            ..row(seeded, |_, queue, begin| told(queue.sender(), |sender| {
                begin();
                let sent = sender.send(7);
                forget(sender);
                told(sent, |()| bit(7))
            }), Bug::SendFirst, &[1], &[Send(7)]) };
    "Sender: drop" "an item sent when leaving"
        |seeded| Queueing { counted: Some(Counted::Sender),
            ..row(seeded, |_, queue, begin| told(queue.sender(), |sender| {
                begin();
                drop(sender);
                NONE
            }), Bug::SendFirst, &[1], &[Leave]) };
    "Queue::receiver" "an item sent when counting"
        |seeded| Queueing { counted: Some(Counted::Receiver),
            ..row(seeded, |_, queue, begin| {
                begin();
                told(queue.receiver().map(forget), |()| NONE)
            }, Bug::SendFirst, &[1], &[Count]) };
    "Receiver::recv" "an item received and sent again"
        |seeded| Queueing { counted: Some(Counted::Receiver),
            ..row(seeded, |_, queue, begin| told(queue.receiver(), |receiver| {
                begin();
                let received = receiver.recv();
                forget(receiver);
                told(received, bit)
            }), Bug::SendAgain, &[1, 2, 3], &[Recv]) };
    "Receiver: drop" "an item sent when leaving"
        |seeded| Queueing { counted: Some(Counted::Receiver),
            ..row(seeded, |_, queue, begin| told(queue.receiver(), |receiver| {
                begin();
                drop(receiver);
                NONE
            }), Bug::SendFirst, &[1], &[Leave]) };
    "Queue: reap a dead sender" "an item sent for the dead"
        |seeded| Queueing { dead: Some(Dead::Sending),
            ..row(seeded, reap, Bug::SendFirst, &[1, 2], &[]) };
    "Queue: reap a dead receiver" "an item sent by the reaper"
        |seeded| Queueing { dead: Some(Dead::Receiving),
            ..row(seeded, reap, Bug::SendFirst, &[1, 2, 3], &[]) };
};
