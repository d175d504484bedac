//! Reading what a slot names, without a lock.
//!
//! # State
//!
//! That of [`blocks`](super).
//!
//! # Protocol
//!
//! That of [`blocks`](super). A read that failed without any change of the words that it depends on
//! is corrupt after [`MOST_FUTILE`] attempts.
//!
//! # Crash
//!
//! A reader leaves nothing.
//!
//! # Ordering
//!
//! (V1) to (V5) of [`blocks`](super).

use super::{Blocks, Corrupt, HEADER, Root, SlotWord, Version, low, words_of};
use crate::facade::{AtomicU64, Ordering, fence, mutation, ordering};

/// How often the same words may be found to be no value before they are corrupt.
const MOST_FUTILE: u32 = 64;

/// The memory of a process to which a content is copied.
pub(crate) trait Buffer {
    fn clear(&mut self);
    /// Appends words, which are loaded one by one without any order.
    fn append(&mut self, words: &[AtomicU64]);
}

/// The same, to be looked at as words.
pub(crate) trait WordBuffer: Buffer {
    fn words(&self) -> &[u64];
}

/// A content that was copied whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) block: u32,
    pub(crate) version: Version,
    /// The length of its key and its hash, or its number.
    pub(crate) mark: u64,
    /// The number of words of its key, which were copied first.
    pub(crate) key_words: usize,
    /// The number of bytes of its value.
    pub(crate) len: usize,
}

impl Content {
    /// Whether both are the same content of the same block.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.block == other.block && self.version.is_of_same_content(other.version)
    }
}

/// The attempts of a reader.
pub(super) struct Attempts {
    last: (Root, SlotWord, u64),
    futile: u32,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            last: (Root(0), SlotWord(0), 0),
            futile: 0,
        }
    }

    /// Notes that a read failed at these words.
    #[cold]
    pub(super) fn failed(
        &mut self,
        blocks: Blocks<'_>,
        root: Root,
        word: SlotWord,
    ) -> Result<(), Corrupt> {
        let block = word.block().and_then(|block| blocks.block(block));
        // ORDERING: Acquire; pairs with (V1): a read that failed at words of a later content sees
        // by the next load of the slot that it names no such block. The next part of a value is
        // looked for by words that were not proven yet.
        if !mutation(652) {
            fence(Ordering::Acquire);
        }
        // ORDERING: Acquire; (V4): the next load of the slot shows that it names no such block.
        let version = block.map_or(0, |block| block[0].load(Ordering::Acquire));
        let now = (root, word, version);
        self.futile = if now == self.last { self.futile + 1 } else { 0 };
        self.last = now;
        if self.futile == MOST_FUTILE {
            return Err(Corrupt { word: word.0 });
        }
        Ok(())
    }
}

/// Copies words of a block, `left` at most, and counts them.
#[inline(always)]
fn copy(words: &[AtomicU64], left: &mut usize, out: &mut impl Buffer) {
    let words = &words[..words.len().min(*left)];
    *left -= words.len();
    // ORDERING: Relaxed; (V1) and (V2) order it.
    out.append(words);
}

impl<'a> Blocks<'a> {
    /// Whether the root is still the same, after all that was loaded before.
    #[inline(always)]
    pub(super) fn is_current(&self, root: Root) -> bool {
        // ORDERING: Relaxed; an acquire fence, or an Acquire load, is before it.
        mutation(849) || self.state.root.0.load(Ordering::Relaxed) == root.0
    }

    /// The word of a slot.
    #[inline(always)]
    pub(super) fn slot(slot: &AtomicU64) -> SlotWord {
        // ORDERING: Acquire; pairs with (V3) in `commit`, and with the fence before a table is
        // filled. The fences of a copy acquire both, too; a slot without a block is not copied.
        SlotWord(slot.load(ordering(Ordering::Acquire, 848)))
    }

