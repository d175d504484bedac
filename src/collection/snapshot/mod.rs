//! The latest whole value of one writer, for many readers, none of whom waits for another.
//!
//! A sensor's readings, prices, a configuration: what counts is what is true now, not what was before. For
//! each value to arrive, use a [queue](crate::queue); for several writers, a [`Mutex`](crate::Mutex).
//!
//! # When processes die or stop
//!
//! | | what others see |
//! |---|---|
//! | the writer is killed, at any instruction | what it had published last, whole; another process may become the writer |
//! | the writer is stopped | what it has published last; nobody else becomes the writer |
//! | a reader is killed | its seat can be had again |
//! | a reader is stopped | nothing: it keeps its seat |
//!
//! Publishing takes effect with one compare-and-swap. Readers and the writer are wait-free: each operation ends
//! after a bounded number of its own steps, whatever others do, or do not.

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
