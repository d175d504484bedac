//! What people would use instead of crossdock, in the same memory: locks as the C library and the
//! kernel have them, rings as they are written for threads, and the kernel's own channels.

mod channel;
mod futex;
mod lamport;
mod pthread;
mod pthread_rwlock;
mod vyukov;

pub use channel::{ATOMIC, Blocking, Channel, End};
pub use futex::FutexLock;
pub use lamport::{LamportConsumer, LamportProducer, LamportRing};
pub use pthread::{PthreadLock, Robustness};
pub use pthread_rwlock::PthreadRwLock;
pub use vyukov::{VyukovEnd, VyukovRing};
