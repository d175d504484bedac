//! A semaphore as one of several things that are waited for.

use super::Semaphore;
use crate::facade::WaitHistory;
use crate::participant::Liveness;
use crate::segment::{Fault, Waitable, waitable};
use crate::wait::event_count::EventCount;
use crate::wait::select::{NotMember, Source, SourceRef};

impl waitable::HasSource for Semaphore {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.state.lost(why)
    }
}

impl Waitable for Semaphore {}

impl Source for Semaphore {
    fn is_ready(&self) -> bool {
        self.raw().has_free() || self.is_closed()
    }

    fn event(&self) -> &EventCount {
        self.state.single()
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(&self.waits[1])
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.liveness(me);
        let is_member = others.is_member();
        if is_member {
            self.raw().reap_dead(&others);
        }
        NotMember::unless(is_member, me)
    }
}
