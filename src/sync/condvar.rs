//! The condition variable.

use crate::Deadline;
use crate::algorithm::condvar::{CondvarState, OtherMutex};
use crate::facade::{Pace, WaitHistory};
use crate::format::{Kind, PayloadShape};
use crate::participant::Tag;
use crate::segment::fault::errors_around;
use crate::segment::{Entry, EntryRef, Fault, MembershipError, Placeable};
use crate::sync::{LockError, MutexGuard};
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;
use crate::wait::on_event::EventWaitError;

/// A place to wait until the data of a [`Mutex`](crate::Mutex) has changed: until a buffer is not
/// empty, until a job is done.
///
/// As [`std::sync::Condvar`], between processes of which any may be killed. [`wait`](Self::wait)
/// unlocks the mutex, sleeps, and locks it again; a process that has changed the data calls
/// [`notify_one`](Self::notify_one) or [`notify_all`](Self::notify_all). Returns can be spurious,
/// more often than with std's, so a waiter asks in a loop whether what it waits for is there:
/// [`wait_while`](Self::wait_while) is that loop, and
/// [`wait_while_or_repair`](Self::wait_while_or_repair) repairs what a killed owner has left.
///
/// No death loses a notification for the others:
///
/// - A waiter that is killed asleep is gone. A waiter that is killed just after it was woken has
///   taken a wake that others needed: they return once they have slept as long again as they had, a
///   second at most.
/// - If a process is killed with the mutex locked, the waiters return when a participant notices
///   the death, which they do themselves within that time, and the first of them is told
///   [`OwnerDied`](LockError::OwnerDied), as any locker is. So it is for a process that is killed
///   after it has unlocked and before it notifies, but then the lock has nothing to tell.
///
/// A condition variable belongs to one mutex of its segment: the first that it is waited with.
/// Notifying is one atomic instruction, and a system call only if a process sleeps. A waiter spins
/// for some microseconds and then sleeps.
///
/// # Examples
///
/// ```
/// use crossdock::{Mutex, Segment, sync::Condvar};
///
/// let segment = Segment::anonymous()?;
/// let stock = segment.create::<Mutex<u64>>("stock", 0)?;
/// let arrived = segment.create::<Condvar>("arrived", ())?;
/// let buyer = std::thread::spawn({
///     let (stock, arrived) = (stock.clone(), arrived.clone());
///     move || -> Result<(), crossdock::Error> {
///         let guard = stock.lock()?;
///         let mut guard = arrived.wait_while(guard, |stock| *stock == 0)?;
///         *guard -= 1;
///         Ok(())
///     }
/// });
/// *stock.lock()? += 1;
/// arrived.notify_one();
/// buyer.join().unwrap()?;
/// assert_eq!(*stock.lock()?, 0);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "Condition")]
pub struct Condvar {
    state: EntryRef<CondvarState>,
    waits: WaitHistory,
}

/// Whether a wait with a timeout ended because the timeout passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the timeout passed.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

errors_around! {
    /// The error of a wait by a [`Condvar`].
    ///
    /// As a [`LockError`] it may hold the lock, and give its guard `G`.
    pub enum CondvarError<G> {
        /// The condition variable belongs to another mutex. The lock was released, and is not held.
        OtherMutex => "expected the mutex that the condition variable was first waited with, found another one, or one of another segment",
        /// What locking the mutex again says, or why the wait ended without it.
        else Lock(LockError<G>)
    }
}

impl<G> CondvarError<G> {
    /// Returns the guard, if the lock is held.
    pub fn into_guard(self) -> Option<G> {
        match self {
            Self::OtherMutex => None,
            Self::Lock(error) => error.into_guard(),
        }
    }

    /// Drops the guard, which unlocks, and returns the same error without it.
    pub fn without_guard(self) -> CondvarError {
        self.map(drop)
    }

