//! Shared memory for separate processes: locks, counters, lists and queues that stay usable when a
//! process is killed at any instruction, and processes that work on them together.
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
//!     println!("Total products packed: {}", total.load());
//!     Ok(())
//! }
//! ```
//!
//! The README says how to begin, and which primitive fits which task.
//!
//! # Trust
//!
//! The processes that have a segment open are trusted. They run crossdock's protocol and may crash,
//! or be killed or stopped, at any instruction and at any time. They are not attackers: a process
//! that may write to a segment may break what is in it. Bytes that are merely *found* in a segment,
//! however they came there, never cause a panic, a hang or undefined behaviour: operations that
//! copy are memory-safe for any bytes at any time, and return an error. Guards give references, and
//! are sound as long as the others follow the protocol.
//!
//! # Catalogue
//!
//! Three things hold for each primitive: what it does, what others can still do while a process is
//! stopped in the middle of it (SIGSTOP, a debugger, the freezer), and what a process leaves that
//! is killed in the middle of it. "Lock-free" and "wait-free" are meant as in the literature: a
//! process that is stopped, or killed, at any instruction keeps no other from finishing its
//! operation. The last column names the models in which every step is a place to die (`cargo xtask
//! models NAME`).
//!
//! | | what it is | while a peer is stopped | what a killed peer leaves | model |
//! |---|---|---|---|---|
//! | [`Segment`], [`SegmentOptions`] | anonymous (sealed memfd) or named (`/dev/shm/crossdock.NAME`) memory with a directory of typed, named entries | `open` is lock-free; `create` waits for a stopped creator | nothing half made | directory |
//! | its registry | the participants, and which of them are dead | lock-free | its place, until it is reaped | registry |
//! | [`segment::Monitor`] | a thread that is notified as soon as a peer dies, and recovers what the peer held | goes on | nothing: it only helps | registry |
//! | `segment::Inspection` | looks at a segment from outside, read-only; feature `inspect` | goes on | nothing | - |
//! | [`Mutex`] | mutual exclusion, with data or without | waits if the peer is the owner | the lock: the next owner gets it, with [`OwnerDied`](sync::LockError::OwnerDied) | mutex |
//! | [`sync::ReentrantMutex`] | mutual exclusion of threads, which the owner locks again | as [`Mutex`] | as [`Mutex`] | reentrant |
//! | [`RwLock`] | many readers or one writer; readers of different processes share no cache line | if the peer reads, writers wait, and readers that arrive after one; if it writes, all wait | a read lock, which is passed over; a write lock, which the next owner gets with [`OwnerDied`](sync::LockError::OwnerDied), readers too, until a writer has repaired the data | rwlock |
//! | [`sync::Semaphore`] | permits, each held by one process at a time; several at once, signals, `close` | waits if the peer holds what is missing | its permits, which return | semaphore |
//! | [`sync::Barrier`] | a point that processes pass together, step after step | waits for stopped parties | its place: the barrier breaks, and all are told, or goes on with one party less | barrier |
//! | [`sync::Condvar`] | waiting for a change of what a [`Mutex`] protects | notifying is wait-free; a waiter waits for a notification | nothing but the mutex: waiters return when the death is noticed | condvar |
//! | [`sync::Event`] | a flag that processes set, clear and wait for | wait-free; a waiter waits for a set | nothing: the flag is set or clear | event |
//! | [`sync::Promise`] | a value that one process sets once; `get_or_init`, `wait` | waits if the peer has the claim; a value that is set is wait-free | its claim, which waiters are told of, and the next process makes | promise |
//! | [`Counter`] | one atomic number, `u64` or `i64`; `wait_until` it has a value | wait-free | its last addition, made or not | element |
//! | [`ShardedCounter`] | a number spread over cache lines, which many cores add to | wait-free | its last addition, made or not | counter |
//! | [`Array`] | many values behind a lock: `read() -> &[T]`, `write() -> &mut [T]`, copies in and out; and in chunks that processes lease, each another one, to work on them at the same time | as [`RwLock`]; readers, writers and the next lessee wait for the holder of a chunk | its chunks, to be done again, which the next lessee is told; a write, as [`RwLock`] | leases, rwlock |
//! | [`AtomicArray`] | a list of atomic numbers or flags, as long as it was created: a slice, copies in and out, `fill`; `wait_while_eq` | loads, stores, swaps, exchanges and sums of whole numbers are wait-free, the rest lock-free | its last change of an element, made or not; of a change to many, the first elements | element |
//! | [`queue::spsc`] | a bounded ring for one producer and one consumer, with slices and blocking forms | wait-free as far as items or room reach | its end, which another process takes over; an item that it was popping | spsc |
//! | [`queue::Queue`] | a bounded queue for many senders and receivers: first in, first out, `force_send`, slices, counted senders and receivers, so that a `for` loop ends by itself | waits for a peer that is stopped between its claim of a slot and its commit: receivers for the items behind a sender's slot and for the end, senders for the room | an item that it was taking, delivered again and marked; a slot, which is skipped; its endpoint counts, which are taken back | slots, ends |
//! | [`queue::WorkQueue`], the [`queue::Work`] of plain values | messages held until they are acknowledged, written and read in place; redelivery, dead letters, `nack`, `wait_idle` | lock-free; its messages wait for it, and so does `wait_idle` | the message that it held, redelivered one attempt later, or a dead letter after the last attempt; loans, which are free again; its endpoint counts, which are taken back | work, ends |
//! | [`queue::ByteQueue`] | the same for messages of bytes of any length, of one cell or several | as above | as above | work, ends |
//! | `queue::Channel` | the same for every type that serde encodes: strings, enums, nested values; feature `process` | as above | as above | work, ends |
//! | [`queue::wait_any`] | which of several queues, events, semaphores, numbers, promises, objects and processes is ready | as they do | nothing | any |
//! | [`Snapshot`] | the latest whole value of one writer, read in place by many; `wait_newer` | wait-free on both sides; a stopped writer is the writer still | the value before, whole; the writer's place or a reader slot, which another process takes over | snapshot |
//! | `Dict`, `Set` | values under keys, of any types that serde encodes; `update`, `iter`, `snapshot`, `wait_changed`, `until_changed` for `wait_any`; feature `process` | reads are lock-free; a change waits if the peer is in the middle of one | its change, made or not: the next change clears up | blocks |
//! | `List` | values in order, of any serde type; `push`, `pop`, `set`, `insert`, `sort` | as `Dict` | as `Dict` | blocks |
//! | `Shared`, `Namespace` | one value of any serde type, or attributes by name, each of its own; `update`, `wait_newer`, `until_newer` | as `Dict` | as `Dict` | blocks |
//! | [`Manager`] | objects of all these kinds that come and go: `create`, `open`, `remove`; their room is used again | opening, removing and use are lock-free; creating waits for a stopped creator | its handles, which keep nothing from being used again | manager |
//! | [`FixedStr`], [`FixedBytes`] | text and bytes of bounded length, as values of the above and fields of them | | | - |
//! | [`process`] | functions in processes of their own; arguments and results by serde, handles among them | `join` waits | a typed error at `join`; a result that was committed arrives | - |
//! | [`process::pipe`], [`process::duplex`], [`process::Listener`] | values of any serde type and length between two processes, also of programs that only know a name | waits for what it has to send, or to take out | what it had sent; then the end, or of a message longer than the pipe, that it is lost | spsc |
//! | [`process::Pool`] | worker processes that run tasks, and are replaced | its task waits, unless it has a limit | a typed error of its task, or a retry; what it committed arrives | tasks |
//!
//! # What holds everywhere
//!
//! - **Only the kernel decides that a process is dead.** It releases the lock on a byte of the
//!   segment's file when the process's memory is gone: the lock is tied to the memory and to no
//!   descriptor. No timeout, process id or heartbeat does. A process that is stopped, swapped out
//!   or held in a debugger is alive.
//! - **Nothing is held anonymously.** Every word that says "taken" names the holder, in the same
//!   word.
//! - **Recovery is helping.** A process that needs something takes it over from the dead. Any
//!   number do at once, and none of them blocks the others if it dies as well.
//! - **Types are checked.** An entry opens as what it was created as, or not at all; see
//!   [`Payload`].
//! - **Memory is reserved** when a segment is created, or creating it fails.
//!
//! How this is done, byte by byte, is in `docs/design.md`; what crossdock does not do is in
//! `docs/limits.md`.
//!
//! # Forks, threads, signals
//!
//! A forked child is no participant until its first operation, and never acts as its parent: guards
//! that it inherited do nothing. Locks belong to processes, not to threads, but for a
//! [`ReentrantMutex`](sync::ReentrantMutex). Nothing here may be used in a signal handler, and
//! nothing but exec in a child forked from a process with several threads.
//!
//! # Features
//!
//! - `process` (default): [`process`], `queue::Channel`, shared objects (`Dict`, `List` and
//!   others), and handles as arguments and results.
//!   Without it the library depends on seven crates.
//! - `inspect`: `segment::Inspection`, looks at segments from outside. No further crates.
//!
//! # Platforms
//!
//! 64-bit little-endian Linux, kernel 5.4 or later (pidfds), with /proc mounted; other targets do
//! not compile.

