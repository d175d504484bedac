//! The end of a ring that frames are read from.

use super::frame::{
    ABORT, Blocking, LARGE, LENGTH, LastAsked, MAX_LEN, PART, RecvStop, TRUSTED, WHOLE, words,
};
use crate::format::Kind;
use crate::queue::TryRecvError;
use crate::queue::spsc::{Consumer, Spsc};
use crate::segment::{ClaimError, Fault};
use crate::wait::on_event::{EventWaitError, TryError};

/// The end that messages are received from.
pub(super) struct FrameReader {
    pub(super) ring: Consumer<u64>,
    asked: LastAsked,
    /// A large message, as far as it has arrived.
    pub(super) partial: Option<Partial>,
    /// Memory for a message that lies in two runs, and for large ones.
    spare: Vec<u8>,
}

/// A large message, as far as it has arrived.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Partial {
    len: usize,
    bytes: Vec<u8>,
}

/// Where the next message is, all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// In the ring: its length.
    InRing(usize),
    /// In the reader's memory: its length.
    Gathered(usize),
}

impl Ready {
    /// Returns the length of the message.
    pub(super) fn len(self) -> usize {
        match self {
            Self::InRing(len) | Self::Gathered(len) => len,
        }
    }
}

impl FrameReader {
    /// Claims the receiving end of a ring.
    pub(super) fn claim(ring: &Spsc<u64>) -> Result<Self, ClaimError> {
        ring.consumer().map(|ring| Self::over(ring, None))
    }

    pub(super) fn over(ring: Consumer<u64>, partial: Option<Partial>) -> Self {
        Self {
            ring,
            asked: LastAsked::default(),
            partial,
            spare: Vec::new(),
        }
    }

    /// Waits until the next message is there, all of it.
    #[inline]
    pub(super) fn wait(&mut self, blocking: Blocking<'_>) -> Result<Ready, RecvStop> {
        loop {
            if let Some(len) = self.gathered() {
                return Ok(Ready::Gathered(len));
            }
            if !self.ring.end.is_quick() && !self.look()? {
                self.wait_for_frame(blocking)?;
            } else if let Some(ready) = self.next_frame()? {
                return Ok(ready);
            }
        }
    }

    /// Returns the length of a large message that is whole; of an end that is this process's.
    #[inline]
    fn gathered(&self) -> Option<usize> {
        let partial = self.partial.as_ref()?;
        let is_whole = partial.bytes.len() == partial.len;
        (is_whole && self.ring.end.is_mine()).then_some(partial.len)
    }

    /// Returns whether a large message is whole.
    pub(super) fn has_gathered(&self) -> bool {
        self.gathered().is_some()
    }

