//! The encoding of a key, in the words that a block has of it.

use super::KeyOf;
use crate::algorithm::blocks::index::Key;
use crate::algorithm::blocks::words_of;
use crate::codec::{self, Output, OutputFull};
use crate::payload::ValueError;

const WORD: usize = size_of::<u64>();

/// Memory for the encodings of keys, which is used again.
#[derive(Default)]
pub(super) struct KeyMemory {
    /// As long as there is room; what is behind a key is of former ones.
    words: Vec<u64>,
    /// The number of bytes of the key.
    len: usize,
}

/// The room that the memory begins with.
const LEAST_WORDS: usize = 8;

impl KeyMemory {
    /// The number of bytes that it takes.
    pub(super) fn room(&self) -> usize {
        self.words.capacity() * WORD
    }

    /// Encodes a key; `Err` inside is the number of its bytes, if those are too many.
    #[inline]
    pub(super) fn encode<K, Q: KeyOf<K> + ?Sized>(
        &mut self,
        key: &Q,
    ) -> Result<Result<Key<'_>, u64>, ValueError> {
        self.len = 0;
        codec::append(self, key)?;
        Ok(match u32::try_from(self.len) {
            Ok(len) => Ok(Key::new(self.finished(), len)),
            Err(_) => Err(self.len as u64),
        })
    }

    /// Returns the words of the key, the last of which ends with zeros.
    #[inline(always)]
    fn finished(&mut self) -> &[u64] {
        let words = &mut self.words[..words_of(self.len)];
        let rest = self.len % WORD;
        if rest > 0
            && let Some(last) = words.last_mut()
        {
            // The bytes of a word are the low ones first.
            *last &= u64::MAX >> ((WORD - rest) * 8);
        }
        words
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.words)
    }

    #[cold]
    #[inline(never)]
    fn append_behind_growth(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        let words = words_of(end).next_power_of_two().max(LEAST_WORDS);
        self.words.resize(words, 0);
        let at = self.len;
        self.bytes()[at..end].copy_from_slice(bytes);
        self.len = end;
    }
}

impl Output for KeyMemory {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        let at = self.len;
        let room = self.bytes().get_mut(at..).unwrap_or(&mut []);
        match (bytes, room) {
            // By far the most: of a sequence of bytes, each comes by itself.
            ([byte], [place, ..]) => *place = *byte,
            (_, room) if room.len() >= bytes.len() => room[..bytes.len()].copy_from_slice(bytes),
            _ => {
                self.append_behind_growth(bytes);
                return Ok(());
            }
        }
        self.len = at + bytes.len();
        Ok(())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn put_at(&mut self, at: usize, bytes: [u8; 4]) {
        self.bytes()[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}
