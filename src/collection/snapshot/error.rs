//! What can happen at snapshots.

use crate::segment::fault::errors;

errors! {
    /// Why there is no reader, or why [`Snapshot::load`](super::Snapshot::load) has no value.
    pub enum ReaderError {
        /// Live processes have all reader slots.
        NoFreeSlot {
            /// The number of reader slots.
            slots: u64
        } => "live processes have all {slots} reader slots of the snapshot",
    }

    /// The error of [`Reader::wait_newer`](super::Reader::wait_newer).
    pub enum WaitNewerError {
        /// There is no newer value, and the last writer has left or died. Another may come.
        Disconnected => "nothing newer is there, and the snapshot's writer has left or died",
    }

    /// The error of [`Reader::wait_newer_timeout`](super::Reader::wait_newer_timeout).
    pub enum WaitNewerTimeoutError {
        /// The timeout passed, and there was no newer value.
        Timeout => "nothing newer was there at the deadline",
        /// There is no newer value, and the last writer has left or died. Another may come.
        Disconnected => "nothing newer is there, and the snapshot's writer has left or died",
    }
}
