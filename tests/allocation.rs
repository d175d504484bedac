//! A length that a value in shared memory says, and does not have, is refused without memory for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crossdock::queue::Channel;
use crossdock::{Dict, List, Manager, Segment, Shared};
use support::image::{self, Window};

#[path = "support/mod.rs"]
mod support;

/// The system's allocator, which notes the largest size that a thread asks for.
struct Noting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

fn note(size: usize) {
    // A thread that ends notes nothing.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: the system's allocator.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's duties are the same.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(place, layout) }
    }
}

/// The largest size that `f` asks for.
fn largest(f: impl FnOnce()) -> usize {
    LARGEST.with(|largest| largest.set(0));
    f();
    LARGEST.with(Cell::get)
}

/// More than what is read has, and far less than a length that is garbage.
const MOST: usize = 1 << 20;

/// A value, whose encoding begins with its length.
const VALUE: [u8; 40] = [0x55; 40];
/// The encoding of the length `u64::MAX`.
const HUGE: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];

/// Writes another length over that of each value; returns how many there are.
fn forge(segment: &Segment, length: &[u8]) -> usize {
    let encoded = [&[40], &VALUE[..]].concat();
    let found: Vec<usize> = image::bytes(segment)
        .windows(encoded.len())
        .enumerate()
        .filter_map(|(at, bytes)| (bytes == encoded).then_some(at))
        .collect();
    let window = Window::of(segment);
    for at in &found {
        for (index, byte) in length.iter().enumerate() {
            let place = window.byte(at + index);
            place.store(*byte, std::sync::atomic::Ordering::Relaxed);
        }
    }
    found.len()
}

#[test]
fn a_stored_length_that_is_garbage_is_refused_without_memory_for_it() {
    let manager = Manager::new(1 << 16).unwrap();
    let segment = manager.segment();
    let list = manager.list::<Vec<u8>>("l", 4).unwrap();
    let words = manager.list::<Vec<u64>>("w", 4).unwrap();
    let dict = manager.dict::<u8, Vec<u8>>("d", 4).unwrap();
    let shared = manager.value("s", vec![0_u8]).unwrap();
    list.push(&VALUE.to_vec()).unwrap();
    words.push(&vec![0x55; 40]).unwrap();
    dict.insert(&1, &VALUE.to_vec()).unwrap();
    shared.store(&VALUE.to_vec()).unwrap();
    assert_eq!(forge(&segment, &HUGE), 4);
    let size = largest(|| {
        assert!(list.get(0).is_err() && list.iter().all(|value| value.is_err()));
        assert!(list.snapshot().is_err() && list.update(0, |_| ()).is_err());
        assert!(words.get(0).is_err() && words.pop().is_err());
        assert!(dict.get(&1).is_err() && dict.snapshot().is_err());
        assert!(shared.load().is_err() && shared.update(|_| ()).is_err());
        // They grow with what they have, which need not decode.
        for key in 0..50 {
            dict.insert(&key, &vec![key]).unwrap();
        }
    });
    assert!(size < MOST, "{size} bytes");
}

#[test]
fn a_message_of_a_garbage_length_is_refused_without_memory_for_it() {
    let manager = Manager::new(1 << 16).unwrap();
    let queue = manager.create::<Channel<Vec<u8>>>("q", 4).unwrap();
    queue.send(&VALUE.to_vec()).unwrap();
    assert_eq!(forge(&manager.segment(), &HUGE), 1);
    let size = largest(|| assert!(queue.try_recv().is_err()));
    assert!(size < MOST, "{size} bytes");
}

#[test]
fn lengths_of_blocks_that_are_garbage_take_no_memory() {
    let _watch = support::watch();
    let segment = Segment::anonymous().unwrap();
    let list = segment.create::<List<Vec<u8>>>("l", 4).unwrap();
    let dict = segment.create::<Dict<u8, Vec<u8>>>("d", 4).unwrap();
    let shared = segment.create::<Shared<Vec<u8>>>("s", vec![]).unwrap();
    list.push(&VALUE.to_vec()).unwrap();
    dict.insert(&1, &VALUE.to_vec()).unwrap();
    shared.store(&VALUE.to_vec()).unwrap();
    let window = Window::of(&segment);
    for entry in segment.entries().unwrap() {
        let from = usize::try_from(entry.offset).unwrap() + 384;
        let end = usize::try_from(entry.offset + entry.len).unwrap();
        for at in (from..end - 8).step_by(8) {
            let place = window.long(at);
            let before = place.load(std::sync::atomic::Ordering::Relaxed);
            place.store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
            let size = largest(|| {
                let _ = (list.get(0), dict.get(&1), shared.load());
                let _ = (dict.iter().count(), list.slice(..2));
            });
            place.store(before, std::sync::atomic::Ordering::Relaxed);
            assert!(size < MOST, "{size} bytes for the word at {at}");
        }
    }
}
