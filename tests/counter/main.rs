//! Counters: every operation, and many processes at once, some of which are killed.

#[path = "../support/mod.rs"]
mod support;

mod operations;
mod processes;
mod wait;
