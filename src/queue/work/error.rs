//! What can happen to a message in somebody's hands, and to one that waits for a queue to be idle.

use std::fmt;

use crate::segment::MembershipError;

/// Why a message was not acknowledged, or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// This process does not have the message: it is a forked child of the one that received it, or
    /// others have taken it for dead, because other code of it closed its descriptors. Then the
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
            Self::Corrupt => f.write_str("expected the state of a queue, found something else"),
            Self::Join(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for WaitIdleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Join(source) => source.source(),
            _ => None,
        }
    }
}
