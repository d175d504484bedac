//! Work queues: what is received is held until it is acknowledged.

mod counted;
mod delivery;
mod error;
mod hand;
mod options;
mod pool;
mod queue;
mod receive;

pub use delivery::{DeadLetters, Delivery, Loan};
pub use error::{AckError, WaitIdleError};
pub use options::WorkOptions;
pub use queue::WorkQueue;
