//! Entries that are asked for as what they are not, or that there is no room for.

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::segment::{EntryError, FoundKind, Kind};
use crossdock::{Counter, Mutex, Payload, RwLock, Segment, SegmentOptions, ShardedCounter};

use crate::support::image;

/// Aligned to more than a segment can hold.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(256))]
struct OverAligned([u8; 256]);
// SAFETY: an array of bytes, any of which is valid, and no padding.
unsafe impl Zeroable for OverAligned {}
// SAFETY: as above.
unsafe impl Pod for OverAligned {}
crossdock::payload!(OverAligned, "test.over-aligned/1");

/// Aligned to as much as a segment can hold.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(128))]
struct Aligned([u8; 128]);
// SAFETY: an array of bytes, any of which is valid, and no padding.
unsafe impl Zeroable for Aligned {}
// SAFETY: as above.
unsafe impl Pod for Aligned {}
crossdock::payload!(Aligned, "test.aligned/1");

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C)]
struct Renamed(u64);
crossdock::payload!(Renamed, "test.renamed/2");

fn segment() -> Segment {
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(4);
    options.anonymous().unwrap()
}

#[test]
fn an_entry_that_is_missing_is_not_found() {
    let segment = segment();
    let error = segment.open::<Counter>("total").unwrap_err();
    assert_eq!(error.to_string(), "there is no entry \"total\"");
    assert!(matches!(error, EntryError::NotFound { name, .. } if name == "total"));
}

#[test]
fn an_entry_that_exists_is_not_created_again() {
    let segment = segment();
    let total = segment.create::<Counter>("total", 7).unwrap();
    let errors = [
        segment.create::<Counter>("total", 8).unwrap_err(),
        segment.create::<Mutex<()>>("total", ()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "an entry \"total\" exists: a Counter");
        assert!(matches!(
            error,
            EntryError::Exists { name, found: FoundKind::Known(Kind::Counter), .. }
                if name == "total"
        ));
    }
    assert_eq!(total.load(), 7);
    assert_eq!(segment.entries().unwrap().len(), 1);
}

#[test]
fn an_entry_of_another_kind_is_refused_with_both_named() {
    let segment = segment();
    segment.create::<Mutex<u64>>("thing", 7).unwrap();
    let errors = [
        (segment.open::<Counter>("thing").unwrap_err(), Kind::Counter),
        (
            segment.open_or_create::<Counter>("thing", 1).unwrap_err(),
            Kind::Counter,
        ),
        (
            segment.open::<RwLock<u64>>("thing").unwrap_err(),
            Kind::RwLock,
        ),
        (
            segment.open::<ShardedCounter>("thing").unwrap_err(),
            Kind::ShardedCounter,
        ),
    ];
    for (error, asked) in errors {
        assert_eq!(
            error.to_string(),
            format!("entry \"thing\": expected a {asked}, found a Mutex")
        );
        assert!(matches!(
            error,
            EntryError::OtherKind { name, expected, found: FoundKind::Known(Kind::Mutex), .. }
                if name == "thing" && expected == asked
        ));
    }
}

/// That opening a `Mutex<u64>` as `Mutex<T>` names both payloads.
fn payload_is_told_apart<T: Payload + Pod + std::fmt::Debug>(expected: &str) {
    let segment = segment();
    segment.create::<Mutex<u64>>("thing", 7).unwrap();
    let errors = [
        segment.open::<Mutex<T>>("thing").unwrap_err(),
        segment
            .open_or_create::<Mutex<T>>("thing", T::zeroed())
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            format!(
                "entry \"thing\": expected payload {expected}, found \"u64\" (8 bytes, aligned to 8)"
            )
        );
        assert!(matches!(
            error,
            EntryError::OtherPayload { name, expected, found, .. }
                if name == "thing" && expected.name() == T::NAME && found.name() == "u64"
        ));
    }
}

