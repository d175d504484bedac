//! What a process's asker hears of its end, whose parent is the server.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handle::ServerHandle;
use crate::Deadline;
use crate::process::children::{ExitRecord, ReapWait};
use crate::sys::board::Posted;
use crate::sys::clock::Left;
use crate::sys::{child, pidfd};

/// The interval at which a waiter for a status asks whether the server lives.
const LOOK: Duration = Duration::from_millis(5);
/// How long a question that does not block waits for the status of a process that has ended, or for
/// the kernel's word where the server is dead.
const MOMENT: Duration = Duration::from_millis(100);

/// How a process that a server forked is heard to have ended.
pub(in crate::process) struct Relay {
    pub(super) server: Arc<ServerHandle>,
    pub(super) slot: u32,
}

impl Relay {
    /// Asks how the process ended, whose pidfd this is; `None` if it runs, or if its server has not
    /// told.
    pub(in crate::process) fn end(
        &self,
        pidfd: BorrowedFd<'_>,
        wait: ReapWait,
    ) -> io::Result<Option<ExitRecord>> {
        if let Some(Posted::Ended(status)) = self.server.board.look(self.slot) {
            return Ok(Some(ExitRecord::With(status)));
        }
        // The status will be posted.
        if wait == ReapWait::Nothing && !self.server.has_died() {
            return Ok(None);
        }
        let deadline = match wait {
            ReapWait::Exit => {
                child::wait(pidfd, Deadline::never())?;
                None
            }
            _ if !child::has_ended(pidfd)? => return Ok(None),
            ReapWait::Moment => Some(Instant::now() + MOMENT),
            ReapWait::Nothing => Some(Instant::now()),
        };
        match self.wait(deadline) {
            Some(Posted::Ended(status)) => return Ok(Some(ExitRecord::With(status))),
            Some(Posted::NotForked(_)) => return Ok(Some(ExitRecord::Lost)),
            None if !self.server.has_died() => return Ok(None),
            None => {}
        }
        // The process that inherited it waits for it.
        if wait != ReapWait::Nothing {
            pidfd::wait_reaped(pidfd, MOMENT);
        }
        match pidfd::exit_status(pidfd) {
            Some(status) => Ok(Some(ExitRecord::With(status))),
            // It may be known in a moment.
            None if wait == ReapWait::Nothing => Ok(None),
            None => Ok(Some(ExitRecord::Lost)),
        }
    }

    /// Whether the server has died.
    pub(in crate::process) fn is_lost(&self) -> bool {
        self.server.has_died()
    }

    /// Whether it is told that the process has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.server.board.look(self.slot).is_some()
    }

    /// Says that no process was asked for, so none will post in the slot.
    pub(super) fn cancel(&self) {
        self.server.board.post(self.slot, Posted::NotForked(0));
    }

    /// Waits until something is posted, the server is dead, or the deadline has passed.
    fn wait(&self, deadline: Option<Instant>) -> Option<Posted> {
        self.wait_until(deadline.map_or(Deadline::never(), Deadline::at))
    }

    /// As [`wait`](Self::wait).
    pub(super) fn wait_until(&self, deadline: Deadline) -> Option<Posted> {
        let board = &self.server.board;
        loop {
            let left = match deadline.left() {
                Left::Forever => LOOK,
                Left::For(left) => left.min(LOOK),
                Left::Passed => Duration::ZERO,
            };
            if let Some(posted) = board.wait(self.slot, left) {
                return Some(posted);
            }
            if self.server.has_died() {
                // What it posted before.
                return board.look(self.slot);
            }
            if left.is_zero() {
                return None;
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // In a forked child the slots are the parent's, and another thread may have been changing
        // them.
        if self.server.here.is_here() {
            let ended = self.has_ended();
            let mut slots = self.server.slots();
            match ended {
                true => slots.free.push(self.slot),
                false => slots.left.push(self.slot),
            }
        }
    }
}
