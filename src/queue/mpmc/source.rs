//! A queue as one of several that are waited for.

use std::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Queue;
use crate::facade::WaitHistory;
use crate::participant::Liveness;
use crate::participant::endpoints::Endpoint;
use crate::payload::Payload;
use crate::queue::counted::Counts;
use crate::queue::wait_any::{Waitable, sealed};
use crate::segment::Fault;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::longest_until_end;
use crate::wait::select::{NotMember, Source, SourceRef};

impl<T: Payload> Source for Queue<T> {
    fn is_ready(&self) -> bool {
        let mut cursor = self.cursor();
        let ready = self.ring().is_ready(Endpoint::Receiver, &mut cursor);
        self.keep(&cursor);
        ready
    }

    fn event(&self) -> &EventCount {
        self.state.event(Endpoint::Receiver)
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(&self.waits[2])
    }

    fn progress(&self) -> u64 {
        self.head().0.0
    }

    fn longest(&self) -> Duration {
        longest_until_end(self.ring().endpoints().may_end(Endpoint::Receiver))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.liveness(me);
        let alive = others.is_member();
        if alive {
            self.ring().reap_dead(Endpoint::Receiver, &others);
        }
        NotMember::unless(alive, me)
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> sealed::HasSource for Queue<T> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.state.lost(why)
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Waitable for Queue<T> {}
