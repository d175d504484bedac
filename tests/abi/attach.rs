//! docs/attach.md: its offsets, and its program, run by Python against real segments.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use crossdock::array::{ArrayOptions, Init};
use crossdock::{Array, AtomicArray, Counter, Snapshot, SnapshotOptions};

use crate::support::image::u64_at;
use crate::support::names::Unique;
use crate::support::process::in_child;
use crate::{ARENA, DIRECTORY, bytes, options, segment};

/// The program of the page.
fn program() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/attach.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```python\n").expect("a program");
    let (program, rest) = rest.split_once("\n```\n").expect("its end");
    assert!(!rest.contains("```python"), "one program");
    program.to_owned()
}

/// What Python prints for the program, followed by `more`; `None` if there is no Python.
fn python(more: &str, path: &Path) -> Option<String> {
    let source = format!("{}\n{more}", program());
    let argument: &[&Path] = if more.is_empty() { &[path] } else { &[] };
    let run = Command::new("timeout")
        .args(["60", "python3", "-c", &source])
        .args(argument)
        .env("SEGMENT", path)
        .output();
    let output: Output = run.expect("timeout(1)");
    if output.status.code() == Some(127) {
        println!("skipped: there is no python3");
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn data_offsets_are_where_the_page_says() {
    const PARTICIPANTS: u64 = 4;
    let segment = segment();
    let counter = segment.create::<Counter>("c", 7).unwrap();
    let atomic = segment.create::<AtomicArray<u32>>("a", [8; 3]).unwrap();
    let chunked = ArrayOptions::new(Init::<u64>::filled(70, 9)).chunk(2);
    let array = segment.create::<Array<u64>>("l", chunked).unwrap();
    let snapshot = SnapshotOptions::new([10_u64; 20]).readers(15);
    let snapshot: Snapshot<[u64; 20]> = segment.create("s", snapshot).unwrap();
    let entries = segment.entries().unwrap();
    let at = |index: usize| entries[index].offset;
    assert_eq!(counter.data_offset(), ARENA as u64);
    assert_eq!(atomic.data_offset(), at(1));
    let round = |n: u64| n.next_multiple_of(128);
    let values = 384 + 128 * PARTICIPANTS + round(4 * 35);
    assert_eq!(array.data_offset(), at(2) + values);
    let buffers = 256 + 128 * 15 + round(8 * 17);
    assert_eq!(snapshot.data_offset(), at(3) + buffers);
    assert_eq!(entries[3].len, buffers + 17 * round(160));
    let bytes = bytes(&segment);
    let word = |offset: u64| u64_at(&bytes, usize::try_from(offset).unwrap());
    assert_eq!(word(counter.data_offset()), 7);
    assert_eq!(word(atomic.data_offset()), 8 << 32 | 8);
    assert_eq!(word(array.data_offset() + 69 * 8), 9);
    assert_eq!(word(snapshot.data_offset() + 19 * 8), 10);
    assert_eq!(u64_at(&bytes, 40), DIRECTORY as u64);
}

#[test]
fn a_named_segment_has_a_path_and_an_anonymous_one_has_none() {
    let name = Unique::new();
    let named = options().create_new(&name).unwrap();
    assert_eq!(named.path(), Some(&*name.path()));
    assert_eq!(segment().path(), None);
}

#[test]
fn the_program_prints_the_values_of_a_segment() {
    let name = Unique::new();
    let segment = options().create_new(&name).unwrap();
    segment.create::<Counter<i64>>("balance", -5).unwrap();
    segment
        .create::<AtomicArray<f32>>("celsius", [20.5, -1.0])
        .unwrap();
    let squares = ArrayOptions::new(Init::from_fn(5, |i| i as u64 * i as u64)).chunk(2);
    segment.create::<Array<u64>>("squares", squares).unwrap();
    let pace: Snapshot<u16> = segment.create("pace", SnapshotOptions::new(1)).unwrap();
    let mut writer = pace.writer().unwrap();
    writer.publish(258).unwrap();
    if let Some(printed) = python("", &name.path()) {
        let expected = "balance i64 [-5]\n\
                        celsius f32 [20.5, -1.0]\n\
                        squares u64 [0, 1, 4, 9, 16]\n\
                        pace u16 1 b'\\x02\\x01'\n";
        assert_eq!(printed, expected);
    }
}

#[test]
fn what_the_program_reads_of_a_snapshot_is_whole_while_a_writer_publishes() {
    let _watch = crate::support::watch();
    let name = Unique::new();
    let segment = options().create_new(&name).unwrap();
    let snapshot: Snapshot<[u64; 16]> = segment
        .create("s", SnapshotOptions::new([0; 16]).readers(1))
        .unwrap();
    let stop = AtomicBool::new(false);
    let published = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut writer = snapshot.writer().unwrap();
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                last += 1;
                writer.publish([last; 16]).unwrap();
            }
            last
        });
        // The writer may not run at all while 2000 values are read; then the program reads on, for
        // as long as it has.
        let checks = "entry = attach(os.environ['SEGMENT'])['s']\n\
                      seen, reads = set(), 0\n\
                      while reads < 2000 or len(seen) < 2:\n    \
                          version, value = entry.latest()\n    \
                          values = set(struct.unpack('<16Q', value))\n    \
                          assert values == {version}, (version, values)\n    \
                          seen.add(version)\n    \
                          reads += 1\n\
                      print(max(seen))";
        // The writer ends in any case.
        let printed = std::panic::catch_unwind(|| python(checks, &name.path()));
        stop.store(true, Ordering::Relaxed);
        (printed, writer.join().unwrap())
    });
    match published {
        (Ok(Some(printed)), last) => {
            let newest: u64 = printed.trim().parse().unwrap();
            assert!((1..=last).contains(&newest), "{newest} of {last}");
        }
        (Ok(None), _) => {}
        (Err(failed), _) => std::panic::resume_unwind(failed),
    }
}

/// What keeps the segment from being removed as unused while the program has it mapped.
#[test]
fn the_program_counts_as_a_use() {
    let _watch = crate::support::watch();
    let name = Unique::new();
    // In a process of its own: what other tests fork has open what this process has.
    in_child(|| {
        let segment = options().create_new(&name).unwrap();
        segment.create::<Counter>("c", 7).unwrap();
        let path = segment.path().unwrap().to_owned();
        drop(segment);
        let checks = "def used():\n    \
                          lock = struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, PRESENCE, 1, 0)\n    \
                          fd = os.open(os.environ['SEGMENT'], os.O_RDONLY)\n    \
                          found = fcntl.fcntl(fd, 36, lock)  # F_OFD_GETLK\n    \
                          os.close(fd)\n    \
                          return struct.unpack('hhqqi4x', found)[0] != fcntl.F_UNLCK\n\
                      before = used()\n\
                      entries = attach(os.environ['SEGMENT'])\n\
                      print(before, used(), entries['c'].word())";
        if let Some(printed) = python(checks, &path) {
            assert_eq!(printed.trim(), "False True 7");
        }
    });
}
