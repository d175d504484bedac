//! What can happen at every object.

use crate::payload::ValueError;
use crate::segment::EnsureError;
use crate::segment::fault::{errors, errors_around};

errors! {
    /// The error of reading and changing an object: nothing was changed. Only a process that others
    /// took for dead while it lived, which is told [`Fault::NotMember`](crate::Fault::NotMember),
    /// may have changed it.
    pub enum ObjectError {
        /// The object has no room for the value, and, in a [`Manager`](crate::Manager), cannot
        /// grow.
        Full {
            /// The bytes that the value takes, with its key: whole blocks, or, of a
            /// [`Shared`](crate::Shared), its encoding.
            asked: u64,
            /// The bytes that are free for it.
            free: u64,
        } => "expected {asked} free bytes, found {free} (more are given when the object, or its manager, is created)",
        /// The object was removed from its [`Manager`](crate::Manager).
        Removed => "the object was removed",
        /// The value or its key cannot be encoded, or what the object has cannot be decoded.
        Value(reason: ValueError) => "{reason}",
    }
}

errors_around! {
    /// The error of waiting for a change with a timeout.
    pub enum ObjectTimeoutError {
        /// The timeout passed without a change.
        Timeout => "the object was not changed before the deadline",
        /// The error of the operation without a timeout.
        else Object(ObjectError)
    }
}

impl From<ValueError> for ObjectError {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

impl From<EnsureError> for ObjectError {
    fn from(error: EnsureError) -> Self {
        match error {
            EnsureError::Removed(_) => Self::Removed,
            EnsureError::Membership(error) => error.into(),
        }
    }
}

impl ObjectTimeoutError {
    /// The error of a wait without a deadline.
    pub(super) fn without_deadline(self) -> ObjectError {
        match self {
            Self::Object(error) => error,
            Self::Timeout => ObjectError::Full { asked: 0, free: 0 },
        }
    }
}
