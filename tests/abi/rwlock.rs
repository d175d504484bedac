//! The bytes of a lock of readers and writers.

use std::sync::atomic::Ordering;

use crossdock::{RwLock, Segment};

use crate::support::image::{Window, u32_at, u64_at};
use crate::support::process::holder;
use crate::{ARENA, OWNER_DIED, bytes, recorded, segment, support, tag};

/// A lock over two numbers, and how its words read: the mutex, who writes, the roster, and the cells of
/// the first two.
fn rwlock() -> (Segment, RwLock<[u64; 2]>, impl Fn(&Segment) -> [u64; 5]) {
    let segment = segment();
    let lock = segment.create::<RwLock<[u64; 2]>>("l", [3, 4]).unwrap();
    let words = |segment: &Segment| {
        let bytes = bytes(segment);
        let word = |at: usize| u64::from(u32_at(&bytes, ARENA + at));
        [
            word(0),
            word(4),
            u64_at(&bytes, ARENA + 8),
            word(384),
            word(512),
        ]
    };
    (segment, lock, words)
}

#[test]
fn a_lock_of_readers_and_writers_has_data_at_256_and_cells_behind_it() {
    assert_eq!(recorded::<RwLock<u64>>(0), (10, 384 + 4 * 128, 8, 8));
    assert_eq!(recorded::<RwLock<[u8; 129]>>([0; 129]).1, 512 + 4 * 128);
    let (segment, _lock, words) = rwlock();
    assert_eq!(words(&segment), [0; 5]);
    let bytes = bytes(&segment);
    assert_eq!(u64_at(&bytes, ARENA + 256), 3);
    assert_eq!(u64_at(&bytes, ARENA + 264), 4);
    let data = ARENA + 256..ARENA + 272;
    let rest = (ARENA..bytes.len()).filter(|at| !data.contains(at));
    assert!(rest.into_iter().all(|at| bytes[at] == 0));
}

#[test]
fn the_words_of_a_lock_of_readers_and_writers_say_who_has_it() {
    const CELL: u64 = 1 << 13;
    const BARRED: u64 = 1 << 11;
    let (segment, lock, words) = rwlock();
    let me = u64::from(tag(0, 1));
    let first = lock.read().unwrap();
    let second = lock.read().unwrap();
    assert_eq!(words(&segment), [0, 0, 1, CELL | 2, 0]);
    drop((first, second));
    let other = holder(|| lock.read().unwrap());
    assert_eq!(words(&segment), [0, 0, 3, CELL, CELL | 1]);
    other.release();
    let guard = lock.write().unwrap();
    // The other has ended, and its cell was passed over.
    let [mutex, writing, roster, cell, other] = words(&segment);
    assert_eq!([mutex, writing, roster, cell], [me, me, 3, CELL | BARRED]);
    assert_eq!(other, CELL | BARRED);
    let guard = guard.downgrade();
    assert_eq!(words(&segment), [0, 0, 3, CELL | 1, CELL]);
    drop(guard);
    holder(|| lock.write().unwrap()).kill();
    drop(lock.read());
    let died = u64::from(OWNER_DIED);
    let [mutex, writing, _, cell, _] = words(&segment);
    assert_eq!([mutex, writing, cell], [0, died, CELL | BARRED]);
    lock.write().unwrap_err();
    drop(lock.write_or_repair(|_| ()).unwrap());
    assert_eq!(words(&segment)[..2], [0, 0]);
}

#[test]
fn a_reader_that_sleeps_shows_in_its_cell() {
    let _watch = support::watch();
    let (segment, lock, _) = rwlock();
    drop(lock.read().unwrap());
    let writer = holder(|| lock.write().unwrap());
    let window = Window::of(&segment);
    let cell = || window.word(ARENA + 384).load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| drop(lock.read().unwrap()));
        while cell() == 1 << 13 | 1 << 11 {
            std::thread::yield_now();
        }
        assert_eq!(cell(), 1 << 13 | 1 << 12 | 1 << 11);
        writer.release();
        reader.join().unwrap();
    });
    assert_eq!(cell(), 1 << 13);
}
