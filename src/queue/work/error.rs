//! What can happen at a work queue.

use std::fmt;

use crate::queue::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TrySendError};
use crate::segment::{Fault, MembershipError};

/// Why a message was not acknowledged, or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// This process does not have the message: it is a forked child of the one that received it, or
    /// others have taken it for dead, because other code of it unmapped its lock. Then the
    /// message was delivered, or will be, to another receiver.
    Lost,
}

/// Why a wait for a queue to be idle ended before it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitIdleError {
    /// Something was not done yet at the deadline. Not without one.
    Timeout,
    /// The queue's state cannot be that of a queue.
    Corrupt,
    /// This process could not take part in the segment, or does not any more.
    Join(MembershipError),
}

/// Why no message of bytes was sent, without waiting.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySendBytesError {
    /// The message is longer than all cells of the queue together.
    TooLong {
        /// Its length, in bytes.
        len: usize,
        /// The length of the longest message, in bytes.
        most: u64,
    },
    /// There is no room.
    Full,
    /// The queue is closed, or its last receiver has left or died.
    Disconnected,
    /// The queue's state cannot be that of a queue.
    Corrupt,
    /// This process could not take part in the segment, or does not any more.
    Join(MembershipError),
}

/// Why no message of bytes was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendBytesError {
    /// The message is longer than all cells of the queue together.
    TooLong {
        /// Its length, in bytes.
        len: usize,
        /// The length of the longest message, in bytes.
        most: u64,
    },
    /// The queue is closed, or its last receiver has left or died.
    Disconnected,
    /// There still was no room at the deadline. Not without one.
    Timeout,
    /// The queue's state cannot be that of a queue.
    Corrupt,
    /// The [`ByteLoan`](super::ByteLoan) is not this process's: it is a forked child of the one that took it, or
    /// others have taken that one for dead meanwhile, and it has joined anew. Of a loan only.
    Lost,
    /// This process could not take part in the segment, or does not any more.
    Join(MembershipError),
}

/// Why no message was received into a place.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvIntoError {
    /// The message is longer than the place. It comes again.
    TooLong {
        /// Its length, in bytes.
        len: usize,
        /// The length of the place, in bytes.
        room: usize,
    },
    /// None was received.
    Recv(RecvTimeoutError),
    /// It was copied, but not acknowledged.
    Ack(AckError),
}

impl From<(usize, u64)> for TrySendBytesError {
    fn from((len, most): (usize, u64)) -> Self {
        Self::TooLong { len, most }
    }
}

impl From<(usize, u64)> for SendBytesError {
    fn from((len, most): (usize, u64)) -> Self {
        Self::TooLong { len, most }
    }
}

impl From<TrySendError<()>> for TrySendBytesError {
    fn from(error: TrySendError<()>) -> Self {
        match error {
            TrySendError::Full(()) | TrySendError::Busy(()) => Self::Full,
            TrySendError::Disconnected(()) => Self::Disconnected,
            TrySendError::Fault((), Fault::NotMember(source)) => Self::Join(source),
            TrySendError::Fault(..) => Self::Corrupt,
        }
    }
}

impl From<SendError<()>> for SendBytesError {
    fn from(error: SendError<()>) -> Self {
        SendTimeoutError::from(error).into()
    }
}

impl From<SendTimeoutError<()>> for SendBytesError {
    fn from(error: SendTimeoutError<()>) -> Self {
        match error {
            SendTimeoutError::Disconnected(()) => Self::Disconnected,
            SendTimeoutError::Timeout(()) => Self::Timeout,
            SendTimeoutError::Fault((), Fault::NotOwner) => Self::Lost,
            SendTimeoutError::Fault((), Fault::NotMember(source)) => Self::Join(source),
            SendTimeoutError::Fault((), Fault::Corrupt { .. }) => Self::Corrupt,
        }
    }
}

impl SendError<()> {
    /// As of [`SendBytesError::of_own_loan`].
    #[cold]
    pub(super) fn of_own_loan(self) -> Self {
        match self {
            Self::Fault((), Fault::NotOwner) => MembershipError::Lost.into(),
            other => other,
        }
    }
}

impl SendBytesError {
    /// The same of a loan that was taken only to be sent: it was lost because others took this process for
    /// dead, and another thread of it has joined anew.
    #[cold]
    pub(super) fn of_own_loan(self) -> Self {
        match self {
            Self::Lost => Self::Join(MembershipError::Lost),
            other => other,
        }
    }
}

/// What came of the sending of a loan.
impl From<SendBytesError> for TrySendBytesError {
    fn from(error: SendBytesError) -> Self {
        match error {
            SendBytesError::TooLong { len, most } => Self::TooLong { len, most },
            SendBytesError::Timeout => Self::Full,
            SendBytesError::Disconnected => Self::Disconnected,
            SendBytesError::Corrupt => Self::Corrupt,
            SendBytesError::Lost => Self::Join(MembershipError::Lost),
            SendBytesError::Join(source) => Self::Join(source),
        }
    }
}

impl From<RecvError> for RecvIntoError {
    fn from(error: RecvError) -> Self {
        Self::Recv(error.into())
    }
}

impl From<RecvTimeoutError> for RecvIntoError {
    fn from(error: RecvTimeoutError) -> Self {
        Self::Recv(error)
    }
}

const NO_RECEIVER: &str = "the queue is closed, or its last receiver has left or died";
const CORRUPT: &str = "expected the state of a queue, found something else";

fn too_long(f: &mut fmt::Formatter<'_>, len: usize, most: u64) -> fmt::Result {
    write!(f, "expected a message of at most {most} bytes, found {len}")
}

impl fmt::Display for TrySendBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, most } => too_long(f, *len, *most),
            Self::Full => f.write_str("the queue has too few free cells for the message"),
            Self::Disconnected => f.write_str(NO_RECEIVER),
            Self::Corrupt => f.write_str(CORRUPT),
            Self::Join(source) => source.fmt(f),
        }
    }
}

impl fmt::Display for SendBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, most } => too_long(f, *len, *most),
            Self::Timeout => f.write_str(
                "the queue still had too few free cells for the message at the deadline",
            ),
            Self::Disconnected => f.write_str(NO_RECEIVER),
            Self::Corrupt => f.write_str(CORRUPT),
            Self::Lost => Fault::NotOwner.fmt(f),
            Self::Join(source) => source.fmt(f),
        }
    }
}

impl fmt::Display for RecvIntoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, room } => {
                write!(f, "expected a message of at most {room} bytes, found {len}")
            }
            Self::Recv(error) => error.fmt(f),
            Self::Ack(error) => error.fmt(f),
        }
    }
}

macro_rules! joins {
    ($($error:ident)+) => {$(
        impl std::error::Error for $error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    Self::Join(source) => source.source(),
                    _ => None,
                }
            }
        }
    )+};
}

joins!(TrySendBytesError SendBytesError WaitIdleError);

impl std::error::Error for RecvIntoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Recv(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("this process does not have the message any more"),
        }
    }
}

impl std::error::Error for AckError {}

impl fmt::Display for WaitIdleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("not all messages were done at the deadline"),
            Self::Corrupt => f.write_str(CORRUPT),
            Self::Join(source) => source.fmt(f),
        }
    }
}