    /// Copies the content of the block that a slot was found to name, up to `most` words behind the
    /// key; `None` if it was changed meanwhile, or is none. It was committed, though for another
    /// slot maybe, or the slot named it after its version was loaded.
    #[inline(always)]
    pub(super) fn copy_out(
        &self,
        slot: &AtomicU64,
        word: SlotWord,
        block: u32,
        most: usize,
        out: &mut impl Buffer,
    ) -> Option<Content> {
        let words = self.block(block)?;
        let [version_word, lengths, _, mark, content @ ..] = words else {
            return None;
        };
        // ORDERING: Acquire; pairs with (V2) and (V4).
        let version = Version(version_word.load(ordering(Ordering::Acquire, 843)));
        if !version.is_committed() && !Self::is_still(slot, word) && !mutation(846) {
            return None;
        }
        // ORDERING: Relaxed; (V1) and (V2) order the words.
        let relaxed = Ordering::Relaxed;
        let (lengths, mark) = (lengths.load(relaxed), mark.load(relaxed));
        let (key_words, all) = self.content_words(lengths, mark);
        let wanted = all.min(key_words.saturating_add(most));
        out.clear();
        match content.get(..wanted) {
            // ORDERING: Relaxed; (V1) and (V2) order it.
            Some(content) => out.append(content),
            None if all > self.ring.len().saturating_mul(self.payload) => return None,
            None => self.copy_parts(words, wanted, out)?,
        }
        // ORDERING: Acquire; pairs with (V1).
        if !mutation(844) {
            fence(Ordering::Acquire);
        }
        let now = Version(version_word.load(relaxed));
        (now.is_of_same_content(version) || mutation(845)).then_some(Content {
            block,
            version,
            mark,
            key_words,
            len: low(lengths) as usize,
        })
    }

    /// Copies so many words of the block and of those that it goes on in; `None` as `copy_out`.
    #[inline(never)]
    fn copy_parts(self, words: &[AtomicU64], wanted: usize, out: &mut impl Buffer) -> Option<()> {
        // ORDERING: Relaxed; (V1) and (V2) order the words.
        let relaxed = Ordering::Relaxed;
        let mut left = wanted;
        let mut next = (words[1].load(relaxed) >> 32) as u32;
        let mut next_version = words[2].load(relaxed);
        copy(&words[HEADER..], &mut left, out);
        while left > 0 {
            let part = self.block(next.checked_sub(1)?)?;
            // ORDERING: Acquire; pairs with (V2).
            if part[0].load(Ordering::Acquire) != next_version {
                return None;
            }
            next = (part[1].load(relaxed) >> 32) as u32;
            let further = part[2].load(relaxed);
            copy(&part[HEADER..], &mut left, out);
            // ORDERING: Acquire; pairs with (V1).
            fence(Ordering::Acquire);
            if part[0].load(relaxed) != next_version {
                return None;
            }
            next_version = further;
        }
        Some(())
    }

    /// Whether a slot still is the same word.
    #[inline(always)]
    fn is_still(slot: &AtomicU64, word: SlotWord) -> bool {
        Self::slot(slot) == word
    }

    /// Whether the slot still names the block of the content.
    #[cold]
    pub(super) fn is_still_named(
        self,
        content: &Content,
        slot: &AtomicU64,
        word: SlotWord,
    ) -> bool {
        // The version after the slot: a block that was named by the same word before has another.
        Self::slot(slot) == word && self.version_is(content)
    }

    fn version_is(self, content: &Content) -> bool {
        let Some(words) = self.block(content.block) else {
            return false;
        };
        // ORDERING: Relaxed; the load of the slot before it is an Acquire.
        let now = Version(words[0].load(Ordering::Relaxed));
        now.is_of_same_content(content.version)
    }

    /// Copies the value of the only slot; `None` if it has none.
    #[inline]
    pub(crate) fn load(
        self,
        most: usize,
        out: &mut impl Buffer,
    ) -> Result<Option<Content>, Corrupt> {
        let mut attempts = Attempts::new();
        loop {
            let root = self.root();
            let (_, slots) = self.table(root);
            let word = Self::slot(&slots[0]);
            let Some(block) = word.block() else {
                return Ok(None);
            };
            if let Some(content) = self.copy_out(&slots[0], word, block, most, out) {
                return Ok(Some(content));
            }
            attempts.failed(self, root, word)?;
        }
    }
}

/// Returns the bytes of words, the first `len` of them.
pub(crate) fn bytes_of(words: &[u64], len: usize) -> &[u8] {
    debug_assert!(words_of(len) <= words.len());
    let bytes: &[u8] = bytemuck::cast_slice(words);
    &bytes[..len.min(bytes.len())]
}
