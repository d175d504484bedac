//! Locks that processes share.
//!
//! # What a lock says of its last owner
//!
//! Two things can happen to an owner that leave the data of a [`Mutex`] half changed, and they are
//! kept apart: its process was **killed** while it held the lock, or a thread **panicked** while it
//! held the lock. The lock remembers each until an owner answers for it, and each is answered for
//! by itself.
//!
//! | owner died | poisoned | [`lock`](Mutex::lock) | [`lock_or_repair`](Mutex::lock_or_repair) |
//! |---|---|---|---|
//! | no | no | `Ok(guard)` | `Ok(guard)` |
//! | yes | no | `Err(OwnerDied(guard))` | runs the repair, then `Ok(guard)` |
//! | no | yes | `Err(Poisoned(guard))` | `Err(Poisoned(()))` |
//! | yes | yes | `Err(OwnerDied(guard))`, and [`guard.is_poisoned()`](MutexGuard::is_poisoned) | `Err(Poisoned(()))`, repairs nothing |
//!
//! The guard of an error holds the lock; after `Err(Poisoned(()))` the lock is not held.
//!
//! Of an [`RwLock`], only the last writer counts: a reader that is killed, or panics, changes
//! nothing and is not reported. [`read`](RwLock::read) and [`write`](RwLock::write) report as
//! `lock` does, each time until a writer answers for it; [`read_or_repair`](RwLock::read_or_repair)
//! and [`write_or_repair`](RwLock::write_or_repair) do what `lock_or_repair` does.
//!
//! `owner died` ends with [`MutexGuard::mark_consistent`] or [`RwLockWriteGuard::mark_consistent`],
//! or when the closure of `lock_or_repair` returns; a guard that is dropped without it leaves the
//! mark for the next owner. `poisoned` ends with [`Mutex::clear_poison`] or
//! [`RwLock::clear_poison`]. A panic in a repair leaves both.
//!
//! # What owns a lock
//!
//! The process: if a thread ends and has leaked its guard, the lock stays held until the process
//! ends. A thread that locks twice deadlocks, as with [`std::sync::Mutex`], unless the lock is a
//! [`ReentrantMutex`]; so does a thread that reads twice if a writer waits in between. In a forked
//! child, dropping an inherited guard does nothing. No operation here may be used in a signal
//! handler.
//!
//! # What a notification needs
//!
//! A notification ([`Event::set`], [`Condvar::notify_one`] and [`Condvar::notify_all`],
//! [`Counter::notify`](crate::Counter::notify),
//! [`AtomicArray::notify`](crate::AtomicArray::notify)) needs the mapped memory and nothing else,
//! so it has no error to return. It reaches the waiters where the name of the segment is removed,
//! where its creator was killed, and where this process lost its membership; where no process waits
//! it does nothing. A primitive whose creator was killed before it was complete is not there:
//! opening it is [`EntryError::NotFound`](crate::segment::EntryError::NotFound), so there is no
//! handle of it. If other code truncates the file of a named segment, notifying ends the process by
//! SIGBUS, as every use of its memory does.

mod barrier;
mod condvar;
pub(crate) mod error;
mod event;
mod mutex;
mod promise;
mod reentrant;
pub(crate) mod rwlock;
mod semaphore;
mod sleeps;

pub use barrier::{
    Barrier, BarrierError, BarrierOptions, BarrierTimeoutError, BarrierWaitResult, OnDeath, Party,
};
pub use condvar::{Condvar, CondvarError, WaitTimeoutResult};
pub use error::{Holder, LockError, LockTimeoutError, TryLockError};
pub use event::{Event, EventTimeoutError};
pub use mutex::{Mutex, MutexGuard};
pub use promise::{ClaimPromiseError, Promise, PromiseClaim, PromiseError, PromiseTimeoutError};
pub use reentrant::{ReentrantMutex, ReentrantMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{
    AcquireError, AcquireTimeoutError, AddPermitsError, Permit, Permits, Semaphore,
    SemaphoreOptions, TryAcquireError,
};
pub use sleeps::{Sleeps, sleeps};
