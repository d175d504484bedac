//! The byte layout of version 2, held from the outside: a change here is a new layout version.

#[path = "abi/attach.rs"]
mod attach;
#[path = "abi/barrier.rs"]
mod barrier;
#[path = "abi/condvar.rs"]
mod condvar;
#[path = "abi/counter.rs"]
mod counter;
#[path = "abi/event.rs"]
mod event;
#[path = "abi/fixed.rs"]
mod fixed;
#[path = "abi/index.rs"]
mod index;
#[path = "abi/manager.rs"]
mod manager;
#[cfg(feature = "process")]
#[path = "abi/object.rs"]
mod object;
#[path = "abi/promise.rs"]
mod promise;
#[path = "abi/reentrant.rs"]
mod reentrant;
#[path = "abi/registry.rs"]
mod registry;
#[path = "abi/rwlock.rs"]
mod rwlock;
#[path = "abi/semaphore.rs"]
mod semaphore;
#[path = "support/mod.rs"]
mod support;

use std::os::fd::AsFd;

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{ByteOptions, ByteQueue, Queue, WorkOptions, WorkQueue};
use crossdock::segment::Kind;
use crossdock::{Counter, Mutex, Placeable, Segment, SegmentOptions, ShardedCounter};
use support::image::{self, CONTROL, COUNT, CURSOR, INDEXED, u32_at, u64_at};
use support::names::Unique;
use support::process::{Line, child, holder};

const PARTICIPANTS: usize = 4;
const REGISTRY: usize = 512;
const DIRECTORY: usize = REGISTRY + PARTICIPANTS * 64;
const INDEX: usize = DIRECTORY + 8 * 256;
const INDEX_END: usize = INDEX + 16 * 4;
const ARENA: usize = 4096;

fn options() -> SegmentOptions {
    SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(8)
}

fn segment() -> Segment {
    options().anonymous().unwrap()
}

