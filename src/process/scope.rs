//! Processes that end with a part of the program.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::children::ChildRecord;
use super::spawned::Spawned;
use super::{Builder, JoinError, Portable, Process, SpawnError};
use crate::sys::child;
use crate::sys::clock::Deadline;

/// Runs `body`, and waits for all processes that it started in the scope.
///
/// No process of the scope outlives it:
/// - If `body` succeeds, each process that it did not join is waited for. Its result is dropped; a
///   process without a result is an error, as a join's is.
/// - At the first error, that of `body` or of such a process, the others are killed and waited for,
///   and the error is returned. The same happens if `body` panics.
/// - If this process is killed, they end, too: processes of a scope are
///   [daemons](Builder::daemon).
///
/// Processes that were not joined are waited for all at once, so the death of one is noticed while
/// another waits for it: a pair whose one half panics is an error, and no hang.
///
/// `E` is any error that a [`JoinError`] converts into, such as [`crossdock::Error`](crate::Error)
/// or `Box<dyn Error>`. If the compiler cannot infer it, end the body with
/// `Ok::<_, crossdock::Error>(value)`.
///
/// # Errors
/// - The error of `body`.
/// - The [`JoinError`] of the first process that `body` did not join and that has no result.
///
/// # Panics
/// Panics if `body` panics.
///
/// # Examples
/// ```
/// use crossdock::process::{self, scope};
///
/// fn main() -> Result<(), crossdock::Error> {
///     process::init();
///     scope(|scope| {
///         let square = scope.spawn(|number: u64| number * number, 12)?;
///         scope.spawn(|()| println!("not joined, and waited for"), ())?;
///         assert_eq!(square.join()?, 144);
///         Ok(())
///     })
/// }
/// ```
pub fn scope<T, E>(body: impl FnOnce(&Scope) -> Result<T, E>) -> Result<T, E>
where
    E: From<JoinError>,
{
    let scope = Scope {
        started: Mutex::default(),
        left: Mutex::default(),
    };
    let value = body(&scope)?;
    scope.wait()?;
    Ok(value)
}

/// A scope, as [`scope`] passes it: processes started in it end with it.
///
/// Threads may share it.
pub struct Scope {
    /// All processes, so that none is missed, whatever becomes of its handle.
    started: Mutex<Vec<Arc<ChildRecord>>>,
    /// Those whose handles were dropped.
    left: Mutex<Vec<Spawned>>,
}

impl Scope {
    /// Runs `function(args)` in a new process that ends with the scope, as
    /// [`process::spawn`](super::spawn()) does otherwise.
    ///
    /// [`Builder::spawn_scoped`] sets options.
    ///
    /// # Errors
    /// As [`process::spawn`](super::spawn()).
    ///
    /// # Panics
    /// Panics if the `Serialize` of `args` panics.
    pub fn spawn<A, R>(
        &self,
        function: fn(A) -> R,
        args: A,
    ) -> Result<ScopedProcess<'_, R>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
    {
        Builder::new().spawn_scoped(self, function, args)
    }

    /// Runs `function(args)`, which may fail, in a new process that ends with the scope, as
    /// [`process::try_spawn`](super::try_spawn()) does otherwise.
    ///
    /// # Errors
    /// As [`process::spawn`](super::spawn()).
    ///
    /// # Panics
    /// Panics if the `Serialize` of `args` panics.
    pub fn try_spawn<A, R, E>(
        &self,
        function: fn(A) -> Result<R, E>,
        args: A,
    ) -> Result<ScopedProcess<'_, R>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Builder::new().try_spawn_scoped(self, function, args)
    }

    /// Takes a process into the scope.
    pub(super) fn add<R>(&self, process: Process<R>) -> ScopedProcess<'_, R> {
        locked(&self.started).push(Arc::clone(process.spawned().record()));
        ScopedProcess {
            process: Some(process),
            scope: self,
        }
    }

    /// Waits for what was not joined. At the first error the rest is left to the drop.
    fn wait(&self) -> Result<(), JoinError> {
        let mut left = std::mem::take(&mut *locked(&self.left));
        while !left.is_empty() {
            let pidfds: Vec<_> = left
                .iter()
                .map(|left| left.record().pidfd.as_fd())
                .collect();
            let first = child::wait_first(&pidfds)
                .map_err(JoinError::system("waiting for the processes of a scope"))?;
            let mut ended = left.swap_remove(first);
            if !ended.is_taken() {
                ended.take()?;
            }
        }
        // Those whose handles were leaked: there is an end to wait for, and no outcome.
        for record in &*locked(&self.started) {
            end(record).map_err(JoinError::system("waiting for the processes of a scope"))?;
        }
        Ok(())
    }
}

impl Drop for Scope {
    /// Kills what is still running, and waits for it.
    fn drop(&mut self) {
        let started = self.started.get_mut();
        let started = started.unwrap_or_else(PoisonError::into_inner);
        // Without effect on a process that has exited. A process that may not be killed, being
        // another user's by now, goes on as a daemon.
        started.retain(|record| child::kill(record.pidfd.as_fd()).is_ok());
        for record in &*started {
            let _ = end(record);
        }
    }
}

/// Waits for a process and reaps it.
fn end(record: &ChildRecord) -> io::Result<()> {
    record.ends_by(Deadline::never())?;
    record.reap(true).map(drop)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

debug!(Scope);

/// A process that ends with its [`Scope`]: all that a [`Process`] is.
///
/// Dropping it leaves the process to the scope, which waits for it. The ends of its pipes are
/// dropped then.
pub struct ScopedProcess<'scope, R> {
    /// `None` once it was joined.
    process: Option<Process<R>>,
    scope: &'scope Scope,
}

impl<R: DeserializeOwned> ScopedProcess<'_, R> {
    /// Blocks until the process has exited and returns the result of its function, as
    /// [`Process::join`] does.
    ///
    /// # Errors
    /// As [`Process::join`].
    pub fn join(mut self) -> Result<R, JoinError> {
        self.process.take().ok_or(JoinError::Taken)?.join()
    }
}

impl<R> Drop for ScopedProcess<'_, R> {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            locked(&self.scope.left).push(process.into_spawned());
        }
    }
}

const PRESENT: &str = "a scoped process is there until it is joined or dropped";

impl<R> Deref for ScopedProcess<'_, R> {
    type Target = Process<R>;

    fn deref(&self) -> &Process<R> {
        self.process.as_ref().expect(PRESENT)
    }
}

impl<R> DerefMut for ScopedProcess<'_, R> {
    fn deref_mut(&mut self) -> &mut Process<R> {
        self.process.as_mut().expect(PRESENT)
    }
}

impl<R> fmt::Debug for ScopedProcess<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedProcess").field(&**self).finish()
    }
}
