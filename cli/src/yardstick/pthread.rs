//! pthread_mutex_t between processes, robust or not.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::Failure;

/// Whether a lock tells its next owner that the last one died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Robustness {
    /// `PTHREAD_MUTEX_STALLED`: a dead owner keeps the lock forever.
    Stalled,
    /// `PTHREAD_MUTEX_ROBUST`: the next one gets it with `EOWNERDEAD`.
    Robust,
}

/// A pthread_mutex_t, `PTHREAD_PROCESS_SHARED`, somewhere in shared memory.
#[derive(Clone, Copy, Debug)]
pub struct PthreadLock(NonNull<libc::pthread_mutex_t>);

impl PthreadLock {
    /// Initialises the lock at `place`.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the C library refuses.
    ///
    /// # Safety
    ///
    /// - `place` is writable, aligned, and no other owner's yet.
    /// - It stays mapped as long as the result is used.
    pub unsafe fn new(
        place: NonNull<libc::pthread_mutex_t>,
        robustness: Robustness,
    ) -> Result<Self, Failure> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: it is there to be initialised.
        checked(unsafe { libc::pthread_mutexattr_init(attributes) })?;
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: initialised above.
        checked(unsafe { libc::pthread_mutexattr_setpshared(attributes, shared) })?;
        if robustness == Robustness::Robust {
            let robust = libc::PTHREAD_MUTEX_ROBUST;
            // SAFETY: as above.
            checked(unsafe { libc::pthread_mutexattr_setrobust(attributes, robust) })?;
        }
        // SAFETY: the place is the caller's word, and the attributes are initialised.
        checked(unsafe { libc::pthread_mutex_init(place.as_ptr(), attributes) })?;
        Ok(Self(place))
    }

    /// The lock that a process has initialised at `place`.
    ///
    /// # Safety
    ///
    /// A process has, and it stays mapped as long as the result is used.
    pub unsafe fn at(place: NonNull<libc::pthread_mutex_t>) -> Self {
        Self(place)
    }

    /// Locks; whether the last owner died holding it, which is settled then.
    ///
    /// # Errors
    ///
    /// What pthread_mutex_lock(3) says.
    #[inline]
    pub fn lock(&self) -> Result<bool, Failure> {
        // SAFETY: an initialised mutex, mapped (see `at`).
        match unsafe { libc::pthread_mutex_lock(self.0.as_ptr()) } {
            0 => Ok(false),
            libc::EOWNERDEAD => {
                // SAFETY: as above, and locked by this thread.
                checked(unsafe { libc::pthread_mutex_consistent(self.0.as_ptr()) })?;
                Ok(true)
            }
            error => checked(error).map(|()| false),
        }
    }

    /// Unlocks; to be called by the thread that has locked.
    #[inline]
    pub fn unlock(&self) {
        // SAFETY: an initialised mutex, mapped (see `at`); it says so if it is not the caller's.
        unsafe { libc::pthread_mutex_unlock(self.0.as_ptr()) };
    }
}

#[cold]
fn failed(error: libc::c_int) -> Failure {
    Failure::io("a pthread mutex")(io::Error::from_raw_os_error(error))
}

#[inline]
fn checked(error: libc::c_int) -> Result<(), Failure> {
    if error == 0 {
        Ok(())
    } else {
        Err(failed(error))
    }
}
