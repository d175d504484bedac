//! A lock as many a program has it: three states in a futex word, no owner, no time limit.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::{Broken, Rig};

const FREE: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// Drepper's third mutex, in four bytes of a segment's file.
pub(crate) struct FutexWord {
    page: NonNull<u8>,
    offset: usize,
}

/// Bytes that are mapped of the file: all of a small segment.
const MAPPED: usize = 8192;

impl FutexWord {
    /// mmap(2) of the file, with the word at `offset`.
    pub(crate) fn map(file: &File, offset: u64) -> Rig<Self> {
        let offset = usize::try_from(offset)?;
        if offset + size_of::<AtomicU32>() > MAPPED || !offset.is_multiple_of(4) {
            return Err(Broken("the word is outside of what is mapped".into()));
        }
        // SAFETY: a new mapping at a place of the kernel's choice replaces nothing.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                MAPPED,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        let page = NonNull::new(page.cast()).ok_or_else(|| Broken("mmap gave null".into()))?;
        Ok(Self { page, offset })
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: inside the mapping, checked by `map`.
        let place = unsafe { self.page.add(self.offset) };
        // SAFETY: aligned by `map`'s check and mapped while `self` lives; any bytes are a word.
        unsafe { place.cast().as_ref() }
    }

    pub(crate) fn try_lock(&self) -> bool {
        self.word()
            .compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// futex(2), `FUTEX_WAIT`, until the lock is had: forever, if no process wakes.
    pub(crate) fn lock(&self) {
        while self.word().swap(CONTENDED, Ordering::Acquire) != FREE {
            // SAFETY: the word outlives the call; no time-out.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.word().as_ptr(),
                    libc::FUTEX_WAIT,
                    CONTENDED,
                    std::ptr::null::<libc::timespec>(),
                )
            };
        }
    }

    /// futex(2), `FUTEX_WAKE`, if a process may sleep.
    pub(crate) fn unlock(&self) {
        if self.word().swap(FREE, Ordering::Release) == CONTENDED {
            // SAFETY: the word outlives the call.
            unsafe { libc::syscall(libc::SYS_futex, self.word().as_ptr(), libc::FUTEX_WAKE, 1) };
        }
    }
}

impl Drop for FutexWord {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and no reference to it is left.
        unsafe { libc::munmap(self.page.as_ptr().cast(), MAPPED) };
    }
}
