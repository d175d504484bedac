//! Shared objects: dictionaries, lists, sets, namespaces and single values.

mod deaths;
mod dict;
mod list;
mod open;
mod shared;
mod wait_any;

#[path = "../support/mod.rs"]
mod support;

use crossdock::object::ObjectOptions;
use crossdock::{Dict, List, Segment, SegmentOptions};

/// A segment of a megabyte.
fn segment() -> Segment {
    SegmentOptions::new().size(1 << 20).anonymous().unwrap()
}

fn dict(values: u64) -> (Segment, Dict<String, Vec<u64>>) {
    let segment = segment();
    let dict = segment.create("d", ObjectOptions::new(values)).unwrap();
    (segment, dict)
}

fn list(values: u64) -> (Segment, List<String>) {
    let segment = segment();
    let list = segment.create("l", ObjectOptions::new(values)).unwrap();
    (segment, list)
}
