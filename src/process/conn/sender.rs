//! The end of a pipe that values are sent through.

use std::marker::PhantomData;

use serde::Serialize;

use super::frame::{Blocking, SendStop};
use super::writer::FrameWriter;
use crate::codec;
use crate::facade::Deadline;
use crate::queue::{SendError, SendTimeoutError, TrySendError, Wait};

/// The sending end of a [`pipe`](super::pipe), or of a connection that was
/// [split](super::Conn::split).
///
/// It belongs to one process and one thread at a time: every operation takes `&mut self`. Dropping
/// it, or the end of the process, is the end of what the other side receives. In a forked child an
/// inherited one sends nothing and returns [`NotOwner`](crate::Fault::NotOwner).
///
/// A message is sent with one store if it fits the pipe ([`try_max_len`](Self::try_max_len)): the
/// receiver gets all of it or nothing, wherever this process is killed. A longer one is sent in
/// parts while the receiver takes them out; if this process dies meanwhile, the receiver gets
/// [`Truncated`](crate::queue::RecvError::Truncated).
pub struct PipeSender<T> {
    pub(super) frames: FrameWriter,
    /// Memory for encoded values.
    encoded: Vec<u8>,
    values: PhantomData<fn(T)>,
}

/// The memory for encoded values that is kept for the next one, at most.
const KEPT: usize = 64 << 10;

impl<T> PipeSender<T> {
    pub(super) fn new(frames: FrameWriter) -> Self {
        Self {
            frames,
            encoded: Vec::new(),
            values: PhantomData,
        }
    }

    /// Returns how many bytes the pipe holds, headers of 8 bytes included.
    pub fn capacity(&self) -> usize {
        self.frames.ring.end.capacity() * 8
    }

    /// Returns the length in bytes of the longest message that [`try_send`](Self::try_send) sends,
    /// and that the others send with one store.
    pub fn try_max_len(&self) -> usize {
        self.frames.max_whole_len()
    }

    /// Sets how the operations of this end wait; [`Wait::Adaptive`] until then.
    pub fn set_wait(&mut self, wait: Wait) {
        self.frames.ring.end.wait = wait;
    }

    /// Sends bytes as one message, which [`recv_bytes`](super::PipeReceiver::recv_bytes) receives.
    /// Blocks as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); not `Invalid`.
    #[inline]
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), SendError<()>> {
        let never = &const { Deadline::never() };
        Ok(self.frames.send(bytes, Blocking::Until(never))?)
    }

    /// Sends bytes without waiting; see [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send); not `Invalid`.
    #[inline]
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> Result<(), TrySendError<()>> {
        Ok(self.frames.send(bytes, Blocking::Never)?)
    }

    /// Sends bytes as [`send_bytes`](Self::send_bytes), until the deadline at the latest.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout); not `Invalid`.
    pub fn send_bytes_timeout(
        &mut self,
        bytes: &[u8],
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<()>> {
        Ok(self.frames.send(bytes, Blocking::Until(&timeout.into()))?)
    }
}

impl<T: Serialize> PipeSender<T> {
    /// Sends a value. Blocks while the pipe has no room for it and the receiver lives.
    ///
    /// # Errors
    ///
    /// - [`SendError::Disconnected`] if the receiver was dropped, or its process has died. A
    ///   receiver that was dropped, or that a wait found dead, is noticed at once, whether or not
    ///   there is room; a receiver that was killed a moment ago within 10 ms.
    /// - [`SendError::Invalid`] if the value cannot be encoded.
    /// - [`SendError::TooLong`] if the message has more than 2^40 bytes.
    /// - [`SendError::Fault`].
    #[inline]
    pub fn send(&mut self, value: &T) -> Result<(), SendError<()>> {
        let never = &const { Deadline::never() };
        Ok(self.encode_and_send(value, Blocking::Until(never))?)
    }

    /// Sends a value without waiting. Wait-free; makes no system call unless the receiver sleeps,
    /// and one in 10 ms.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`]; [`TrySendError::TooLong`] if the message never fits the pipe, so
    /// that only [`send`](Self::send) can send it; and as [`send`](Self::send). Not `Busy`.
    #[inline]
    pub fn try_send(&mut self, value: &T) -> Result<(), TrySendError<()>> {
        Ok(self.encode_and_send(value, Blocking::Never)?)
    }

    /// Sends a value as [`send`](Self::send); blocks until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// If the deadline passes in the middle of a message that is longer than the pipe, the receiver
    /// is told to forget the part that it has.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError::Timeout`], and as [`send`](Self::send).
    pub fn send_timeout(
        &mut self,
        value: &T,
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<()>> {
        Ok(self.encode_and_send(value, Blocking::Until(&timeout.into()))?)
    }

    #[inline]
    fn encode_and_send(&mut self, value: &T, blocking: Blocking<'_>) -> Result<(), SendStop> {
        let mut memory = std::mem::take(&mut self.encoded);
        memory.clear();
        let bytes = codec::encode_behind(memory, value).map_err(SendStop::Invalid)?;
        let sent = self.frames.send(&bytes, blocking);
        if bytes.capacity() <= KEPT {
            self.encoded = bytes;
        }
        sent
    }
}

debug!([T] PipeSender<T>, |this| { capacity: this.capacity(), .. });
