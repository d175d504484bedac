//! Arrays: every operation, and many processes at once, some of which are killed.

mod atomic;
mod atomic_garbage;
mod atomic_layout;
mod atomic_open;
mod atomic_processes;
mod leases;
mod leases_garbage;
mod leases_layout;
mod leases_model;
mod leases_open;

#[path = "../support/mod.rs"]
mod support;

use crossdock::array::{Atomic, Init};
use crossdock::segment::IntoConfig;
use crossdock::{AtomicArray, SegmentOptions};

/// An array of atomics in a segment of its own, a small one: many are made.
fn array<T: Atomic>(values: impl IntoConfig<Init<T>>) -> AtomicArray<T> {
    let options = SegmentOptions::new()
        .size(1 << 14)
        .participants(2)
        .entries(2);
    let segment = options.anonymous().unwrap();
    segment.create("array", values).unwrap()
}
