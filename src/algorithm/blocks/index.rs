//! The index of a dictionary: a hash table by linear probing, whose slots never move.
//!
//! # State
//!
//! That of [`blocks`](super). A table's length is the number of its values. The fingerprint of a
//! slot is of the high half of its key's hash; the low half, in the mark, says where the probe
//! begins. Keys are equal if their encodings are.
//!
//! Invariant 1: no slot between the home of a key and the slot of the key is empty.
//!
//! # Protocol
//!
//! - get: probe from the home to the first empty slot.
//! - insert: into the slot of the key; or else the first removed slot on its way, or the empty one.
//! - remove: CAS the slot to removed, or to empty if the next one is empty; then so are the removed
//!   ones before it.
//! - rebuild, if three quarters of the slots are not empty: fill the other table without the
//!   removed slots, flip. There are at least twice as many slots as blocks, so that makes room.
//! - [iterate](super::iterate): all keys of one home at a time, under the same root. So a key that
//!   is there all the while comes once, though a rebuild moves it: its home stays the same.
//!
//! # Crash
//!
//! That of [`blocks`](super); each change of one key has one commit, and a rebuild changes none.
//!
//! # Ordering
//!
//! (V3) and (V5) of [`blocks`](super). A key that was there all the while stays in its slot as long
//! as the root is the same. A reader that finds it neither there nor elsewhere has seen it removed:
//! also if it was inserted again, into a slot that the reader had passed.

use super::read::{Attempts, Buffer, Content, WordBuffer};
use super::write::{NewContent, SPARE, WriteError, Writer};
use super::{Blocks, Corrupt, Root, SlotWord, low, number_of};
use crate::facade::{AtomicU64, Ordering, mutation};

/// An encoded key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'k> {
    /// Its bytes, and zeros.
    words: &'k [u64],
    len: u32,
    hash: u64,
}

impl<'k> Key<'k> {
    /// The key of so many bytes in `words`.
    #[inline]
    pub(crate) fn new(words: &'k [u64], len: u32) -> Self {
        const MIX: u64 = 0xd6e8_feb8_6659_fd93;
        let mut hash = u64::from(len).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for word in words {
            hash = (hash ^ word).wrapping_mul(MIX);
            hash ^= hash >> 32;
        }
        hash = hash.wrapping_mul(MIX);
        hash ^= hash >> 29;
        Self { words, len, hash }
    }

    /// A key with a hash of the test's choice.
    #[cfg(all(test, loom))]
    pub(crate) fn with_hash(words: &'k [u64], hash: u64) -> Self {
        let len = u32::try_from(size_of_val(words)).unwrap_or(0);
        Self { words, len, hash }
    }

    fn fingerprint(&self) -> u32 {
        (self.hash >> 32) as u32
    }

    fn mark(&self) -> u64 {
        (u64::from(self.len) << 32) | u64::from(low(self.hash))
    }

    #[inline(always)]
    fn is_of(&self, content: &Content, words: &[u64]) -> bool {
        content.mark == self.mark() && words.get(..self.words.len()) == Some(self.words)
    }
}

/// What is behind a key, which is compared and not copied.
struct ValueOf<'b, 'k, B> {
    key: &'b Key<'k>,
    /// The words of the key that are still to come.
    rest: &'k [u64],
    is_same: bool,
    out: &'b mut B,
}

impl<'b, 'k, B: Buffer> ValueOf<'b, 'k, B> {
    #[inline(always)]
    fn new(key: &'b Key<'k>, out: &'b mut B) -> Self {
        Self {
            key,
            rest: key.words,
            is_same: true,
            out,
        }
    }

    /// A content that was copied whole, without its key; `None` if it is another key's.
    #[inline(always)]
    fn found(&self, content: Content) -> Option<Content> {
        let is_same = self.rest.is_empty() && (self.is_same || mutation(920));
        let is_its = content.mark == self.key.mark() && is_same;
        is_its.then_some(Content {
            key_words: 0,
            ..content
        })
    }
}

impl<B: Buffer> Buffer for ValueOf<'_, '_, B> {
    #[inline(always)]
    fn clear(&mut self) {
        self.rest = self.key.words;
        self.is_same = true;
        self.out.clear();
    }

    #[inline(always)]
    fn append(&mut self, words: &[AtomicU64]) {
        let (mine, rest) = self.rest.split_at(self.rest.len().min(words.len()));
        let (key, value) = words.split_at(mine.len());
        self.rest = rest;
        // ORDERING: Relaxed; the caller's words order it, as in `Buffer`.
        let is_same = |(word, mine): (&AtomicU64, &u64)| word.load(Ordering::Relaxed) == *mine;
        self.is_same &= key.iter().zip(mine).all(is_same);
        self.out.append(value);
    }
}

