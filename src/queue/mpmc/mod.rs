//! A bounded queue for many senders and many receivers.

mod counted;
mod error;
mod handle;
mod iter;
mod large;
mod receive;
mod send;
mod source;

pub use counted::{Receiver, Sender};
pub use error::{CountError, RecvError, SendError, TryRecvError, TrySendError};
pub use handle::Queue;
pub use iter::{Iter, TryIter};
pub use receive::Received;