#![cfg_attr(
    loom,
    expect(
        dead_code,
        unused_imports,
        unreachable_pub,
        reason = "only the algorithms are modelled"
    )
)]

#[cfg(not(loom))]
#[macro_use]
mod debug;
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
#[cfg(all(test, loom))]
mod sys {
    //! What the models' program takes of it, beside which stands no kernel.
    mod stacks;
}

#[cfg(all(not(loom), feature = "process"))]
pub use collection::object::{self, Dict, List, Namespace, Set, Shared};
#[cfg(not(loom))]
pub use {
    bytemuck,
    collection::{
        array::{self, Array, AtomicArray},
        counter::{Counter, Number, ShardedCounter},
        manager::{self, Manager},
        snapshot::{self, Snapshot, SnapshotOptions},
    },
    error::Error,
    facade::Deadline,
    fixed::{FixedBytes, FixedStr},
    payload::Payload,
    segment::{Fault, Placeable, Segment, SegmentOptions},
    sync::{Mutex, RwLock},
};

/// The programs of the README compile, and those that leave nothing behind run.
#[cfg(all(doctest, feature = "process", not(loom)))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs of the page for users of Python run.
#[cfg(all(doctest, feature = "process", not(loom)))]
#[doc = include_str!("../docs/from-python.md")]
struct FromPython;
