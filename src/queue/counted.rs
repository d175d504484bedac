//! Senders and receivers that are counted, so that the other side learns when the last has gone.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::iter::{Iter, Receive};
#[cfg(feature = "process")]
use super::pair::{PairError, ended};
use super::{CountError, Wait};
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts, EndpointError};
use crate::queue::wait_any::{Waitable, sealed as waitable};
use crate::segment::{Fault, MembershipError, Placeable, SegmentLiveness};
use crate::wait::select::{NotMember, SourceRef};

/// A queue whose senders and receivers can be counted: [`Queue`](super::Queue),
/// [`WorkQueue`](super::WorkQueue), [`ByteQueue`](super::ByteQueue), [`Channel`](super::Channel).
/// Only this crate implements it.
pub trait Countable: Placeable + sealed::Sealed {}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Sealed {
        #[doc(hidden)]
        fn counting(&self) -> super::Counting<'_>;

        #[doc(hidden)]
        fn set_wait(&mut self, wait: super::Wait);
    }
}

/// What counting needs of a queue.
#[expect(missing_debug_implementations, reason = "it cannot be named")]
pub struct Counting<'a>(pub(super) &'a dyn Counts);

/// The same, for this crate.
pub(super) trait Counts {
    fn me(&self) -> Result<Tag, MembershipError>;
    fn me_already(&self) -> Option<Tag>;
    fn liveness(&self, me: Tag) -> SegmentLiveness<'_>;
    fn membership_lost(&self, me: Tag) -> MembershipError;
    fn endpoints(&self) -> EndpointCounts<'_>;
    fn count(&self, endpoint: Endpoint, me: Tag) -> Result<(), EndpointError>;
    fn uncount(&self, endpoint: Endpoint, me: Tag);
}

/// A sender of a queue that is counted: when the last one is dropped, or its process ends, an empty
/// queue is disconnected for its receivers.
///
/// [`channel`](super::channel), [`pair`](super::pair()) and
/// [`Segment::create_pair`](crate::Segment::create_pair) make one of each side, and
/// [`sender`](super::Queue::sender) of a plain handle takes another. It dereferences to its queue.
///
/// # Clones
///
/// A clone is a sender as well: the process counts until the last of them is dropped. It cannot
/// fail, touches no shared memory, and keeps to itself where in the queue it was, so one for each
/// thread is faster than one for all. `(*sender).clone()` is a plain handle, which is not counted.
///
/// # As an argument of a process
///
/// A sender among the arguments of [`process::spawn`](crate::process::spawn) is one of the new
/// process. The call returns when that process has counted it, or has died, and drops the
/// arguments then, so the queue has a sender throughout. If *this* process dies before the new one
/// has counted it, and no other sender is left, receivers may be told that the queue is
/// disconnected. That is final: the new process gets a sender all of whose operations fail with
/// `Disconnected`, and the queue stays disconnected until a process takes a new
/// [`sender`](super::Queue::sender) of a plain handle.
///
/// It cannot be a result, since its process ends before the receiver of the result could count it,
/// nor be sent through a queue. Return or name the queue instead, and let the other process take an
/// end of it.
///
/// # When its process dies
///
/// It is counted no more as soon as a participant asks the kernel, as waiters do; a stopped process
/// still counts. In a child made by fork an inherited sender is a plain handle, and so are its
/// clones; the same goes for a process that was
/// [lost](crate::segment::MembershipError::Lost) from the segment.
#[must_use = "a sender that is dropped is counted no more"]
pub struct SenderOf<Q: Countable> {
    queue: Q,
    counted: Arc<Counted<Q>>,
}

/// A receiver of a queue that is counted: when the last one is dropped, or its process ends, the
/// queue is disconnected for its senders.
///
/// For all else see [`SenderOf`].
#[must_use = "a receiver that is dropped is counted no more"]
pub struct ReceiverOf<Q: Countable> {
    queue: Q,
    counted: Arc<Counted<Q>>,
}

/// What clones of a sender or receiver share: this process's count, which ends with the last.
struct Counted<Q: Countable> {
    queue: Q,
    endpoint: Endpoint,
    me: Tag,
}

