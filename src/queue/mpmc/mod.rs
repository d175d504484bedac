//! A bounded queue for many senders and many receivers.

// In this order the documentation of a handle lists its methods.
mod send;

mod receive;

mod counted;

mod handle;

mod source;

pub use handle::Queue;
pub use receive::Received;
