//! A plain lock of three states on a futex: Drepper's second mutex ("Futexes are tricky", 2004).

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// 0 free, 1 locked, 2 locked and a process may sleep. It knows no owner: one that dies keeps it.
#[derive(Debug)]
#[repr(transparent)]
pub struct FutexLock(AtomicU32);

impl FutexLock {
    /// Locks; sleeps at once if it is locked.
    #[inline]
    pub fn lock(&self) {
        if self.0.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            self.wait();
        }
    }

    #[cold]
    fn wait(&self) {
        while self.0.swap(2, Acquire) != 0 {
            let forever = std::ptr::null::<libc::timespec>();
            let word = self.0.as_ptr();
            // SAFETY: the word outlives the call, which only reads it; a null timeout is none.
            unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, 2, forever) };
        }
    }

    /// Unlocks; to be called by a process that has locked.
    #[inline]
    pub fn unlock(&self) {
        if self.0.swap(0, Release) == 2 {
            // SAFETY: FUTEX_WAKE takes the word's address as a key and does not touch it.
            unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAKE, 1) };
        }
    }
}
