//! What can happen at a queue.

use std::fmt;

use crate::segment::MembershipError;

/// Why nothing was sent, without waiting; the value comes back.
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no room.
    Full(T),
    /// A live peer is at work in the slot that is next: a receiver takes the oldest item out of it, or
    /// another sender has not completed the one of the round before. Whether there is room is known when it is done,
    /// or dead: try again, or [`send`](crate::queue::Queue::send), which waits. Of a [`Queue`](crate::queue::Queue)
    /// only.
    Busy(T),
    /// The queue is closed, or its last receiver has left or died.
    Disconnected(T),
    /// The queue's state cannot be that of a queue.
    Corrupt(T),
    /// This process could not take part in the segment.
    Join {
        /// What was not sent.
        value: T,
        /// Why.
        source: MembershipError,
    },
}

/// Why nothing was sent; the value comes back.
#[non_exhaustive]
pub enum SendError<T> {
    /// The queue is closed, or its last receiver has left or died.
    Disconnected(T),
    /// There still was no room at the deadline. Not without one.
    Timeout(T),
    /// The queue's state cannot be that of a queue.
    Corrupt(T),
    /// The [`Loan`](crate::queue::Loan) is not this process's: it is a forked child of the one that took it, or
    /// others have taken that one for dead meanwhile, and it has joined anew. Of a loan only.
    Lost(T),
    /// This process could not take part in the segment, or does not any more.
    Join {
        /// What was not sent.
        value: T,
        /// Why.
        source: MembershipError,
    },
}

/// Why nothing was received, without waiting.
#[derive(Debug)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is no item.
    Empty,
    /// A live peer is at work on what is next: a sender writes the next item, behind which others may be; or the
    /// queue has ended, and another receiver takes an item that comes again if it dies. Try again, or
    /// [`recv`](crate::queue::Queue::recv), which waits. Of a [`Queue`](crate::queue::Queue) only.
    Busy,
    /// There is no item, and the queue is closed, or its last sender has left or died.
    Disconnected,
    /// The item was not a valid value. It is gone, and the next one is next.
    Invalid,
    /// The queue's state cannot be that of a queue.
    Corrupt,
    /// This process could not take part in the segment.
    Join(MembershipError),
}

/// Why nothing was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// There is no item, and the queue is closed, or its last sender has left or died.
    Disconnected,
    /// There still was no item at the deadline. Not without one.
    Timeout,
    /// The item was not a valid value. It is gone, and the next one is next.
    Invalid,
    /// The queue's state cannot be that of a queue.
    Corrupt,
    /// This process could not take part in the segment, or does not any more.
    Join(MembershipError),
}

/// Why a sender or a receiver was not counted.
#[derive(Debug)]
#[non_exhaustive]
pub enum CountError {
    /// This process has 131,071 of them, which is the most that it can have.
    TooMany,
    /// This process could not take part in the segment, or does not any more.
    Join(MembershipError),
}

const FULL: &str = "the queue is full";
const EMPTY: &str = "the queue is empty";
const BUSY_SLOT: &str = "the next slot of the queue is in use by a live peer";
const BUSY_ITEM: &str = "a live peer is at work on the next item of the queue";
const NO_RECEIVER: &str = "the queue is closed, or its last receiver has left or died";
const NO_SENDER: &str = "the queue is empty, and closed, or its last sender has left or died";
const STILL_FULL: &str = "the queue was still full at the deadline";
const STILL_EMPTY: &str = "the queue was still empty at the deadline";
const INVALID: &str = "expected an item that is a valid value, found bytes that are none";
const CORRUPT: &str = "expected the state of a queue, found something else";
const LOST_LOAN: &str = "expected a loan of this process, found one of a process that it was forked from, or that \
     others took for dead";
const TOO_MANY: &str = "this process is counted 131,071 times at that side already";

impl<T> TrySendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value)
            | Self::Busy(value)
            | Self::Disconnected(value)
            | Self::Corrupt(value)
            | Self::Join { value, .. } => value,
        }
    }

    fn parts(&self) -> (&'static str, &'static str, Option<&MembershipError>) {
        match self {
            Self::Full(_) => ("Full(..)", FULL, None),
            Self::Busy(_) => ("Busy(..)", BUSY_SLOT, None),
            Self::Disconnected(_) => ("Disconnected(..)", NO_RECEIVER, None),
            Self::Corrupt(_) => ("Corrupt(..)", CORRUPT, None),
            Self::Join { source, .. } => ("Join(..)", "", Some(source)),
        }
    }
}

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Disconnected(value)
            | Self::Timeout(value)
            | Self::Corrupt(value)
            | Self::Lost(value)
            | Self::Join { value, .. } => value,
        }
    }

    fn parts(&self) -> (&'static str, &'static str, Option<&MembershipError>) {
        match self {
            Self::Disconnected(_) => ("Disconnected(..)", NO_RECEIVER, None),
            Self::Timeout(_) => ("Timeout(..)", STILL_FULL, None),
            Self::Corrupt(_) => ("Corrupt(..)", CORRUPT, None),
            Self::Lost(_) => ("Lost(..)", LOST_LOAN, None),
            Self::Join { source, .. } => ("Join(..)", "", Some(source)),
        }
    }
}

