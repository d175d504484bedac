//! What may stand where a named segment is expected.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use crossdock::segment::{CreateError, OpenError, OpenOrCreateError, RemoveError};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::chain;
use crate::support::image;
use crate::support::names::Unique;
use crate::support::process::leaves_nothing;

/// Writes a file where the segment of that name would be.
fn plant(name: &Unique, bytes: &[u8]) {
    fs::write(name.path(), bytes).unwrap();
}

/// The bytes of a good segment with one counter.
fn good() -> Vec<u8> {
    let name = Unique::new();
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(2)
        .entries(4);
    let segment = options.create_new(&name).unwrap();
    segment.create::<Counter>("total", 7).unwrap();
    image::bytes(&segment)
}

/// What `open` and `open_or_create` say of what stands there, which must be the same, and that
/// `create_new` leaves it alone.
fn refused(name: &Unique) -> OpenError {
    let options = SegmentOptions::new();
    let error = options.open(name).unwrap_err();
    let OpenOrCreateError::Open(other) = options.open_or_create(name).unwrap_err() else {
        panic!("it was created");
    };
    assert_eq!(other.to_string(), error.to_string());
    let exists = options.create_new(name).unwrap_err();
    assert!(matches!(&exists, CreateError::Exists { name: found } if **found == **name));
    assert_eq!(
        exists.to_string(),
        format!("a segment named \"{}\" exists", &**name)
    );
    assert!(name.is_taken());
    error
}

/// As [`refused`], for a file with these bytes.
fn refused_bytes(bytes: &[u8]) -> OpenError {
    let name = Unique::new();
    plant(&name, bytes);
    let error = refused(&name);
    assert_eq!(fs::read(name.path()).unwrap(), bytes, "it was changed");
    error
}

/// What an error says, with its causes, behind the segment's name, if that was opened by one.
fn said(error: &OpenError) -> String {
    let whole = chain(error);
    let Some(name) = error.segment() else {
        return whole;
    };
    let rest = whole.strip_prefix(&format!("segment {name:?}: "));
    rest.expect("it names the segment").to_owned()
}

#[test]
fn the_bytes_of_a_good_segment_are_opened() {
    let name = Unique::new();
    plant(&name, &good());
    let segment = SegmentOptions::new().open(&name).unwrap();
    assert_eq!(segment.open::<Counter>("total").unwrap().load(), 7);
}

#[test]
fn an_existing_segment_is_not_created_again() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let total = segment.create::<Counter>("total", 7).unwrap();
    leaves_nothing(|| {
        let error = SegmentOptions::new().create_new(&name).unwrap_err();
        assert!(matches!(error, CreateError::Exists { .. }));
    });
    assert_eq!(total.load(), 7);
}

#[test]
fn a_name_that_nobody_has_is_not_found() {
    leaves_nothing(|| {
        let name = Unique::new();
        let error = SegmentOptions::new().open(&name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("there is no segment named \"{}\"", &*name)
        );
        assert!(matches!(error, OpenError::NotFound { name: found } if *found == *name));
        assert!(!name.is_taken());
    });
}

#[test]
fn a_symbolic_link_is_refused_wherever_it_leads() {
    leaves_nothing(|| {
        let target = Unique::new();
        let made = SegmentOptions::new().create_new(&target).unwrap();
        for leads_to in [target.path(), "/dev/null".into(), "/no/where".into()] {
            let name = Unique::new();
            symlink(&leads_to, name.path()).unwrap();
            let error = refused(&name);
            assert_eq!(said(&error), "expected a file, found a symbolic link");
            assert!(matches!(error, OpenError::Symlink { .. }));
        }
        drop(made);
    });
}

