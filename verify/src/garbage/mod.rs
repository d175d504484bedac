//! Primitives that are used while any bytes are written over them: whatever those are, every
//! operation ends, and works or says what is wrong; no panic, no hang, no access outside.

pub(crate) mod channel;
mod drive;
pub(crate) mod header;
pub(crate) mod inspect;
mod kinds;
mod refusal;
mod uses;

use crossdock::queue::spsc::Spsc;
use crossdock::queue::{ByteQueue, Channel, Queue, WorkQueue};
use crossdock::segment::Kind;
use crossdock::sync::{Barrier, Condvar, Event, Promise, ReentrantMutex, Semaphore};
use crossdock::{
    Array, AtomicArray, Counter, Dict, List, Manager, Mutex, Namespace, RwLock, Segment, Set,
    ShardedCounter, Shared, Snapshot,
};

use uses::Uses;

/// A kind, and what is done to it.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    /// The fuzz target that it belongs to.
    suite: &'static str,
    run: fn(&[u8]),
    /// Creates an entry with the name of the kind.
    create: fn(&Segment, Kind),
    pub(crate) flip_each_bit: fn(),
    pub(crate) refuse_forged_records: fn(),
    pub(crate) recover_garbage: fn(),
}

/// All kinds that a program can create.
pub(crate) const SUBJECTS: [Subject; 24] = [
    subject::<Array<u32>>(Kind::Array, "array"),
    subject::<Manager>(Kind::Manager, "managers"),
    subject::<Dict<u8, Vec<u8>>>(Kind::Dict, "objects"),
    subject::<List<Vec<u8>>>(Kind::List, "objects"),
    subject::<Namespace>(Kind::Namespace, "objects"),
    subject::<Set<u32>>(Kind::Set, "objects"),
    subject::<Shared<Vec<u8>>>(Kind::Shared, "objects"),
    subject::<Queue<u32>>(Kind::Queue, "queue"),
    subject::<Spsc<u32>>(Kind::Spsc, "ring"),
    subject::<RwLock<[u64; 2]>>(Kind::RwLock, "rwlock"),
    subject::<Snapshot<u32>>(Kind::Snapshot, "snapshot"),
    subject::<AtomicArray<u32>>(Kind::AtomicArray, "sync"),
    subject::<Barrier>(Kind::Barrier, "sync"),
    subject::<Condvar>(Kind::Condvar, "sync"),
    subject::<Counter<i64>>(Kind::Counter, "sync"),
    subject::<Event>(Kind::Event, "sync"),
    subject::<Mutex<[u64; 2]>>(Kind::Mutex, "sync"),
    subject::<Promise<[u64; 2]>>(Kind::Promise, "sync"),
    subject::<ReentrantMutex<u64>>(Kind::ReentrantMutex, "sync"),
    subject::<Semaphore>(Kind::Semaphore, "sync"),
    subject::<ShardedCounter>(Kind::ShardedCounter, "sync"),
    subject::<ByteQueue>(Kind::ByteQueue, "work"),
    subject::<Channel<Vec<u8>>>(Kind::Channel, "work"),
    subject::<WorkQueue<u32>>(Kind::WorkQueue, "work"),
];

const fn subject<P: Uses>(kind: Kind, suite: &'static str) -> Subject {
    Subject {
        kind,
        suite,
        run: drive::run::<P>,
        create: |segment, kind| {
            let made = segment.open_or_create::<P>(&kind.to_string(), P::config(3));
            drop(made.expect("there is room"));
        },
        flip_each_bit: refusal::flip_each_bit::<P>,
        refuse_forged_records: refusal::refuse_forged_records::<P>,
        recover_garbage: refusal::recover_garbage::<P>,
    }
}

/// Uses a kind of the suite of this name; the first byte of the input says which.
pub(crate) fn run(suite: &str, data: &[u8]) {
    let kinds = SUBJECTS.iter().filter(|subject| subject.suite == suite);
    let kinds: Vec<&Subject> = kinds.collect();
    if let Some(first) = data.first() {
        (kinds[usize::from(first / 8) % kinds.len()].run)(data);
    }
}