impl TrySendError<()> {
    /// The same, said of a value.
    pub(in crate::queue) fn with<T>(self, value: T) -> TrySendError<T> {
        match self {
            Self::Full(()) => TrySendError::Full(value),
            Self::Busy(()) => TrySendError::Busy(value),
            Self::Disconnected(()) => TrySendError::Disconnected(value),
            Self::Corrupt(()) => TrySendError::Corrupt(value),
            Self::Join { source, .. } => TrySendError::Join { value, source },
        }
    }
}

impl SendError<()> {
    /// The same of a loan that was taken only to be sent: it was lost because others took this process for
    /// dead, and another thread of it has joined anew.
    #[cold]
    pub(in crate::queue) fn of_own_loan(self) -> Self {
        match self {
            Self::Lost(value) => Self::Join {
                value,
                source: MembershipError::Lost,
            },
            other => other,
        }
    }

    /// The same, said of a value.
    pub(in crate::queue) fn with<T>(self, value: T) -> SendError<T> {
        match self {
            Self::Disconnected(()) => SendError::Disconnected(value),
            Self::Timeout(()) => SendError::Timeout(value),
            Self::Corrupt(()) => SendError::Corrupt(value),
            Self::Lost(()) => SendError::Lost(value),
            Self::Join { source, .. } => SendError::Join { value, source },
        }
    }
}

/// What came of a send that did not wait because it had room, or will never have any.
impl<T> From<TrySendError<T>> for SendError<T> {
    fn from(error: TrySendError<T>) -> Self {
        match error {
            TrySendError::Full(value) | TrySendError::Busy(value) => Self::Timeout(value),
            TrySendError::Disconnected(value) => Self::Disconnected(value),
            TrySendError::Corrupt(value) => Self::Corrupt(value),
            TrySendError::Join { value, source } => Self::Join { value, source },
        }
    }
}

/// As for sending.
impl From<TryRecvError> for RecvError {
    fn from(error: TryRecvError) -> Self {
        match error {
            TryRecvError::Empty | TryRecvError::Busy => Self::Timeout,
            TryRecvError::Disconnected => Self::Disconnected,
            TryRecvError::Invalid => Self::Invalid,
            TryRecvError::Corrupt => Self::Corrupt,
            TryRecvError::Join(source) => Self::Join(source),
        }
    }
}

impl TryRecvError {
    fn parts(&self) -> (&'static str, Option<&MembershipError>) {
        match self {
            Self::Empty => (EMPTY, None),
            Self::Busy => (BUSY_ITEM, None),
            Self::Disconnected => (NO_SENDER, None),
            Self::Invalid => (INVALID, None),
            Self::Corrupt => (CORRUPT, None),
            Self::Join(source) => ("", Some(source)),
        }
    }
}

impl CountError {
    fn parts(&self) -> (&'static str, Option<&MembershipError>) {
        match self {
            Self::TooMany => (TOO_MANY, None),
            Self::Join(source) => ("", Some(source)),
        }
    }
}

impl RecvError {
    fn parts(&self) -> (&'static str, Option<&MembershipError>) {
        match self {
            Self::Disconnected => (NO_SENDER, None),
            Self::Timeout => (STILL_EMPTY, None),
            Self::Invalid => (INVALID, None),
            Self::Corrupt => (CORRUPT, None),
            Self::Join(source) => ("", Some(source)),
        }
    }
}

/// The errors that give a value back show what happened, not the value.
macro_rules! gives_back {
    ($($error:ident)+) => {$(
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.parts().0)
            }
        }

        impl<T> fmt::Display for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.parts() {
                    (_, _, Some(source)) => source.fmt(f),
                    (_, text, None) => f.write_str(text),
                }
            }
        }

        impl<T> std::error::Error for $error<T> {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                self.parts().2.and_then(std::error::Error::source)
            }
        }
    )+};
}

gives_back!(TrySendError SendError);

macro_rules! gives_nothing {
    ($($error:ident)+) => {$(
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.parts() {
                    (_, Some(source)) => source.fmt(f),
                    (text, None) => f.write_str(text),
                }
            }
        }

        impl std::error::Error for $error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                self.parts().1.and_then(std::error::Error::source)
            }
        }
    )+};
}

gives_nothing!(TryRecvError RecvError CountError);
