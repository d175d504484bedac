//! What can happen at a work queue alone.

use crate::segment::fault::errors;

errors! {
    /// The error of waiting with a deadline until a queue is idle.
    pub enum WaitIdleError {
        /// The deadline passed while a message was not done.
        Timeout => "not all messages were done at the deadline",
    }
}
