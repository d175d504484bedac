//! Shared memory for separate processes: locks and counters that survive `kill -9`, on mmapped
//! segments, and processes that work on them together.
//!
//! ```
//! use crossdock::{Counter, Segment, process};
//!
//! fn pack((worker, total): (u32, Counter)) {
//!     for _ in 0..10 {
//!         println!("Worker {worker}: packed 1 product (total: {})", total.add(1));
//!     }
//! }
//!
//! fn main() -> Result<(), crossdock::Error> {
//!     process::init(); // a spawned worker begins, and ends, here
//!     let warehouse = Segment::anonymous()?;
//!     let total = warehouse.create::<Counter>("total", 0)?;
//!     let workers = (0..5)
//!         .map(|id| process::spawn(pack, (id, total.clone())))
//!         .collect::<Result<Vec<_>, _>>()?;
//!     for worker in workers {
//!         worker.join()?;
//!     }
//!     println!("Total products packed: {}", total.get());
//!     Ok(())
//! }
//! ```
//!
//! # Who is trusted
//!
//! The processes that have a segment open. They run crossdock's protocol and may crash, or be
//! killed or stopped, at any instruction and at any time. They are not attackers: whoever may write
//! to a segment may break what is in it. What is merely *found* in a segment, by whatever accident
//! it came there, never panics, hangs or leads astray: operations that copy are memory-safe for any
//! bytes at any time, and say [`Corrupt`](segment::EntryError::Corrupt) or the like. Guards, which
//! give references, are sound as long as the others follow the protocol.
//!
//! # Catalogue
//!
//! | | what it is | under a stopped peer | what a killed one leaves | model |
//! |---|---|---|---|---|
//! | [`Segment`] | memory with a directory of typed entries | `open` lock-free; `create` waits for a stopped creator | nothing half made | directory |
//! | its registry | who takes part, and who is dead | lock-free | its place, until somebody reaps | registry |
//! | [`segment::Monitor`] | a thread that hears of peers' deaths at once | goes on | nothing: it only helps | registry |
//! | [`Mutex`], [`sync::RawMutex`] | mutual exclusion | blocks if the owner is stopped | the lock, handed on with [`OwnerDied`](sync::LockError::OwnerDied) | mutex |
//! | [`RwLock`] | many readers or one writer | a stopped reader blocks writers, and readers that come while one waits; a stopped writer blocks all | a read lock, passed over; a write lock, handed on with [`OwnerDied`](sync::LockError::OwnerDied) | rwlock |
//! | [`Counter`] | one atomic number | wait-free | its last addition made, or not | counter |
//! | [`ShardedCounter`] | a number spread over cells | wait-free | its last addition made, or not | counter |
//! | [`Array`] | many values, behind a lock, and in chunks that processes lease | a stopped holder of a chunk blocks readers and writers, and who wants that chunk; else as [`RwLock`] | its chunks, to do, and the next one is told; what it was writing, as [`RwLock`] | leases, rwlock |
//! | [`AtomicArray`] | a list of atomic numbers or flags | loads, stores, swaps, exchanges and sums of whole numbers wait-free, the rest lock-free | its last change of an element made, or not; of one to many the first | element |
//! | [`queue::spsc`] | a ring for one producer and one consumer | wait-free; who waits for items, or room, waits for the other | its end, and an item that it was popping | spsc |
//! | [`queue::Queue`] | a bounded queue for many senders and receivers | waits for one that is stopped just between its claim of a slot and its commit: receivers for what is behind a sender's, and for the end; senders for room when they come round to it | an item that it was taking, delivered again; a slot that is skipped; its counted senders and receivers, gone | slots, ends |
//! | [`queue::WorkQueue`] | messages held until they are acknowledged | lock-free; its message waits for it, and so does who waits until all is done | the message that it had in hand, delivered again or a dead letter; loans that are free again; its counted senders and receivers, gone | work, ends |
//! | [`queue::ByteQueue`] | the same, for messages of bytes, of one cell or several | as above | as above | work, ends |
//! | `queue::Channel` | the same, for what serde can encode; feature `process` | as above | as above | work, ends |
//! | [`queue::wait_any`] | waiting for several queues at once | as they do | nothing | any |
//! | [`Snapshot`] | the latest whole value of one writer, for many readers | wait-free; who waits for something newer waits for the writer | the value before, whole; the writer's role and seats, which others take over | snapshot |
//! | [`process`] | functions in processes of their own | `join` waits | a typed error at `join` | - |
//!
//! "Lock-free" and "wait-free" are meant as the literature does: a process that is stopped, or
//! killed, at any instruction keeps no other from finishing its operation.
//!
//! # What holds everywhere
//!
//! - **Only the kernel says that a process is dead**: it drops the lock on a byte of the segment's
//!   file when the process's memory is gone, to which the lock is tied and to no descriptor. No time-out does, no process id, no heartbeat. A process
//!   that is stopped, swapped out or held in a debugger is alive.
//! - **Nothing is held anonymously**: every word that says "taken" says by whom, in the same word.
//! - **Repair is helping**: whoever needs something takes it from the dead, any number at once, and
//!   none of them is in the others' way if it dies, too.
//! - **Types are checked**: an entry opens as what it was created as, or not at all; see [`Payload`].
//! - **Memory is there**: it is reserved when a segment is created, or creating fails.
//!
//! How it is done, byte by byte, is in `docs/design.md`.
//!
//! # Forks, threads, signals
//!
//! A forked child is no participant until its first operation, and never acts as its parent: guards
//! that it inherited do nothing. Locks belong to processes, not to threads. Nothing here may be used
//! in a signal handler, and nothing but exec in a child forked from a process with several threads.
//!
//! # Features
//!
//! - `process` (default): [`process`], and handles as arguments and results. Without it the library
//!   depends on seven crates.
//!
//! # Platforms
//!
//! 64-bit little-endian Linux, kernel 5.4 or later (pidfds); tested on x86_64. On processors with
//! weaker ordering the algorithms rest on the loom models and the written argument.

#![cfg_attr(
    loom,
    expect(
        dead_code,
        unused_imports,
        unreachable_pub,
        reason = "only the algorithms are modelled"
    )
)]

#[macro_use]
mod kinds;

mod algorithm;
mod facade;
mod format;
#[cfg(all(test, loom))]
mod mutants;
mod participant;
mod wait;

#[cfg(all(not(loom), feature = "process"))]
mod codec;
#[cfg(not(loom))]
mod collection;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
pub mod fixed;
#[cfg(not(loom))]
mod payload;
#[cfg(all(not(loom), feature = "process"))]
pub mod process;
#[cfg(not(loom))]
pub mod queue;
#[cfg(not(loom))]
pub mod segment;
#[cfg(not(loom))]
pub mod sync;
#[cfg(not(loom))]
mod sys;

#[cfg(not(loom))]
pub use {
    bytemuck,
    collection::{
        array::{self, Array, AtomicArray},
        counter::{Counter, Number, ShardedCounter},
        snapshot::{self, Snapshot, SnapshotOptions},
    },
    error::Error,
    facade::Deadline,
    fixed::{FixedBytes, FixedStr},
    payload::Payload,
    segment::{Fault, Placeable, Segment, SegmentOptions},
    sync::{Mutex, RwLock},
};
