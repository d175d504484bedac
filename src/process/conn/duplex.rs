//! A connection: an end of two pipes, one in each direction.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RecvIntoError;
use super::{PipeReceiver, PipeSender};
use crate::facade::Deadline;
use crate::queue::{
    Iter, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryIter, TryRecvError,
    TrySendError, Wait, Waitable, waitable,
};
use crate::segment::Fault;
use crate::wait::select::{NotMember, SourceRef};

/// An end of a connection between two processes, which sends values of `S` and receives values of
/// `R`; made by [`duplex`](super::duplex()) and [`Listener`](super::Listener).
///
/// It is a [`PipeSender`] and a [`PipeReceiver`]; all that is said of them holds here. Values are
/// encoded by serde. The other end is a `Conn<R, S>`.
///
/// A connection belongs to one process and one thread at a time: every operation takes `&mut self`,
/// so that no two threads take turns in one message. [`split`](Self::split) gives each direction to
/// a thread of its own.
pub struct Conn<S, R> {
    sender: PipeSender<S>,
    receiver: PipeReceiver<R>,
}

impl<S, R> Conn<S, R> {
    /// Returns the two directions, each of which may go to a thread or a process of its own.
    pub fn split(self) -> (PipeSender<S>, PipeReceiver<R>) {
        (self.sender, self.receiver)
    }

    /// Returns the two directions, to be used at the same time.
    pub fn halves(&mut self) -> (&mut PipeSender<S>, &mut PipeReceiver<R>) {
        (&mut self.sender, &mut self.receiver)
    }

    /// Returns the two directions, to be looked at.
    pub(super) fn directions(&self) -> (&PipeSender<S>, &PipeReceiver<R>) {
        (&self.sender, &self.receiver)
    }

    /// Sets how the operations of this end wait; [`Wait::Adaptive`] until then.
    pub fn set_wait(&mut self, wait: Wait) {
        self.sender.set_wait(wait);
        self.receiver.set_wait(wait);
    }

    /// Sends bytes; see [`PipeSender::send_bytes`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), SendError<()>> {
        self.sender.send_bytes(bytes)
    }

    /// Waits until there is something to receive; see [`PipeReceiver::poll`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll(&mut self, timeout: impl Into<Deadline>) -> Result<bool, Fault> {
        self.receiver.poll(timeout)
    }

    /// Receives the bytes of a message; see [`PipeReceiver::recv_bytes`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn recv_bytes(&mut self) -> Result<Vec<u8>, RecvError> {
        self.receiver.recv_bytes()
    }

    /// Receives the bytes of a message in place of what `bytes` holds; see
    /// [`PipeReceiver::recv_into`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn recv_into(&mut self, bytes: &mut Vec<u8>) -> Result<usize, RecvError> {
        self.receiver.recv_into(bytes)
    }

    /// Receives the bytes of a message into memory of a fixed length; see
    /// [`PipeReceiver::recv_into_slice`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn recv_into_slice(&mut self, memory: &mut [u8]) -> Result<usize, RecvIntoError> {
        self.receiver.recv_into_slice(memory)
    }
}

impl<S: Serialize, R> Conn<S, R> {
    /// Sends a value; see [`PipeSender::send`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn send(&mut self, value: &S) -> Result<(), SendError<()>> {
        self.sender.send(value)
    }

    /// Sends a value without waiting; see [`PipeSender::try_send`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn try_send(&mut self, value: &S) -> Result<(), TrySendError<()>> {
        self.sender.try_send(value)
    }

    /// Sends a value, until the deadline at the latest; see [`PipeSender::send_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send_timeout(
        &mut self,
        value: &S,
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<()>> {
        self.sender.send_timeout(value, timeout)
    }
}

impl<S, R: DeserializeOwned> Conn<S, R> {
    /// Receives a value; see [`PipeReceiver::recv`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn recv(&mut self) -> Result<R, RecvError> {
        self.receiver.recv()
    }

    /// Receives a value without waiting; see [`PipeReceiver::try_recv`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn try_recv(&mut self) -> Result<R, TryRecvError> {
        self.receiver.try_recv()
    }

    /// Receives a value, until the deadline at the latest; see [`PipeReceiver::recv_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn recv_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<R, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// Returns an iterator that receives values, blocking for each; it ends when the other end has
    /// gone.
    pub fn iter(&mut self) -> Iter<&mut PipeReceiver<R>> {
        self.receiver.iter()
    }

    /// Returns an iterator that receives values without waiting; it ends when there is none.
    pub fn try_iter(&mut self) -> TryIter<&mut PipeReceiver<R>> {
        self.receiver.try_iter()
    }
}

/// Joins two directions, of one connection or of two pipes.
impl<S, R> From<(PipeSender<S>, PipeReceiver<R>)> for Conn<S, R> {
    fn from((sender, receiver): (PipeSender<S>, PipeReceiver<R>)) -> Self {
        Self { sender, receiver }
    }
}

impl<S, R> waitable::HasSource for Conn<S, R> {
    fn source(&self) -> SourceRef<'_> {
        self.receiver.source()
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        waitable::HasSource::lost(&self.receiver, why)
    }
}

impl<S, R> Waitable for Conn<S, R> {}

debug!([S, R] Conn<S, R>, |this| { sender: this.sender, receiver: this.receiver });
