//! Primitives beside what they are specified to be, when one process does one thing after the other
//! while children and threads of it do what it says.

pub(crate) mod atomic_array;
pub(crate) mod barrier;
mod child;
pub(crate) mod condvar;
pub(crate) mod event;
pub(crate) mod objects;
pub(crate) mod promise;
pub(crate) mod reentrant;
pub(crate) mod semaphore;
pub(crate) mod work;

use crossdock::{Segment, SegmentOptions};

/// A segment for the entries of a suite.
fn segment() -> Segment {
    let options = SegmentOptions::new()
        .size(1 << 15)
        .participants(8)
        .entries(16);
    options.anonymous().expect("memory")
}
