//! The end of a pipe that values are received from.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::error::RecvIntoError;
use super::frame::{Blocking, RecvStop};
use super::reader::{FrameReader, Ready};
use crate::codec;
use crate::facade::Deadline;
use crate::payload::ValueError;
use crate::queue::waitable;
use crate::queue::{
    Iter, Receive, RecvError, RecvTimeoutError, TryIter, TryRecvError, Wait, Waitable,
};
use crate::segment::Fault;
use crate::wait::select::{NotMember, SourceRef};

/// The receiving end of a [`pipe`](super::pipe), or of a connection that was
/// [split](super::Conn::split).
///
/// It belongs to one process and one thread at a time: every operation takes `&mut self`. Dropping
/// it, or the end of the process, disconnects the sender. In a forked child an inherited one
/// receives nothing and returns [`NotOwner`](crate::Fault::NotOwner).
///
/// [`wait_any`](crate::queue::wait_any) waits for several of them, for queues and for processes.
/// There a receiver is also ready when a part of a large message has arrived: call
/// [`try_recv`](Self::try_recv), which takes the part, and wait again if that returns `Empty`.
pub struct PipeReceiver<T> {
    pub(super) frames: FrameReader,
    values: PhantomData<fn() -> T>,
}

impl<T> PipeReceiver<T> {
    pub(super) fn new(frames: FrameReader) -> Self {
        Self {
            frames,
            values: PhantomData,
        }
    }

    /// Returns how many bytes the pipe holds, headers of 8 bytes included.
    pub fn capacity(&self) -> usize {
        self.frames.ring.end.capacity() * 8
    }

    /// Sets how the operations of this end wait; [`Wait::Adaptive`] until then.
    pub fn set_wait(&mut self, wait: Wait) {
        self.frames.ring.end.wait = wait;
    }

    /// Waits until [`recv`](Self::recv) would return at once, or the deadline has passed, and
    /// returns which: `true` also if it would return an error, such as the end. With
    /// [`Duration::ZERO`](std::time::Duration::ZERO) it does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn poll(&mut self, timeout: impl Into<Deadline>) -> Result<bool, Fault> {
        match self.frames.wait(Blocking::Until(&timeout.into())) {
            Ok(_) | Err(RecvStop::Disconnected | RecvStop::Truncated) => Ok(true),
            Err(RecvStop::Empty | RecvStop::TimedOut) => Ok(false),
            Err(RecvStop::Fault(fault)) => Err(fault),
        }
    }

    /// Receives the bytes of a message: those that were sent, or those of an encoded value. Blocks
    /// as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); not `Invalid`.
    pub fn recv_bytes(&mut self) -> Result<Vec<u8>, RecvError> {
        let never = &const { Deadline::never() };
        Ok(self.next(Blocking::Until(never), FrameReader::take_bytes)?)
    }

    /// Receives the bytes of a message without waiting; see [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv); not `Invalid`.
    pub fn try_recv_bytes(&mut self) -> Result<Vec<u8>, TryRecvError> {
        Ok(self.next(Blocking::Never, FrameReader::take_bytes)?)
    }

    /// Receives the bytes of a message as [`recv_bytes`](Self::recv_bytes), until the deadline at
    /// the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout); not `Invalid`.
    pub fn recv_bytes_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<Vec<u8>, RecvTimeoutError> {
        let deadline = timeout.into();
        Ok(self.next(Blocking::Until(&deadline), FrameReader::take_bytes)?)
    }

    /// Receives the bytes of a message in place of what `bytes` holds, and returns their number.
    /// The memory of `bytes` is used again, so that a loop allocates no more than once for each new
    /// longest message. Blocks as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); not `Invalid`. `bytes` is unchanged then.
    pub fn recv_into(&mut self, bytes: &mut Vec<u8>) -> Result<usize, RecvError> {
        let never = &const { Deadline::never() };
        let len = self.next(Blocking::Until(never), |frames, ready| {
            frames.take(ready, |message| {
                bytes.clear();
                bytes.extend_from_slice(message);
                message.len()
            })
        })?;
        Ok(len)
    }

    /// Receives the bytes of a message into the first places of `memory`, and returns their number.
    /// Blocks as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// [`RecvIntoError::TooSmall`], and the message stays; and as [`recv`](Self::recv), not
    /// `Invalid`.
    pub fn recv_into_slice(&mut self, memory: &mut [u8]) -> Result<usize, RecvIntoError> {
        let never = &const { Deadline::never() };
        let (message, room) = (
            self.next(Blocking::Until(never), |_, ready| Ok(ready)),
            memory.len(),
        );
        let ready = message.map_err(RecvError::from)?;
        let Some(places) = memory.get_mut(..ready.len()) else {
            return Err(RecvIntoError::TooSmall {
                message: ready.len(),
                memory: room,
            });
        };
        let taken = self.frames.take(ready, |message| {
            places.copy_from_slice(message);
            message.len()
        });
        Ok(taken.map_err(RecvError::from)?)
    }

    /// Waits for a message and calls `take` with where it is.
    #[inline]
    fn next<X>(
        &mut self,
        blocking: Blocking<'_>,
        take: impl FnOnce(&mut FrameReader, Ready) -> Result<X, RecvStop>,
    ) -> Result<X, RecvStop> {
        match self.frames.wait(blocking) {
            Ok(ready) => take(&mut self.frames, ready),
            Err(stop) => Err(self.stopped(stop)),
        }
    }

    #[cold]
    fn stopped(&mut self, stop: RecvStop) -> RecvStop {
        if stop == RecvStop::Truncated {
            self.frames.forget();
        }
        stop
    }
}