fn bytes(segment: &Segment) -> Vec<u8> {
    image::bytes(&segment.as_fd())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_header_is_byte_for_byte_this() {
    let golden = [
        "63726f7373646f6b", // "crossdok"
        "0200000004030201", // layout version 2, byte order mark 0x01020304
        "0000010000000000", // 65,536 bytes
        "0400000008000000", // 4 participants, 8 entries
        "0002000000000000", // the registry
        "0003000000000000", // the directory
        "0010000000000000", // the arena
        "000b000000000000", // the index
        "0100000000000000", // anonymous
        "0000000000000000",
        "0000000000000000",
        "0000000000000000",
        "0000000000000000",
        "0000000000000000",
        "0000000000000000",
        "f83b7bc35be6bbe3", // the checksum
    ];
    let bytes = bytes(&segment());
    assert_eq!(hex(&bytes[..128]), golden.concat());
    assert!(bytes[128..].iter().all(|byte| *byte == 0));
    assert_eq!(bytes.len(), 1 << 16);
}

#[test]
fn the_checksum_of_the_header_is_over_its_first_15_words() {
    let bytes = bytes(&segment());
    let sum = image::checksum((0..15).map(|word| u64_at(&bytes, word * 8)));
    assert_eq!(u64_at(&bytes, 120), sum);
}

#[test]
fn a_named_segment_has_no_flag() {
    let name = Unique::new();
    let named = options().create_new(&name).unwrap();
    let mut named = bytes(&named);
    assert_eq!(u64_at(&named, 64), 0);
    named[64] = 1;
    image::sign_header(&mut named);
    assert_eq!(named, bytes(&segment()));
}

#[test]
fn the_largest_numbers_have_their_places() {
    let options = SegmentOptions::new().participants(1023).entries(65_536);
    let bytes = bytes(&options.size(32 << 20).anonymous().unwrap());
    assert_eq!((u32_at(&bytes, 24), u32_at(&bytes, 28)), (1023, 65_536));
    let directory = 512 + 1023 * 64;
    assert_eq!(u64_at(&bytes, 40), directory);
    let end = directory + 65_536 * 256;
    assert_eq!(u64_at(&bytes, 56), end, "the index");
    let end = end + 131_072 * 4;
    assert_eq!(u64_at(&bytes, 48), end.next_multiple_of(4096), "the arena");
}

#[test]
fn the_control_count_and_cursor_words_are_on_lines_of_their_own() {
    let segment = segment();
    segment.create::<Counter>("a", 1).unwrap();
    segment.create::<Counter>("b", 2).unwrap();
    let bytes = bytes(&segment);
    assert_eq!((CONTROL, COUNT, INDEXED, CURSOR), (128, 256, 320, 384));
    assert_eq!(u32_at(&bytes, 128), 0, "free again");
    assert_eq!(u32_at(&bytes, 256), 2, "two entries");
    assert_eq!(u32_at(&bytes, 260), 1 << 10, "the tag of their creator");
    assert_eq!(u32_at(&bytes, 320), 2, "both have slots");
    assert_eq!(u32_at(&bytes, 384), 1, "one has joined");
    let words = [128..132, 256..264, 320..324, 384..388];
    let between = (128..512).filter(|at| !words.iter().any(|word| word.contains(at)));
    assert!(between.into_iter().all(|at| bytes[at] == 0));
}

#[test]
fn a_record_has_its_fields_where_they_are_said_to_be() {
    let segment = segment();
    segment
        .create::<Mutex<[u16; 3]>>("an entry of 28 bytes' name!", [1, 2, 3])
        .unwrap();
    let bytes = bytes(&segment);
    let record = &bytes[DIRECTORY..DIRECTORY + 256];
    assert_eq!(u64_at(record, 0), 1, "kind");
    assert_eq!(u64_at(record, 8), ARENA as u64, "offset");
    assert_eq!(u64_at(record, 16), 10, "len");
    assert_eq!(
        (u32_at(record, 24), u32_at(record, 28)),
        (6, 2),
        "size, align"
    );
    assert!(record[32..64].iter().all(|byte| *byte == 0), "config");
    assert_eq!(u64_at(record, 64), 0);
    let words = (0..32).filter(|word| *word != 9);
    let sum = image::checksum(words.map(|word| u64_at(record, word * 8)));
    assert_eq!(u64_at(record, 72), sum, "checksum");
    assert!(record[80..128].iter().all(|byte| *byte == 0));
    let mut name = *b"an entry of 28 bytes' name!\0                                    ";
    name[27..].fill(0);
    assert_eq!(record[128..192], name, "name");
    let mut payload = [0; 64];
    payload[..3].copy_from_slice(b"u16");
    assert_eq!(record[192..256], payload, "payload");
    assert!(bytes[DIRECTORY + 256..INDEX].iter().all(|byte| *byte == 0));
    assert!(bytes[INDEX_END..ARENA].iter().all(|byte| *byte == 0));
}

#[test]
fn records_are_256_bytes_apart() {
    let segment = segment();
    for name in ["a", "b", "c"] {
        segment.create::<Counter>(name, 1).unwrap();
    }
    let bytes = bytes(&segment);
    for (number, name) in (0..).zip(*b"abc") {
        let record = &bytes[DIRECTORY + number * 256..];
        assert_eq!(record[128], name);
        assert_eq!(u64_at(record, 8), (ARENA + number * 128) as u64);
    }
}

/// The number of the kind, the length and the payload's shape, as the record has them.
fn recorded<P: Placeable>(config: P::Config) -> (u64, u64, u32, u32) {
    let segment = segment();
    segment.create::<P>("x", config).unwrap();
    let record = &bytes(&segment)[DIRECTORY..];
    (
        u64_at(record, 0),
        u64_at(record, 16),
        u32_at(record, 24),
        u32_at(record, 28),
    )
}

#[test]
fn kinds_have_their_numbers_and_lengths() {
    assert_eq!(recorded::<Mutex<u64>>(0), (1, 16, 8, 8));
    assert_eq!(recorded::<Mutex<()>>(()), (1, 4, 0, 1));
    assert_eq!(recorded::<Counter<u64>>(0), (3, 128, 8, 8));
    assert_eq!(recorded::<Counter<i64>>(0), (3, 128, 8, 8));
    assert_eq!(recorded::<ShardedCounter>(()), (4, 4 * 128, 0, 1));
    let kinds = Kind::ALL
        .iter()
        .map(|kind| format!("{} {kind}", *kind as u32));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let expected = "1 Mutex, 3 Counter, 4 ShardedCounter, 5 Spsc, 6 Queue, 7 WorkQueue, \
                    8 ByteQueue, 9 Channel, 10 RwLock, 11 Array, 12 AtomicArray, 13 Snapshot, \
                    14 Semaphore, 15 Event, 16 Condvar, 17 Barrier, 18 Promise, \
                    19 ReentrantMutex, 20 Dict, 21 Shared, 22 List, 23 Set, 24 Namespace, \
                    25 Manager, 26 PoolTasks, 27 Stats";
    assert_eq!(kinds, expected);
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/design.md")).unwrap();
    assert!(docs.contains(&format!("| kind: {expected} |")));
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C)]
struct Hundred([u8; 96], [u8; 4]);
crossdock::payload!(Hundred, "test.hundred/1");

