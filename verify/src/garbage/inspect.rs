//! Any bytes looked at from outside, as a segment with an entry of each kind: a look ends, and says
//! what it sees or what is wrong, and changes no byte.
//!
//! The first byte of the input says which checksums are made right again, so that what lies behind
//! them is reached. Then come pieces: where one goes, and what it is.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use crossdock::array::Init;
use crossdock::segment::{Inspection, Kind};
use crossdock::{AtomicArray, Manager, Mutex, Segment, SegmentOptions};

use super::SUBJECTS;
use super::header::{sealed, sign};

const PARTICIPANTS: u32 = 4;
const ENTRIES: u32 = 32;
const REGISTRY: usize = 512;
const DIRECTORY: usize = REGISTRY + PARTICIPANTS as usize * 64;
const RECORD: usize = 256;

/// The bytes of a good segment with an entry of each kind.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let options = SegmentOptions::new()
            .size(256 << 10)
            .participants(PARTICIPANTS)
            .entries(ENTRIES);
        let segment = options.anonymous().expect("a segment");
        of_each_kind(&segment);
        let file = File::from(segment.as_fd().try_clone_to_owned().expect("dup"));
        let mut bytes = vec![0; 256 << 10];
        file.read_exact_at(&mut bytes, 0).expect("pread");
        pool_tasks(&mut bytes);
        stats(&mut bytes);
        let fd = sealed(&bytes).expect("a memory file");
        let inspection = Inspection::try_from(fd).expect("a file");
        for kind in Kind::ALL {
            let view = inspection.open_dyn(&kind.to_string()).expect("good");
            assert!(!view.fields.is_empty(), "{kind}");
            let is_whole = view.field("corrupt").or(view.field("counted")).is_none();
            assert!(is_whole, "{kind}");
            assert_eq!(!view.objects.is_empty(), *kind == Kind::Manager, "{kind}");
        }
        bytes
    })
}

/// Where the record of the entry with the name of a kind is.
fn record_of(bytes: &[u8], kind: Kind) -> usize {
    let name = kind.to_string();
    let mut records = (0..ENTRIES as usize).map(|record| DIRECTORY + record * RECORD);
    let found = records.find(|at| bytes[at + 128..].starts_with(name.as_bytes()));
    found.expect("an entry of that name")
}

/// Makes the entry of that name the counters of the segment.
fn stats(bytes: &mut [u8]) {
    let record = record_of(bytes, Kind::Stats);
    let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    put(record, Kind::Stats as u64);
    put(record + 32, 0);
    sign(bytes, record, 32, 9);
}

/// Makes the entry of that name one of the kind, which only pools create: of 4 tasks, one of which
/// the worker in the last of 4 places runs.
fn pool_tasks(bytes: &mut [u8]) {
    const TASKS: u64 = 4;
    let record = record_of(bytes, Kind::PoolTasks);
    let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    put(record, Kind::PoolTasks as u64);
    put(record + 32, TASKS);
    put(record + 40, 4);
    let offset = u64::from_le_bytes(*bytes[record + 8..].first_chunk().expect("a word"));
    let entry = usize::try_from(offset).expect("inside");
    let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    // Task 9, at its first attempt, runs in the last place, since a nanosecond after the boot.
    put(entry, 9 << 37 | 1 << 31 | 3 << 19 | 2);
    put(entry + 8, 1);
    put(entry + 4 * 64 + 3 * 8, 1 << 10);
    sign(bytes, record, 32, 9);
}

/// Creates an entry of each kind, by its name.
fn of_each_kind(segment: &Segment) {
    for subject in &SUBJECTS {
        (subject.create)(segment, subject.kind);
    }
    let manager = segment.open::<Manager>(&Kind::Manager.to_string());
    let object = manager.expect("made").create::<Mutex<u64>>("object", 1);
    drop(object.expect("there is room"));
    // As long as the entries of a segment that counts and of a pool, which they become.
    for (kind, len) in [(Kind::Stats, 32), (Kind::PoolTasks, 36)] {
        let init = Init::<u64>::zeroed(len);
        let made = segment.create::<AtomicArray<u64>>(&kind.to_string(), init);
        drop(made.expect("there is room"));
    }
}

/// Where the manager's record of its object is: its name is 128 bytes behind its start.
fn object_record() -> usize {
    const DIRECTORY_END: usize = DIRECTORY + ENTRIES as usize * RECORD;
    static AT: OnceLock<usize> = OnceLock::new();
    *AT.get_or_init(|| {
        let mut names = image()[DIRECTORY_END..].windows(8);
        let name = names.position(|bytes| bytes == b"object\0\0");
        DIRECTORY_END + name.expect("the object has a name") - 128
    })
}

/// Lays the pieces of an input over the image.
fn forge(mode: u8, mut input: &[u8]) -> Vec<u8> {
    let mut bytes = image().to_vec();
    while let Some(([place, high, low, len], rest)) = input.split_first_chunk::<4>() {
        let offset = usize::from(u16::from_le_bytes([*low, *high]));
        let at = match place % 4 {
            0 => offset,
            1 => REGISTRY + offset % (DIRECTORY - REGISTRY),
            // The words of a record before its names.
            2 => DIRECTORY + offset / 128 % ENTRIES as usize * RECORD + offset % 128,
            _ => DIRECTORY + ENTRIES as usize * RECORD + usize::from(*place) * 1024 + offset % 1024,
        };
        let (piece, after) = rest.split_at(rest.len().min(usize::from(len % 64)));
        for (byte, new) in bytes.iter_mut().skip(at).zip(piece) {
            *byte = *new;
        }
        input = after;
    }
    if mode & 1 != 0 {
        bytes[..128].copy_from_slice(&image()[..128]);
    }
    if mode & 2 != 0 {
        sign(&mut bytes, 0, 16, 15);
    }
    if mode & 4 != 0 {
        for record in 0..ENTRIES as usize {
            sign(&mut bytes, DIRECTORY + record * RECORD, 32, 9);
        }
    }
    if mode & 16 != 0 {
        sign(&mut bytes, object_record(), 32, 9);
    }
    if mode & 8 != 0 {
        bytes.truncate(usize::from(mode) << 10);
    }
    bytes
}

fn look(inspection: &Inspection) {
    assert!(inspection.is_in_use().is_ok_and(|used| !used));
    let seen = match inspection.overview() {
        Ok(seen) => seen,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(seen.used <= seen.len);
    let known = Kind::ALL.iter().map(ToString::to_string);
    let mut names: Vec<String> = known.collect();
    names.extend(seen.entries.into_iter().map(|entry| entry.name));
    while let Some(name) = names.pop() {
        match inspection.open_dyn(&name) {
            Ok(view) => {
                // Each object has a slash in its name, and its own objects are not opened by it.
                names.extend(view.objects.into_iter().map(|object| object.name));
                for value in &view.values {
                    let read = inspection.read(value, 4096).expect("it can be read");
                    assert!(read.len() as u64 <= value.len);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((mode, input)) = data.split_first() else {
        return;
    };
    let bytes = forge(*mode, input);
    let Ok(fd) = sealed(&bytes) else {
        return;
    };
    let file = File::from(fd.try_clone().expect("dup"));
    look(&Inspection::try_from(fd).expect("a file"));
    let mut after = vec![0; bytes.len()];
    file.read_exact_at(&mut after, 0).expect("pread");
    assert!(after == bytes, "a byte has changed");
}
