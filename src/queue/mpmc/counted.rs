//! Its senders and receivers that are counted.

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Queue;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts};
use crate::payload::Payload;
use crate::queue::counted::{Countable, Counting, Counts, ReceiverOf, SenderOf, sealed};
use crate::queue::{CountError, Iter, RecvError};
use crate::segment::{MembershipError, SegmentLiveness};

/// A sender of a [`Queue`] that is counted.
pub type Sender<T> = SenderOf<Queue<T>>;

/// A receiver of a [`Queue`] that is counted.
pub type Receiver<T> = ReceiverOf<Queue<T>>;

impl<T: Payload> Counts for Queue<T> {
    fn me(&self) -> Result<Tag, MembershipError> {
        self.me_already().map_or_else(|| self.join(), Ok)
    }

    #[inline(always)]
    fn me_already(&self) -> Option<Tag> {
        self.state.current_tag()
    }

    #[inline(always)]
    fn liveness(&self, me: Tag) -> SegmentLiveness<'_> {
        self.state.liveness(me)
    }

    #[cold]
    fn membership_lost(&self, me: Tag) -> MembershipError {
        self.state.membership_lost(me)
    }

    fn endpoints(&self) -> EndpointCounts<'_> {
        self.ring().endpoints()
    }
    fn uncount(&self, side: Endpoint, me: Tag) {
        self.ring().uncount(side, me, &self.liveness(me));
    }
}

impl<T: Payload> sealed::Sealed for Queue<T> {
    fn counting(&self) -> Counting<'_> {
        Counting(self)
    }
}

impl<T: Payload> Countable for Queue<T> {}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Returns a sender that is counted. Never blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn sender(&self) -> Result<Sender<T>, CountError> {
        SenderOf::new(self)
    }

    /// Returns a receiver that is counted. Never blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn receiver(&self) -> Result<Receiver<T>, CountError> {
        ReceiverOf::new(self)
    }
}

impl<'a, T: Payload + NoUninit + CheckedBitPattern> IntoIterator for &'a Receiver<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<&'a Queue<T>>;

    fn into_iter(self) -> Iter<&'a Queue<T>> {
        self.iter()
    }
}
