//! What people would use instead of crossdock, in the same memory: locks as the C library and the
//! kernel have them.

mod futex;
mod pthread;

pub use futex::FutexLock;
pub use pthread::{PthreadLock, Robustness};
