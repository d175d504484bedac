//! Waiting for something newer than what a reader has.
//!
//! # State
//!
//! That of [`snapshot`](super), with its event count.
//!
//! # Protocol
//!
//! As in [`wait`](crate::wait::on_event), for another edition than the own one. It is over when there is none and the
//! writer has left or died: then one more look, since something may have been published before that.
//!
//! # Crash
//!
//! A waiter holds nothing. At the end of each slice it gives back the role of a writer that has died, which
//! wakes the others that wait.
//!
//! # Ordering
//!
//! That of [event count](crate::wait::event_count); (N1) of [`snapshot`](super), and (S3) of [`role`](crate::participant::holder).

use super::{Corrupt, Seated, Snapshot};
use crate::algorithm::snapshot::layout::Edition;
use crate::facade::{Deadline, mutation};
use crate::participant::Liveness;
use crate::participant::holder::HolderState;
use crate::wait::WaitMode;
use crate::wait::on_event::{self, EventOp, EventWaitError, TryError};

impl Snapshot<'_> {
    /// Waits for another edition than the one that was read last; [`EventWaitError::Disconnected`] if there is none, and
    /// the writer has left or died.
    pub(crate) fn wait<'m>(
        self,
        seated: &Seated,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut op = News {
            snapshot: self,
            has: seated.edition(),
            peers,
        };
        let event = &self.state.desk().event;
        on_event::wait(&mut op, event, peers, deadline, mode.into())
    }

    /// The word for which a wait has ended; 0 if it is right by now.
    #[cold]
    pub(crate) fn garbage(self, peers: &impl Liveness) -> u64 {
        let role = self.state.desk().role.load().holder(peers.participants());
        let role = role.map_err(Corrupt::from);
        let wrong = self.latest().err().or(role.err());
        wrong.map_or(0, |Corrupt { word }| word)
    }
}

/// Another edition than the one that a reader has.
struct News<'a, P> {
    snapshot: Snapshot<'a>,
    has: Option<Edition>,
    peers: &'a P,
}

impl<P: Liveness> News<'_, P> {
    fn is_there(&self) -> Result<bool, TryError> {
        match self.snapshot.latest() {
            Ok(edition) => Ok(self.has != Some(edition)),
            Err(Corrupt { .. }) => Err(TryError::Corrupt),
        }
    }

    fn role(&self) -> HolderState {
        self.snapshot.state.desk().role.load()
    }
}

impl<P: Liveness> EventOp for News<'_, P> {
    type Output = ();

    fn attempt(&mut self) -> Result<(), TryError> {
        if self.is_there()? {
            return Ok(());
        }
        let role = self.role();
        if role.holder(self.peers.participants()).is_err() {
            return Err(TryError::Corrupt);
        }
        if !role.is_left() {
            return Err(TryError::WouldBlock);
        }
        // It may have published something before it left.
        if !mutation(392) && self.is_there()? {
            return Ok(());
        }
        Err(TryError::Disconnected)
    }

    fn is_ready(&mut self) -> bool {
        !mutation(389) && self.is_there() != Ok(false) || self.role().is_left()
    }

    /// Whoever publishes wakes all.
    fn leaves_more(&mut self) -> bool {
        false
    }

    fn progress(&self) -> u64 {
        self.has.map_or(0, |edition| edition.0)
    }

    fn reap_dead(&mut self) {
        if let Ok(Some(tag)) = self.role().holder(self.peers.participants()) {
            self.peers.sleeps_for(tag);
            if !self.peers.is_alive(tag) {
                self.snapshot.state.recover_role(tag);
            }
        }
    }
}
