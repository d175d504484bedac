//! An object outside of a segment, and its processes.

use loom::sync::Arc;

use super::super::index::Key;
use super::super::iterate::{Homes, KeyBuffer};
use super::super::read::{Buffer, Content, WordBuffer, bytes_of};
use super::super::write::{WriteError, Writer};
use super::super::{
    Blocks, BlocksState, COMMITTED, Edition, HEADER, Shape, SlotWord, Version, WRITING,
};
use crate::facade::model::is_byte_locked;
use crate::facade::{AtomicU64, Deadline, Ordering, append_words};
use crate::participant::stage::{players, tag};
use crate::participant::{Liveness, Tag};

/// The slots of a table, unless a model says otherwise.
const SLOTS: usize = 4;
/// The words of content in a block: a key and a value.
const PAYLOAD: usize = 3;

pub(crate) struct Fixture {
    state: BlocksState,
    shape: Shape,
    ring: Vec<AtomicU64>,
    /// The slots of a table.
    slots: usize,
    tables: Vec<AtomicU64>,
    cells: Vec<AtomicU64>,
    /// The words of content in a block.
    payload: usize,
}

/// The words of the only key that there is at first, and of another one of the same hash.
pub(super) const FIRST: [u64; 1] = [7];
pub(super) const OTHER: [u64; 1] = [8];

pub(super) fn key(words: &[u64]) -> Key<'_> {
    Key::with_hash(words, 0)
}

/// The bytes of a value: twice the same number, so that a torn one shows.
pub(crate) fn value(number: u64) -> [u8; 16] {
    bytemuck::cast([number, number])
}

/// The number of a value that was copied, which must be whole.
pub(crate) fn number(content: &Content, words: &[u64]) -> u64 {
    let value = &words[content.key_words..];
    assert_eq!(content.len, 16, "another value's length");
    assert_eq!(bytes_of(value, 16).len(), 16);
    assert_eq!(value[0], value[1], "torn");
    value[0]
}

impl Fixture {
    /// With the value 1 in block 0, under the first key or as the first of the list.
    pub(super) fn open(shape: Shape) -> Arc<Self> {
        players();
        let mark = match shape {
            Shape::Index => 8 << 32,
            Shape::List | Shape::Single => 0,
        };
        let version = Version(0).next().with(COMMITTED).0;
        let key = (shape == Shape::Index).then_some(FIRST[0]);
        let block = [version, 16, 0, mark].into_iter().chain(key).chain([1, 1]);
        Self::with(shape, PAYLOAD, 2, 1, block.collect())
    }

    /// The same, with more free blocks than a process takes at once.
    pub(super) fn roomy(shape: Shape) -> Arc<Self> {
        let fixture = Self::open(shape);
        let cells = fixture.cells.iter();
        let words = cells.map(|word| word.load(Ordering::Relaxed)).collect();
        Self::with(shape, PAYLOAD, 4, 1, words)
    }

    /// With the value 1 in blocks 0 and 1, each of one word, and two free ones.
    pub(super) fn in_parts() -> Arc<Self> {
        players();
        let written = Version(0).next().with(WRITING).0;
        let committed = Version(0).next().with(COMMITTED).0;
        let first = [committed, 2 << 32 | 16, written, 0, 1];
        let second = [written, 16, 0, 0, 1];
        let words = first.into_iter().chain(second).collect();
        Self::with(Shape::Single, 1, 4, 2, words)
    }

    /// With so many blocks, the first of which are used, and have these words.
    fn with(shape: Shape, payload: usize, blocks: usize, used: u64, words: Vec<u64>) -> Arc<Self> {
        let first = SlotWord::new(Edition::of(0), 0, 0).0;
        let cells = words.into_iter().chain(core::iter::repeat(0));
        let fixture = Self {
            state: BlocksState::new(),
            shape,
            ring: (0..blocks).map(|_| AtomicU64::new(0)).collect(),
            slots: SLOTS,
            tables: [1, first]
                .into_iter()
                .chain(core::iter::repeat(0))
                .take(2 * (SLOTS + 1))
                .map(AtomicU64::new)
                .collect(),
            cells: cells
                .take(blocks * (HEADER + payload))
                .map(AtomicU64::new)
                .collect(),
            payload,
        };
        fixture.state.first_used(used);
        Arc::new(fixture)
    }

    /// An index without keys, of so many slots and blocks.
    pub(crate) fn empty_index(slots: usize, blocks: usize) -> Self {
        let zeros = |words| (0..words).map(|_| AtomicU64::new(0)).collect();
        Self {
            state: BlocksState::new(),
            shape: Shape::Index,
            ring: zeros(blocks),
            slots,
            tables: zeros(2 * (slots + 1)),
            cells: zeros(blocks * (HEADER + PAYLOAD)),
            payload: PAYLOAD,
        }
    }

