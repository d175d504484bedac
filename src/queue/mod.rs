//! Queues between processes.
//!
//! # Which handle
//!
//! Begin with two *ends*: [`channel`] makes a [`Sender`] and a [`Receiver`] of values of any type
//! that serde can encode, and [`pair()`] a [`SenderOf`] and a [`ReceiverOf`] of any queue below.
//! Ends are counted. They are cloned, and are arguments of
//! [`process::spawn`](crate::process::spawn). When the last sender was dropped, or its process has
//! ended, however it did, receivers get what is there and then
//! [`Disconnected`](RecvError::Disconnected); senders are told likewise of the last receiver. So no
//! process waits for an item that will never come.
//!
//! A plain handle, which [`Segment::create`](crate::Segment::create) and
//! [`open`](crate::Segment::open) return, is not counted. It is for a queue that has no end: a log,
//! a mailbox that programs find by its name while neither of them need run. A process that blocks
//! at a plain handle waits for as long as nothing comes. `sender` and `receiver` of a plain handle
//! take an end.
//!
//! # Which queue
//!
//! [`Queue`] is for many senders and receivers, [`spsc`] a ring for one producer and one consumer,
//! wait-free on both sides. [`wait_any()`] waits for several of them, and [`Wait`] says how.
//!
//! [`Work`] is for messages that must be done: a receiver holds a message until it acknowledges it,
//! and the message is redelivered if its holder dies. It has three names: [`WorkQueue`] of plain
//! values, [`ByteQueue`] of bytes, and [`Channel`] of strings, enums and all else that serde can
//! encode.
//!
//! Items of the others are copied: they are [`NoUninit`](bytemuck::NoUninit) and
//! [`CheckedBitPattern`](bytemuck::CheckedBitPattern), and are checked when they are received.

mod counted;
mod error;
mod iter;
mod mpmc;
mod pair;
pub mod spsc;
mod wait;
mod wait_any;
mod work;

pub use crate::payload::ValueError;
use crate::payload::{Payload, describe, shape_of};
use crate::segment::EntryError;
#[cfg(feature = "process")]
pub(crate) use counted::last_count;
pub use counted::{Countable, ReceiverOf, SenderOf};
pub use error::{
    CountError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
pub use iter::{Iter, Receive, TryIter};
pub use mpmc::{Queue, Received};
#[cfg(feature = "process")]
pub use pair::channel;
pub use pair::{PairError, pair};
pub use wait::Wait;
#[cfg(feature = "process")]
pub(crate) use wait_any::sealed as waitable;
pub use wait_any::{WaitAnyError, Waitable, wait_any, wait_any_timeout};
#[cfg(feature = "process")]
pub(crate) use work::CellWriter;
pub use work::{
    ByteOptions, ByteQueue, DeadLetters, Delivery, Loan, Message, WaitIdleError, Work, WorkOptions,
    WorkQueue,
};
#[cfg(feature = "process")]
pub use work::{Channel, Encoded, Receiver, Sender};

/// Why there is no queue of `T` of that capacity.
fn no_capacity<T: Payload>(found: u64, (least, most): (u64, u64)) -> EntryError {
    if shape_of::<T>().is_some() {
        return EntryError::Capacity { found, least, most };
    }
    let found = Box::new(describe::<T>());
    EntryError::Payload { found }
}