#[test]
fn what_is_no_file_is_refused() {
    leaves_nothing(|| {
        let directory = Unique::new();
        fs::create_dir(directory.path()).unwrap();
        let pipe = Unique::new();
        let path = CString::new(pipe.path().into_os_string().into_encoded_bytes()).unwrap();
        // SAFETY: the path outlives the call.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        let socket = Unique::new();
        let _listener = UnixListener::bind(socket.path()).unwrap();
        for name in [&directory, &pipe, &socket] {
            let error = refused(name);
            assert_eq!(
                said(&error),
                "expected a segment, found something that is not a file"
            );
            assert!(matches!(error, OpenError::NotAFile { .. }));
        }
    });
}

#[test]
fn an_empty_file_is_refused() {
    leaves_nothing(|| {
        let error = refused_bytes(&[]);
        assert_eq!(said(&error), "expected a segment, found an empty file");
        assert!(matches!(error, OpenError::Empty { .. }));
    });
}

#[test]
fn foreign_content_of_any_length_is_refused() {
    leaves_nothing(|| {
        let script = b"#!/bin/sh\nexit 0\n".repeat(1000);
        for len in [1, 8, 127, 128, 129, 4095, 4096, 4097, 16_000] {
            for bytes in [&script[..len], &vec![0; len], &vec![0xff; len]] {
                let error = refused_bytes(bytes);
                assert_eq!(
                    said(&error),
                    "expected a segment, found a file of another format"
                );
                assert!(matches!(error, OpenError::NotASegment { .. }));
            }
        }
    });
}

#[test]
fn a_truncated_segment_is_refused_with_both_sizes_named() {
    leaves_nothing(|| {
        let good = good();
        for len in [128, 511, 4096, 20_000, 65_535] {
            let error = refused_bytes(&good[..len]);
            assert_eq!(
                said(&error),
                format!("expected a segment of 65536 bytes, found {len}")
            );
            assert!(matches!(
                error,
                OpenError::OtherSize { expected: 65_536, found, .. } if found == len as u64
            ));
        }
        assert!(matches!(
            refused_bytes(&good[..127]),
            OpenError::NotASegment { .. }
        ));
    });
}

#[test]
fn a_segment_that_has_grown_is_refused() {
    leaves_nothing(|| {
        let mut bytes = good();
        bytes.resize(65_537, 0);
        assert!(matches!(
            refused_bytes(&bytes),
            OpenError::OtherSize {
                expected: 65_536,
                found: 65_537,
                ..
            }
        ));
    });
}

#[test]
fn a_file_larger_than_the_address_space_is_refused() {
    leaves_nothing(|| {
        let name = Unique::new();
        plant(&name, &good());
        let file = fs::File::options().write(true).open(name.path()).unwrap();
        file.set_len(i64::MAX.cast_unsigned() & !4095).unwrap();
        drop(file);
        let error = refused(&name);
        assert!(
            matches!(
                error,
                OpenError::System { error, .. } if error.what() == "mmap of the segment"
            ),
            "{error:?}"
        );
    });
}

#[test]
fn another_layout_version_is_refused_with_both_named() {
    leaves_nothing(|| {
        for version in [0, 1, 77, u32::MAX] {
            let mut bytes = good();
            image::put_u32(&mut bytes, 8, version);
            for signed in [false, true] {
                if signed {
                    image::sign_header(&mut bytes);
                }
                let error = refused_bytes(&bytes);
                assert_eq!(
                    said(&error),
                    format!("expected layout version 2, found {version}")
                );
                assert!(matches!(
                    error,
                    OpenError::LayoutVersion { expected: 2, found, .. } if found == version
                ));
            }
        }
    });
}

#[test]
fn the_other_byte_order_is_refused() {
    leaves_nothing(|| {
        let mut swapped = good();
        for word in swapped[..128].chunks_exact_mut(8) {
            word.reverse();
        }
        let mut mark_only = good();
        image::put_u32(&mut mark_only, 12, 0x0403_0201);
        for (bytes, mark) in [(swapped, "0x02000000"), (mark_only, "0x04030201")] {
            let error = refused_bytes(&bytes);
            assert_eq!(
                said(&error),
                format!("expected a little-endian segment, found byte order mark {mark}")
            );
            assert!(matches!(error, OpenError::ByteOrder { .. }));
        }
    });
}

