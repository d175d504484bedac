//! The senders of a queue, one of which is handed over to a child.

use crate::{Actor, Specification};
use Op::{Close, Drop, DropParents, Ends, IsClosed, IsOver, Reap, Send, Sender, TakeOver};

/// What a process is told that comes too late.
pub const OVER: u8 = 2;

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The rig has a sender, as the victim's parent.
    pub parent: bool,
    /// Which actors have one besides.
    pub has: [bool; 3],
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Is counted anew.
    Sender,
    /// Takes a sender over that was handed to this process, unless it is over.
    TakeOver,
    Drop,
    DropParents,
    /// Whether a receiver is told that nothing comes any more, without waiting.
    IsOver,
    /// Waits until it is told.
    Ends,
    /// Sends and receives.
    Send,
    Close,
    IsClosed,
    Reap,
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let is_over = !self.parent && self.has == [false; 3];
        let has = &mut self.has[by as usize];
        match op {
            TakeOver if is_over => return Some(OVER),
            Sender | TakeOver => *has = true,
            Drop => *has = false,
            DropParents => self.parent = false,
            IsOver => return Some(is_over.into()),
            Ends if !is_over => return None,
            Ends | Send | Close | IsClosed | Reap => {}
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        self.has[who as usize] = false;
    }
}
