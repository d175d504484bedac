//! Descriptors that somebody else has opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use crossdock::segment::OpenError;
use crossdock::{Counter, Segment, SegmentOptions};

use crate::support::image::{self, SEALS};
use crate::support::names::Unique;
use crate::support::process::leaves_nothing;

fn segment() -> Segment {
    let segment = SegmentOptions::new().size(1 << 16).anonymous().unwrap();
    segment.create::<Counter>("total", 7).unwrap();
    segment
}

/// The file behind a segment's descriptor, opened anew.
fn reopened(segment: &Segment, flags: libc::c_int) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", segment.as_fd().as_raw_fd());
    let read = flags & libc::O_ACCMODE != libc::O_WRONLY;
    let write = flags & libc::O_ACCMODE != libc::O_RDONLY;
    let file = File::options()
        .read(read)
        .write(write)
        .custom_flags(flags & !libc::O_ACCMODE)
        .open(path);
    file.unwrap().into()
}

#[test]
fn a_duplicate_of_the_descriptor_is_the_same_segment() {
    let first = segment();
    let second = Segment::try_from(first.as_fd().try_clone_to_owned().unwrap()).unwrap();
    second.open::<Counter>("total").unwrap().add(1);
    assert_eq!(first.open::<Counter>("total").unwrap().load(), 8);
}

#[test]
fn a_copy_of_the_bytes_is_another_segment() {
    let first = segment();
    let second = Segment::try_from(image::sealed(&image::bytes(&first))).unwrap();
    second.open::<Counter>("total").unwrap().add(1);
    assert_eq!(first.open::<Counter>("total").unwrap().load(), 7);
    assert_eq!(second.open::<Counter>("total").unwrap().load(), 8);
}

#[test]
fn an_anonymous_segment_carries_the_seals() {
    // SAFETY: the descriptor is open while the segment lives.
    let seals = unsafe { libc::fcntl(segment().as_fd().as_raw_fd(), libc::F_GET_SEALS) };
    assert_eq!(seals & SEALS, SEALS);
}

#[test]
fn an_anonymous_segment_can_be_made_neither_shorter_nor_longer() {
    let segment = segment();
    let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
    for len in [0, 4096, 1 << 17] {
        let error = file.set_len(len).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn descriptors_are_closed_on_exec() {
    let name = Unique::new();
    let named = SegmentOptions::new().create_new(&name).unwrap();
    let anonymous = segment();
    for segment in [&named, &anonymous] {
        // SAFETY: the descriptor is open while the segment lives.
        let flags = unsafe { libc::fcntl(segment.as_fd().as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC);
    }
}

#[test]
fn what_is_no_file_is_refused() {
    leaves_nothing(|| {
        let (reader, writer) = io::pipe().unwrap();
        let directory = File::open("/dev/shm").unwrap();
        let device = File::options().read(true).write(true).open("/dev/null");
        let others: [OwnedFd; 4] = [
            reader.into(),
            writer.into(),
            directory.into(),
            device.unwrap().into(),
        ];
        for fd in others {
            let error = Segment::try_from(fd).unwrap_err();
            assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_descriptor_that_does_not_read_and_write_is_refused() {
    leaves_nothing(|| {
        let segment = segment();
        for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_PATH] {
            let error = Segment::try_from(reopened(&segment, flags)).unwrap_err();
            assert_eq!(
                error.to_string(),
                "expected a descriptor open for reading and writing, found another"
            );
            assert!(matches!(error, OpenError::ReadOnly { .. }), "{flags:#x}");
        }
    });
}

#[test]
fn a_memory_file_that_lacks_a_seal_is_refused() {
    leaves_nothing(|| {
        let bytes = image::bytes(&segment());
        let all = [libc::F_SEAL_SHRINK, libc::F_SEAL_GROW, libc::F_SEAL_SEAL];
        for missing in all {
            let fd = image::unsealed(&bytes);
            image::seal(&fd, SEALS & !missing);
            let error = Segment::try_from(fd).unwrap_err();
            assert_eq!(
                error.to_string(),
                "expected a descriptor sealed against shrinking and growing, found an unsealed one"
            );
            assert!(matches!(error, OpenError::Unsealed { .. }));
        }
    });
}

#[test]
fn a_regular_file_is_refused() {
    leaves_nothing(|| {
        let name = Unique::new();
        let named = SegmentOptions::new().create_new(&name).unwrap();
        let fd = named.as_fd().try_clone_to_owned().unwrap();
        let error = Segment::try_from(fd).unwrap_err();
        assert!(matches!(error, OpenError::Unsealed { .. }), "{error:?}");

        let own = std::env::temp_dir().join(format!("crossdock-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&own);
        std::fs::remove_file(&own).unwrap();
        let error = Segment::try_from(OwnedFd::from(file.unwrap())).unwrap_err();
        assert!(matches!(error, OpenError::Unsealed { .. }), "{error:?}");
    });
}

#[test]
fn a_memory_file_sealed_against_writing_is_refused() {
    leaves_nothing(|| {
        for seal in [libc::F_SEAL_WRITE, libc::F_SEAL_FUTURE_WRITE] {
            let fd = image::unsealed(&image::bytes(&segment()));
            image::seal(&fd, SEALS | seal);
            let error = Segment::try_from(fd).unwrap_err();
            assert!(
                matches!(&error, OpenError::System { error, .. } if error.what() == "mmap of the segment"
                    && error.kind() == io::ErrorKind::PermissionDenied),
                "{error:?}"
            );
        }
    });
}

#[test]
fn sealed_garbage_is_refused() {
    leaves_nothing(|| {
        let empty = Segment::try_from(image::sealed(&[])).unwrap_err();
        assert!(matches!(empty, OpenError::Empty { .. }));
        let short = Segment::try_from(image::sealed(&[1; 100])).unwrap_err();
        assert!(matches!(short, OpenError::NotASegment { .. }));
        let truncated = &image::bytes(&segment())[..8192];
        let truncated = Segment::try_from(image::sealed(truncated)).unwrap_err();
        assert!(matches!(truncated, OpenError::OtherSize { .. }));
    });
}

#[test]
fn a_segment_without_a_name_has_none() {
    let segment = segment();
    assert_eq!(segment.name(), None);
    segment.unlink().unwrap();
    assert_eq!(format!("{segment:?}"), "Segment { name: None, len: 65536 }");
}
