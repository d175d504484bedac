//! Senders and receivers of work queues that are counted.

use std::time::Duration;

use bytemuck::Pod;

use super::pool::Pool;
use super::{ByteQueue, WorkQueue};
use crate::facade::WaitHistory;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts};
use crate::payload::Payload;
use crate::queue::CountError;
use crate::queue::counted::{Countable, Counting, Counts, ReceiverOf, SenderOf, sealed};
use crate::queue::wait_any::{Waitable, sealed as waitable};
use crate::segment::{Fault, MembershipError, SegmentLiveness};
use crate::wait::event_count::EventCount;
use crate::wait::select::{Source, SourceRef};

impl Counts for Pool {
    fn me(&self) -> Result<Tag, MembershipError> {
        self.me()
    }
    fn me_already(&self) -> Option<Tag> {
        self.me_already()
    }
    fn liveness(&self, me: Tag) -> SegmentLiveness<'_> {
        self.liveness(me)
    }
    fn membership_lost(&self, me: Tag) -> MembershipError {
        self.membership_lost(me)
    }
    fn endpoints(&self) -> EndpointCounts<'_> {
        self.endpoints()
    }
    fn uncount(&self, side: Endpoint, me: Tag) {
        self.work().uncount(side, me, &self.liveness(me));
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

    fn is_shared(&self) -> bool {
        true
    }
    fn reap_dead(&self) -> bool {
        self.reap_dead()
    }
}

/// Lets the senders and receivers of a kind of queue be counted, and receivers wait for it among others.
macro_rules! counts {
    ($([$($bound:tt)*] $queue:ty;)+) => {$(
        impl<$($bound)*> sealed::Sealed for $queue {
            fn counting(&self) -> Counting<'_> {
                Counting(self.pool())
            }
        }

        impl<$($bound)*> Countable for $queue {}

        impl<$($bound)*> $queue {
            /// A sender that is counted. Never blocks.
            ///
            /// # Errors
            ///
            /// [`CountError`].
            pub fn sender(&self) -> Result<SenderOf<Self>, CountError> {
                SenderOf::new(self)
            }

            /// A receiver that is counted. Never blocks.
            ///
            /// # Errors
            ///
            /// [`CountError`].
            pub fn receiver(&self) -> Result<ReceiverOf<Self>, CountError> {
                ReceiverOf::new(self)
            }
        }

        impl<$($bound)*> waitable::Sealed for $queue {
            fn source(&self) -> SourceRef<'_> {
                SourceRef(self.pool())
            }

            fn lost(&self) -> Option<Fault> {
                let pool = self.pool();
                let why = pool.me().map_or_else(|error| error, |me| pool.membership_lost(me));
                Some(why.into())
            }
        }

        impl<$($bound)*> Waitable for $queue {}
    )+};
}

counts! {
    [T: Payload + Pod] WorkQueue<T>;
    [] ByteQueue;
}

#[cfg(feature = "process")]
counts! {
    [T] super::Channel<T>;
}
