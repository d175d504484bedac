//! Queues between processes that are killed, stopped, forked and cheated on.

mod model;
mod mpmc;
mod spsc;
mod wait;
mod wait_any;

#[path = "../support/mod.rs"]
mod support;
