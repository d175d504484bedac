//! What can happen at an array with leases.

use crate::segment::fault::{errors, errors_around};
use crate::sync::LockError;

errors! {
    /// Why no chunk was leased: the error of [`Array::lease`](super::Array::lease) and
    /// [`Array::lease_chunk`](super::Array::lease_chunk).
    pub enum LeaseError {
        /// A live participant has the chunk. Not of [`lease_chunk`](super::Array::lease_chunk),
        /// which takes another chunk.
        Leased {
            /// The participant's process id, in its own PID namespace; for people.
            pid: u32
        } => "process {pid} has leased the chunk",
        /// There is no such chunk.
        OutOfRange {
            /// The chunk that was asked for.
            chunk: usize,
            /// The number of chunks, which are counted from 0.
            chunks: usize
        } => "expected one of {chunks} chunks, found number {chunk}",
        /// The last writer died while it held the lock, so all values may be half changed; see
        /// [`write_or_repair`](crate::RwLock::write_or_repair).
        OwnerDied => "the last writer died while it wrote to the array",
        /// A thread panicked while it wrote, and the poison was not cleared since.
        Poisoned => "a thread panicked while it wrote to the array, and clear_poison was not called since",
    }

    /// The error of [`Array::restart`](super::Array::restart): no chunk was made to do again.
    pub enum RestartError {
        /// A live participant has a chunk.
        Leased {
            /// The participant's process id, in its own PID namespace; for people.
            pid: u32
        } => "process {pid} has leased a chunk",
    }
}

errors_around! {
    /// The error of [`Array::try_lease`](super::Array::try_lease) and
    /// [`Array::try_lease_chunk`](super::Array::try_lease_chunk).
    pub enum TryLeaseError {
        /// Live participants read or write the array, or have all chunks that are to do.
        WouldBlock => "other participants have the array, or all that is to do",
        /// The error of the operation that blocks.
        else Lease(LeaseError)
    }

    /// The error of [`Array::lease_timeout`](super::Array::lease_timeout) and
    /// [`Array::lease_chunk_timeout`](super::Array::lease_chunk_timeout).
    pub enum LeaseTimeoutError {
        /// The timeout passed while live participants read or wrote the array, or had all chunks
        /// that are to do.
        Timeout => "other participants still have the array, or all that is to do",
        /// The error of the operation that blocks.
        else Lease(LeaseError)
    }

    /// The error of [`Array::copy_to`](super::Array::copy_to) and
    /// [`Array::copy_from`](super::Array::copy_from): nothing was copied.
    pub enum CopyError {
        /// The array has not so many values there.
        OutOfRange {
            /// The first value that was asked for.
            at: usize,
            /// The number of values that were asked for.
            count: usize,
            /// The length of the array.
            len: usize,
        } => "expected a part of {len} values, found {count} from number {at} on",
        /// The array was not locked, or its values may be half changed.
        else Lock(LockError)
    }
}
