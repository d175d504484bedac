//! A semaphore as one of several things that are waited for.

use super::Semaphore;
use crate::facade::WaitHistory;
use crate::participant::Liveness;
use crate::segment::{Fault, Waitable, waitable};
use crate::wait::event_count::EventCount;
use crate::wait::select::{Source, SourceRef};

impl waitable::HasSource for Semaphore {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self)
    }

    fn lost(&self) -> Option<Fault> {
        Some(self.why_lost())
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

    fn reap_dead(&self) -> bool {
        let Ok(me) = self.me() else {
            return false;
        };
        let others = self.liveness(me);
        let is_member = others.is_member();
        if is_member {
            self.raw().reap_dead(&others);
        }
        is_member
    }
}