/// Counts this process at an endpoint of a queue, and returns its tag.
fn count<Q: Countable>(queue: &Q, endpoint: Endpoint) -> Result<Tag, CountError> {
    let Counting(of) = queue.counting();
    let me = of.me()?;
    of.count(endpoint, me)
        .map_err(|uncounted| match uncounted {
            EndpointError::TooMany => CountError::TooMany,
            EndpointError::MembershipLost => of.membership_lost(me).into(),
        })?;
    Ok(me)
}

/// Returns which count of an end of the queue was the last.
#[cfg(feature = "process")]
pub(crate) fn last_count<Q: Countable>(queue: &Q) -> u64 {
    let Counting(of) = queue.counting();
    of.endpoints().as_of()
}

impl<Q: Countable> Counted<Q> {
    /// Whether it still counts: a forked child's does not, nor that of a process that others took
    /// for dead.
    fn is_mine(&self) -> bool {
        let Counting(of) = self.queue.counting();
        of.me_already() == Some(self.me)
    }
}

impl<Q: Countable> Drop for Counted<Q> {
    fn drop(&mut self) {
        if self.is_mine() {
            let Counting(of) = self.queue.counting();
            of.uncount(self.endpoint, self.me);
        }
    }
}

macro_rules! counted {
    ($($handle:ident $name:literal $endpoint:ident)+) => {$(
        impl<Q: Countable> $handle<Q> {
            /// Counts this process at its endpoint of the queue.
            pub(super) fn new(queue: &Q) -> Result<Self, CountError> {
                let me = count(queue, Endpoint::$endpoint)?;
                Ok(Self::counted_as(queue.clone(), me))
            }

            /// Makes the handle of a process that is counted already.
            pub(crate) fn counted_as(queue: Q, me: Tag) -> Self {
                let endpoint = Endpoint::$endpoint;
                let counted = Counted { queue: queue.clone(), endpoint, me };
                Self { queue, counted: Arc::new(counted) }
            }

            /// Makes an end that is over, of a queue that others were told to be disconnected: that
            /// of a queue like it which is closed.
            #[cfg(feature = "process")]
            pub(crate) fn over(queue: &Q) -> Result<Self, PairError> {
                Ok(Self::new(&ended(queue)?)?)
            }

            /// Returns the tag that this process is counted by; `None` if it is not.
            #[cfg(feature = "process")]
            pub(crate) fn tag(&self) -> Option<Tag> {
                self.counted.is_mine().then_some(self.counted.me)
            }

            /// Returns the same end with another way to wait, for this handle and its clones.
            pub fn with_wait(mut self, wait: Wait) -> Self {
                self.queue.set_wait(wait);
                self
            }
        }

        impl<Q: Countable> Clone for $handle<Q> {
            fn clone(&self) -> Self {
                Self {
                    queue: self.queue.clone(),
                    counted: Arc::clone(&self.counted),
                }
            }
        }

        impl<Q: Countable> Deref for $handle<Q> {
            type Target = Q;

            #[inline(always)]
            fn deref(&self) -> &Q {
                &self.queue
            }
        }

        impl<Q: Countable> fmt::Debug for $handle<Q> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("queue", &self.queue)
                    .field("participant", &self.counted.me)
                    .finish()
            }
        }
    )+};
}

counted!(SenderOf "Sender" Sender ReceiverOf "Receiver" Receiver);

impl<'a, Q: Countable> IntoIterator for &'a ReceiverOf<Q>
where
    &'a Q: Receive,
{
    type Item = Result<<&'a Q as Receive>::Item, super::RecvError>;
    type IntoIter = Iter<&'a Q>;

    fn into_iter(self) -> Iter<&'a Q> {
        Iter::new(self)
    }
}

impl<Q: Countable + Waitable> waitable::HasSource for ReceiverOf<Q> {
    fn source(&self) -> SourceRef<'_> {
        (**self).source()
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        (**self).lost(why)
    }
}

impl<Q: Countable + Waitable> Waitable for ReceiverOf<Q> {}
