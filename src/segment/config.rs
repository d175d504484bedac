//! What an entry is created with, and what converts into it.

/// A value that [`Segment::create`](crate::Segment::create) takes for the configuration `C`.
///
/// Every configuration converts into itself. The short forms are: `16` for the capacity of a work
/// queue, a first value for a [`Snapshot`](crate::Snapshot), and a list for an
/// [`Array`](crate::Array) or an [`AtomicArray`](crate::AtomicArray).
///
/// It differs from `Into` in that a configuration converts from one type of integer at most, so
/// that the compiler knows the type of a literal.
///
/// # Examples
///
/// ```
/// use crossdock::queue::{ByteQueue, Queue, WorkOptions, WorkQueue};
/// use crossdock::{Array, Counter, Segment, Snapshot};
///
/// let segment = Segment::anonymous()?;
/// segment.create::<Counter>("total", 0)?;
/// segment.create::<Queue<u32>>("readings", 16)?;
/// segment.create::<WorkQueue<u32>>("orders", 16)?;
/// segment.create::<ByteQueue>("pages", 16)?;
/// segment.create::<Snapshot<f64>>("pace", 1.5)?;
/// segment.create::<Array<u32>>("primes", [2, 3, 5])?;
///
/// let retried = WorkOptions::new(16).max_attempts(3);
/// segment.create::<WorkQueue<u32>>("retried", retried)?;
/// # Ok::<(), crossdock::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "no entry is created with a `{Self}` where a `{C}` is the configuration",
    label = "expected a `{C}`, or what converts into it",
    note = "capacities are `u64`; the handle's documentation says what it is created with"
)]
pub trait IntoConfig<C> {
    /// Returns the configuration.
    fn into_config(self) -> C;
}

impl<C> IntoConfig<C> for C {
    fn into_config(self) -> C {
        self
    }
}