impl<T: DeserializeOwned> PipeReceiver<T> {
    /// Receives a value. Blocks while there is none and the sender lives.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Disconnected`] if the sender was dropped, or its process has died, and
    ///   everything that it had sent was received. A death is noticed within half a second, however
    ///   long the wait was.
    /// - [`RecvError::Truncated`] if it died in the middle of a message that is longer than the
    ///   pipe.
    /// - [`RecvError::Invalid`] if the message is no value of `T`; it is gone.
    /// - [`RecvError::Fault`].
    ///
    /// # Panics
    ///
    /// If the `Deserialize` of `T` panics; the message stays then.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        let never = &const { Deadline::never() };
        let decoded = self.next(Blocking::Until(never), decode)?;
        decoded.map_err(|reason| RecvError::Invalid { reason })
    }

    /// Receives a value without waiting. Makes no system call unless the sender sleeps, and one in
    /// 10 ms while there is no message.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`], and as [`recv`](Self::recv); a death is noticed within 10 ms. Not
    /// `Busy`.
    ///
    /// # Panics
    ///
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let decoded = self.next(Blocking::Never, decode)?;
        decoded.map_err(|reason| TryRecvError::Invalid { reason })
    }

    /// Receives a value as [`recv`](Self::recv); blocks until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant). The part
    /// of a large message that has arrived by then is kept for the next call.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`], and as [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<T, RecvTimeoutError> {
        let decoded = self.next(Blocking::Until(&timeout.into()), decode)?;
        decoded.map_err(|reason| RecvTimeoutError::Invalid { reason })
    }

    /// Returns an iterator that receives values, blocking for each; it ends when the sender has
    /// gone.
    pub fn iter(&mut self) -> Iter<&mut Self> {
        Iter::new(self)
    }

    /// Returns an iterator that receives values without waiting; it ends when there is none.
    pub fn try_iter(&mut self) -> TryIter<&mut Self> {
        TryIter::new(self)
    }
}

#[inline]
fn decode<T: DeserializeOwned>(
    frames: &mut FrameReader,
    ready: Ready,
) -> Result<Result<T, ValueError>, RecvStop> {
    frames.take(ready, codec::decode)
}

impl<T: DeserializeOwned> Receive for &mut PipeReceiver<T> {
    type Item = T;

    fn receive(&mut self) -> Result<T, RecvError> {
        self.recv()
    }

    fn try_receive(&mut self) -> Result<T, TryRecvError> {
        self.try_recv()
    }
}

impl<T: DeserializeOwned> IntoIterator for &mut PipeReceiver<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        self.iter()
    }
}

impl<T> waitable::HasSource for PipeReceiver<T> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(&self.frames)
    }

    /// Its operations say that the end is lost, if it is.
    fn lost(&self, _: NotMember) -> Option<Fault> {
        Some(self.frames.ring.end.lost()).filter(|fault| *fault != Fault::NotOwner)
    }
}

impl<T> Waitable for PipeReceiver<T> {}

debug!([T] PipeReceiver<T>, |this| { capacity: this.capacity(), .. });
