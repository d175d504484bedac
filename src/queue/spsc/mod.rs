//! A ring for one producer and one consumer.
//!
//! # When processes die or stop
//!
//! | | what others see |
//! |---|---|
//! | a producer is killed | what it had pushed arrives; then `pop` says [`Disconnected`](super::RecvError::Disconnected), and another process may become the producer |
//! | a consumer is killed | an item that it was popping comes again, to the next consumer; `push` says [`Disconnected`](super::SendError::Disconnected) once the ring is full |
//! | either is stopped | the other goes on as far as items, or room, reach, and then waits |
//!
//! A push takes effect with one store, and so does a pop. Nothing that was pushed is lost, and nothing
//! comes twice to consumers that live.

mod chunk;
mod consumer;
mod handle;
mod producer;
mod source;

pub use chunk::{ReadChunk, WriteChunk};
pub use consumer::Consumer;
pub use handle::Spsc;
pub use producer::Producer;
