//! Locks as the C library and the kernel have them, in the same memory.

mod futex;
mod pthread;
mod pthread_rwlock;

pub use futex::FutexLock;
pub use pthread::{PthreadLock, Robustness};
pub use pthread_rwlock::PthreadRwLock;
