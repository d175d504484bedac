//! The latest whole value of one writer, for many readers, none of which waits for another.
//!
//! For a sensor's readings, prices, a configuration: the current value matters, not the values
//! before. If each value must arrive, use a [queue](crate::queue); for several writers, a
//! [`Mutex`](crate::Mutex).
//!
//! # When processes die or stop
//!
//! | | what others see |
//! |---|---|
//! | the writer is killed, at any instruction | what it had published last, whole; another process may become the writer |
//! | the writer is stopped | what it has published last; no other process becomes the writer |
//! | a reader is killed | its slot can be claimed again |
//! | a reader is stopped | nothing: it keeps its slot |
//!
//! Publishing takes effect with one compare-and-swap. Readers and the writer are wait-free: each
//! operation ends after a bounded number of its own steps, whatever other processes do.

mod error;
mod handle;
mod options;
mod reader;
mod writer;

pub use error::{ReaderError, WaitNewerError, WaitNewerTimeoutError};
pub use handle::Snapshot;
pub use options::SnapshotOptions;
pub use reader::{ReadGuard, Reader};
pub use writer::Writer;
