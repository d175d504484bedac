//! crossdock
#![cfg_attr(loom, expect(dead_code, reason = "only the algorithms are modelled"))]
mod facade;
mod layout;
mod raw;

#[cfg(not(loom))]
mod counter;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod payload;
#[cfg(not(loom))]
pub mod segment;
#[cfg(not(loom))]
pub mod sync;
#[cfg(not(loom))]
mod sys;

#[cfg(not(loom))]
pub use {
    bytemuck,
    counter::{Counter, Number, ShardedCounter},
    error::Error,
    payload::Payload,
    segment::{Placeable, Segment, SegmentOptions},
    sync::Mutex,
};
