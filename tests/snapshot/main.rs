//! Snapshots between processes that are killed, stopped, forked and cheated on.

mod expelled;
mod garbage;
mod layout;
mod model;
mod open;
mod processes;
mod waiting;

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use crossdock::{Segment, Snapshot, SnapshotOptions};

/// How long it is waited for what does not come.
const SOON: Duration = Duration::from_millis(30);

/// Some cache lines of one number: what is not whole shows.
type Large = [u64; 64];

fn large(number: u64) -> Large {
    [number; 64]
}

/// The number that it is made of.
#[track_caller]
fn number(value: &Large) -> u64 {
    let first = value[0];
    assert!(value.iter().all(|word| *word == first), "torn: {value:?}");
    first
}

/// A snapshot of 0 in a segment of its own.
fn snapshot(readers: u64) -> (Segment, Snapshot<Large>) {
    let segment = Segment::anonymous().unwrap();
    let options = SnapshotOptions::new(large(0)).readers(readers);
    let snapshot = segment.create("snapshot", options).unwrap();
    (segment, snapshot)
}