    /// The same error with another guard.
    fn map<H>(self, change: impl FnOnce(G) -> H) -> CondvarError<H> {
        match self {
            Self::OtherMutex => CondvarError::OtherMutex,
            Self::Lock(error) => CondvarError::Lock(error.map(change)),
        }
    }
}

/// A guard, and whether the wait for it has timed out.
type TimedGuard<'a, T> = (MutexGuard<'a, T>, WaitTimeoutResult);

impl Condvar {
    /// Unlocks the mutex of `guard`, blocks until the condition variable is notified, and locks it
    /// again.
    ///
    /// A notification since the mutex was unlocked ends the wait, so one by a process that has
    /// locked the mutex meanwhile is not missed. The return may be spurious.
    ///
    /// # Errors
    ///
    /// [`CondvarError::Lock`] as [`Mutex::lock`](crate::Mutex::lock): with the guard if the last
    /// owner of the mutex has died or panicked, without if this process is no participant any more,
    /// or the guard is that of a forked child's parent ([`Fault::NotOwner`]).
    /// [`CondvarError::OtherMutex`] if `guard` is of another mutex than earlier ones were.
    pub fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> Result<MutexGuard<'a, T>, CondvarError<MutexGuard<'a, T>>> {
        match self.wait_until(guard, &Deadline::never()) {
            Ok((guard, _)) => Ok(guard),
            Err(error) => Err(error.map(|(guard, _)| guard)),
        }
    }

