//! A bounded queue for many senders and many receivers.

mod counted;
mod handle;
mod iter;
mod receive;
mod send;
mod source;

pub use counted::{Receiver, Sender};
pub use handle::Queue;
pub use iter::{Iter, TryIter};
pub use receive::Received;
