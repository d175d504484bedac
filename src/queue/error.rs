//! What can happen at every queue.

use crate::fixed::TooLongError;
use crate::format::Kind;
use crate::payload::ValueError;
use crate::segment::Fault;
use crate::segment::fault::{errors, errors_with_value};
use crate::wait::on_event::{EventWaitError, TryError};

errors_with_value! {
    /// The error of sending without waiting: the value was not sent, and comes back.
    pub enum TrySendError<T> {
        /// The queue has no free place.
        Full => "the queue is full",
        /// A live process is in the middle of an operation on the slot that is next: a receiver
        /// takes the oldest item out of it, or a sender of the round before has not committed.
        /// Whether there is room is known when that operation is done, or its process dead. Try
        /// again, or [`send`](super::Queue::send), which waits. Only a [`Queue`](super::Queue)
        /// returns it.
        Busy => "the next slot of the queue is in use by a live process",
        /// The queue is closed, or its last receiver has left or died.
        Disconnected => "the queue is closed, or its last receiver has left or died",
        /// The message is longer than [`max_message_len`](super::Work::max_message_len). Only a
        /// [`ByteQueue`](super::ByteQueue) and a `Channel` return it.
        TooLong(long: TooLongError) => "{long}",
        /// The value cannot be encoded. Only a `Channel` returns it.
        Invalid(reason: ValueError) => "{reason}",
    }

    /// The error of sending with as much waiting as it takes: the value was not sent, and comes
    /// back.
    pub enum SendError<T> {
        /// The queue is closed, or its last receiver has left or died. Of a ring for two: it is
        /// full, and has no consumer that could make room.
        Disconnected => "the queue is closed, or its last receiver has left or died",
        /// As [`TrySendError::TooLong`].
        TooLong(long: TooLongError) => "{long}",
        /// As [`TrySendError::Invalid`].
        Invalid(reason: ValueError) => "{reason}",
    }

    /// The error of sending with a deadline: the value was not sent, and comes back.
    pub enum SendTimeoutError<T> {
        /// The deadline passed while the queue was full.
        Timeout => "the queue was still full at the deadline",
        /// As [`SendError::Disconnected`].
        Disconnected => "the queue is closed, or its last receiver has left or died",
        /// As [`TrySendError::TooLong`].
        TooLong(long: TooLongError) => "{long}",
        /// As [`TrySendError::Invalid`].
        Invalid(reason: ValueError) => "{reason}",
    }
}

errors! {
    /// The error of receiving without waiting.
    pub enum TryRecvError {
        /// The queue has no item.
        Empty => "the queue is empty",
        /// A live process is in the middle of an operation on what is next: a sender writes the
        /// next item, behind which others may be; or the queue has ended, and another receiver
        /// takes an item that is delivered again if that one dies. Try again, or
        /// [`recv`](super::Queue::recv), which waits. Only a [`Queue`](super::Queue) returns it.
        Busy => "a live process is at work on the next item of the queue",
        /// The queue has no item, and it is closed, or its last sender has left or died. Of a ring
        /// for two: its producer has left, or was found dead. A producer killed a moment ago
        /// still counts as there; [`pop`](super::spsc::Consumer::pop) asks the kernel.
        Disconnected => "the queue is empty, and closed, or its last sender has left or died",
        /// The bytes of the item are no valid value. The item is gone, and the next one is next; a
        /// message of a `Channel` that does not decode is a [dead
        /// letter](super::Work::dead_letters).
        Invalid {
            /// What is wrong with them.
            reason: ValueError
        } => "{reason}",
        /// The sender died in the middle of a message that is larger than the pipe, and the message
        /// is lost. Only a pipe or connection of `process` returns it; the next call
        /// returns [`Disconnected`](Self::Disconnected).
        Truncated => "the sender died in the middle of a message, which is lost",
    }

    /// The error of receiving with as much waiting as it takes.
    pub enum RecvError {
        /// The queue has no item, and it is closed, or its last sender has left or died. A ring for
        /// two goes on when the next producer comes.
        Disconnected => "the queue is empty, and closed, or its last sender has left or died",
        /// As [`TryRecvError::Invalid`].
        Invalid {
            /// What is wrong with the bytes.
            reason: ValueError
        } => "{reason}",
        /// As [`TryRecvError::Truncated`].
        Truncated => "the sender died in the middle of a message, which is lost",
    }

    /// The error of receiving with a deadline.
    pub enum RecvTimeoutError {
        /// The deadline passed while the queue was empty.
        Timeout => "the queue was still empty at the deadline",
        /// As [`RecvError::Disconnected`].
        Disconnected => "the queue is empty, and closed, or its last sender has left or died",
        /// As [`TryRecvError::Invalid`].
        Invalid {
            /// What is wrong with the bytes.
            reason: ValueError
        } => "{reason}",
        /// As [`TryRecvError::Truncated`].
        Truncated => "the sender died in the middle of a message, which is lost",
    }

    /// Why a sender or a receiver was not counted.
    pub enum CountError {
        /// This process has 131,071 of them, which is the most that it can have.
        TooMany => "this process is counted 131,071 times at that endpoint already",
    }
}

