//! Experiments on shared-memory locks, counters and queues, with real processes.
//!
//! - [`contention`]: processes add to one shared number for some time; how many additions come to
//!   pass, how evenly, and how many get lost.
//! - [`recovery`]: the owner of a lock is killed; how long until a waiter has it.
//! - [`queues`]: processes pass items to each other; how many come through, and how long a round trip
//!   takes.
//!
//! Each measures crossdock's primitives beside [yardsticks](yardstick) in the same memory and by the same loop.
//! The `crossdock` command and `crossdock-compare` are made of this.

pub mod contention;
mod failure;
pub mod floor;
pub mod machine;
pub mod memory;
pub mod pin;
pub mod queues;
pub mod ratio;
pub mod recovery;
pub mod rounds;
pub mod stats;
pub mod terminal;
pub mod times;
pub mod work;
pub mod worker;
pub mod yardstick;

pub use failure::Failure;
