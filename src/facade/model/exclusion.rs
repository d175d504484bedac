//! The lock that a process has for itself, modelled: its threads share it, and other processes do
//! not.

use std::thread::panicking;

use loom::cell::UnsafeCell;
use loom::sync::{Mutex, MutexGuard};

use super::{running, step};

loom::lazy_static! {
    static ref LOCKS: [Mutex<()>; 4] = [Mutex::new(()), Mutex::new(()), Mutex::new(()), Mutex::new(())];
}

/// The running process's own exclusion, while it lives.
#[derive(Debug)]
pub(crate) struct Exclusive(Option<MutexGuard<'static, ()>>);

/// Locks the running process's own exclusion.
#[track_caller]
pub(crate) fn exclusive() -> Exclusive {
    step();
    Exclusive(Some(LOCKS[running() as usize].lock().unwrap()))
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // A process that dies runs no code: its lock ends with it, and stays locked here.
        if panicking() {
            core::mem::forget(self.0.take());
        }
    }
}

/// A value in a race-checked cell: loom fails the model if two accesses are not ordered by the
/// exclusion.
#[derive(Debug)]
pub(crate) struct Guarded<T>(UnsafeCell<T>);

// SAFETY: `get` gives access to the holder of the exclusion only, and loom's cell checks it.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value, as long as the exclusion is borrowed.
    #[track_caller]
    pub(crate) fn get<'a>(&'a self, _exclusive: &'a mut Exclusive) -> &'a mut T {
        // SAFETY: a process has one `Exclusive` at a time, which is borrowed mutably as long as the
        // reference lives, and a model gives each process values of its own.
        self.0.with_mut(|value| unsafe { &mut *value })
    }
}
