//! A consumer as one of several things that are waited for.

use std::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Consumer;
#[cfg(feature = "process")]
use super::Spsc;
use super::handle::End;
use crate::algorithm::spsc::RoleMarker;
#[cfg(feature = "process")]
use crate::algorithm::spsc::{Consuming, Cursor};
use crate::facade::WaitHistory;
use crate::participant::Liveness;
#[cfg(feature = "process")]
use crate::participant::Tag;
use crate::payload::Payload;
use crate::queue::wait_any::{Waitable, sealed};
use crate::segment::Fault;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::longest_until_end;
use crate::wait::select::{NotMember, Source, SourceRef};

impl<T: Payload, R: RoleMarker> Source for End<T, R> {
    /// Also when the end is lost: its operations say so.
    fn is_ready(&self) -> bool {
        let participants = self.spsc.state.liveness(self.me).participants();
        !self.is_mine() || self.ring().is_ready(&self.cursor, participants)
    }

    fn event(&self) -> &EventCount {
        self.ring().event(R::ROLE)
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(&self.waits[1])
    }

    fn progress(&self) -> u64 {
        self.cursor.position()
    }

    fn longest(&self) -> Duration {
        longest_until_end(true)
    }

    /// No other process has this end.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let others = self.spsc.state.liveness(self.me);
        self.ring().reap_dead(R::ROLE, &others);
        NotMember::unless(others.is_member(), self.me)
    }
}

/// A consumer as it is now, for another thread that waits for it while it is not used.
#[cfg(feature = "process")]
pub(crate) struct EndWatch<T: Payload> {
    spsc: Spsc<T>,
    cursor: Cursor<Consuming>,
    me: Tag,
}

#[cfg(feature = "process")]
impl<T: Payload> Consumer<T> {
    /// Returns what another thread needs to wait for it, as long as it is not used.
    pub(crate) fn watch(&self) -> EndWatch<T> {
        EndWatch {
            spsc: self.end.spsc.clone(),
            cursor: self.end.cursor,
            me: self.end.me,
        }
    }
}

#[cfg(feature = "process")]
impl<T: Payload> Source for EndWatch<T> {
    /// Also when the end is lost.
    fn is_ready(&self) -> bool {
        let ring = self.spsc.protocol();
        let is_mine = self.spsc.state.current_tag() == Some(self.me) && ring.is_held(&self.cursor);
        let participants = self.spsc.state.liveness(self.me).participants();
        !is_mine || ring.is_ready(&self.cursor, participants)
    }

    fn event(&self) -> &EventCount {
        self.spsc.protocol().event(Consuming::ROLE)
    }

    fn longest(&self) -> Duration {
        longest_until_end(true)
    }

    /// Its owner may be waiting by now.
    fn is_shared(&self) -> bool {
        true
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let others = self.spsc.state.liveness(self.me);
        self.spsc.protocol().reap_dead(Consuming::ROLE, &others);
        NotMember::unless(others.is_member(), self.me)
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> sealed::HasSource for Consumer<T> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(&self.end)
    }

    /// Its operations say that the end is lost, if it is.
    fn lost(&self, _: NotMember) -> Option<Fault> {
        Some(self.end.lost()).filter(|fault| *fault != Fault::NotOwner)
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Waitable for Consumer<T> {}
