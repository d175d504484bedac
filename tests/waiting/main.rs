//! What it costs to wait for a long time, and who is woken.

mod ends;
mod idle;

#[path = "../support/mod.rs"]
mod support;