/// Converts an error into one of a form that waits otherwise: some variants as given, the others
/// into those of the same name.
macro_rules! send_as {
    ($($from:ident $(, $($other:ident)|+ => $as:ident)? => $to:ident;)+) => {$(
        impl<T> From<$from<T>> for $to<T> {
            fn from(error: $from<T>) -> Self {
                match error {
                    $($($from::$other(value))|+ => Self::$as(value),)?
                    $from::Disconnected(value) => Self::Disconnected(value),
                    $from::TooLong(value, long) => Self::TooLong(value, long),
                    $from::Invalid(value, reason) => Self::Invalid(value, reason),
                    $from::Fault(value, fault) => Self::Fault(value, fault),
                }
            }
        }
    )+};
}

send_as! {
    // What an operation that did not wait says of a deadline.
    TrySendError, Full | Busy => Timeout => SendTimeoutError;
    // A try that failed as a wait does.
    SendError => TrySendError;
    SendError => SendTimeoutError;
}

/// As `send_as`.
macro_rules! receive_as {
    ($($from:ident $(, $($other:ident)|+ => $as:ident)? => $to:ident;)+) => {$(
        impl From<$from> for $to {
            fn from(error: $from) -> Self {
                match error {
                    $($($from::$other)|+ => Self::$as,)?
                    $from::Disconnected => Self::Disconnected,
                    $from::Invalid { reason } => Self::Invalid { reason },
                    $from::Truncated => Self::Truncated,
                    $from::Fault(fault) => Self::Fault(fault),
                }
            }
        }
    )+};
}

receive_as! {
    // What an operation that did not wait says of a deadline.
    TryRecvError, Empty | Busy => Timeout => RecvTimeoutError;
    RecvError => RecvTimeoutError;
}

impl SendTimeoutError<()> {
    /// The same of a wait without a deadline. A large value is put in afterwards, and only once:
    /// optimisers take minutes over a copy of it in every variant.
    #[cold]
    pub(crate) fn untimed(self) -> SendError<()> {
        match self {
            Self::Timeout(()) => unreachable!("no deadline has passed"),
            Self::Disconnected(()) => SendError::Disconnected(()),
            Self::TooLong((), long) => SendError::TooLong((), long),
            Self::Invalid((), reason) => SendError::Invalid((), reason),
            Self::Fault((), fault) => SendError::Fault((), fault),
        }
    }
}

impl TryRecvError {
    /// The bytes of an item are no bit pattern of its type.
    pub(super) const INVALID: Self = Self::Invalid {
        reason: ValueError::BIT_PATTERN,
    };
}

impl RecvTimeoutError {
    /// As [`TryRecvError::INVALID`].
    pub(super) const INVALID: Self = Self::Invalid {
        reason: ValueError::BIT_PATTERN,
    };

    /// The same of a wait without a deadline.
    #[cold]
    pub(crate) fn untimed(self) -> RecvError {
        match self {
            Self::Timeout => unreachable!("no deadline has passed"),
            Self::Disconnected => RecvError::Disconnected,
            Self::Invalid { reason } => RecvError::Invalid { reason },
            Self::Truncated => RecvError::Truncated,
            Self::Fault(fault) => RecvError::Fault(fault),
        }
    }
}

// What `error` says of a queue of a `kind`; `lost` forgets a membership that was lost.
impl TrySendError<()> {
    #[inline(always)]
    pub(super) fn of<F: Into<Fault>>(
        error: TryError,
        kind: Kind,
        lost: impl FnOnce() -> F,
    ) -> Self {
        match error {
            TryError::WouldBlock => Self::Full(()),
            TryError::Busy => Self::Busy(()),
            TryError::Disconnected => Self::Disconnected(()),
            TryError::Corrupt => Self::Fault((), Fault::corrupt(kind, 0_u64)),
            TryError::MembershipLost => Self::Fault((), lost().into()),
        }
    }
}

// As for `TrySendError::of`.
impl TryRecvError {
    #[inline(always)]
    pub(super) fn of<F: Into<Fault>>(
        error: TryError,
        kind: Kind,
        lost: impl FnOnce() -> F,
    ) -> Self {
        match error {
            TryError::WouldBlock => Self::Empty,
            TryError::Busy => Self::Busy,
            TryError::Disconnected => Self::Disconnected,
            TryError::Corrupt => Self::Fault(Fault::corrupt(kind, 0_u64)),
            TryError::MembershipLost => Self::Fault(lost().into()),
        }
    }
}

/// A wait that timed out would block still.
fn attempted(error: EventWaitError) -> TryError {
    match error {
        EventWaitError::Disconnected => TryError::Disconnected,
        EventWaitError::TimedOut => TryError::WouldBlock,
        EventWaitError::Corrupt => TryError::Corrupt,
        EventWaitError::MembershipLost => TryError::MembershipLost,
    }
}

// As for `TrySendError::of`.
impl SendTimeoutError<()> {
    pub(super) fn of<F: Into<Fault>>(
        error: EventWaitError,
        kind: Kind,
        lost: impl FnOnce() -> F,
    ) -> Self {
        TrySendError::of(attempted(error), kind, lost).into()
    }
}

// As for `TrySendError::of`.
impl RecvTimeoutError {
    pub(super) fn of<F: Into<Fault>>(
        error: EventWaitError,
        kind: Kind,
        lost: impl FnOnce() -> F,
    ) -> Self {
        TryRecvError::of(attempted(error), kind, lost).into()
    }
}
