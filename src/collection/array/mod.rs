//! Arrays: many values of one type in one entry, as many as were asked for when it was created.
//!
//! [`AtomicArray`] is for numbers and flags that processes change one by one, each in a single
//! atomic step. [`Array`] is for everything else: behind a lock for many readers or one writer, and
//! cut into chunks that processes lease, each another one, to work on them at the same time.
//! [`Init`] says how many values there are, and what they are at first.

mod atomic;
mod element;
mod error;
mod init;
mod lease;
mod leasing;
mod locked;
mod options;
pub(super) mod until;
mod value;

pub use atomic::{AtomicArray, Values};
pub use element::Element;
pub use error::{CopyError, LeaseError, LeaseTimeoutError, RestartError, TryLeaseError};
pub use init::Init;
pub use lease::Lease;
pub use locked::Array;
pub use options::ArrayOptions;
pub use until::{NumberTimeoutError, Until};
pub(super) use value::stored;
pub use value::{Atomic, Bitwise, Numeric};
