//! What can be one of several things to wait for.

use crate::segment::Fault;
use crate::wait::select::{NotMember, SourceRef};

/// What [`wait_any`](crate::queue::wait_any) can wait for: a queue of any kind, a counted receiver
/// of one, a [`Consumer`](crate::queue::spsc::Consumer) of a ring, a
/// [`Semaphore`](crate::sync::Semaphore), an [`Event`](crate::sync::Event), a value of a number
/// ([`Until`](crate::array::Until)), a [`Promise`](crate::sync::Promise), and, with feature
/// `process`, a `Process`.
///
/// A queue is ready when it has an item, and when it has none and none can come: an attempt to
/// receive returns at once. A semaphore is ready when a permit is free, and when it is closed. An
/// event is ready when it is set, or was set since the wait began, and a number while its condition
/// holds. A promise is ready when it is set, and when its claimer died. A process is ready once it
/// has exited: a join returns at once. Only this crate implements it.
pub trait Waitable: HasSource {}

/// Seals [`Waitable`].
#[expect(unnameable_types, reason = "that is what seals the trait")]
pub trait HasSource {
    #[doc(hidden)]
    fn source(&self) -> SourceRef<'_>;
    /// Why this process cannot wait for it, which its source said; `None` if it can by now, or if
    /// the source is ready because its operations say so.
    #[doc(hidden)]
    fn lost(&self, why: NotMember) -> Option<Fault>;
}
