//! Its senders and receivers that are counted.

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Queue;
use crate::algorithm::ends::CountedEnds;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts, EndpointError};
use crate::payload::Payload;
use crate::queue::counted::{Countable, Counting, Counts, ReceiverOf, SenderOf, sealed};
use crate::queue::{CountError, Wait};
use crate::segment::{MembershipError, SegmentLiveness};

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
    fn count(&self, endpoint: Endpoint, me: Tag) -> Result<(), EndpointError> {
        self.ring().count_at(endpoint, &self.liveness(me))
    }
    fn uncount(&self, endpoint: Endpoint, me: Tag) {
        self.ring().uncount(endpoint, &self.liveness(me));
    }
}

impl<T: Payload> sealed::Sealed for Queue<T> {
    fn counting(&self) -> Counting<'_> {
        Counting(self)
    }

    fn set_wait(&mut self, wait: Wait) {
        self.wait = wait;
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Countable for Queue<T> {}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Returns a sender that is counted. Never blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn sender(&self) -> Result<SenderOf<Self>, CountError> {
        SenderOf::new(self)
    }

    /// Returns a receiver that is counted. Never blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn receiver(&self) -> Result<ReceiverOf<Self>, CountError> {
        ReceiverOf::new(self)
    }
}
