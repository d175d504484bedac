//! pthread_rwlock_t between processes. There is no robust one: a process that dies with it keeps
//! it.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::Failure;

/// A pthread_rwlock_t, `PTHREAD_PROCESS_SHARED`, somewhere in shared memory.
#[derive(Clone, Copy, Debug)]
pub struct PthreadRwLock(NonNull<libc::pthread_rwlock_t>);

impl PthreadRwLock {
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
    pub unsafe fn new(place: NonNull<libc::pthread_rwlock_t>) -> Result<Self, Failure> {
        let mut attributes = MaybeUninit::<libc::pthread_rwlockattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: it is there to be initialised.
        checked(unsafe { libc::pthread_rwlockattr_init(attributes) })?;
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: initialised above.
        checked(unsafe { libc::pthread_rwlockattr_setpshared(attributes, shared) })?;
        // SAFETY: the place is the caller's word, and the attributes are initialised.
        checked(unsafe { libc::pthread_rwlock_init(place.as_ptr(), attributes) })?;
        Ok(Self(place))
    }

    /// The lock that a process has initialised at `place`.
    ///
    /// # Safety
    ///
    /// A process has, and it stays mapped as long as the result is used.
    pub unsafe fn at(place: NonNull<libc::pthread_rwlock_t>) -> Self {
        Self(place)
    }

    /// Locks it to read.
    ///
    /// # Errors
    ///
    /// What pthread_rwlock_rdlock(3) says.
    #[inline]
    pub fn read(&self) -> Result<(), Failure> {
        // SAFETY: an initialised lock, mapped (see `at`).
        checked(unsafe { libc::pthread_rwlock_rdlock(self.0.as_ptr()) })
    }

    /// Locks it to write.
    ///
    /// # Errors
    ///
    /// What pthread_rwlock_wrlock(3) says.
    #[inline]
    pub fn write(&self) -> Result<(), Failure> {
        // SAFETY: an initialised lock, mapped (see `at`).
        checked(unsafe { libc::pthread_rwlock_wrlock(self.0.as_ptr()) })
    }

    /// Unlocks; to be called by the thread that has locked.
    #[inline]
    pub fn unlock(&self) {
        // SAFETY: an initialised lock, mapped (see `at`), that the caller has locked.
        unsafe { libc::pthread_rwlock_unlock(self.0.as_ptr()) };
    }
}

#[inline]
fn checked(error: libc::c_int) -> Result<(), Failure> {
    if error == 0 {
        Ok(())
    } else {
        Err(Failure::io("a pthread rwlock")(
            io::Error::from_raw_os_error(error),
        ))
    }
}
