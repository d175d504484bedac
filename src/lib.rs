//! crossdock
#![cfg_attr(loom, allow(dead_code))]

mod facade;
mod layout;
mod raw;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
mod sys;
