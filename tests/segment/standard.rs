//! Processes that have closed their standard descriptors, as daemons do.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crossdock::segment::Monitor;
use crossdock::{Mutex, Segment, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{child, exit};

/// The standard descriptors that are open.
fn open() -> Vec<libc::c_int> {
    let is_open = |fd: &libc::c_int| {
        // SAFETY: asks whether the number is open.
        (unsafe { libc::fcntl(*fd, libc::F_GETFD) }) != -1
    };
    (0..3).filter(is_open).collect()
}

/// What a child does in which the standard descriptors are closed; what it fails with is its exit
/// code, since it cannot say more.
fn without_standard_descriptors(body: impl FnOnce()) {
    child(|| {
        for fd in 0..3 {
            // SAFETY: a number that this child closes once.
            unsafe { libc::close(fd) };
        }
        body();
        if !open().is_empty() {
            exit(40 + open()[0]);
        }
    })
    .join();
}

#[test]
fn no_descriptor_of_the_library_becomes_a_standard_one() {
    let name = Unique::new();
    without_standard_descriptors(|| {
        let named = SegmentOptions::new().create_new(&name).unwrap();
        let anonymous = Segment::anonymous().unwrap();
        for segment in [&named, &anonymous] {
            let mutex = segment.create::<Mutex<u64>>("m", 1).unwrap();
            let monitor = Monitor::start().unwrap();
            monitor.watch(segment).unwrap();
            assert_eq!(*mutex.lock().unwrap(), 1);
            assert!(segment.as_fd().as_raw_fd() > 2);
            assert!(open().is_empty());
        }
        // One that was handed over under a standard number.
        // SAFETY: dup takes an integer.
        let number = unsafe { libc::dup(anonymous.as_fd().as_raw_fd()) };
        assert_eq!(number, 0);
        // SAFETY: made just now, and owned by nothing else.
        let received = unsafe { OwnedFd::from_raw_fd(number) };
        drop(anonymous);
        let again = Segment::try_from(received).unwrap();
        assert!(again.as_fd().as_raw_fd() > 2);
        drop(SegmentOptions::new().open(&name).unwrap());
    });
}
