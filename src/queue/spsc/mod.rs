//! A ring for one producer and one consumer.
//!
//! # When processes die or stop
//!
//! | | what others see |
//! |---|---|
//! | a producer is killed | the items that it had pushed arrive; then `pop` returns [`Disconnected`](super::RecvError::Disconnected), and another process may become the producer |
//! | a consumer is killed | an item that it was popping goes to the next consumer; `push` returns [`Disconnected`](super::SendError::Disconnected) once the ring is full |
//! | either is stopped | the other goes on as far as there are items, or free places, and then waits |
//!
//! A push takes effect with one store, and so does a pop. No item that was pushed is lost, and none
//! is popped twice by consumers that live.

// In this order the documentation of a handle lists its methods.
mod producer;

mod consumer;

mod chunk;

mod handle;

mod source;

pub use chunk::{ReadChunk, WriteChunk};
pub use consumer::Consumer;
pub use handle::Spsc;
pub use producer::Producer;
#[cfg(feature = "process")]
pub(crate) use source::EndWatch;
