//! Senders and receivers that are counted, so that the other side learns when the last has gone.

use std::fmt;
use std::ops::Deref;

use super::CountError;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts, EndpointError};
use crate::queue::wait_any::{Waitable, sealed as waitable};
use crate::segment::{Fault, MembershipError, SegmentLiveness};
use crate::wait::select::SourceRef;

/// A queue whose senders and receivers can be counted: [`Queue`](super::Queue),
/// [`WorkQueue`](super::WorkQueue), [`ByteQueue`](super::ByteQueue), [`Channel`](super::Channel). Only
/// this crate implements it.
pub trait Countable: Clone + fmt::Debug + sealed::Sealed {}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Sealed {
        #[doc(hidden)]
        fn counting(&self) -> super::Counting<'_>;
    }
}

/// What counting needs of a queue.
#[expect(missing_debug_implementations, reason = "nobody can name it")]
pub struct Counting<'a>(pub(super) &'a dyn Counts);

/// The same, for this crate.
pub(super) trait Counts {
    fn me(&self) -> Result<Tag, MembershipError>;
    fn me_already(&self) -> Option<Tag>;
    fn liveness(&self, me: Tag) -> SegmentLiveness<'_>;
    fn membership_lost(&self, me: Tag) -> MembershipError;
    fn endpoints(&self) -> EndpointCounts<'_>;
    fn uncount(&self, side: Endpoint, me: Tag);
}

/// A sender of a queue that is counted: when the last one is dropped, or its process ends, an empty
/// queue is disconnected for its receivers.
///
/// It dereferences to its queue; [`sender`](super::Queue::sender) of that returns another one. In a
/// forked child an inherited one is an uncounted handle, and so is one whose process was
/// [lost](crate::segment::MembershipError::Lost) from the segment.
///
/// It cannot be sent to another process. Send the queue instead, which takes a sender of its own; keep
/// one until then, or the queue may be disconnected before the first has come.
#[must_use = "a sender that is dropped is counted no more"]
pub struct SenderOf<Q: Countable> {
    counted: Counted<Q>,
}

/// A receiver of a queue that is counted: when the last one is dropped, or its process ends, the
/// queue is disconnected for its senders.
///
/// For all else see [`SenderOf`].
#[must_use = "a receiver that is dropped is counted no more"]
pub struct ReceiverOf<Q: Countable> {
    counted: Counted<Q>,
}

struct Counted<Q: Countable> {
    queue: Q,
    side: Endpoint,
    me: Tag,
}

impl<Q: Countable> Counted<Q> {
    fn new(queue: &Q, side: Endpoint) -> Result<Self, CountError> {
        let Counting(of) = queue.counting();
        let me = of.me()?;
        let counted = of.endpoints().count(side, me, &of.liveness(me));
        counted.map_err(|uncounted| match uncounted {
            EndpointError::TooMany => CountError::TooMany,
            EndpointError::MembershipLost => of.membership_lost(me).into(),
        })?;
        Ok(Self {
            queue: queue.clone(),
            side,
            me,
        })
    }
}

impl<Q: Countable> Drop for Counted<Q> {
    fn drop(&mut self) {
        let Counting(of) = self.queue.counting();
        // In a forked child this is the parent's.
        if of.me_already() == Some(self.me) {
            of.uncount(self.side, self.me);
        }
    }
}

impl<Q: Countable> SenderOf<Q> {
    pub(super) fn new(queue: &Q) -> Result<Self, CountError> {
        Counted::new(queue, Endpoint::Sender).map(|counted| Self { counted })
    }
}

impl<Q: Countable> ReceiverOf<Q> {
    pub(super) fn new(queue: &Q) -> Result<Self, CountError> {
        Counted::new(queue, Endpoint::Receiver).map(|counted| Self { counted })
    }
}

macro_rules! counted {
    ($($handle:ident $name:literal)+) => {$(
        impl<Q: Countable> Deref for $handle<Q> {
            type Target = Q;

            #[inline(always)]
            fn deref(&self) -> &Q {
                &self.counted.queue
            }
        }

        impl<Q: Countable> fmt::Debug for $handle<Q> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("queue", &self.counted.queue)
                    .field("participant", &self.counted.me)
                    .finish()
            }
        }
    )+};
}

counted!(SenderOf "Sender" ReceiverOf "Receiver");

impl<Q: Countable + Waitable> waitable::Sealed for ReceiverOf<Q> {
    fn source(&self) -> SourceRef<'_> {
        (**self).source()
    }

    fn lost(&self) -> Option<Fault> {
        (**self).lost()
    }
}

impl<Q: Countable + Waitable> Waitable for ReceiverOf<Q> {}
