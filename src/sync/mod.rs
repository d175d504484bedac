//! Locks that processes share.
//!
//! # What a lock says of its last owner
//!
//! Two things can have gone wrong with the data of a [`Mutex`], and they are kept apart: its owner
//! was **killed** while it held the lock, or a thread **panicked** while it held it. Either stays
//! until somebody answers for it, and each is answered for by itself.
//!
//! | owner died | poisoned | [`lock`](Mutex::lock) | [`lock_or_repair`](Mutex::lock_or_repair) |
//! |---|---|---|---|
//! | no | no | `Ok(guard)` | `Ok(guard)` |
//! | yes | no | `Err(OwnerDied(guard))` | runs the repair, then `Ok(guard)` |
//! | no | yes | `Err(Poisoned(guard))` | `Err(NotLocked::Poisoned)` |
//! | yes | yes | `Err(OwnerDied(guard))`, and [`guard.is_poisoned()`](MutexGuard::is_poisoned) | `Err(NotLocked::Poisoned)`, nothing is repaired |
//!
//! Of an [`RwLock`] that is true of the last one that wrote: a reader that is killed, or panics, changes
//! nothing and is not told of. [`read`](RwLock::read) and [`write`](RwLock::write) say what `lock` does,
//! every time until a writer has answered for it; [`read_or_repair`](RwLock::read_or_repair) and
//! [`write_or_repair`](RwLock::write_or_repair) do what `lock_or_repair` does.
//!
//! `owner died` ends with [`MutexGuard::mark_consistent`] or [`RwLockWriteGuard::mark_consistent`], or when `lock_or_repair`'s closure
//! returns; a guard dropped without it leaves the mark for the next. `poisoned` ends with
//! [`Mutex::clear_poison`] or [`RwLock::clear_poison`]. A panic in a repair leaves both.
//!
//! # Whose lock it is
//!
//! The process's: a thread that ends while its guard is leaked leaves the lock held until the
//! process ends, and a thread that locks twice waits for ever, both as with [`std::sync::Mutex`]; so does one that reads twice while somebody waits to write.
//! In a forked child, a guard that was inherited is nobody's: dropping it does nothing. No
//! operation here may be used in a signal handler.

pub(crate) mod error;
mod mutex;
mod raw_mutex;
pub(crate) mod rwlock;
mod sleeps;

pub use error::{Holder, LockError, NotLocked, TimedLockError, TryLockError};
pub use mutex::{Mutex, MutexGuard};
pub use raw_mutex::{RawMutex, RawMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use sleeps::{Sleeps, sleeps};
