//! Arrays: many values of one type in one entry, as many as were asked for when it was created.
//!
//! [`AtomicArray`] is for numbers and flags that processes change one by one, each in a single atomic
//! step. [`Init`] says how many values there are, and what they are at first.

mod atomic;
mod element;
mod init;
mod value;

pub use atomic::{AtomicArray, Values};
pub use element::Element;
pub use init::Init;
pub use value::{Atomic, Bitwise, Numeric};
