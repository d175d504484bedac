//! The errors of pipes and connections.

use super::frame::{RecvStop, SendStop};
use crate::queue::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::segment::fault::{errors_around, plain_errors};
use crate::segment::{ClaimError, CreateError, EntryError, OpenError, Text};

plain_errors! {
    /// The error of making a pipe or a connection.
    pub enum PipeError {
        /// No pipe can have this capacity.
        Capacity {
            /// The capacity asked for, in bytes.
            found: u64,
            /// The least, in bytes.
            least: u64,
            /// The most, in bytes.
            most: u64,
        } => "expected a capacity of {least} to {most} bytes, found {found}",
        /// No value of the type can be in a message.
        Values {
            /// The reason.
            reason: Text,
        } => "values of this type cannot be sent: {reason}",
        ..
        /// The memory was not created.
        Create(CreateError) by ?,
        /// The memory of a client cannot be mapped.
        Open(OpenError),
        /// The rings were not created, or not found.
        Entry(EntryError) by ?,
        /// The ends were not claimed.
        Claim(ClaimError) by ?,
    }
}

errors_around! {
    /// The error of receiving into memory of a fixed length.
    pub enum RecvIntoError {
        /// The message is longer than the memory. It stays, and can be received into more.
        TooSmall {
            /// The length of the message, in bytes.
            message: usize,
            /// The length of the memory, in bytes.
            memory: usize,
        } => "expected memory of {message} bytes, the length of the message, found {memory}",
        /// The message was not received.
        else Recv(RecvError)
    }
}

impl From<SendStop> for SendTimeoutError<()> {
    #[cold]
    fn from(stop: SendStop) -> Self {
        TrySendError::from(stop).into()
    }
}

impl From<SendStop> for TrySendError<()> {
    #[cold]
    fn from(stop: SendStop) -> Self {
        match stop {
            SendStop::Full | SendStop::TimedOut => Self::Full(()),
            SendStop::Disconnected => Self::Disconnected(()),
            SendStop::TooLong(long) => Self::TooLong((), long),
            SendStop::Invalid(reason) => Self::Invalid((), reason),
            SendStop::Fault(fault) => Self::Fault((), fault),
        }
    }
}

/// The error of a send without a deadline.
impl From<SendStop> for SendError<()> {
    #[cold]
    fn from(stop: SendStop) -> Self {
        SendTimeoutError::from(stop).untimed()
    }
}

impl From<RecvStop> for RecvTimeoutError {
    #[cold]
    fn from(stop: RecvStop) -> Self {
        TryRecvError::from(stop).into()
    }
}

impl From<RecvStop> for TryRecvError {
    #[cold]
    fn from(stop: RecvStop) -> Self {
        match stop {
            RecvStop::Empty | RecvStop::TimedOut => Self::Empty,
            RecvStop::Disconnected => Self::Disconnected,
            RecvStop::Truncated => Self::Truncated,
            RecvStop::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// The error of a receive without a deadline.
impl From<RecvStop> for RecvError {
    #[cold]
    fn from(stop: RecvStop) -> Self {
        RecvTimeoutError::from(stop).untimed()
    }
}
