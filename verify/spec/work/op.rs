//! The operations of a work queue, and what they return.

use crate::Told;
use Returned::{Count, Done, Gone, Got, Is, Nothing};

/// A message, and how often it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What was sent.
    pub word: u32,
    /// How often it was delivered.
    pub attempts: u8,
}

/// How a holder ends a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is done.
    Ack,
    /// It is to be redelivered.
    Nack,
    /// Its holder drops it, which is the same.
    Drop,
    /// The same, so late that it is not redelivered.
    Delay,
    /// It becomes a dead letter.
    Reject,
}

/// One of the two sides of a queue, at which processes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that send.
    Sender,
    /// Those that receive.
    Receiver,
}

/// An operation of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sends a message, and waits for room.
    Send(u32),
    /// The same without waiting.
    TrySend(u32),
    /// The same; a receiver cannot read that message, and makes a dead letter of it.
    TrySendUnreadable(u32),
    /// Takes the room of a message, if there is any.
    TryLoan,
    /// The first part of a send: takes the room, and waits for it.
    Begin,
    /// The same without waiting.
    TryBegin,
    /// Sends the message in the loan of that number, or that of a send that has begun: what came of
    /// all of it.
    Commit(u32, usize),
    /// Takes the room of a message, writes it there, and sends it.
    LoanSend(u32),
    /// The same, and gives it back instead.
    LoanDrop(u32),
    /// Gives the room back.
    GiveUp(usize),
    /// Receives a message, and waits for it.
    Recv,
    /// The same without waiting.
    TryRecv,
    /// Receives a message that cannot be read, if that is the next one.
    TakeUnreadable,
    /// Ends the delivery of that number among those that the process has; tells which message it
    /// was if that is done.
    End(End, usize),
    /// Gives a message back: the part before it is announced.
    Return,
    /// Announces what was given back.
    Announce,
    /// Takes a dead letter, if there is any.
    Letter,
    /// How many dead letters there are.
    Letters,
    /// How many more messages there is room for.
    Room,
    /// Whether all is done.
    IsIdle,
    /// Waits until all is done.
    WaitIdle,
    /// Nothing can be sent from now on.
    Close,
    /// Whether it is closed.
    IsClosed,
    /// The process is counted from now on.
    Join(Side),
    /// It is counted no more.
    Leave(Side),
    /// Finds out all that the dead have left.
    Reap,
}

/// What an operation returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It is done.
    Done,
    /// A message.
    Got(Message),
    /// There is no message, or no room.
    Nothing,
    /// There will be none any more.
    Gone,
    /// Whether it is so.
    Is(bool),
    /// How many there are.
    Count(usize),
}

impl Told for Returned {
    fn byte(&self) -> u8 {
        let few = |count: usize| u8::try_from(count.min(31)).unwrap_or(31);
        match *self {
            Done => 0,
            Nothing => 1,
            Gone => 2,
            Is(is) => 4 | u8::from(is),
            Count(count) => 32 | few(count),
            Got(Message { word, attempts }) => {
                1 << 6 | attempts.min(3) << 4 | u8::try_from(word.min(15)).unwrap_or(15)
            }
        }
    }
}
