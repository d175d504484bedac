//! The end of a ring that frames are written to.

use super::frame::{
    ABORT, Blocking, LARGE, LastAsked, MAX_LEN, PART, SendStop, WHOLE, WORD, header, words,
};
use crate::fixed::TooLongError;
use crate::format::Kind;
use crate::queue::TrySendError;
use crate::queue::spsc::{Producer, Spsc};
use crate::segment::{ClaimError, Fault};
use crate::wait::on_event::{EventWaitError, TryError};

/// The end that messages are sent through.
pub(super) struct FrameWriter {
    pub(super) ring: Producer<u64>,
    asked: LastAsked,
}

impl FrameWriter {
    /// Claims the sending end of a ring.
    pub(super) fn claim(ring: &Spsc<u64>) -> Result<Self, ClaimError> {
        ring.producer().map(Self::over)
    }

    pub(super) fn over(ring: Producer<u64>) -> Self {
        let asked = LastAsked::default();
        Self { ring, asked }
    }

    /// Returns the length of the longest message that is one frame.
    #[inline]
    pub(super) fn max_whole_len(&self) -> usize {
        // One word is the header, one stays free.
        self.ring.end.capacity().saturating_sub(2) * WORD
    }

    /// Sends a message.
    #[inline]
    pub(super) fn send(&mut self, message: &[u8], blocking: Blocking<'_>) -> Result<(), SendStop> {
        let len = message.len();
        let most = self.max_whole_len();
        if len > most {
            return self.send_large(message, blocking);
        }
        let words = 1 + words(len);
        self.wait_for_room(words + 1, blocking)?;
        self.put(words, |places| {
            places.word(header(WHOLE, len));
            places.bytes(message);
        })
    }

    /// Streams a message that does not fit the ring.
    #[cold]
    fn send_large(&mut self, message: &[u8], blocking: Blocking<'_>) -> Result<(), SendStop> {
        let len = message.len();
        let limit = match blocking {
            Blocking::Never => self.max_whole_len(),
            Blocking::Until(_) => MAX_LEN,
        };
        if len > limit {
            return Err(SendStop::TooLong(TooLongError { len, limit }));
        }
        let mut rest = message;
        let mut sent = self.send_part(Some(len), &mut rest, blocking);
        while sent.is_ok() && !rest.is_empty() {
            sent = self.send_part(None, &mut rest, blocking);
        }
        let is_begun = rest.len() < len;
        if is_begun && matches!(sent, Err(SendStop::TimedOut)) {
            // Every commit has left a word for it.
            self.put(1, |places| places.word(header(ABORT, 0)))?;
        }
        sent
    }

    /// Sends as much of a large message as there is room for, and at least a quarter of the ring or
    /// all of it. `first` is the length of the message whose first part it is.
    fn send_part(
        &mut self,
        first: Option<usize>,
        rest: &mut &[u8],
        blocking: Blocking<'_>,
    ) -> Result<(), SendStop> {
        // The header of the part, that of the message, and the word that stays free.
        let besides = 2 + usize::from(first.is_some());
        let least = words(rest.len())
            .min(self.max_whole_len() / WORD / 4)
            .max(1);
        let room = self.wait_for_room(besides + least, blocking)?;
        let count = words(rest.len()).min(room - besides);
        let (part, left) = rest.split_at(rest.len().min(count * WORD));
        self.put(besides - 1 + count, |places| {
            if let Some(len) = first {
                places.word(header(LARGE, len));
            }
            places.word(header(PART, part.len()));
            places.bytes(part);
        })?;
        *rest = left;
        Ok(())
    }

    /// Waits for so many free words, and returns how many are free: that many, or more.
    #[inline]
    fn wait_for_room(&mut self, least: usize, blocking: Blocking<'_>) -> Result<usize, SendStop> {
        self.check_peer()?;
        if let Err(error) = self.ring.end.up_to(least) {
            return Err(self.refused(error));
        }
        let free = self.ring.end.known();
        if free >= least {
            return Ok(free);
        }
        let Blocking::Until(deadline) = blocking else {
            return Err(SendStop::Full);
        };
        match self.ring.end.wait_for(least as u64, deadline) {
            Ok(()) => {}
            Err(EventWaitError::Disconnected) => return Err(SendStop::Disconnected),
            Err(EventWaitError::TimedOut) => return Err(SendStop::TimedOut),
            Err(EventWaitError::Corrupt) => return Err(self.refused(TryError::Corrupt)),
            Err(EventWaitError::MembershipLost) => {
                return Err(SendStop::Fault(self.ring.end.lost()));
            }
        }
        if self.ring.end.peer_has_left() {
            return Err(SendStop::Disconnected);
        }
        Ok(self.ring.end.known())
    }

    /// Fails if the receiver has left or died.
    #[inline]
    fn check_peer(&mut self) -> Result<(), SendStop> {
        if self.asked.is_due() {
            self.ring.end.reap_peer();
        }
        if self.ring.end.peer_has_left() {
            return Err(SendStop::Disconnected);
        }
        Ok(())
    }

    #[cold]
    fn refused(&self, error: TryError) -> SendStop {
        match error {
            TryError::WouldBlock | TryError::Busy => SendStop::Full,
            TryError::Disconnected => SendStop::Disconnected,
            TryError::Corrupt => SendStop::Fault(Fault::corrupt(Kind::Spsc, 0_u64)),
            TryError::MembershipLost => SendStop::Fault(self.ring.end.lost()),
        }
    }

    /// Writes so many words, which are free, and commits them.
    #[inline]
    fn put(&mut self, words: usize, write: impl FnOnce(&mut Places<'_>)) -> Result<(), SendStop> {
        let chunk = self.ring.write_chunk(words);
        let mut chunk = chunk.map_err(|error| match error {
            TrySendError::Fault((), fault) => SendStop::Fault(fault),
            _ => SendStop::Full,
        })?;
        let (first, second) = chunk.as_mut_slices();
        let mut places = Places { first, second };
        write(&mut places);
        chunk.commit(words);
        Ok(())
    }
}

/// Free words, in two runs.
struct Places<'a> {
    first: &'a mut [u64],
    second: &'a mut [u64],
}

impl Places<'_> {
    /// Writes a word.
    #[inline]
    fn word(&mut self, word: u64) {
        if self.first.is_empty() {
            self.first = std::mem::take(&mut self.second);
        }
        if let Some((place, rest)) = std::mem::take(&mut self.first).split_first_mut() {
            *place = word;
            self.first = rest;
        }
    }

    /// Writes bytes up to the end: the last ones of the last word stay as they are.
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        let first: &mut [u8] = bytemuck::cast_slice_mut(self.first);
        let (head, tail) = bytes.split_at(bytes.len().min(first.len()));
        first[..head.len()].copy_from_slice(head);
        if !tail.is_empty() {
            let second: &mut [u8] = bytemuck::cast_slice_mut(self.second);
            second[..tail.len()].copy_from_slice(tail);
        }
    }
}
