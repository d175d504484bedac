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
//! `owner died` ends with [`MutexGuard::mark_consistent`], or when `lock_or_repair`'s closure
//! returns; a guard dropped without it leaves the mark for the next. `poisoned` ends with
//! [`Mutex::clear_poison`]. A panic in a repair leaves both.
//!
//! # Whose lock it is
//!
//! The process's: a thread that ends while its guard is leaked leaves the lock held until the
//! process ends, and a thread that locks twice waits for ever, both as with [`std::sync::Mutex`].
//! In a forked child, a guard that was inherited is nobody's: dropping it does nothing. No
//! operation here may be used in a signal handler.

mod error;
mod mutex;
mod raw_mutex;

pub use error::{LockError, NotLocked, TimedLockError, TryLockError};
pub use mutex::{Mutex, MutexGuard};
pub use raw_mutex::{RawMutex, RawMutexGuard};