    /// Loads the sender's position; returns whether there is a frame.
    fn look(&mut self) -> Result<bool, RecvStop> {
        match self.ring.end.look() {
            Ok(words) => Ok(words > 0),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Waits for a frame.
    fn wait_for_frame(&mut self, blocking: Blocking<'_>) -> Result<(), RecvStop> {
        let Blocking::Until(deadline) = blocking else {
            return self.on_empty();
        };
        match self.ring.end.wait_for(1, deadline) {
            Ok(()) => Ok(()),
            Err(EventWaitError::Disconnected) => Err(self.ended()),
            Err(EventWaitError::TimedOut) => Err(RecvStop::TimedOut),
            Err(EventWaitError::Corrupt) => Err(self.refused(TryError::Corrupt)),
            Err(EventWaitError::MembershipLost) => Err(RecvStop::Fault(self.ring.end.lost())),
        }
    }

    /// Returns what it means that there is no frame; `Ok` if one has come.
    #[cold]
    fn on_empty(&mut self) -> Result<(), RecvStop> {
        if self.asked.is_due() {
            self.ring.end.reap_peer();
        }
        if !self.ring.end.peer_has_left() {
            return Err(RecvStop::Empty);
        }
        // It may have sent something before it left.
        if self.look()? {
            return Ok(());
        }
        Err(self.ended())
    }

    /// Returns what it means that the sender has gone and no frame is left.
    fn ended(&self) -> RecvStop {
        if self.partial.is_some() {
            RecvStop::Truncated
        } else {
            RecvStop::Disconnected
        }
    }

    /// Reads the next frame, of which there is one. Moves a part out of the ring; returns where the
    /// message is if it is whole.
    #[inline]
    fn next_frame(&mut self) -> Result<Option<Ready>, RecvStop> {
        let chunk = self.ring.read_chunk(1).map_err(unread)?;
        let frame = chunk.as_slices().0.first().copied().unwrap_or_default();
        let kind = frame.to_be_bytes()[0];
        let len = usize::try_from(frame & LENGTH).map_err(|_| garbage(frame))?;
        if kind != WHOLE || self.partial.is_some() {
            return self.next_part(frame, kind, len);
        }
        // One commit: the contents came with the header.
        match self.ring.end.up_to(1 + words(len)) {
            Ok(there) if there > words(len) => Ok(Some(Ready::InRing(len))),
            Ok(_) => Err(garbage(frame)),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Moves a frame of a large message out of the ring.
    #[cold]
    fn next_part(&mut self, frame: u64, kind: u8, len: usize) -> Result<Option<Ready>, RecvStop> {
        match (kind, &mut self.partial) {
            (LARGE, None) if len > 0 && len <= MAX_LEN => {
                let mut bytes = std::mem::take(&mut self.spare);
                bytes.clear();
                bytes.reserve(len.min(TRUSTED));
                self.partial = Some(Partial { len, bytes });
                self.skip()?;
                Ok(None)
            }
            (PART, Some(partial)) if len > 0 && len <= partial.len - partial.bytes.len() => {
                let chunk = self.ring.read_chunk(1 + words(len)).map_err(unread)?;
                if chunk.len() != 1 + words(len) {
                    return Err(garbage(frame));
                }
                let (first, second) = contents(chunk.as_slices(), len);
                partial.bytes.extend_from_slice(first);
                partial.bytes.extend_from_slice(second);
                chunk.commit(1 + words(len));
                Ok(self.gathered().map(Ready::Gathered))
            }
            (ABORT, Some(_)) if len == 0 => {
                self.forget();
                self.skip()?;
                Ok(None)
            }
            _ => Err(garbage(frame)),
        }
    }

    /// Moves past a frame without contents.
    fn skip(&mut self) -> Result<(), RecvStop> {
        self.ring.read_chunk(1).map_err(unread)?.commit(1);
        Ok(())
    }

    /// Forgets a large message that does not become whole.
    pub(super) fn forget(&mut self) {
        self.partial = None;
    }

    /// Calls `read` with the message that is there, which is gone afterwards. If `read` panics, it
    /// stays.
    #[inline]
    pub(super) fn take<X>(
        &mut self,
        ready: Ready,
        read: impl FnOnce(&[u8]) -> X,
    ) -> Result<X, RecvStop> {
        let Ready::InRing(len) = ready else {
            return Ok(self.take_gathered(read));
        };
        let chunk = self.ring.read_chunk(1 + words(len)).map_err(unread)?;
        let (first, second) = contents(chunk.as_slices(), len);
        let read = if second.is_empty() {
            read(first)
        } else {
            self.spare.clear();
            self.spare.extend_from_slice(first);
            self.spare.extend_from_slice(second);
            read(&self.spare)
        };
        chunk.commit(1 + words(len));
        // One message after the other is no stream, if each is waited for.
        self.ring.end.set_step(1 + words(len));
        Ok(read)
    }

    #[cold]
    fn take_gathered<X>(&mut self, read: impl FnOnce(&[u8]) -> X) -> X {
        let bytes = self
            .partial
            .as_ref()
            .map_or(&[][..], |partial| &partial.bytes);
        let read = read(bytes);
        let bytes = self.partial.take().map(|partial| partial.bytes);
        // The memory of a very large message is given back.
        self.spare = bytes
            .filter(|bytes| bytes.capacity() <= TRUSTED)
            .unwrap_or_default();
        read
    }

    /// Returns the bytes of the message that is there, which is gone afterwards.
    pub(super) fn take_bytes(&mut self, ready: Ready) -> Result<Vec<u8>, RecvStop> {
        match (ready, self.partial.take()) {
            (Ready::Gathered(_), Some(partial)) => Ok(partial.bytes),
            (_, partial) => {
                self.partial = partial;
                self.take(ready, <[u8]>::to_vec)
            }
        }
    }

    #[cold]
    fn refused(&self, error: TryError) -> RecvStop {
        match error {
            TryError::WouldBlock | TryError::Busy => RecvStop::Empty,
            TryError::Disconnected => RecvStop::Disconnected,
            TryError::Corrupt => garbage(0),
            TryError::MembershipLost => RecvStop::Fault(self.ring.end.lost()),
        }
    }
}

#[cold]
fn unread(error: TryRecvError) -> RecvStop {
    match error {
        TryRecvError::Fault(fault) => RecvStop::Fault(fault),
        _ => RecvStop::Empty,
    }
}

#[cold]
fn garbage(frame: u64) -> RecvStop {
    RecvStop::Fault(Fault::corrupt(Kind::Spsc, frame))
}

/// Returns the `len` bytes behind the header of a frame that lies in two runs.
#[inline]
fn contents<'a>((first, second): (&'a [u64], &'a [u64]), len: usize) -> (&'a [u8], &'a [u8]) {
    let first: &[u8] = bytemuck::cast_slice(first.get(1..).unwrap_or_default());
    let second: &[u8] = bytemuck::cast_slice(second);
    if first.is_empty() {
        // The frame's header is the last word of the ring.
        return (&second[..len.min(second.len())], &[]);
    }
    let head = len.min(first.len());
    (&first[..head], &second[..len - head])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::PipeOptions;
    use super::super::frame::header;
    use super::*;

    /// Words that are likely to be headers of one of the kinds, with lengths about the bounds.
    fn word() -> impl Strategy<Value = u64> {
        let len = prop_oneof![0..80_usize, 490..510_usize, Just(MAX_LEN), Just(usize::MAX)];
        let frame = (0..6_u8, len).prop_map(|(kind, len)| header(kind, len));
        prop_oneof![any::<u64>(), frame]
    }

    proptest! {
        #[test]
        fn any_words_are_messages_or_an_error(words in proptest::collection::vec(word(), 1..60)) {
            let [ring] = PipeOptions::new().capacity(512).rings().unwrap();
            let mut producer = ring.producer().unwrap();
            let mut reader = FrameReader::claim(&ring).unwrap();
            prop_assert_eq!(producer.push_slice(&words).unwrap(), words.len());
            // Each frame takes a word at least, so it ends.
            for _ in 0..=words.len() {
                match reader.wait(Blocking::Never) {
                    Ok(ready) => {
                        let len = reader.take(ready, <[u8]>::len);
                        prop_assert_eq!(len, Ok(ready.len()));
                    }
                    Err(RecvStop::Empty) => return Ok(()),
                    Err(RecvStop::Fault(Fault::Corrupt { kind: Kind::Spsc, .. })) => {
                        // It stays so.
                        let again = reader.wait(Blocking::Never);
                        prop_assert!(matches!(again, Err(RecvStop::Fault(_))));
                        return Ok(());
                    }
                    Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
                }
            }
            prop_assert!(false, "more frames than words");
        }
    }
}