/// What a get met first: a slot with the fingerprint of the key.
struct Candidate {
    root: Root,
    at: usize,
    word: SlotWord,
    /// What was copied of it, which is not of the key; `None` if the read failed.
    content: Option<Content>,
}

/// Where a key is, or could be.
struct Found {
    /// The index of its slot.
    at: usize,
    word: SlotWord,
    content: Option<Content>,
}

impl Blocks<'_> {
    #[inline(always)]
    pub(super) fn home(&self, mark: u64) -> usize {
        low(mark) as usize & (self.slots - 1)
    }

    /// Copies up to `most` words of a key's value, and nothing of the key; `None` if there is no
    /// such key.
    #[inline(always)]
    pub(crate) fn get(
        &self,
        key: &Key<'_>,
        most: usize,
        out: &mut impl Buffer,
    ) -> Result<Option<Content>, Corrupt> {
        let root = self.root();
        let (_, slots) = self.table(root);
        let mut found = None;
        if let Some((at, word, block)) = self.candidate(slots, key, self.home(key.mark())) {
            let mut value = ValueOf::new(key, out);
            let content = self.copy_out(&slots[at], word, block, most, &mut value);
            found = content.and_then(|content| value.found(content));
            if found.is_none() && !mutation(921) {
                let first = Candidate {
                    root,
                    at,
                    word,
                    content,
                };
                return self.get_again(Some(first), key, most, out);
            }
        }
        match self.is_current(root) {
            true => Ok(found),
            false => self.get_again(None, key, most, out),
        }
    }

    /// The same, if the first candidate is not the key, or could not be read, or the root has
    /// changed.
    #[cold]
    #[inline(never)]
    fn get_again(
        self,
        mut first: Option<Candidate>,
        key: &Key<'_>,
        most: usize,
        out: &mut impl Buffer,
    ) -> Result<Option<Content>, Corrupt> {
        let mut attempts = Attempts::new();
        loop {
            let root = first
                .as_ref()
                .map_or_else(|| self.root(), |first| first.root);
            let (_, slots) = self.table(root);
            let found = match first.take() {
                None => self.probe(slots, self.home(key.mark()), key, most, out),
                Some(Candidate {
                    at, word, content, ..
                }) => match content {
                    Some(content) if self.is_another(&content, &slots[at], word) => {
                        self.probe(slots, (at + 1) & (slots.len() - 1), key, most, out)
                    }
                    _ => Err(word),
                },
            };
            match found {
                Ok(found) if self.is_current(root) => return Ok(found),
                Ok(_) => {}
                Err(word) => attempts.failed(self, root, word)?,
            }
        }
    }

    /// Whether a content that is not of the key is of another one: not of a later content of the
    /// block, while the slot names another block.
    fn is_another(self, content: &Content, slot: &AtomicU64, word: SlotWord) -> bool {
        mutation(862) || self.is_still_named(content, slot, word)
    }

    /// The first slot from `at` on whose fingerprint is the key's, its word and block; `None` if
    /// there is none before an empty one.
    #[inline(always)]
    fn candidate(
        &self,
        slots: &[AtomicU64],
        key: &Key<'_>,
        mut at: usize,
    ) -> Option<(usize, SlotWord, u32)> {
        for _ in 0..slots.len() {
            let word = Self::slot(&slots[at]);
            if word.is_empty() {
                return None;
            }
            if word.has(key.fingerprint())
                && let Some(block) = word.block()
            {
                return Some((at, word, block));
            }
            at = (at + 1) & (slots.len() - 1);
        }
        None
    }

    /// The key in a table, from a slot on, or the word of the slot at which the read failed.
    fn probe(
        &self,
        slots: &[AtomicU64],
        mut from: usize,
        key: &Key<'_>,
        most: usize,
        out: &mut impl Buffer,
    ) -> Result<Option<Content>, SlotWord> {
        for _ in 0..slots.len() {
            let Some((at, word, block)) = self.candidate(slots, key, from) else {
                return Ok(None);
            };
            let mut value = ValueOf::new(key, out);
            let content = self.copy_out(&slots[at], word, block, most, &mut value);
            let content = content.ok_or(word)?;
            if let Some(found) = value.found(content) {
                return Ok(Some(found));
            }
            if !self.is_another(&content, &slots[at], word) {
                return Err(word);
            }
            from = (at + 1) & (slots.len() - 1);
        }
        Ok(None)
    }

    /// The number of keys. It may be stale when it is returned.
    pub(crate) fn len(self) -> u64 {
        let root = self.root();
        let (len, slots) = self.table(root);
        // ORDERING: Relaxed; the value may be stale.
        let len = len.load(Ordering::Relaxed);
        let number = root.edition().number(len);
        let number = number.or_else(|| mutation(910).then(|| number_of(len)));
        number.unwrap_or_else(|| Self::count_keys(slots))
    }

    /// The number of slots that name a block, for a length that a former owner stored: it was
    /// reaped alive, and no owner has needed the length since.
    #[cold]
    fn count_keys(slots: &[AtomicU64]) -> u64 {
        let named = slots
            .iter()
            .filter(|slot| Self::slot(slot).block().is_some());
        named.count() as u64
    }

    /// Calls `found` with each key whose home is the slot `home`; with `None` if all of them come
    /// anew. A key that was removed and inserted again meanwhile may come twice.
    pub(super) fn bucket(
        self,
        home: usize,
        out: &mut impl WordBuffer,
        mut found: impl FnMut(Option<(&Content, &[u64])>),
    ) -> Result<(), Corrupt> {
        let mut attempts = Attempts::new();
        'anew: loop {
            found(None);
            let root = self.root();
            let (_, slots) = self.table(root);
            let mut at = home & (slots.len() - 1);
            for _ in 0..slots.len() {
                let word = Self::slot(&slots[at]);
                if word.is_empty() {
                    break;
                }
                if let Some(block) = word.block() {
                    let content = self.copy_out(&slots[at], word, block, usize::MAX, out);
                    let Some(content) =
                        content.filter(|content| self.is_still_named(content, &slots[at], word))
                    else {
                        attempts.failed(self, root, word)?;
                        continue 'anew;
                    };
                    if self.home(content.mark) == home {
                        found(Some((&content, out.words())));
                    }
                }
                at = (at + 1) & (slots.len() - 1);
            }
            if self.is_current(root) || mutation(658) {
                return Ok(());
            }
        }
    }
}

