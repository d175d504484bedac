//! Waiting for a change.
//!
//! # State
//!
//! The [event count](crate::wait::event_count) of [`blocks`](super), and its count of changes.
//!
//! # Protocol
//!
//! - a waiter attempts by asking its condition.
//! - a writer notifies all waiters after it has unlocked.
//! - a waiter whose slice has ended sweeps if the last owner of the mutex died: a commit that the
//!   dead one did not count is counted then.
//!
//! # Crash
//!
//! No process holds anything but the mutex, which a waiter only tries to lock.
//!
//! # Ordering
//!
//! The count of changes is stored with Release and loaded with Acquire.

use super::Blocks;
use super::write::Writer;
use crate::facade::{Deadline, mutation};
use crate::participant::{Liveness, Tag};
use crate::wait::WaitMode;
use crate::wait::on_event::{self, EventOp, EventWaitError, TryError};

impl<'a> Blocks<'a> {
    /// Blocks until `condition` returns a value.
    pub(crate) fn wait<'m, T>(
        self,
        condition: impl FnMut() -> Option<T>,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<T, EventWaitError> {
        let mut op = WaitForChange {
            blocks: self,
            condition,
            me,
        };
        on_event::wait(&mut op, self.state.event(), peers, deadline, mode.into())
    }

    /// Sweeps if the last owner of the mutex died, and no process has it.
    #[cold]
    pub(crate) fn sweep_after_death(self, me: Tag, peers: &impl Liveness) {
        let lock = self.state.lock();
        if !lock.peek().owner_died && !lock.holder(peers).is_ok_and(|owner| owner.is_some()) {
            return;
        }
        let Ok(mut token) = lock.try_lock_contended(peers) else {
            return;
        };
        let died = token.owner_died();
        if died {
            let writer = Writer::new(self, me);
            let swept = match mutation(653) {
                true => writer.collect(),
                false => writer.sweep().map(drop),
            };
            if swept.is_ok() {
                lock.mark_consistent(&mut token);
            }
        }
        // The next writer is to know that the last one may still go on, if it was reaped alive.
        lock.unlock(token, died && !mutation(653));
        if died {
            self.state.event().notify_all();
        }
    }
}

/// The wait for a change.
struct WaitForChange<'a, C> {
    blocks: Blocks<'a>,
    condition: C,
    me: Tag,
}

impl<T, C: FnMut() -> Option<T>> EventOp for WaitForChange<'_, C> {
    type Output = T;

    fn attempt(&mut self) -> Result<T, TryError> {
        (self.condition)().ok_or(TryError::WouldBlock)
    }

    fn is_ready(&mut self) -> bool {
        (self.condition)().is_some()
    }

    fn progress(&self) -> u64 {
        self.blocks.state.changes()
    }

    fn reap_dead(&mut self, peers: &impl Liveness) {
        peers.reap(false);
        if !mutation(864) {
            self.blocks.sweep_after_death(self.me, peers);
        }
    }
}