#[derive(Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C, align(16))]
struct Aligned16([u8; 16]);
crossdock::payload!(Aligned16, "test.aligned-16/1");

#[derive(Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C, align(128))]
struct Aligned128([u8; 128]);
crossdock::payload!(Aligned128, "test.aligned-128/1");

/// Where the data of a mutex begins, and how long its entry is.
fn data_of<T: crossdock::Payload + Pod>(value: T) -> (usize, u64) {
    let segment = segment();
    segment.create::<Mutex<T>>("m", value).unwrap();
    let bytes = bytes(&segment);
    assert_eq!(u32_at(&bytes, ARENA), 0, "free");
    let first = bytes[ARENA..].iter().position(|byte| *byte != 0).unwrap();
    (first, u64_at(&bytes, DIRECTORY + 16))
}

#[test]
fn the_data_of_a_mutex_is_behind_its_word_where_its_alignment_lets_it() {
    assert_eq!(data_of(0xffu8), (4, 5));
    assert_eq!(data_of(!0u16), (4, 6));
    assert_eq!(data_of(!0u32), (4, 8));
    assert_eq!(data_of(!0u64), (8, 16));
    assert_eq!(data_of(!0u128), (16, 32));
    assert_eq!(data_of([0xffu8; 3]), (4, 7));
    assert_eq!(data_of(Hundred([1; 96], [1; 4])), (4, 104));
    assert_eq!(data_of(Aligned16([1; 16])), (16, 32));
    assert_eq!(data_of(Aligned128([1; 128])), (128, 256));
}

/// The tag that index and generation make.
const fn tag(index: u32, generation: u32) -> u32 {
    generation << 10 | index
}

const CONTENDED: u32 = 1 << 29;
const OWNER_DIED: u32 = 1 << 30;
const POISONED: u32 = 1 << 31;

#[test]
fn the_word_of_a_mutex_holds_its_owners_tag_and_flags() {
    let segment = segment();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let word = || u32_at(&bytes(&segment), ARENA);
    assert_eq!(word(), 0);
    let guard = mutex.lock().unwrap();
    assert_eq!(word(), tag(0, 1));
    drop(guard);
    assert_eq!(word(), 0);

    let dead = holder(|| mutex.lock().unwrap());
    assert_eq!(word(), tag(1, 1));
    dead.kill();
    let guard = mutex.lock().unwrap_err();
    assert_eq!(word(), OWNER_DIED | tag(0, 1));
    drop(guard);
    assert_eq!(word(), OWNER_DIED);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = mutex.lock();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert_eq!(word(), POISONED | OWNER_DIED);
    drop(mutex.lock_or_repair(|_| ()));
    mutex.clear_poison();
    assert_eq!(word(), OWNER_DIED);
    drop(mutex.lock_or_repair(|_| ()).unwrap());
    assert_eq!(word(), 0);
}

