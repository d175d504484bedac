//! A bounded queue for many senders and many receivers.

mod counted;
mod handle;
mod receive;
mod send;
mod source;

pub use counted::{Receiver, Sender};
pub use handle::Queue;
pub use receive::Received;
