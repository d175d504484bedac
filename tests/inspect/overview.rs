//! The overview of a segment: its entries and participants, and files of other contents.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crossdock::segment::{Inspection, Kind, OpenError};
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{Line, child};
use crate::support::watch;

fn small() -> SegmentOptions {
    SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(4)
}

#[test]
fn entries_and_participants_are_those_of_the_segment() {
    let _watch = watch();
    let name = Unique::new();
    let segment = small().create_new(&name).unwrap();
    let total = segment.create::<Counter>("total", 7).unwrap();
    segment.create::<Mutex<u32>>("stock", 1).unwrap();
    let (line, forever) = (Line::new(), Line::new());
    let peer = child(|| {
        assert_eq!(total.add_and_notify(1), 8);
        drop(segment.open::<Mutex<u32>>("stock").unwrap().lock().unwrap());
        line.say(1);
        forever.sleep_until_killed();
    });
    line.hear();

    let inspection = Inspection::open(&name).unwrap();
    assert_eq!(inspection.name(), Some(&*name));
    let seen = inspection.overview().unwrap();
    assert_eq!(seen.entries, segment.entries().unwrap());
    assert_eq!((seen.damaged.clone(), seen.len), (None, 1 << 16));
    assert!(seen.used > 4096 && seen.used < seen.len);
    assert_eq!((seen.max_entries, seen.max_participants), (4, 4));
    assert_eq!(seen.participants, segment.participants());
    let of_peer = |seen: &crossdock::segment::Overview| {
        let mut all = seen.participants.iter();
        all.find(|one| one.pid == peer.pid()).map(|one| one.alive)
    };
    assert_eq!(of_peer(&seen), Some(true));
    assert!(seen.participants.iter().any(|one| one.is_self));

    peer.kill_to_zombie();
    assert_eq!(of_peer(&inspection.overview().unwrap()), Some(false));
    segment.reap();
    assert_eq!(of_peer(&inspection.overview().unwrap()), None);
    let file = inspection.file();
    let status = fs::metadata(name.path()).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((file.inode, file.owner), (status.ino(), status.uid()));
    assert!(file.is_linked && file.created > 1_600_000_000);
}

#[test]
fn a_look_joins_nothing_and_says_whether_the_segment_is_in_use() {
    let name = Unique::new();
    let segment = small().create_new(&name).unwrap();
    let inspection = Inspection::open(&name).unwrap();
    assert!(inspection.is_in_use().unwrap());
    assert!(inspection.overview().unwrap().participants.is_empty());
    assert!(segment.participants().is_empty());
    drop(segment);
    assert!(!inspection.is_in_use().unwrap());
    assert!(SegmentOptions::new().remove_unused(&name).unwrap());
    assert!(inspection.overview().unwrap().entries.is_empty());
}

#[test]
fn an_anonymous_segment_is_seen_through_a_descriptor() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Counter>("total", 0).unwrap();
    let again = segment.as_fd().try_clone_to_owned().unwrap();
    let inspection = Inspection::try_from(again).unwrap();
    let seen = inspection.overview().unwrap();
    assert!(seen.is_anonymous && inspection.name().is_none());
    assert_eq!(seen.entries[0].name, "total");
    assert!(seen.participants[0].alive && seen.participants[0].is_self);
    assert!(inspection.is_in_use().unwrap());

    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", segment.as_fd().as_raw_fd());
    let by_path = Inspection::open_path(Path::new(&path)).unwrap();
    assert_eq!(by_path.overview().unwrap(), seen);
    let refused = Inspection::open_path(Path::new("/dev/null")).unwrap_err();
    assert!(matches!(refused, OpenError::NotAFile { .. }), "{refused:?}");
}

#[test]
fn what_is_no_segment_of_this_version_is_told() {
    let name = Unique::new();
    let missing = Inspection::open(&name).unwrap_err();
    assert!(matches!(missing, OpenError::NotFound { .. }), "{missing:?}");
    let overview = |bytes: &[u8]| {
        fs::write(name.path(), bytes).unwrap();
        Inspection::open(&name).unwrap().overview().unwrap_err()
    };
    let owned = || Some((*name).to_owned());
    assert_eq!(overview(b""), OpenError::Empty { name: owned() });
    assert_eq!(overview(b"abc"), OpenError::NotASegment { name: owned() });
    assert_eq!(
        overview(&[7; 9999]),
        OpenError::NotASegment { name: owned() }
    );
    fs::remove_file(name.path()).unwrap();

    let segment = small().create_new(&name).unwrap();
    segment.create::<Counter>("total", 0).unwrap();
    let mut bytes = fs::read(name.path()).unwrap();
    let cut = overview(&bytes[..bytes.len() / 2]);
    assert!(matches!(cut, OpenError::OtherSize { .. }), "{cut:?}");
    bytes[8] = 9;
    let other = overview(&bytes);
    let OpenError::LayoutVersion { found: 9, .. } = other else {
        panic!("{other:?}");
    };
    bytes[8] = 2;
    bytes[300] ^= 1;
    bytes[40] ^= 1;
    assert_eq!(overview(&bytes), OpenError::Corrupt { name: owned() });
}

/// Other processes are not there to be trusted with the length of the file.
#[test]
fn a_file_that_is_cut_short_meanwhile_is_an_error_and_no_signal() {
    let name = Unique::new();
    let segment = small().create_new(&name).unwrap();
    segment.create::<Counter>("total", 0).unwrap();
    let inspection = Inspection::open(&name).unwrap();
    inspection.overview().unwrap();
    drop(segment);
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    for len in [8192, 2000, 100, 0] {
        file.set_len(len).unwrap();
        let error = inspection.overview().unwrap_err();
        assert!(!error.to_string().is_empty(), "{len}");
    }
}

#[test]
fn a_damaged_record_is_named_and_the_others_are_listed() {
    let name = Unique::new();
    let segment = small().create_new(&name).unwrap();
    for entry in ["one", "two", "three"] {
        segment.create::<Counter>(entry, 0).unwrap();
    }
    let seen = Inspection::open(&name).unwrap().overview().unwrap();
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    // The directory is behind four participants of 64 bytes, and a record has 256.
    let second = 512 + 4 * 64 + 256;
    file.write_all_at(b"garbage", second).unwrap();
    let now = Inspection::open(&name).unwrap().overview().unwrap();
    let names: Vec<_> = now.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["one", "three"]);
    assert_eq!(now.entries[0].kind.to_string(), Kind::Counter.to_string());
    assert!(now.damaged.is_some() && seen.damaged.is_none());
    assert!(segment.entries().is_err());
}

#[test]
fn a_descriptor_of_no_file_is_refused() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let refused = Inspection::try_from(std::os::fd::OwnedFd::from(reader)).unwrap_err();
    assert_eq!(refused, OpenError::NotAFile { name: None });
    let name = Unique::new();
    small().create_new(&name).unwrap();
    let read_only = File::open(name.path()).unwrap();
    let inspection = Inspection::try_from(std::os::fd::OwnedFd::from(read_only)).unwrap();
    assert!(inspection.overview().unwrap().entries.is_empty());
}