    pub(crate) fn blocks(&self) -> Blocks<'_> {
        Blocks {
            state: &self.state,
            shape: self.shape,
            ring: &self.ring,
            tables: &self.tables,
            blocks: &self.cells,
            slots: self.slots,
            payload: self.payload,
        }
    }

    pub(super) fn peers(&self, id: u32) -> Reaping<'_> {
        Reaping { fixture: self, id }
    }

    /// Changes the object as process `id`.
    pub(super) fn write<R>(
        &self,
        id: u32,
        peers: &impl Liveness,
        change: impl FnMut(Writer<'_>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let never = Deadline::never();
        self.blocks().write(tag(id), peers, &never, change)
    }

    /// Replaces the single value.
    pub(super) fn store(&self, id: u32, number: u64) {
        let stored = self.write(id, &self.peers(id), |writer| {
            writer.store(None, &value(number))
        });
        assert!(stored.unwrap().is_some());
    }

    /// The single value.
    pub(super) fn load(&self) -> u64 {
        let mut words = Vec::new();
        let content = self.blocks().load(usize::MAX, &mut words).unwrap().unwrap();
        number(&content, &words)
    }

    /// How often the single value was replaced.
    pub(super) fn number(&self) -> u64 {
        let mut words = Vec::new();
        let content = self.blocks().load(usize::MAX, &mut words).unwrap().unwrap();
        number(&content, &words);
        content.mark
    }

    /// Sets the value of a key.
    pub(super) fn put(&self, id: u32, words: &[u64], number: u64) {
        let mut out = Vec::new();
        let put = |writer: Writer<'_>| writer.put(&key(words), &value(number), &mut out, |_| true);
        self.write(id, &self.peers(id), put).unwrap();
    }

    pub(super) fn remove(&self, id: u32, words: &[u64]) {
        let mut out = Vec::new();
        let remove = |writer: Writer<'_>| writer.remove(&key(words), &mut out, |_| true);
        self.write(id, &self.peers(id), remove).unwrap();
    }

    /// The value of a key.
    pub(super) fn get(&self, words: &[u64]) -> Option<u64> {
        let mut out = Vec::new();
        let content = self
            .blocks()
            .get(&key(words), usize::MAX, &mut out)
            .unwrap();
        content.map(|content| number(&content, &out))
    }

    /// The first words of all keys, as an iteration by home finds them.
    pub(super) fn keys(&self) -> Vec<u64> {
        let (mut keys, mut found, mut out) = (Vec::new(), Keys::default(), Vec::new());
        for home in Homes::of(self.blocks()) {
            self.blocks().keys_of(home, &mut out, &mut found).unwrap();
            keys.extend(found.0.drain(..).map(|(_, words)| words[0]));
        }
        keys
    }

    pub(super) fn push(&self, id: u32, number: u64) {
        let value = value(number);
        let values = [value.as_slice()];
        let push = |writer: Writer<'_>| writer.push(values.into_iter());
        self.write(id, &self.peers(id), push).unwrap();
    }

    pub(super) fn pop(&self, id: u32) {
        let mut out = Vec::new();
        let pop = |writer: Writer<'_>| writer.pop(&mut out);
        self.write(id, &self.peers(id), pop).unwrap();
    }

    pub(super) fn set(&self, id: u32, index: u64, number: u64) {
        let mut out = Vec::new();
        let set = |writer: Writer<'_>| writer.set(index, None, &value(number), &mut out);
        assert_eq!(self.write(id, &self.peers(id), set), Ok(Some(true)));
    }

    /// A value of the list.
    pub(super) fn at(&self, index: u64) -> Option<u64> {
        let mut out = Vec::new();
        let content = self.blocks().at(index, &mut out).unwrap();
        content.map(|content| number(&content, &out))
    }

    /// Replaces a value twice, if that many blocks are free: none was lost.
    pub(super) fn conserves(&self, id: u32) {
        match self.shape {
            Shape::Single => (10..12).for_each(|number| self.store(id, number)),
            Shape::Index => (10..12).for_each(|number| self.put(id, &FIRST, number)),
            Shape::List => {
                if self.at(0).is_none() {
                    self.push(id, 9);
                }
                (10..12).for_each(|number| self.set(id, 0, number));
            }
        }
        let used = if self.payload == 1 { 2 } else { 1 };
        assert_eq!(self.state.used(), used, "blocks were lost");
    }

    pub(super) fn state(&self) -> &BlocksState {
        &self.state
    }

    /// Recovers what `dead` holds, if it is dead.
    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.state.recover(tag(dead));
        }
    }
}

/// The keys of a home, each with its value.
#[derive(Default)]
pub(crate) struct Keys(pub(crate) Vec<(Content, Vec<u64>)>);

impl KeyBuffer for Keys {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
    fn has(&self, from: usize, key: Option<&[u64]>) -> bool {
        let keys = self.0[from..].iter();
        let mut keys = keys.map(|(content, words)| &words[..content.key_words]);
        keys.any(|one| Some(one) == key)
    }
    fn push(&mut self, content: &Content, words: &[u64]) {
        self.0.push((*content, words.to_vec()));
    }
}

impl Buffer for Vec<u64> {
    fn clear(&mut self) {
        self.clear();
    }
    fn append(&mut self, words: &[AtomicU64]) {
        append_words(words, self);
    }
}

impl WordBuffer for Vec<u64> {
    fn words(&self) -> &[u64] {
        self
    }
}

pub(super) struct Reaping<'a> {
    fixture: &'a Fixture,
    id: u32,
}

impl Liveness for Reaping<'_> {
    fn me(&self) -> Tag {
        tag(self.id)
    }
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.id) || is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        true
    }
    fn reap(&self, _urgent: bool) -> bool {
        let others = (1..=3).filter(|id| *id != self.id);
        others.for_each(|id| self.fixture.reap(id));
        true
    }
    fn participants(&self) -> u32 {
        3
    }
}
