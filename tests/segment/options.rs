//! Options that no segment can be made with.

use crossdock::segment::{CreateError, Limit, OpenError, OpenOrCreateError};
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::leaves_nothing;

/// Tries to make an anonymous and a named segment; both must fail, and nothing be left of either.
fn refused(options: SegmentOptions) -> [CreateError; 2] {
    let name = Unique::new();
    let errors = [
        options.anonymous().unwrap_err(),
        options.create_new(&name).unwrap_err(),
    ];
    assert!(!name.is_taken());
    errors
}

#[test]
fn no_participants_and_too_many_are_refused() {
    leaves_nothing(|| {
        for participants in [0, 1024, u32::MAX] {
            for error in refused(SegmentOptions::new().participants(participants)) {
                let text = format!("expected 1 to 1023 participants, found {participants}");
                assert_eq!(error.to_string(), text);
                assert!(matches!(
                    error,
                    CreateError::Participants { found, max: 1023 } if found == participants
                ));
            }
        }
    });
}

#[test]
fn the_most_participants_are_possible() {
    let options = SegmentOptions::new().participants(1023);
    let segment = options.anonymous().unwrap();
    assert_eq!(segment.create::<Counter>("c", 1).unwrap().load(), 1);
}

#[test]
fn no_entries_and_too_many_are_refused() {
    leaves_nothing(|| {
        for entries in [0, 65_537, u32::MAX] {
            for error in refused(SegmentOptions::new().entries(entries)) {
                let text = format!("expected room for 1 to 65536 entries, found {entries}");
                assert_eq!(error.to_string(), text);
                assert!(matches!(
                    error,
                    CreateError::Entries { found, max: 65_536 } if found == entries
                ));
            }
        }
    });
}

#[test]
fn a_mode_with_other_bits_or_without_the_owners_is_refused() {
    leaves_nothing(|| {
        for mode in [0, 0o400, 0o200, 0o644 & !0o200, 0o700, 0o1600, 0o4600, !0] {
            for error in refused(SegmentOptions::new().mode(mode)) {
                let text = format!("expected a mode of 0600 to 0666, found {mode:04o}");
                assert_eq!(error.to_string(), text);
                assert!(matches!(error, CreateError::Mode { found } if found == mode));
            }
        }
    });
}

#[test]
fn a_size_that_is_too_small_is_refused_with_the_least_named() {
    // 512 + 128 * 64 + 64 * 256 bytes, up to a page; and one page of arena.
    let least = 28_672 + 4096;
    leaves_nothing(|| {
        for size in [0, 1, 4096, least - 4096] {
            for error in refused(SegmentOptions::new().size(size)) {
                let text = format!("expected a size of at least {least} bytes, found {size}");
                assert_eq!(error.to_string(), text);
                assert!(matches!(
                    error,
                    CreateError::TooSmall { size: found, least: 32_768 } if found == size
                ));
            }
        }
    });
    assert_eq!(
        SegmentOptions::new().size(least).anonymous().unwrap().len(),
        least
    );
}

#[test]
fn a_size_is_rounded_up_to_a_page() {
    let segment = SegmentOptions::new().size(100_000).anonymous().unwrap();
    assert_eq!(segment.len(), 102_400);
}

#[test]
fn a_segment_larger_than_the_machine_is_refused_before_anything_is_allocated() {
    leaves_nothing(|| {
        for size in [1 << 40, 1 << 62, 1 << 63, u64::MAX - 4095, u64::MAX] {
            for reserve in [true, false] {
                let options = SegmentOptions::new().size(size).reserve(reserve);
                for error in refused(options) {
                    let text = error.to_string();
                    let CreateError::TooLarge {
                        size,
                        limit,
                        available,
                        ..
                    } = error
                    else {
                        panic!("{error:?}")
                    };
                    assert!(available < size && limit != Limit::FileSize, "{text}");
                    assert_eq!(
                        text,
                        format!(
                            "expected a size of at most {available} bytes ({limit}), found {size}"
                        )
                    );
                }
            }
        }
    });
}

