//! Work queues: what is received is held until it is acknowledged.

mod bytes;
mod bytes_in_hand;
#[cfg(feature = "process")]
mod channel;
mod counted;
mod delivery;
mod error;
mod hand;
mod options;
mod pool;
mod queue;
mod receipts;
mod receive;

pub use bytes::ByteQueue;
pub use bytes_in_hand::{ByteDelivery, ByteLoan};
#[cfg(feature = "process")]
pub use channel::{Channel, ChannelError, Held};
pub use delivery::{DeadLetters, Delivery, Loan};
pub use error::{AckError, RecvIntoError, SendBytesError, TrySendBytesError, WaitIdleError};
pub use options::{ByteOptions, WorkOptions};
pub use queue::WorkQueue;
