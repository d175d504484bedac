//! Any bytes at all: each byte of a segment flipped, at rest and under live handles.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossdock::segment::EntryError;
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};
use crossdock::{Counter, Mutex, Placeable, Segment, SegmentOptions, ShardedCounter};

use crate::support::image::{self, CONTROL, CURSOR, REGISTRY, Window};
use crate::support::process::{Line, child, in_child};
use crate::support::watch;

const PARTICIPANTS: usize = 2;
const ENTRIES: usize = 8;
/// One bit at each end of a byte, all of them, and what makes small numbers large.
const PATTERNS: [u8; 5] = [0x01, 0x80, 0xff, 0x04, 0x50];
/// How long a lock may be waited for that garbage says is taken.
const SHORT: Duration = Duration::from_millis(2);
const NAMES: [&str; 5] = ["mutex", "raw", "counter", "sharded", "absent"];

struct Handles {
    segment: Segment,
    mutex: Mutex<[u64; 2]>,
    raw: Mutex<()>,
    counter: Counter<i64>,
    sharded: ShardedCounter,
}

fn sample() -> Handles {
    let options = SegmentOptions::new().size(8192).participants(2).entries(8);
    let segment = options.anonymous().unwrap();
    Handles {
        mutex: segment.create("mutex", [1, 2]).unwrap(),
        raw: segment.create("raw", ()).unwrap(),
        counter: segment.create("counter", -3).unwrap(),
        sharded: segment.create("sharded", ()).unwrap(),
        segment,
    }
}

/// The first byte behind the last entry of the sample.
fn end_of_entries() -> usize {
    image::arena(PARTICIPANTS, ENTRIES) + 3 * 128 + PARTICIPANTS * 128
}

/// Every byte that means something: the header with its words, the registry, the directory, its index,
/// and the states and data of the entries.
fn meaningful() -> impl Iterator<Item = usize> {
    let directory_end = image::record(PARTICIPANTS, ENTRIES) + image::slots(ENTRIES) * 4;
    let states = image::arena(PARTICIPANTS, ENTRIES)..end_of_entries();
    (0..directory_end).chain(states)
}

