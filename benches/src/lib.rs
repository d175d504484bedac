//! Measurements of crossdock beside what people would use instead, with real processes.
//!
//! `cargo xtask compare WHAT` and `cargo xtask measure WHAT` run the program `studies` of this
//! package, `cargo xtask counts` the program `counts`, and `cargo bench -p benches` the criterion
//! benchmarks. Unpublished: the peers and what they bring along are dependencies of this package
//! only. Without the feature `studies`, this library is empty, and only crossdock is built.
#![cfg(feature = "studies")]

mod arrays;
mod chaos;
mod command;
mod contest;
mod creation;
mod kills;
mod measure;
mod objects;
mod peers;
mod pools;
pub mod queues;
pub mod ratio;
pub mod recovery;
mod report;
mod study;
#[cfg(test)]
mod tests;
mod work;
pub mod yardstick;

pub use command::main;
