//! A fork server, as its owner has it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::{WAITING, preloads, standing};
use crate::process::SpawnError;
use crate::process::options::StartLimit;
use crate::sys::board::Board;
use crate::sys::child;
use crate::sys::events::Here;
use crate::sys::private::Private;
use crate::sys::socket::{self, Full};
use crate::sys::standing::Standing;

/// A fork server of this process.
pub(super) struct ServerHandle {
    pub(super) here: Here,
    /// The socket that requests go by.
    pub(super) control: Arc<Private>,
    pub(super) pidfd: OwnedFd,
    pub(super) board: Board,
    pub(super) slots: Mutex<Slots>,
    /// What this process was when the server was started.
    pub(super) standing: Standing,
    /// The functions that it has called.
    pub(super) preloads: Arc<Vec<u64>>,
}

/// Which slots of the board are free.
#[derive(Default)]
pub(super) struct Slots {
    /// None was used from this on.
    unused: u32,
    pub(super) free: Vec<u32>,
    /// Of processes that nothing asks about any more, and that may still run.
    pub(super) left: Vec<u32>,
}

impl ServerHandle {
    /// Whether its processes are as this process's own would be.
    pub(super) fn is_fit(&self) -> Result<bool, SpawnError> {
        Ok(self.preloads == preloads() && self.standing == standing()?)
    }

    /// Makes the socket of a process, and sends the process's end to the server. `None` if that is
    /// dead. Blocks while the server has taken too few of the requests before.
    pub(super) fn connect(
        &self,
        slot: u32,
        limit: StartLimit,
    ) -> Result<Option<UnixStream>, SpawnError> {
        loop {
            let error = match self.try_connect(slot) {
                Some(Ok(socket)) => return Ok(socket.into_owned().map(UnixStream::from)),
                Some(Err(error)) => error,
                // Other code has closed it.
                None => return Ok(None),
            };
            match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => return Ok(None),
                // Requests of other threads fill it: the server works, or is stopped.
                io::ErrorKind::WouldBlock => {
                    let socket = self.control.as_fd();
                    let in_time = child::wait_writable(socket, limit.deadline);
                    if !in_time.map_err(SpawnError::system(WAITING))? {
                        return Err(limit.passed());
                    }
                }
                _ => {
                    return Err(SpawnError::system("sending a request to the fork server")(
                        error,
                    ));
                }
            }
        }
    }

    /// As [`connect`](Self::connect), but fails where that would block. `None` if other code has
    /// closed the socket to the server.
    pub(super) fn try_connect(&self, slot: u32) -> Option<io::Result<Private>> {
        // No child that other code forks has a copy of the process's end, whose closing is what
        // ends the wait for an answer.
        self.control.hand_over_pair(|control, end| {
            socket::send(control, &slot.to_le_bytes(), &[end], Full::Fails).map(drop)
        })
    }

    pub(super) fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_slot(&self) -> Option<u32> {
        let mut slots = self.slots();
        if slots.free.is_empty() {
            let (posted, left) = std::mem::take(&mut slots.left)
                .into_iter()
                .partition(|slot| self.board.look(*slot).is_some());
            (slots.free, slots.left) = (posted, left);
        }
        let slot = slots.free.pop().or_else(|| {
            let fresh = slots.unused;
            slots.unused = (fresh + 1).min(Board::SLOTS);
            (fresh < Board::SLOTS).then_some(fresh)
        })?;
        self.board.clear(slot);
        Some(slot)
    }

    pub(super) fn has_died(&self) -> bool {
        child::has_ended(self.pidfd.as_fd()).unwrap_or(false)
    }
}
