//! Values that processes share: one number, many values, the latest value of one writer.

pub mod array;
pub(crate) mod counter;
pub mod manager;
#[cfg(feature = "process")]
pub mod object;
pub mod snapshot;
