//! The contention experiment, and the kit that measures with real processes.
//!
//! [`contention`]: processes add to one shared number for some time; how many additions come to
//! pass, how evenly, and how many get lost. It measures crossdock's primitives beside
//! [yardsticks](yardstick) in the same memory and by the same loop.
//!
//! The `crossdock` command is made of this, and so are the studies in `benches/`.

pub mod contention;
mod failure;
pub mod floor;
pub mod machine;
pub mod memory;
pub mod pin;
pub mod rounds;
pub mod stats;
pub mod terminal;
pub mod times;
pub mod work;
pub mod worker;
pub mod yardstick;

pub use failure::Failure;
