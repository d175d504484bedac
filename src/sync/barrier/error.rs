//! What can happen at barriers.

use crate::segment::fault::{errors, errors_around};

errors! {
    /// The error of an operation at a barrier: [`Barrier::wait`](super::Barrier::wait),
    /// [`Barrier::register`](super::Barrier::register), [`Party::wait`](super::Party::wait).
    pub enum BarrierError {
        /// The barrier is broken: a party died, a wait timed out, or a process called
        /// [`abort`](super::Barrier::abort) or [`reset`](super::Barrier::reset).
        Broken => "the barrier is broken: a party died or left, a wait timed out, or it was aborted (Barrier::reset begins anew)",
        /// All places of the barrier are taken.
        Full {
            /// The number of places that there are.
            parties: u32
        } => "expected at most {parties} parties, found one more (BarrierOptions::new makes room for more)",
    }
}

errors_around! {
    /// The error of a wait at a barrier that blocks no longer than a timeout:
    /// [`Barrier::wait_timeout`](super::Barrier::wait_timeout),
    /// [`Party::wait_timeout`](super::Party::wait_timeout).
    pub enum BarrierTimeoutError {
        /// The timeout passed before all parties had arrived. The barrier is broken now.
        Timeout => "not all parties had arrived at the deadline, and the barrier is broken now",
        /// The error of the operation that blocks.
        else Barrier(BarrierError)
    }
}
