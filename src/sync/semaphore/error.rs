//! What can happen at semaphores.

use crate::segment::fault::{errors, errors_around, plain_errors};

errors! {
    /// The error of an operation that blocks until it has a permit:
    /// [`Semaphore::acquire`](super::Semaphore::acquire),
    /// [`Semaphore::acquire_many`](super::Semaphore::acquire_many).
    pub enum AcquireError {
        /// The semaphore is closed.
        Closed => "the semaphore is closed",
        /// So many permits can never be acquired together.
        OutOfRange {
            /// The number that was asked for.
            asked: u32,
            /// The greatest number of permits that the semaphore can have.
            most: u32
        } => "expected 1 to {most} permits, found {asked} (SemaphoreOptions::most makes room for more)",
    }
}

errors_around! {
    /// The error of an operation that does not block:
    /// [`Semaphore::try_acquire`](super::Semaphore::try_acquire),
    /// [`Semaphore::try_acquire_many`](super::Semaphore::try_acquire_many).
    pub enum TryAcquireError {
        /// Fewer permits were free.
        WouldBlock => "other holders have the permits of the semaphore",
        /// The error of the operation that blocks.
        else Acquire(AcquireError)
    }

    /// The error of an operation that blocks no longer than a timeout:
    /// [`Semaphore::acquire_timeout`](super::Semaphore::acquire_timeout),
    /// [`Semaphore::acquire_many_timeout`](super::Semaphore::acquire_many_timeout).
    pub enum AcquireTimeoutError {
        /// Fewer permits were free at the end.
        Timeout => "other holders still have the permits of the semaphore",
        /// The error of the operation that blocks.
        else Acquire(AcquireError)
    }
}

plain_errors! {
    /// The error of [`Semaphore::add_permits`](super::Semaphore::add_permits).
    pub enum AddPermitsError {
        /// The semaphore has no room for so many permits.
        NoRoom {
            /// The number that was to be added.
            asked: u32,
            /// The number that was added: not 0 only if other processes added some meanwhile.
            added: u32,
            /// The greatest number of permits that the semaphore can have.
            most: u32
        } => "expected room for {asked} more permits, found a semaphore of at most {most}; {added} were added (SemaphoreOptions::most makes room for more)",
    }
}
