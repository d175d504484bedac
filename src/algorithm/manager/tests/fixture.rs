//! A manager outside of a segment, with room for one object or two, and its processes.

use loom::sync::Arc;

use super::super::look_up::Wanted;
use super::super::making::{ExtentBuffer, NotMade};
use super::super::{HEAD, HeldObject, HoldError, Manager, ManagerState, ObjectRef};
use crate::algorithm::directory::RecordState;
use crate::facade::model::is_byte_locked;
use crate::facade::{AtomicU64, Words};
use crate::format::{Name, PADDING, PayloadShape, RECORD_WORDS, Record};
use crate::participant::stage::{KernelLiveness, players, tag};
use crate::participant::{Liveness, Tag};

const RECORDS: usize = 2;
const PARTICIPANTS: usize = 3;
const BLOCK: u64 = PADDING as u64;
const POOL: u64 = 4096;

pub(super) struct Fixture {
    state: ManagerState,
    heads: [AtomicU64; HEAD * RECORDS],
    records: [RecordState; RECORDS],
    cells: [AtomicU64; RECORDS * PARTICIPANTS],
    blocks: u64,
    /// The content of each block: which object's it is.
    contents: [Words<1>; 2],
}

#[derive(Default)]
pub(super) struct Extents(Vec<(u64, u64)>);

impl ExtentBuffer for Extents {
    fn clear(&mut self) {
        self.0.clear();
    }
    fn add(&mut self, extent: (u64, u64)) {
        self.0.push(extent);
    }
    fn sorted(&mut self) -> &[(u64, u64)] {
        self.0.sort_unstable();
        &self.0
    }
}

/// What an object of that name has in its block.
fn content_of(name: &str) -> u64 {
    name.bytes().next().map_or(0, u64::from)
}

/// The number of the block at an offset.
pub(super) fn block_of(offset: u64) -> usize {
    usize::try_from((offset - POOL) / BLOCK).unwrap()
}

/// The record of an object of one block.
pub(super) fn record(text: &str) -> Record {
    Record {
        kind: 1,
        offset: 0,
        len: BLOCK,
        payload: PayloadShape {
            size: 8,
            align: 8,
            name: Name::payload("u64"),
        },
        config: [0; 4],
        name: name(text),
    }
}

fn name(text: &str) -> Name {
    Name::entry(text).unwrap()
}

impl Fixture {
    /// With the object "a", which process 1 has created and does not hold, and so many blocks.
    pub(super) fn with_a(blocks: u64) -> Arc<Self> {
        players();
        let fixture = Self {
            state: ManagerState::new(),
            heads: core::array::from_fn(|_| AtomicU64::new(0)),
            records: core::array::from_fn(|_| Words::new([0; RECORD_WORDS])),
            cells: core::array::from_fn(|_| AtomicU64::new(0)),
            blocks,
            contents: [0; 2].map(|_| Words::new([0])),
        };
        let held = fixture.create(1, "a").unwrap();
        fixture.release(1, held);
        Arc::new(fixture)
    }

    pub(super) fn manager(&self) -> Manager<'_> {
        Manager {
            state: &self.state,
            heads: &self.heads,
            records: &self.records,
            cells: &self.cells,
            pool: POOL,
            blocks: self.blocks,
            block: BLOCK,
        }
    }

    fn content(&self, record: &Record) -> &Words<1> {
        &self.contents[block_of(record.offset)]
    }

    /// Writes what an object of that name has to the block at an offset.
    pub(super) fn fill(&self, text: &str, offset: u64) {
        self.contents[block_of(offset)].write(&[content_of(text)]);
    }

    /// Creates an object as process `id`.
    pub(super) fn create(&self, id: u32, text: &str) -> Result<HeldObject, NotMade> {
        self.manager().create(
            record(text),
            tag(id),
            &KernelLiveness(id),
            &mut Extents(Vec::new()),
            |offset| self.fill(text, offset),
        )
    }

    pub(super) fn open(&self, id: u32, text: &str) -> Result<HeldObject, HoldError> {
        self.open_as(text, tag(id), &KernelLiveness(id))
    }

    pub(super) fn open_as(
        &self,
        text: &str,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<HeldObject, HoldError> {
        self.manager().open(Wanted::Name(name(text)), me, peers)
    }

    /// Asserts that an object that is held is of that name, and changes what it has.
    pub(super) fn use_it(&self, held: &HeldObject, text: &str) {
        let content = self.content(&held.record);
        assert_eq!(content.read(), [content_of(text)], "another object's room");
        content.write(&[content_of(text)]);
    }

    pub(super) fn release(&self, id: u32, held: HeldObject) {
        self.manager().release(held.object.index, tag(id));
    }

    /// Opens an object, uses it if there is one, and releases it.
    pub(super) fn visit(&self, id: u32, text: &str) -> bool {
        match self.open(id, text) {
            Ok(held) => {
                self.use_it(&held, text);
                self.release(id, held);
                true
            }
            Err(error) => {
                assert_eq!(error, HoldError::Removed);
                false
            }
        }
    }

    /// Removes an object, if there is one.
    pub(super) fn remove(&self, id: u32, text: &str) -> Option<ObjectRef> {
        let held = self.open(id, text).ok()?;
        self.manager().remove(held.object);
        self.release(id, held);
        Some(held.object)
    }

    /// Removes an object, though it grows meanwhile.
    pub(super) fn remove_whatever(&self, id: u32, text: &str) {
        while let Ok(held) = self.open(id, text) {
            let removed = self.manager().remove(held.object);
            self.release(id, held);
            if removed {
                return;
            }
        }
    }

    /// Recovers as process `id` what `dead` holds, if it is dead. An object's own words are as if a
    /// recovery changed them.
    pub(super) fn reap(&self, id: u32, dead: u32) {
        if is_byte_locked(dead - 1) {
            return;
        }
        self.state.lock().recover(tag(dead));
        self.manager().visit(tag(dead), Some(tag(id)), |record| {
            let content = self.content(record);
            let [found] = content.read();
            let expected = record.name;
            let of = ["a", "b"].map(|text| (name(text), content_of(text)));
            assert!(of.contains(&(expected, found)), "recovered another object");
            content.write(&[found]);
            true
        });
    }

    /// Asserts that nothing is held and all room can be had: by objects of other names.
    pub(super) fn conserves(&self, id: u32) {
        for text in ["a", "b"] {
            self.remove(id, text);
        }
        let made: Vec<_> = ["x", "y"][..self.blocks as usize]
            .iter()
            .map(|text| self.create(id, text).expect("room was lost"))
            .collect();
        let places: Vec<_> = made.iter().map(|held| held.record.offset).collect();
        assert!(places.windows(2).all(|two| two[0] != two[1]));
    }

    /// Whether the cell of a participant names it and counts.
    pub(super) fn counts(&self, tag: Tag) -> bool {
        let is_its = |cell: &AtomicU64| {
            let cell = cell.load(crate::facade::Ordering::Acquire);
            cell & u64::from(Tag::MASK) == u64::from(tag.bits()) && cell >> 29 != 0
        };
        self.cells.iter().any(is_its)
    }
}