#[test]
fn a_file_size_limit_is_an_error_and_not_a_signal() {
    leaves_nothing(|| {
        let limit = libc::rlimit {
            rlim_cur: 1 << 19,
            rlim_max: 1 << 19,
        };
        // SAFETY: the limit outlives the call, and this child's limits are its own.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
        for error in refused(SegmentOptions::new().size(1 << 20)) {
            assert_eq!(
                error.to_string(),
                "expected a size of at most 524288 bytes (the file size limit, RLIMIT_FSIZE), found 1048576"
            );
            assert!(matches!(
                error,
                CreateError::TooLarge {
                    size: 1_048_576,
                    limit: Limit::FileSize,
                    available: 524_288,
                    ..
                }
            ));
        }
        let fits = SegmentOptions::new().size(1 << 19).anonymous().unwrap();
        assert_eq!(fits.create::<Counter>("total", 3).unwrap().load(), 3);
    });
}

#[test]
fn bad_options_are_refused_at_open_or_create() {
    leaves_nothing(|| {
        let name = Unique::new();
        let options = SegmentOptions::new().participants(0);
        let error = options.open_or_create(&name).unwrap_err();
        assert!(matches!(
            error,
            OpenOrCreateError::Create(CreateError::Participants { found: 0, .. })
        ));
        assert!(!name.is_taken());
    });
}

#[test]
fn opening_a_segment_that_is_smaller_than_asked_for_is_refused() {
    let name = Unique::new();
    let small = SegmentOptions::new().size(1 << 16).participants(4);
    let _segment = small.create_new(&name).unwrap();
    let cases = [
        (
            SegmentOptions::new().size((1 << 16) + 1),
            "a size",
            65_537,
            65_536,
        ),
        (SegmentOptions::new().participants(5), "participants", 5, 4),
    ];
    for (options, thing, asked, has) in cases {
        let error = options.open(&name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "segment {:?}: expected a segment with {thing} of at least {asked}, found {has}",
                &*name
            )
        );
        assert!(matches!(
            error,
            OpenError::Smaller { what, expected, found, .. }
                if (&*what, expected, found) == (thing, asked, has)
        ));
    }
}

#[test]
fn opening_a_segment_that_is_larger_than_asked_for_is_fine() {
    let name = Unique::new();
    let made = SegmentOptions::new().size(1 << 16).participants(4);
    made.create_new(&name).unwrap();
    let asked = SegmentOptions::new().size(1).participants(1).entries(9999);
    assert_eq!(asked.open(&name).unwrap().len(), 1 << 16);
}

#[test]
fn sixty_four_kibibytes_hold_128_participants_and_a_mutex() {
    let options = SegmentOptions::new().size(1 << 16).participants(128);
    let segment = options.anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 5).unwrap();
    assert_eq!(*mutex.lock().unwrap(), 5);
}

#[test]
fn unreserved_memory_is_not_allocated_and_works() {
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 22).reserve(false);
    let segment = options.create_new(&name).unwrap();
    assert!(allocated(&segment) < 1 << 20);
    assert_eq!(segment.create::<Counter>("c", 4).unwrap().load(), 4);
}

#[test]
fn reserved_memory_is_allocated_at_creation() {
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 22);
    assert!(allocated(&options.create_new(&name).unwrap()) >= 1 << 22);
    assert!(allocated(&options.anonymous().unwrap()) >= 1 << 22);
}

/// Bytes that the file system has found for a segment.
fn allocated(segment: &Segment) -> u64 {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::File::from(segment.as_fd().try_clone_to_owned().unwrap());
    file.metadata().unwrap().blocks() * 512
}

#[test]
fn prefaulting_maps_every_page_at_create_and_at_open() {
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 22).prefault(true);
    let segment = options.create_new(&name).unwrap();
    segment.create::<Counter>("c", 4).unwrap();
    let again = options.open(&name).unwrap();
    assert_eq!(again.open::<Counter>("c").unwrap().load(), 4);
    let other = options.anonymous().unwrap();
    assert_eq!(other.create::<Counter>("c", 5).unwrap().load(), 5);
}