impl Writer<'_> {
    /// Finds the slot of a key, or its place if it were inserted; `None` if there is none.
    #[inline]
    fn find(self, key: &Key<'_>, out: &mut impl WordBuffer) -> Result<Option<Found>, Corrupt> {
        let (_, slots) = self.table();
        let mut place = None;
        let mut at = self.blocks.home(key.mark());
        for _ in 0..slots.len() {
            let word = Blocks::slot(&slots[at]);
            let free = Found {
                at,
                word,
                content: None,
            };
            if word.is_empty() {
                return Ok(place.or(Some(free)));
            }
            match word.block() {
                None => place = place.or(Some(free)),
                Some(block) if word.has(key.fingerprint()) => {
                    let slot = &slots[at];
                    let content = self.blocks.copy_out(slot, word, block, usize::MAX, out);
                    let content = content.ok_or(Corrupt { word: word.0 })?;
                    if key.is_of(&content, out.words()) {
                        let content = Some(content);
                        return Ok(Some(Found { at, word, content }));
                    }
                }
                Some(_) => {}
            }
            at = (at + 1) & (slots.len() - 1);
        }
        Ok(place)
    }

    /// Sets the value of a key, if `accepts` what is there, with its words; returns whether it did.
    pub(crate) fn put(
        self,
        key: &Key<'_>,
        value: &[u8],
        out: &mut impl WordBuffer,
        mut accepts: impl FnMut(Option<(&Content, &[u64])>) -> bool,
    ) -> Result<Option<bool>, WriteError> {
        let mut found = self.find(key, out)?;
        let content = found.as_ref().and_then(|found| found.content);
        if !accepts(content.as_ref().map(|content| (content, out.words()))) {
            return Ok(None);
        }
        let is_new = content.is_none();
        let filled = &self.blocks.state.writer().filled;
        if is_new && found.as_ref().is_none_or(|found| found.word.is_empty()) {
            let most = self.blocks.slots as u64 / 4 * 3;
            if self.number(filled)? >= most {
                self.rebuild()?;
                found = self.find(key, out)?;
            }
        }
        let Some(found) = found else {
            let free = self.blocks.count().saturating_sub(self.blocks.state.used());
            let free = free.into();
            return Err(WriteError::Full { asked: 1, free });
        };
        let new = NewContent {
            fingerprint: key.fingerprint(),
            mark: key.mark(),
            key: key.words,
            value,
        };
        let to = self.fill(&new, if is_new { self.blocks.spare() } else { 0 })?;
        let (len, slots) = self.table();
        self.commit(&slots[found.at], found.word, to)?;
        if is_new {
            self.recount(len, |len| len + 1);
            if found.word.is_empty() {
                self.recount(filled, |filled| filled + 1);
            }
        } else {
            self.free(found.word);
        }
        Ok(Some(is_new))
    }

    /// Removes a key, if `accepts` its value; returns whether it did.
    pub(crate) fn remove(
        self,
        key: &Key<'_>,
        out: &mut impl WordBuffer,
        mut accepts: impl FnMut(Option<(&Content, &[u64])>) -> bool,
    ) -> Result<bool, WriteError> {
        let found = self.find(key, out)?;
        let found = found.and_then(|found| found.content.map(|content| (found, content)));
        let Some((found, content)) = found else {
            accepts(None);
            return Ok(false);
        };
        if !accepts(Some((&content, out.words()))) {
            return Ok(false);
        }
        let (len, slots) = self.table();
        let mask = slots.len() - 1;
        let ends = Blocks::slot(&slots[(found.at + 1) & mask]).is_empty();
        let own = self.edition;
        let (empty, removed) = (own.stamp(SlotWord::EMPTY), own.stamp(SlotWord::REMOVED));
        let to = if ends { empty } else { removed };
        self.commit_word(&slots[found.at], found.word.0, to, 853)?;
        self.recount(len, |len| len.saturating_sub(1));
        if ends {
            // A slot that becomes empty ends no probe: it is followed by an empty one.
            let mut emptied = 1_u64;
            let mut at = found.at.wrapping_sub(1) & mask;
            while emptied <= mask as u64 && Blocks::slot(&slots[at]).is_removed() {
                // ORDERING: Relaxed; nothing depends on it. A CAS fails at a successor's slot.
                let relaxed = Ordering::Relaxed;
                let emptied_it = slots[at].compare_exchange(removed, empty, relaxed, relaxed);
                if emptied_it.is_err() {
                    break;
                }
                emptied += 1;
                at = at.wrapping_sub(1) & mask;
            }
            let filled = &self.blocks.state.writer().filled;
            self.recount(filled, |filled| filled.saturating_sub(emptied));
        }
        self.free(found.word);
        Ok(true)
    }

    /// Changes a number that only owners of the mutex store; sweeps if it is of another edition,
    /// since what it counts was changed.
    fn recount(self, word: &AtomicU64, to: impl FnOnce(u64) -> u64) {
        match self.number(word) {
            Ok(number) => self.set_number(word, to(number)),
            // If it fails, this process was reaped.
            Err(_) => drop(self.sweep()),
        }
    }

    /// Empties the table that is not current.
    fn empty(self, slots: &[AtomicU64]) -> Result<(), WriteError> {
        self.begin_table();
        let empty = self.edition.stamp(SlotWord::EMPTY);
        slots.iter().try_for_each(|slot| self.replace(slot, empty))
    }

    /// Fills the other table without removed slots, and makes it current.
    #[cold]
    pub(crate) fn rebuild(self) -> Result<(), WriteError> {
        let root = self.root_of_owner()?;
        let (_, from) = self.blocks.table(root);
        let (len, to) = self.blocks.table(root.flipped());
        self.empty(to)?;
        let mask = to.len() - 1;
        let mut values = 0;
        for slot in from {
            let word = Blocks::slot(slot);
            let block = word.block().and_then(|block| self.blocks.block(block));
            let Some(words) = block else { continue };
            // ORDERING: Relaxed; the owner of the mutex wrote it, or one before.
            let mut at = self.blocks.home(words[3].load(Ordering::Relaxed));
            while !Blocks::slot(&to[at]).is_empty() {
                at = (at + 1) & mask;
                // A successor may fill it, too, until it is full.
                self.ask_owner()?;
            }
            let word = self.edition.stamp(number_of(word.0));
            self.replace(&to[at], word)?;
            values += 1;
        }
        self.replace(len, self.edition.stamp(values))?;
        self.flip(root)?;
        self.set_number(&self.blocks.state.writer().filled, values);
        Ok(())
    }

    /// Removes all keys at once.
    pub(crate) fn clear(self) -> Result<(), WriteError> {
        let root = self.root_of_owner()?;
        let (len, to) = self.blocks.table(root.flipped());
        self.empty(to)?;
        self.replace(len, self.edition.stamp(0))?;
        self.flip(root)?;
        self.collect()
    }

    /// Calls `each` with the content of each slot.
    pub(crate) fn each(
        self,
        out: &mut impl WordBuffer,
        mut each: impl FnMut(&Content, &[u64]),
    ) -> Result<(), WriteError> {
        let (len, slots) = self.table();
        let bound = match self.blocks.shape {
            super::Shape::List => {
                let len = number_of(len.load(Ordering::Relaxed));
                usize::try_from(len).unwrap_or(0)
            }
            _ => slots.len(),
        };
        for slot in &slots[..bound.min(slots.len())] {
            let word = Blocks::slot(slot);
            let Some(block) = word.block() else { continue };
            let content = self.blocks.copy_out(slot, word, block, usize::MAX, out);
            let content = content.ok_or(Corrupt { word: word.0 })?;
            each(&content, out.words());
        }
        Ok(())
    }
}

impl Blocks<'_> {
    /// The blocks that new keys leave free.
    pub(super) fn spare(self) -> u32 {
        SPARE.min(self.count() / 4)
    }
}