#[test]
fn another_payload_of_the_same_size_is_refused() {
    payload_is_told_apart::<i64>("\"i64\" (8 bytes, aligned to 8)");
    payload_is_told_apart::<Renamed>("\"test.renamed/2\" (8 bytes, aligned to 8)");
}

#[test]
fn an_array_of_another_length_is_refused() {
    payload_is_told_apart::<[u64; 2]>("\"u64\" (16 bytes, aligned to 8)");
    payload_is_told_apart::<[u64; 0]>("\"u64\" (0 bytes, aligned to 8)");
}

#[test]
fn another_alignment_is_refused() {
    payload_is_told_apart::<Aligned>("\"test.aligned/1\" (128 bytes, aligned to 128)");
}

#[test]
fn an_over_aligned_payload_is_never_what_an_entry_holds() {
    let segment = segment();
    segment.create::<Mutex<u64>>("thing", 7).unwrap();
    let error = segment.open::<Mutex<OverAligned>>("thing").unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry \"thing\": expected payload \"test.over-aligned/1\" (256 bytes, aligned to 256), \
         found \"u64\" (8 bytes, aligned to 8)"
    );
}

#[test]
fn a_payload_larger_than_any_segment_is_never_what_an_entry_holds() {
    let segment = segment();
    segment.create::<Mutex<u64>>("thing", 7).unwrap();
    let error = segment.open::<Mutex<[Page; 4096]>>("thing").unwrap_err();
    assert!(
        matches!(error, EntryError::OtherPayload { .. }),
        "{error:?}"
    );
}

/// So large that 4,096 of them are more than 32 bits of size can say.
type Page = [[[u8; 4096]; 256]; 2];

#[test]
fn an_over_aligned_payload_is_refused_at_create() {
    let segment = segment();
    let errors = [
        segment
            .create::<Mutex<OverAligned>>("thing", OverAligned([0; 256]))
            .unwrap_err(),
        segment
            .open_or_create::<Mutex<OverAligned>>("thing", OverAligned([0; 256]))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "expected a payload aligned to at most 128 bytes that fits a segment, \
             found \"test.over-aligned/1\" (256 bytes, aligned to 256)"
        );
        assert!(matches!(
            error,
            EntryError::Payload { found, .. } if (found.size(), found.align()) == (256, 256)
        ));
    }
    assert_eq!(segment.entries().unwrap(), []);
}

#[test]
fn a_payload_aligned_to_128_bytes_is_where_it_belongs() {
    let segment = segment();
    segment.create::<Counter>("before", 1).unwrap();
    let mutex = segment
        .create::<Mutex<Aligned>>("thing", Aligned([9; 128]))
        .unwrap();
    let guard = mutex.lock().unwrap();
    assert_eq!(std::ptr::from_ref(&*guard).addr() % 128, 0);
    assert_eq!(guard.0, [9; 128]);
}

#[test]
fn an_empty_payload_is_possible() {
    let segment = segment();
    segment.create::<Mutex<[u64; 0]>>("nothing", []).unwrap();
    let mutex = segment.open::<Mutex<[u64; 0]>>("nothing").unwrap();
    assert_eq!(*mutex.lock().unwrap(), [0; 0]);
}

#[test]
fn a_full_directory_is_an_error_and_the_entries_stay() {
    let segment = segment();
    for name in ["a", "b", "c", "d"] {
        segment.create::<Counter>(name, 1).unwrap();
    }
    let error = segment.create::<Counter>("e", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the directory is full: it has room for 4 entries (SegmentOptions::entries makes more)"
    );
    assert!(matches!(
        error,
        EntryError::DirectoryFull { entries: 4, .. }
    ));
    let error = segment.open_or_create::<Counter>("e", 1).unwrap_err();
    assert!(matches!(error, EntryError::DirectoryFull { .. }));
    assert_eq!(segment.entries().unwrap().len(), 4);
    assert!(segment.open_or_create::<Counter>("d", 5).is_ok());
}

