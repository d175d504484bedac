//! A spawned process, whatever its function returns: its end and its outcome.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, OnceLock};

use super::children::{ChildRecord, ExitRecord};
use super::exits::ExitEvent;
use super::options::StartLimit;
use super::outcome::{self, Outcome, OutcomeKind};
use super::{CodecError, JoinError, SpawnError};
use crate::codec;
use crate::segment::SystemError;
use crate::sys::child::{self, Answer};
use crate::sys::clock::Deadline;
use crate::sys::socket;

/// The part of a [`Process`](super::Process) that does not depend on the type of its result.
pub(super) struct Spawned {
    record: Arc<ChildRecord>,
    result: File,
    /// The socket over which the descriptors of the result's segments arrive.
    socket: UnixStream,
    taken: bool,
    /// Made by the first wait for several.
    exit: OnceLock<Arc<ExitEvent>>,
}

/// An encoded result, and the segments that its handles live in.
pub(super) type Delivered = (Vec<u8>, Vec<OwnedFd>);

impl Spawned {
    pub(super) fn new(record: Arc<ChildRecord>, result: File, socket: UnixStream) -> Self {
        Self {
            record,
            result,
            socket,
            taken: false,
            exit: OnceLock::new(),
        }
    }

    pub(super) fn record(&self) -> &Arc<ChildRecord> {
        &self.record
    }

    /// Waits until the process has taken over the ends among its arguments, or has ended. If
    /// neither comes to pass in time, kills the process and reaps it.
    ///
    /// A process of a fork server is reaped by that, which may be stopped: its status is not waited
    /// for.
    pub(super) fn wait_until_begun(&self, limit: StartLimit) -> Result<(), SpawnError> {
        let (process, socket) = (self.record.pidfd.as_fd(), self.socket.as_fd());
        let refused = match child::wait_for_byte(process, socket, limit.deadline) {
            Ok(Answer::Begun | Answer::Ended) => return Ok(()),
            Ok(Answer::TimedOut) => limit.passed(),
            Err(error) => SpawnError::system("waiting for the new process")(error),
        };
        child::kill(process).map_err(SpawnError::system("killing the new process"))?;
        let ended = match self.record.is_relayed() {
            true => self.record.ends_by(Deadline::never()).map(drop),
            false => self.record.reap(true).map(drop),
        };
        ended.map_err(SpawnError::system("reaping the new process"))?;
        Err(refused)
    }

    /// Returns the event of the exit, for waits for several.
    pub(super) fn exit_event(&self) -> &Arc<ExitEvent> {
        self.exit
            .get_or_init(|| ExitEvent::new(Arc::clone(&self.record.pidfd)))
    }

    /// Whether the outcome was taken.
    pub(super) fn is_taken(&self) -> bool {
        self.taken
    }

    /// Takes the outcome of a process that has exited.
    pub(super) fn take(&mut self) -> Result<Delivered, JoinError> {
        // Blocks, because a child under a debugger is readable a moment before it can be reaped.
        // A fork server's child has a result whatever becomes of the server.
        let reap = |record: &ChildRecord| {
            let reaped = record.reap(true);
            reaped.map_err(JoinError::system("taking the exit status"))
        };
        let mut ended = None;
        if !self.record.is_relayed() {
            ended = reap(&self.record)?;
        }
        if std::mem::replace(&mut self.taken, true) {
            return Err(JoinError::Taken);
        }
        let outcome =
            Outcome::read(&self.result).map_err(JoinError::system("reading the result"))?;
        match outcome {
            Some(outcome) => self.deliver(outcome),
            None => {
                let ended = ended.map_or_else(|| reap(&self.record), |ended| Ok(Some(ended)))?;
                Err(self.without_outcome(ended)?)
            }
        }
    }

    fn deliver(&self, outcome: Outcome) -> Result<Delivered, JoinError> {
        let payload = outcome.payload.as_slice();
        let text = || String::from_utf8_lossy(payload).into_owned();
        Err(match outcome.kind {
            OutcomeKind::Value => {
                let fds = receive_all(self.socket.as_fd(), outcome.segments)
                    .map_err(JoinError::system("receiving the segments of the result"))?;
                return Ok((outcome.payload, fds));
            }
            OutcomeKind::Panicked => match codec::decode(payload) {
                Ok(panic) => JoinError::Panicked(panic),
                Err(error) => JoinError::Decode(error.into()),
            },
            OutcomeKind::Failed => match codec::decode(payload) {
                Ok(error) => JoinError::Failed(error),
                Err(error) => JoinError::Decode(error.into()),
            },
            OutcomeKind::Arguments => JoinError::Arguments(CodecError::remote(payload)),
            OutcomeKind::Encode => JoinError::Encode(CodecError::remote(payload)),
            OutcomeKind::Refused => JoinError::Refused(text()),
            OutcomeKind::Unsent => {
                let errno = payload
                    .first_chunk()
                    .map_or(0, |errno| i32::from_le_bytes(*errno));
                let error = io::Error::from_raw_os_error(errno);
                JoinError::Unsent(SystemError::new("handing the result over", &error))
            }
        })
    }

    fn without_outcome(&self, ended: Option<ExitRecord>) -> Result<JoinError, JoinError> {
        let status = match ended {
            Some(ExitRecord::With(status)) => status,
            Some(ExitRecord::Lost) => return Ok(JoinError::ServerDied),
            Some(ExitRecord::Reaped) | None => return Ok(JoinError::Reaped),
        };
        if let Some(signal) = status.signal() {
            return Ok(JoinError::Killed { signal });
        }
        let code = status.code().unwrap_or(0);
        let (_, started) =
            outcome::progress(&self.result).map_err(JoinError::system("reading the result"))?;
        Ok(if started {
            JoinError::Exited { code }
        } else {
            JoinError::NotStarted { code }
        })
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.record.detach();
    }
}

/// Receives `count` descriptors that were sent already, in as many messages as were sent.
pub(super) fn receive_all(socket: BorrowedFd<'_>, count: u32) -> io::Result<Vec<OwnedFd>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut fds = Vec::new();
    while fds.len() < count {
        fds.extend(socket::receive_fds(socket)?);
    }
    Ok(fds)
}
