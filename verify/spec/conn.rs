//! A connection between a victim and its peer: numbered messages, of which each side receives the
//! other's in their order before it is told of the end.

use crate::{Actor, Specification};
use Op::{AwaitTold, Connect, DropReceiver, DropSender, Recv, Send, SendAll, TryRecv};

/// How many messages are on their way at most.
pub const CAPACITY: u8 = 10;
/// Nothing is there.
pub const EMPTY: u8 = 200;
/// Nothing comes, or is taken, any more.
pub const END: u8 = 201;

/// A direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pipe {
    sent: u8,
    received: u8,
    has_no_sender: bool,
    has_no_receiver: bool,
}

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// To the victim, and to the peer, which is all the others.
    pipes: [Pipe; 2],
    /// The peer was told that none receives from it.
    is_told: bool,
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Has the ends of this side.
    Connect,
    /// Sends the next message, unless it is told of the end.
    Send,
    /// Sends until it is told of the end.
    SendAll,
    /// The number of the message, [`EMPTY`] or [`END`].
    TryRecv,
    /// The same, once there is a message, or the end.
    Recv,
    DropSender,
    DropReceiver,
    /// Drops neither, and nothing is told.
    ForgetReceiver,
    /// Waits until the peer is told that none receives from it.
    AwaitTold,
    /// The same for a moment.
    AwaitBriefly,
}

impl State {
    /// One in which the peer has sent so many messages.
    #[must_use]
    pub const fn sent(sent: u8) -> Self {
        const NEW: Pipe = Pipe {
            sent: 0,
            received: 0,
            has_no_sender: false,
            has_no_receiver: false,
        };
        Self {
            pipes: [Pipe { sent, ..NEW }, NEW],
            is_told: false,
        }
    }

    /// How many messages the peer has sent.
    #[must_use]
    pub fn sent_by_peer(&self) -> u8 {
        self.pipes[0].sent
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let [to_victim, to_peer] = &mut self.pipes;
        let (from, to) = match by {
            Actor::Victim => (to_victim, to_peer),
            Actor::Waiter | Actor::Other => (to_peer, to_victim),
        };
        match op {
            Send if to.has_no_receiver => {
                self.is_told = true;
                return Some(END);
            }
            Send if to.sent - to.received == CAPACITY => return None,
            Send => to.sent += 1,
            SendAll if !to.has_no_receiver => return None,
            TryRecv | Recv if from.received < from.sent => {
                from.received += 1;
                return Some(from.received - 1);
            }
            TryRecv | Recv if from.has_no_sender => return Some(END),
            TryRecv => return Some(EMPTY),
            Recv => return None,
            Connect => (to.has_no_sender, from.has_no_receiver) = (false, false),
            DropSender => to.has_no_sender = true,
            DropReceiver => from.has_no_receiver = true,
            AwaitTold if !self.is_told => return None,
            _ => {}
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        self.apply(DropSender, who);
        self.apply(DropReceiver, who);
    }
}
