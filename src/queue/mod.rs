//! Queues between processes.
//!
//! [`Queue`] is for many senders and receivers, [`spsc`] a ring for one producer and one consumer,
//! wait-free on both sides. [`wait_any`] waits for several of them, and [`Wait`] says how.
//!
//! Items travel by copy: they are [`NoUninit`](bytemuck::NoUninit) and
//! [`CheckedBitPattern`](bytemuck::CheckedBitPattern), and are checked when they come out.

mod mpmc;
pub mod spsc;
mod wait;
mod wait_any;

pub use mpmc::{
    CountError, Iter, Queue, Received, Receiver, RecvError, SendError, Sender, TryIter,
    TryRecvError, TrySendError,
};
pub use wait::Wait;
pub use wait_any::{WaitAnyError, Waitable, wait_any, wait_any_deadline, wait_any_timeout};
