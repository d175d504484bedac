//! Other code of a process, which does to descriptors what it likes.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;

use crossdock::Segment;

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

/// The descriptor through which this process, which has one segment, is a participant of it.
pub(crate) fn locking_descriptor(segment: &Segment) -> i32 {
    let probe = segment.as_fd().as_raw_fd();
    let inode = |number: i32| {
        let meta = std::fs::metadata(format!("/proc/self/fd/{number}")).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    let all = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<i32> = all
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|number| *number != probe && inode(*number) == inode(probe))
        .collect();
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    numbers[0]
}

pub(crate) fn close(number: i32) {
    // SAFETY: what a careless library does to a descriptor that is not its own.
    assert_eq!(unsafe { libc::close(number) }, 0);
}

pub(crate) fn close_all_from_3() {
    // SAFETY: what a careless library does to descriptors that are not its own.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    assert_eq!(result, 0, "close_range");
}