#[test]
fn a_sleeping_waiter_shows_in_the_word() {
    let _watch = support::watch();
    let segment = segment();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let guard = mutex.lock().unwrap();
    let line = Line::new();
    let waiter = child(|| {
        line.say(1);
        drop(mutex.lock().unwrap());
    });
    line.hear();
    let window = image::Window::of(&segment);
    let word = || {
        window
            .word(ARENA)
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    while word() == tag(0, 1) {
        std::thread::yield_now();
    }
    assert_eq!(word(), CONTENDED | tag(0, 1));
    drop(guard);
    waiter.join();
    assert_eq!(word(), 0);
}

#[test]
fn the_word_of_a_participant_says_how_it_stands() {
    let name = Unique::new();
    let first = options().create_new(&name).unwrap();
    let mutex = first.create::<Mutex<u64>>("m", 0).unwrap();
    let word = |index: usize| u32_at(&bytes(&first), REGISTRY + index * 64);
    assert_eq!([0, 1, 2, 3].map(word), [1 << 2 | 1, 0, 0, 0]);
    let other = holder(|| drop(mutex.lock().unwrap()));
    assert_eq!([0, 1, 2, 3].map(word), [1 << 2 | 1, 1 << 2 | 1, 0, 0]);
    other.kill();
    assert_eq!(word(1), 1 << 2 | 1, "live, as long as nobody has looked");
    assert_eq!(first.reap().freed, 1);
    assert_eq!(word(1), 1 << 2, "free, of generation 1");
    for index in [2, 3, 1] {
        holder(|| drop(mutex.lock().unwrap())).kill();
        let generation = if index == 1 { 2 } else { 1 };
        assert_eq!(word(index), generation << 2 | 1);
        first.reap();
    }
}

#[test]
fn participants_lock_bytes_from_a_tebibyte_on() {
    use std::os::fd::AsRawFd;
    let segment = segment();
    let locked = |index: i64| {
        let mut lock = libc::flock {
            l_type: i16::try_from(libc::F_WRLCK).unwrap(),
            l_whence: 0,
            l_start: (1 << 40) + index,
            l_len: 1,
            l_pid: 0,
        };
        let fd = segment.as_fd().as_raw_fd();
        // SAFETY: the descriptor is open, and the lock outlives the call that writes to it.
        let result = unsafe { libc::fcntl(fd, libc::F_OFD_GETLK, &mut lock) };
        assert_eq!(result, 0);
        i32::from(lock.l_type) == libc::F_WRLCK
    };
    assert!(!(0..4).any(locked));
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    assert_eq!([0, 1, 2, 3].map(locked), [true, false, false, false]);
    let other = holder(|| drop(mutex.lock().unwrap()));
    assert_eq!([0, 1, 2, 3].map(locked), [true, true, false, false]);
    other.kill();
    assert_eq!([0, 1, 2, 3].map(locked), [true, false, false, false]);
}

#[test]
fn a_named_segment_is_this_file() {
    let name = Unique::new();
    let _segment = options().create_new(&name).unwrap();
    let path = format!("/dev/shm/crossdock.{}", &*name);
    assert_eq!(std::fs::metadata(path).unwrap().len(), 1 << 16);
}

#[test]
fn entries_begin_at_multiples_of_128() {
    let segment = segment();
    segment.create::<Mutex<()>>("a", ()).unwrap();
    segment.create::<Mutex<[u8; 128]>>("b", [1; 128]).unwrap();
    segment.create::<Counter>("c", 1).unwrap();
    let offsets: Vec<u64> = segment
        .entries()
        .unwrap()
        .into_iter()
        .map(|entry| entry.offset)
        .collect();
    assert_eq!(offsets, [4096, 4096 + 128, 4096 + 384]);
}

#[test]
fn a_ring_is_two_sides_and_its_items() {
    let segment = segment();
    let ring = segment.create::<Spsc<u64>>("r", 3).unwrap();
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    for item in [7, 8, 9] {
        push.push(item).unwrap();
    }
    assert_eq!(pop.pop(), Ok(7));
    let bytes = bytes(&segment);
    let entry = &segment.entries().unwrap()[0];
    assert_eq!(entry.kind.to_string(), "Spsc");
    assert_eq!(entry.len, 512 + 3 * 8);
    let at = usize::try_from(entry.offset).unwrap();
    let tag = u32_at(&bytes, at + 128);
    assert_eq!(
        (u64_at(&bytes, at), u64_at(&bytes, at + 256)),
        (3, 1),
        "positions"
    );
    assert!(tag != 0 && tag == u32_at(&bytes, at + 384), "roles");
    assert_eq!(
        (u32_at(&bytes, at + 132), u32_at(&bytes, at + 388)),
        (0, 0),
        "event counts"
    );
    let items = [512, 520, 528].map(|item| u64_at(&bytes, at + item));
    assert_eq!(items, [7, 8, 9]);
    let record = &bytes[DIRECTORY..];
    assert_eq!(u64_at(record, 0), Kind::Spsc as u64);
    assert_eq!(u64_at(record, 32), 3, "the capacity");
}

/// The state of a queue for many in a segment of 4 participants, before its slots.
const SLOTS: u64 = 3 * 128 + 128;

#[test]
fn a_queue_is_its_state_a_cell_for_each_participant_and_slots() {
    let segment = segment();
    let queue = segment.create::<Queue<u64>>("q", 3).unwrap();
    let (sender, receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    for item in [7, 8, 9] {
        sender.send(item).unwrap();
    }
    assert_eq!(receiver.recv().unwrap(), 7);
    let entry = &segment.entries().unwrap()[0];
    assert_eq!(entry.kind.to_string(), "Queue");
    assert_eq!(entry.len, SLOTS + 3 * 16);
    let words = |places: &[usize]| -> Vec<u64> {
        let (bytes, at) = (bytes(&segment), usize::try_from(entry.offset).unwrap());
        places
            .iter()
            .map(|place| u64_at(&bytes, at + place))
            .collect()
    };
    let (ends, epoch, events, cells) = (0, 8, 24, [384, 392, 400, 408]);
    assert_eq!(words(&[ends]), [2 << 5 | 0b11], "counted twice, both ever");
    assert_eq!(words(&[epoch, events]), [0, 0]);
    assert_eq!(words(&[128, 256]), [1 << 2, 1], "hints, a lap in 2 bits");
    let me = u64::from(tag(0, 1));
    assert_eq!(words(&cells), [1 << 46 | 1 << 29 | me, 0, 0, 0]);
    let ready = 2 << 29;
    assert_eq!(words(&[512, 528, 544]), [1 << 32, ready, ready], "slots");
    assert_eq!(words(&[520, 536, 552]), [7, 8, 9], "items");
    drop(receiver);
    assert_eq!(words(&[ends]), [2 << 5 | 0b1011], "no receiver any more");
    assert_eq!(words(&cells), [1 << 29 | me, 0, 0, 0]);
    queue.close();
    assert_eq!(words(&[ends]), [2 << 5 | 0b11011], "closed");
    let record = &bytes(&segment)[DIRECTORY..];
    assert_eq!(u64_at(record, 0), Kind::Queue as u64);
    assert_eq!(u64_at(record, 32), 3, "the capacity");
}

#[test]
fn an_item_of_a_queue_is_behind_its_word_where_its_alignment_lets_it() {
    assert_eq!(recorded::<Queue<u8>>(2), (6, SLOTS + 2 * 16, 1, 1));
    assert_eq!(recorded::<Queue<u64>>(5), (6, SLOTS + 5 * 16, 8, 8));
    assert_eq!(recorded::<Queue<[u64; 3]>>(2), (6, SLOTS + 2 * 32, 24, 8));
    let aligned = recorded::<Queue<Aligned16>>(2);
    assert_eq!(aligned, (6, SLOTS + 2 * 32, 16, 16));
    let aligned = recorded::<Queue<Aligned128>>(2);
    assert_eq!(aligned, (6, SLOTS + 2 * 256, 128, 128));
}

/// Where the cells of a work queue of 3 begin, in a segment of 4 participants: behind its state, a word
/// for each participant, and 3 slots.
const CELLS: u64 = SLOTS + 128;

#[test]
fn a_work_queue_is_its_state_a_word_for_each_participant_slots_and_cells() {
    const VERSION: u64 = 1 << 40;
    const ATTEMPT: u64 = 1 << 33;
    let segment = segment();
    let options = WorkOptions::new(3).max_attempts(2);
    let queue = segment.create::<WorkQueue<u64>>("w", options).unwrap();
    let (sender, receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    let entry = &segment.entries().unwrap()[0];
    assert_eq!(entry.kind.to_string(), "WorkQueue");
    assert_eq!(entry.len, CELLS + 3 * 64);
    let words = |places: &[usize]| -> Vec<u64> {
        let (bytes, at) = (bytes(&segment), usize::try_from(entry.offset).unwrap());
        places
            .iter()
            .map(|place| u64_at(&bytes, at + place))
            .collect()
    };
    let (ends, epoch, events) = (0, 8, [24, 32]);
    let (slots, cells, messages) = ([512, 520, 528], [640, 704, 768], [672, 736, 800]);
    let me = u64::from(tag(0, 1));
    let [loaned, sending, held, returned, buried] = [1, 2, 4, 5, 6].map(|state| state << 29);
    assert_eq!(words(&[ends]), [2 << 5 | 0b11], "counted twice, both ever");
    assert_eq!(
        words(&[384, 392, 400, 408]),
        [1 << 46 | 1 << 29 | me, 0, 0, 0]
    );
    sender.send(7).unwrap();
    sender.send(8).unwrap();
    let loan = queue.loan().unwrap();
    assert_eq!(words(&cells), [sending | me, sending | me, loaned | me]);
    // Three cells have numbers of 2 bits: a lap begins at bit 22.
    let lap = 1 << 22;
    assert_eq!(words(&slots), [1 << 20, 2 << 20, 0], "cells, from 1 on");
    assert_eq!(words(&messages[..2]), [7, 8]);
    drop(loan);
    let first = receiver.recv().unwrap();
    assert_eq!(words(&cells), [ATTEMPT | held | me, sending | me, VERSION]);
    assert_eq!(words(&slots), [lap, 2 << 20, 0], "free in the next lap");
    assert_eq!(words(&[epoch]), [0]);
    drop(first);
    assert_eq!(words(&cells[..1]), [ATTEMPT | returned]);
    assert_eq!(words(&[epoch]), [1]);
    drop(receiver.recv().unwrap());
    assert_eq!(words(&cells[..1]), [(2 * ATTEMPT) | buried]);
    queue.dead_letters().take().unwrap().unwrap().ack().unwrap();
    receiver.recv().unwrap().ack().unwrap();
    assert_eq!(words(&cells), [VERSION; 3]);
    assert_eq!(words(&slots), [lap, lap, 0]);
    sender.send(9).unwrap();
    assert_eq!(words(&slots[2..]), [3 << 20 | 1], "cell 3, version 1");
    assert_eq!(words(&[128, 256]), [1 << 2, 1], "hints, a lap in 2 bits");
    assert_eq!(words(&events), [0, 0]);
    drop((sender, receiver));
    queue.close();
    assert_eq!(words(&[ends]), [2 << 5 | 0b11111], "closed");
    let record = &bytes(&segment)[DIRECTORY..];
    assert_eq!(u64_at(record, 0), Kind::WorkQueue as u64);
    let config = [32, 40, 48, 56].map(|at| u64_at(record, at));
    assert_eq!(config, [3, 2, 0, 0], "capacity, attempts");
}

#[test]
fn a_delayed_message_has_its_time_beside_its_word_and_in_it_in_steps() {
    let segment = segment();
    let queue: WorkQueue<u64> = segment.create("w", 1).unwrap();
    queue.send(7).unwrap();
    let delay = std::time::Duration::from_secs(3600);
    queue.recv().unwrap().nack(delay).unwrap();
    let at = usize::try_from(segment.entries().unwrap()[0].offset + CELLS).unwrap();
    let [word, due] = [0, 8].map(|place| u64_at(&bytes(&segment), at + place));
    assert_eq!(word >> 29, 1 << 4 | 9, "one attempt, delayed");
    assert_eq!(word & ((1 << 29) - 1), due >> 23 & ((1 << 29) - 1));
}

#[test]
fn a_message_is_behind_four_words_where_its_alignment_lets_it() {
    let work = |capacity| WorkOptions::new(capacity);
    assert_eq!(recorded::<WorkQueue<u8>>(work(1)), (7, CELLS + 64, 1, 1));
    assert_eq!(
        recorded::<WorkQueue<[u64; 4]>>(work(3)),
        (7, CELLS + 3 * 64, 32, 8)
    );
    assert_eq!(
        recorded::<WorkQueue<[u64; 5]>>(work(16)),
        (7, CELLS + 16 * 128, 40, 8)
    );
    assert_eq!(
        recorded::<WorkQueue<u64>>(work(17)),
        (7, CELLS + 128 + 17 * 64, 8, 8),
        "two lines of slots"
    );
    let aligned = recorded::<WorkQueue<Aligned128>>(work(2));
    assert_eq!(aligned, (7, CELLS + 2 * 256, 128, 128));
    let bytes = ByteOptions::new(3).cell_size(100);
    let (kind, len, ..) = recorded::<ByteQueue>(bytes);
    assert_eq!((kind, len), (8, CELLS + 3 * 192));
}
