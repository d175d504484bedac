//! A receiver as one of several things that are waited for.

use std::time::Duration;

use super::reader::FrameReader;
use crate::facade::WaitHistory;
use crate::wait::event_count::EventCount;
use crate::wait::select::{NotMember, Source};

impl Source for FrameReader {
    /// Also when a part of a message is there, which an attempt to receive takes out of the ring.
    fn is_ready(&self) -> bool {
        self.has_gathered() || self.ring.end.is_ready()
    }

    fn event(&self) -> &EventCount {
        self.ring.end.event()
    }

    fn history(&self) -> Option<&WaitHistory> {
        Source::history(&self.ring.end)
    }

    fn progress(&self) -> u64 {
        self.ring.end.progress()
    }

    fn longest(&self) -> Duration {
        Source::longest(&self.ring.end)
    }

    /// No other process has this end.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        self.ring.end.reap_dead()
    }
}
