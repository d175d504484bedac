//! Senders and receivers of work queues that are counted.

use std::time::Duration;

use super::Work;
use super::message::Message;
use super::pool::Pool;
use crate::algorithm::ends::CountedEnds;
use crate::facade::WaitHistory;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts, EndpointError};
use crate::queue::counted::{Countable, Counting, Counts, ReceiverOf, SenderOf, sealed};
use crate::queue::wait_any::{Waitable, sealed as waitable};
use crate::queue::{CountError, Wait};
use crate::segment::{Fault, MembershipError, SegmentLiveness};
use crate::wait::event_count::EventCount;
use crate::wait::on_event::longest_until_end;
use crate::wait::select::{NotMember, Source, SourceRef};

impl Counts for Pool {
    #[inline(always)]
    fn me(&self) -> Result<Tag, MembershipError> {
        match self.me_already() {
            Some(tag) => Ok(tag),
            None => self.join(),
        }
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
        self.work().endpoints()
    }
    fn count(&self, endpoint: Endpoint, me: Tag) -> Result<(), EndpointError> {
        self.work().count_at(endpoint, &self.liveness(me))
    }
    fn uncount(&self, endpoint: Endpoint, me: Tag) {
        self.work().uncount(endpoint, &self.liveness(me));
    }
}

impl Source for Pool {
    fn is_ready(&self) -> bool {
        self.is_ready()
    }
    fn event(&self) -> &EventCount {
        self.event_of(Endpoint::Receiver)
    }
    fn history(&self) -> Option<&WaitHistory> {
        Some(self.history_of_several())
    }

    fn progress(&self) -> u64 {
        self.cursor().head.0
    }

    fn due(&self) -> Option<Duration> {
        self.cursor().due_in()
    }

    fn longest(&self) -> Duration {
        longest_until_end(self.endpoints().may_end(Endpoint::Receiver))
    }

    fn is_shared(&self) -> bool {
        true
    }
    fn reap_dead(&self) -> Result<(), NotMember> {
        self.reap_dead()
    }
}

impl<M: Message + ?Sized> sealed::Sealed for Work<M> {
    fn counting(&self) -> Counting<'_> {
        Counting(self.pool())
    }

    fn set_wait(&mut self, wait: Wait) {
        self.set_wait_mode(wait);
    }
}

impl<M: Message + ?Sized + 'static> Countable for Work<M> {}

impl<M: Message + ?Sized + 'static> Work<M> {
    /// Returns a handle that counts as a sender until it is dropped: see [`SenderOf`]. Never
    /// blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn sender(&self) -> Result<SenderOf<Self>, CountError> {
        SenderOf::new(self)
    }

    /// Returns a handle that counts as a receiver until it is dropped: see [`ReceiverOf`]. Never
    /// blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn receiver(&self) -> Result<ReceiverOf<Self>, CountError> {
        ReceiverOf::new(self)
    }
}

impl<M: ?Sized> waitable::HasSource for Work<M> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self.pool())
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.pool().lost(why)
    }
}

impl<M: ?Sized> Waitable for Work<M> {}