#[test]
fn a_full_arena_is_an_error_that_names_what_is_left() {
    // 512 + 1 * 64 + 4 * 256 bytes, up to a page; and one page of arena.
    let options = SegmentOptions::new().size(8192).participants(1).entries(4);
    let segment = options.anonymous().unwrap();
    segment.create::<Counter>("first", 1).unwrap();
    let error = segment
        .create::<Mutex<[u8; 4096]>>("large", [0; 4096])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the segment has no room left: expected 4100 free bytes, found 3968 (SegmentOptions::size makes more)"
    );
    assert!(matches!(
        error,
        EntryError::ArenaFull {
            needed: 4100,
            free: 3968,
            ..
        }
    ));
    segment.create::<Counter>("second", 2).unwrap();
    let names: Vec<String> = segment
        .entries()
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn the_arena_is_used_to_its_last_byte() {
    let options = SegmentOptions::new().size(8192).participants(1).entries(64);
    let error = options.anonymous().unwrap_err();
    assert!(error.to_string().contains("at least 24576"), "{error}");
    let options = SegmentOptions::new().size(8192).participants(1).entries(8);
    let segment = options.anonymous().unwrap();
    let first = Most::zeroed();
    segment.create::<Mutex<Most>>("all", first).unwrap();
    assert!(matches!(
        segment.create::<Mutex<()>>("more", ()).unwrap_err(),
        EntryError::ArenaFull {
            needed: 4,
            free: 0,
            ..
        }
    ));
    let all = segment.open::<Mutex<Most>>("all").unwrap();
    all.lock().unwrap().6 = [3; 24];
    assert_eq!(image::bytes(&segment)[8192 - 24..], [3; 24]);
}

/// With the word before it, as long as a page.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C, align(8))]
struct Most(
    [u8; 2048],
    [u8; 1024],
    [u8; 512],
    [u8; 256],
    [u8; 128],
    [u8; 96],
    [u8; 24],
);
crossdock::payload!(Most, "test.most/1");

#[test]
fn open_or_create_keeps_the_value_that_is_there() {
    let segment = segment();
    segment.create::<Counter>("total", 7).unwrap();
    let total = segment.open_or_create::<Counter>("total", 99).unwrap();
    assert_eq!(total.load(), 7);
    let mutex = segment.open_or_create::<Mutex<u32>>("m", 5).unwrap();
    *mutex.lock().unwrap() = 6;
    let again = segment.open_or_create::<Mutex<u32>>("m", 5).unwrap();
    assert_eq!(*again.lock().unwrap(), 6);
}

#[test]
fn entries_tell_names_kinds_payloads_and_places() {
    let segment = segment();
    segment.create::<Counter<i64>>("c", -1).unwrap();
    segment.create::<Mutex<[u16; 3]>>("m", [1, 2, 3]).unwrap();
    segment.create::<Mutex<()>>("r", ()).unwrap();
    segment.create::<ShardedCounter>("s", ()).unwrap();
    let arena = image::arena(4, 4) as u64;
    let told: Vec<_> = segment
        .entries()
        .unwrap()
        .into_iter()
        .map(|e| {
            (
                e.name,
                e.kind.to_string(),
                e.payload.to_string(),
                e.offset - arena,
                e.len,
            )
        })
        .collect();
    let expected = [
        ("c", "Counter", "\"i64\" (8 bytes, aligned to 8)", 0, 128),
        ("m", "Mutex", "\"u16\" (6 bytes, aligned to 2)", 128, 10),
        ("r", "Mutex", "\"()\" (0 bytes, aligned to 1)", 256, 4),
        ("s", "ShardedCounter", "no payload", 384, 4 * 128),
    ];
    let expected = expected
        .map(|(n, k, p, offset, len)| (n.to_owned(), k.to_owned(), p.to_owned(), offset, len));
    assert_eq!(told, expected);
}