/// Takes any result; an error must be able to say what it is.
fn told<T, E: std::error::Error>(result: Result<T, E>) -> Option<T> {
    result
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

fn every_operation(segment: &Segment) {
    told(segment.entries());
    for participant in segment.participants() {
        assert!(participant.index < 2, "{participant}");
    }
    segment.reap();
    for name in NAMES {
        told(segment.open::<Mutex<[u64; 2]>>(name)).inspect(use_mutex);
        told(segment.open::<Mutex<()>>(name)).inspect(use_raw);
        told(segment.open::<Counter<i64>>(name)).inspect(use_counter);
        told(segment.open::<ShardedCounter>(name)).inspect(use_sharded);
    }
    if !owns_control(segment) {
        create::<Counter>(segment, 1);
        create::<Mutex<u8>>(segment, 1);
        create::<ShardedCounter>(segment, ());
    }
    told(Segment::try_from(
        std::os::fd::AsFd::as_fd(segment)
            .try_clone_to_owned()
            .unwrap(),
    ));
    let _ = format!("{segment:?}");
}

fn create<P: Placeable>(segment: &Segment, config: P::Config) {
    match segment.open_or_create::<P>("new", config) {
        Ok(handle) => drop(format!("{handle:?}")),
        Err(error @ EntryError::NotFound { .. }) => panic!("{error}"),
        Err(error) => drop(error.to_string()),
    }
}

/// Whether the control mutex says that it is held by this very process, which only garbage can have
/// it say: it would be waited for, as any lock that a thread takes twice.
fn owns_control(segment: &Segment) -> bool {
    let control = Window::of(segment).word(CONTROL).load(Ordering::Relaxed) & 0x1fff_ffff;
    let participants = segment.participants();
    match participants.iter().find(|participant| participant.is_self) {
        Some(me) => control == me.generation << 10 | me.index,
        None => control != 0,
    }
}

fn use_mutex(mutex: &Mutex<[u64; 2]>) {
    let _ = format!("{mutex:?} {} {}", mutex.is_locked(), mutex.is_poisoned());
    match mutex.try_lock() {
        Ok(guard)
        | Err(
            TryLockError::Lock(LockError::OwnerDied(guard))
            | TryLockError::Lock(LockError::Poisoned(guard)),
        ) => {
            drop(format!("{guard:?}"));
        }
        Err(error) => drop(error.to_string()),
    }
    match mutex.lock_timeout(SHORT) {
        Ok(mut guard) => guard[0] += 1,
        Err(LockTimeoutError::Lock(LockError::OwnerDied(mut guard))) => guard.mark_consistent(),
        Err(error) => drop(error.to_string()),
    }
    mutex.clear_poison();
}

fn use_raw(raw: &Mutex<()>) {
    drop(told(raw.try_lock()));
    drop(told(raw.lock_timeout(SHORT)));
    let _ = format!("{raw:?}");
}

fn use_counter(counter: &Counter<i64>) {
    counter.add(5);
    counter.fetch_max(counter.load());
    let _ = counter.compare_exchange(1, 2);
}

fn use_sharded(sharded: &ShardedCounter) {
    sharded.add(1);
    let _ = sharded.load();
}

/// Opens a copy of the bytes and does everything with it.
fn open_and_use(bytes: &[u8]) {
    told(Segment::try_from(image::sealed(bytes))).inspect(every_operation);
}

#[test]
fn any_flipped_byte_at_rest_is_an_error_or_works() {
    let _watch = watch();
    in_child(|| {
        let sample = sample();
        let mut bytes = image::bytes(&sample.segment);
        open_and_use(&bytes);
        for at in meaningful() {
            for pattern in PATTERNS {
                bytes[at] ^= pattern;
                open_and_use(&bytes);
                bytes[at] ^= pattern;
            }
        }
    });
}

#[test]
fn any_flipped_byte_under_a_right_checksum_is_an_error_or_works() {
    let _watch = watch();
    in_child(|| {
        let sample = sample();
        let bytes = image::bytes(&sample.segment);
        for at in 0..128 {
            for pattern in PATTERNS {
                let mut bytes = bytes.clone();
                bytes[at] ^= pattern;
                image::sign_header(&mut bytes);
                open_and_use(&bytes);
            }
        }
        for entry in 0..4 {
            let record = image::record(PARTICIPANTS, entry);
            for at in 0..image::RECORD_LEN {
                for pattern in PATTERNS {
                    let mut bytes = bytes.clone();
                    bytes[record + at] ^= pattern;
                    image::sign_record(&mut bytes, record);
                    open_and_use(&bytes);
                }
            }
        }
    });
}

#[test]
fn every_value_of_the_small_words_is_an_error_or_works() {
    let _watch = watch();
    in_child(|| {
        let sample = sample();
        let bytes = image::bytes(&sample.segment);
        let mutex = image::arena(PARTICIPANTS, ENTRIES);
        let registry = [REGISTRY, REGISTRY + 64];
        let words = [
            CONTROL,
            image::COUNT,
            image::INDEXED,
            CURSOR,
            mutex,
            mutex + 128,
        ];
        for at in words.into_iter().chain(registry) {
            for shift in 0..32 {
                for low in [0, 1, 2, 3, 5, 7, 0x3ff, 0x400, 0x401, 0x402] {
                    let mut bytes = bytes.clone();
                    image::put_u32(&mut bytes, at, (1 << shift) | low);
                    open_and_use(&bytes);
                }
            }
        }
    });
}

#[test]
fn records_whose_numbers_lie_under_a_right_checksum_reach_nothing_outside() {
    let _watch = watch();
    in_child(|| {
        let sample = sample();
        let bytes = image::bytes(&sample.segment);
        let arena = image::arena(PARTICIPANTS, ENTRIES) as u64;
        let values = [
            0,
            1,
            4,
            8,
            127,
            128,
            255,
            256,
            4096,
            arena - 128,
            arena,
            arena + 64,
            8064,
            8191,
            8192,
            1 << 31,
            1 << 32,
            1 << 63,
            u64::MAX - 127,
            u64::MAX,
        ];
        for entry in 0..4 {
            let record = image::record(PARTICIPANTS, entry);
            for offset in values {
                for len in values {
                    let mut bytes = bytes.clone();
                    image::put_u64(&mut bytes, record + 8, offset);
                    image::put_u64(&mut bytes, record + 16, len);
                    image::sign_record(&mut bytes, record);
                    open_and_use(&bytes);
                }
            }
            for word in 3..8 {
                for value in values {
                    let mut bytes = bytes.clone();
                    image::put_u64(&mut bytes, record + word * 8, value);
                    image::sign_record(&mut bytes, record);
                    open_and_use(&bytes);
                }
            }
        }
    });
}

#[test]
fn any_byte_flipped_under_live_handles_is_an_error_or_works() {
    let _watch = watch();
    in_child(|| {
        let live = sample();
        let window = Window::of(&live.segment);
        let whole = window.bytes();
        for at in meaningful() {
            for pattern in PATTERNS {
                window.byte(at).fetch_xor(pattern, Ordering::Relaxed);
                use_mutex(&live.mutex);
                use_raw(&live.raw);
                use_counter(&live.counter);
                use_sharded(&live.sharded);
                every_operation(&live.segment);
                for place in meaningful() {
                    window.byte(place).store(whole[place], Ordering::Relaxed);
                }
            }
        }
    });
}

#[test]
fn a_process_that_scribbles_all_over_a_segment_breaks_no_other() {
    let _watch = watch();
    in_child(|| {
        let live = sample();
        let (line, done) = (Line::new(), Line::new());
        let scribbler = child(|| {
            let window = Window::of(&live.segment);
            let places: Vec<usize> = meaningful().collect();
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            for round in 0_u64.. {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let [low, ..] = state.to_le_bytes();
                let pick = usize::try_from(state >> 32).unwrap() % places.len();
                let byte = if round % 3 == 0 { 0 } else { low };
                window.byte(places[pick]).store(byte, Ordering::Relaxed);
                if round == 1000 {
                    line.say(1);
                }
            }
        });
        line.hear();
        let user = child(|| {
            for _ in 0..300 {
                use_mutex(&live.mutex);
                use_raw(&live.raw);
                use_counter(&live.counter);
                use_sharded(&live.sharded);
                every_operation(&live.segment);
            }
            done.say(1);
        });
        done.hear();
        user.join();
        scribbler.kill();
    });
}