    /// Blocks as [`wait`](Self::wait) does, as often as `condition` returns true.
    ///
    /// Returns at once if `condition` returns false.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). An error that holds the lock says nothing of the condition.
    #[doc(alias = "wait_for")]
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<MutexGuard<'a, T>, CondvarError<MutexGuard<'a, T>>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Blocks as [`wait_while`](Self::wait_while) does, and calls `repair` with the data each time
    /// that an owner has died, as [`Mutex::lock_or_repair`](crate::Mutex::lock_or_repair) does: the
    /// everyday form.
    ///
    /// # Errors
    ///
    /// [`CondvarError::Lock`] with [`LockError::Poisoned`], whether or not an owner died too, or
    /// [`LockError::Fault`]; [`CondvarError::OtherMutex`]. The lock is not held.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Mutex, Segment, sync::Condvar};
    ///
    /// # let segment = Segment::anonymous()?;
    /// # let stock = segment.create::<Mutex<u64>>("stock", 3)?;
    /// # let arrived = segment.create::<Condvar>("arrived", ())?;
    /// let recount = |stock: &mut u64| *stock = 0;
    /// let guard = stock.lock_or_repair(recount)?;
    /// let mut guard = arrived.wait_while_or_repair(guard, |stock| *stock == 0, recount)?;
    /// *guard -= 1;
    /// # drop(guard);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn wait_while_or_repair<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        mut repair: impl FnMut(&mut T),
    ) -> Result<MutexGuard<'a, T>, CondvarError> {
        loop {
            match self.wait_while(guard, &mut condition) {
                Ok(guard) => return Ok(guard),
                Err(CondvarError::Lock(LockError::OwnerDied(held))) if held.is_poisoned() => {
                    return Err(LockError::Poisoned(()).into());
                }
                Err(CondvarError::Lock(LockError::OwnerDied(mut held))) => {
                    repair(&mut held);
                    held.mark_consistent();
                    guard = held;
                }
                Err(error) => return Err(error.without_guard()),
            }
        }
    }

    /// Blocks as [`wait`](Self::wait) does, no longer than `timeout` for a notification, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// Locking the mutex again may take longer: it is held also when the timeout has passed.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). That the timeout passed is no error.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: impl Into<Deadline>,
    ) -> Result<TimedGuard<'a, T>, CondvarError<TimedGuard<'a, T>>> {
        self.wait_until(guard, &timeout.into())
    }

    /// Blocks as [`wait_while`](Self::wait_while) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// The result says that the timeout passed if `condition` was still true then.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). That the timeout passed is no error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use crossdock::{Mutex, Segment, sync::Condvar};
    ///
    /// let segment = Segment::anonymous()?;
    /// let stock = segment.create::<Mutex<u64>>("stock", 0)?;
    /// let arrived = segment.create::<Condvar>("arrived", ())?;
    /// let wait = Duration::from_millis(5);
    /// let (guard, result) = arrived.wait_timeout_while(stock.lock()?, wait, |stock| *stock == 0)?;
    /// assert!(result.timed_out() && *guard == 0);
    /// # drop(guard);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: impl Into<Deadline>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<TimedGuard<'a, T>, CondvarError<TimedGuard<'a, T>>> {
        let deadline = timeout.into();
        let mut result = WaitTimeoutResult(false);
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if result.timed_out() {
                return Ok((guard, result));
            }
            (guard, result) = self.wait_until(guard, &deadline)?;
        }
    }

    /// Wakes one waiter. Never blocks; does nothing if no process waits.
    ///
    /// Waiters whose slices end about then may return as well, spuriously. With the mutex locked or
    /// not: waiters that were there when the data was changed are notified.
    ///
    /// Needs no membership, and cannot fail: nothing of it can stay behind.
    #[inline]
    pub fn notify_one(&self) {
        self.state.notify_one();
    }

    /// Wakes all waiters. Never blocks; does nothing if no process waits.
    ///
    /// Cannot fail, as [`notify_one`](Self::notify_one).
    #[inline]
    pub fn notify_all(&self) {
        self.state.notify_all();
    }

    fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: &Deadline,
    ) -> Result<TimedGuard<'a, T>, CondvarError<TimedGuard<'a, T>>> {
        let mutex = guard.mutex();
        if !guard.is_own() {
            return Err(Fault::NotOwner.into());
        }
        self.bind(mutex.entry_of_lock())?;
        let me = self.me()?;
        let waited = self.state.wait(
            || drop(guard),
            &self.state.liveness(me),
            deadline,
            WaitMode::new(Pace::Adaptive, &self.waits),
        );
        let result = match waited {
            Ok(()) => WaitTimeoutResult(false),
            Err(EventWaitError::TimedOut) => WaitTimeoutResult(true),
            Err(EventWaitError::MembershipLost) => {
                return Err(self.state.membership_lost(me).into());
            }
            // No word of a condition variable is impossible.
            Err(EventWaitError::Corrupt | EventWaitError::Disconnected) => {
                return Err(Fault::corrupt(Kind::Condvar, 0_u32).into());
            }
        };
        match mutex.lock() {
            Ok(guard) => Ok((guard, result)),
            Err(error) => Err(error.map(|guard| (guard, result)).into()),
        }
    }

    /// Binds the condition variable to a mutex of its segment.
    fn bind(&self, mutex: &Entry) -> Result<(), OtherMutex> {
        if mutex.mapping.id() != self.entry().mapping.id() {
            return Err(OtherMutex);
        }
        self.state.bind(mutex.record.offset)
    }

    fn me(&self) -> Result<Tag, MembershipError> {
        use_events([self.state.waiters()]);
        self.state.tag()
    }
}

impl<G> From<OtherMutex> for CondvarError<G> {
    fn from(_: OtherMutex) -> Self {
        Self::OtherMutex
    }
}

impl Clone for Condvar {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            waits: WaitHistory::default(),
        }
    }
}

debug!(
    /// Never blocks.
    Condvar
);

impl Placeable for Condvar {
    type Config = ();

    const KIND: Kind = Kind::Condvar;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        (config == [0; 4]).then_some(size_of::<CondvarState>() as u64)
    }

    fn attach(entry: Entry) -> Option<Self> {
        let state: EntryRef<CondvarState> = EntryRef::new(entry)?;
        use_events([state.waiters()]);
        Some(Self {
            state,
            waits: WaitHistory::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