#[test]
fn a_wrong_checksum_is_refused() {
    leaves_nothing(|| {
        for at in [16, 24, 28, 32, 40, 48, 56, 64, 72, 119, 120, 127] {
            let mut bytes = good();
            bytes[at] ^= 1;
            let error = refused_bytes(&bytes);
            assert_eq!(said(&error), "expected a segment, found a corrupt header");
            assert!(
                matches!(error, OpenError::Corrupt { .. }),
                "byte {at}: {error:?}"
            );
        }
    });
}

#[test]
fn numbers_that_lie_under_a_right_checksum_are_refused() {
    leaves_nothing(|| {
        let lies: [(usize, u64); 10] = [
            (24, 4 << 32),        // no participants
            (24, 4 << 32 | 1024), // too many
            (24, 2),              // no entries
            (24, u64::MAX),       // far too many of both
            (24, 5 << 32 | 3),    // other numbers than the offsets say
            (32, 0),              // the registry in the header
            (40, u64::MAX - 255), // the directory beyond the end
            (48, 1 << 40),        // the arena beyond the end
            (64, 1 << 63),        // a flag that there is not
            (72, 1),              // a word that is zero
        ];
        for (at, lie) in lies {
            let mut bytes = good();
            image::put_u64(&mut bytes, at, lie);
            image::sign_header(&mut bytes);
            let error = refused_bytes(&bytes);
            assert!(
                matches!(error, OpenError::Corrupt { .. }),
                "{lie:#x} at {at}: {error:?}"
            );
        }
        let mut bytes = good();
        image::put_u64(&mut bytes, 16, 1 << 40);
        image::sign_header(&mut bytes);
        let error = refused_bytes(&bytes);
        assert!(matches!(
            error,
            OpenError::OtherSize {
                expected: 0x100_0000_0000,
                found: 65_536,
                ..
            }
        ));
    });
}

#[test]
fn a_segment_of_another_owner_than_expected_is_refused() {
    let name = Unique::new();
    let _segment = SegmentOptions::new().create_new(&name).unwrap();
    // SAFETY: has no preconditions.
    let me = unsafe { libc::geteuid() };
    leaves_nothing(|| {
        let error = SegmentOptions::new().owner(me + 1).open(&name).unwrap_err();
        assert_eq!(
            said(&error),
            format!(
                "expected a segment of user {}, found one of user {me}",
                me + 1
            )
        );
        assert!(matches!(
            error,
            OpenError::OtherOwner { expected, found, .. } if (expected, found) == (me + 1, me)
        ));
    });
    assert!(SegmentOptions::new().owner(me).open(&name).is_ok());
}

#[test]
fn the_default_mode_is_the_owners_only() {
    let name = Unique::new();
    let _segment = SegmentOptions::new().create_new(&name).unwrap();
    let mode = fs::metadata(name.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn the_umask_changes_no_mode() {
    leaves_nothing(|| {
        for umask in [0o077, 0o777, 0] {
            // SAFETY: this child's umask is its own.
            unsafe { libc::umask(umask) };
            for mode in [0o600, 0o640, 0o660, 0o664, 0o666] {
                let name = Unique::new();
                let options = SegmentOptions::new().mode(mode);
                options.create_new(&name).unwrap();
                let found = fs::metadata(name.path()).unwrap().permissions().mode();
                assert_eq!(found & 0o7777, mode, "umask {umask:o}");
            }
        }
    });
}

#[test]
fn an_unlinked_name_is_free_for_another() {
    let name = Unique::new();
    let segment: Segment = SegmentOptions::new().create_new(&name).unwrap();
    segment.unlink().unwrap();
    assert!(!name.is_taken());
    segment.unlink().unwrap();
    let other = SegmentOptions::new().create_new(&name).unwrap();
    let error = segment.unlink().unwrap_err();
    assert!(matches!(error, RemoveError::OtherFile { .. }), "{error:?}");
    assert!(name.is_taken());
    other.unlink().unwrap();
}
