//! Queues between processes that are killed, stopped, forked and cheated on.

mod model;
mod spsc;

#[path = "../support/mod.rs"]
mod support;
