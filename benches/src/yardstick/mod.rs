//! Rings as they are written for threads, and the kernel's own channels.

mod channel;
mod lamport;
mod vyukov;

pub use channel::{ATOMIC, Blocking, Channel, End};
pub use lamport::{LamportConsumer, LamportProducer, LamportRing};
pub use vyukov::{VyukovEnd, VyukovRing};
