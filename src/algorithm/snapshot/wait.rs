//! Waiting for a version newer than the reader's.
//!
//! # State
//!
//! That of [`snapshot`](super), with its event count.
//!
//! # Protocol
//!
//! As in [`on_event`], for a version other than the reader's. The wait is
//! over if there is none and the writer has left or died; the latest version is loaded once more
//! then, because the writer may have published before that.
//!
//! # Crash
//!
//! A waiter holds nothing. At the end of each slice it recovers the claim of a writer that has
//! died, which wakes the other waiters.
//!
//! # Ordering
//!
//! That of [`event_count`](crate::wait::event_count); (N1) of [`snapshot`](super), and (S3) of
//! [`holder`](crate::participant::holder).

use super::{Corrupt, ReaderClaim, Snapshot};
use crate::algorithm::snapshot::layout::Version;
use crate::facade::{Deadline, mutation};
use crate::participant::Liveness;
use crate::participant::holder::HolderState;
use crate::wait::WaitMode;
use crate::wait::on_event::{self, EventOp, EventWaitError, TryError};

impl Snapshot<'_> {
    /// Blocks until a version other than the one read last is published. Fails with
    /// [`EventWaitError::Disconnected`] if there is none and the writer has left or died.
    pub(crate) fn wait<'m>(
        self,
        reader: &ReaderClaim,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut op = NewerVersion {
            snapshot: self,
            current: reader.version(),
            peers,
        };
        let event = &self.state.writer().event;
        on_event::wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Returns the corrupt word that ended a wait; 0 if it is valid again.
    #[cold]
    pub(crate) fn corrupt_word(self, peers: &impl Liveness) -> u64 {
        let claim = self
            .state
            .writer()
            .claim
            .load()
            .holder(peers.participants());
        let claim = claim.map_err(Corrupt::from);
        let corrupt = self.latest().err().or(claim.err());
        corrupt.map_or(0, |Corrupt { word }| word)
    }
}

/// The wait for a version other than the reader's.
struct NewerVersion<'a, P> {
    snapshot: Snapshot<'a>,
    current: Option<Version>,
    peers: &'a P,
}

impl<P: Liveness> NewerVersion<'_, P> {
    fn has_newer(&self) -> Result<bool, TryError> {
        match self.snapshot.latest() {
            Ok(version) => Ok(self.current != Some(version)),
            Err(Corrupt { .. }) => Err(TryError::Corrupt),
        }
    }

    fn writer_claim(&self) -> HolderState {
        self.snapshot.state.writer().claim.load()
    }
}

impl<P: Liveness> EventOp for NewerVersion<'_, P> {
    type Output = ();

    fn attempt(&mut self) -> Result<(), TryError> {
        if self.has_newer()? {
            return Ok(());
        }
        let claim = self.writer_claim();
        if claim.holder(self.peers.participants()).is_err() {
            return Err(TryError::Corrupt);
        }
        if !claim.is_left() {
            return Err(TryError::WouldBlock);
        }
        // The writer may have published before it left.
        if !mutation(392) && self.has_newer()? {
            return Ok(());
        }
        Err(TryError::Disconnected)
    }

    fn is_ready(&mut self) -> bool {
        !mutation(389) && self.has_newer() != Ok(false) || self.writer_claim().is_left()
    }

    fn progress(&self) -> u64 {
        self.current.map_or(0, |version| version.0)
    }

    fn reap_dead(&mut self, peers: &impl Liveness) {
        if let Ok(Some(tag)) = self.writer_claim().holder(peers.participants()) {
            peers.sleeps_for(tag);
            if !peers.is_alive(tag) {
                self.snapshot.state.recover_writer(tag);
            }
        }
    }
}
