//! The core of the handle of an object.

use std::cell::Cell;
use std::ptr::NonNull;

use serde::Serialize;

use super::{KeyOf, ObjectError, ObjectTimeoutError, Stored};
use crate::Deadline;
use crate::algorithm::blocks::entry::view;
use crate::algorithm::blocks::index::Key;
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::algorithm::blocks::read::{Buffer, Content, WordBuffer, bytes_of};
use crate::algorithm::blocks::write::{WriteError, Writer};
use crate::algorithm::blocks::{Blocks, BlocksState, Corrupt, Shape};
use crate::codec;
use crate::facade::{AtomicU32, AtomicU64, Pace, WaitHistory, append_bytes, append_words};
use crate::format::Kind;
use crate::participant::Liveness;
use crate::payload::ValueError;
use crate::segment::{Entry, EntryRef, Fault, MembershipError};
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;
use crate::wait::on_event::EventWaitError;
use crate::wait::select::NotMember;

/// The words of an object, as long as a handle of it.
pub(super) struct Store {
    state: EntryRef<BlocksState>,
    /// Invariant 1: as many words as the layout of the entry has are mapped there, as long as
    /// `state`.
    links: NonNull<[AtomicU32]>,
    tables: NonNull<[AtomicU64]>,
    cells: NonNull<[AtomicU64]>,
    shape: Shape,
    slots: usize,
    payload: usize,
    kind: Kind,
    /// Of waits for it alone, and for several sources.
    waits: [WaitHistory; 2],
}

// SAFETY: the pointers are to atomics, which may be shared, and stay mapped.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Clone for Store {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            waits: Default::default(),
            ..*self
        }
    }
}

impl Store {
    pub(super) fn attach(entry: Entry, shape: Shape, kind: Kind) -> Option<Self> {
        let layout = BlocksLayout::of(shape, entry.record.config)?;
        let state: EntryRef<BlocksState> = EntryRef::new(entry)?;
        // INVARIANT: 1, by `view`.
        let region = state.region();
        let words = view(&region, &layout, shape)?;
        let (slots, payload) = (words.slots, words.payload);
        let (links, tables) = (NonNull::from(words.links), NonNull::from(words.tables));
        let cells = NonNull::from(words.blocks);
        Some(Self {
            state,
            links,
            tables,
            cells,
            shape,
            slots,
            payload,
            kind,
            waits: Default::default(),
        })
    }

    pub(super) fn entry(&self) -> &Entry {
        self.state.entry()
    }

    #[inline(always)]
    pub(super) fn blocks(&self) -> Blocks<'_> {
        Blocks {
            state: self.state.state(),
            shape: self.shape,
            // SAFETY: Invariant 1, and atomics may be shared.
            links: unsafe { self.links.as_ref() },
            // SAFETY: as above.
            tables: unsafe { self.tables.as_ref() },
            // SAFETY: as above.
            blocks: unsafe { self.cells.as_ref() },
            slots: self.slots,
            payload: self.payload,
        }
    }

    /// The words of the object; fails if it was removed from its manager.
    #[inline(always)]
    pub(super) fn live(&self) -> Result<Blocks<'_>, ObjectError> {
        if let Some(hold) = &self.state.entry().hold {
            hold.ensure()?;
        }
        Ok(self.blocks())
    }

    /// The bytes of content in a block.
    pub(super) fn block_bytes(&self) -> u64 {
        self.payload as u64 * 8
    }

    /// Changes the object; blocks while another live process does.
    pub(super) fn write<'s, R>(
        &'s self,
        change: impl FnOnce(Writer<'s>) -> Result<R, WriteError>,
    ) -> Result<R, ObjectError> {
        let me = self.me()?;
        let others = self.state.liveness(me);
        let written = self.live()?.write(me, &others, &Deadline::never(), change);
        written.map_err(|error| match error {
            WriteError::Full { asked, free } => ObjectError::Full {
                asked: asked.saturating_mul(self.block_bytes()),
                free: free.saturating_mul(self.block_bytes()),
            },
            WriteError::Corrupt(corrupt) => self.corrupt(corrupt),
            WriteError::MembershipLost | WriteError::Busy => self.state.membership_lost(me).into(),
        })
    }

    #[cold]
    pub(super) fn corrupt(&self, Corrupt { word }: Corrupt) -> ObjectError {
        Fault::corrupt(self.kind, word).into()
    }

    /// Blocks until `condition` returns a value, which a change can make it do.
    pub(super) fn wait<T>(
        &self,
        mut condition: impl FnMut() -> Option<T>,
        deadline: &Deadline,
    ) -> Result<T, ObjectTimeoutError> {
        let me = self.me()?;
        let others = self.state.liveness(me);
        let mode = WaitMode::new(Pace::Adaptive, &self.waits[0]);
        let blocks = self.live()?;
        // A removal wakes all waiters.
        let changed = || match condition() {
            Some(value) => Some(Ok(value)),
            None => self.live().err().map(Err),
        };
        let waited = blocks.wait(changed, me, &others, deadline, mode);
        let waited = waited.map_err(|error| match error {
            EventWaitError::TimedOut => ObjectTimeoutError::Timeout,
            EventWaitError::MembershipLost => self.state.membership_lost(me).into(),
            EventWaitError::Corrupt | EventWaitError::Disconnected => {
                Fault::corrupt(self.kind, self.state.changes()).into()
            }
        })?;
        Ok(waited?)
    }

    /// Blocks until the object is changed after it had been `changes` times.
    pub(super) fn wait_changed(
        &self,
        changes: u64,
        deadline: &Deadline,
    ) -> Result<(), ObjectTimeoutError> {
        let state = self.blocks().state;
        self.wait(|| (state.changes() != changes).then_some(()), deadline)
    }

    pub(super) fn history_of_several(&self) -> &WaitHistory {
        &self.waits[1]
    }

    /// Reaps the dead, and counts what a dead writer changed.
    pub(super) fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.state.liveness(me);
        others.reap(false);
        self.blocks().sweep_after_death(me, &others);
        NotMember::unless(others.is_member(), me)
    }

    /// Why this process cannot wait; `None` if it can by now.
    pub(super) fn lost(&self, why: NotMember) -> Option<Fault> {
        self.state.lost(why)
    }

    /// The version of a single value; `None` if it has none.
    pub(super) fn version(&self) -> Option<u64> {
        with_scratch(|scratch| {
            let loaded = self.blocks().load(0, &mut scratch.words);
            loaded.ok().flatten().map(|content| content.mark)
        })
    }

    fn me(&self) -> Result<crate::participant::Tag, MembershipError> {
        use_events([self.blocks().state.event()]);
        self.state.tag()
    }
}

impl Buffer for Vec<u64> {
    #[inline(always)]
    fn clear(&mut self) {
        self.clear();
    }

    #[inline(always)]
    fn append(&mut self, words: &[AtomicU64]) {
        append_words(words, self);
    }
}

/// The caller's bytes, to which whole words are copied.
impl Buffer for Vec<u8> {
    #[inline(always)]
    fn clear(&mut self) {
        self.clear();
    }

    #[inline(always)]
    fn append(&mut self, words: &[AtomicU64]) {
        append_bytes(words, self);
    }
}

impl WordBuffer for Vec<u64> {
    #[inline(always)]
    fn words(&self) -> &[u64] {
        self
    }
}

/// Memory that a thread uses again for its next operation.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    key: Vec<u64>,
    pub(super) words: Vec<u64>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// The most bytes that a thread keeps for its next operation.
const MOST_KEPT: usize = 4 << 20;

/// Calls `operation` with the thread's memory; an operation inside it gets other memory.
#[inline]
pub(super) fn with_scratch<R>(operation: impl FnOnce(&mut Scratch) -> R) -> R {
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut scratch = kept.unwrap_or_default();
    let result = operation(&mut scratch);
    let words = scratch.words.capacity() + scratch.key.capacity();
    if scratch.bytes.capacity() + words * size_of::<u64>() <= MOST_KEPT {
        // It is freed if the thread ends.
        let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    }
    result
}

impl Scratch {
    /// Encodes a key; returns it, memory for a value's encoding, and memory for words.
    #[inline]
    pub(super) fn key<K, Q: KeyOf<K> + ?Sized>(
        &mut self,
        key: &Q,
    ) -> Result<(Key<'_>, &mut Vec<u8>, &mut Vec<u64>), ObjectError> {
        self.bytes.clear();
        codec::append(&mut self.bytes, key)?;
        let len = self.bytes.len();
        self.key.clear();
        let (whole, rest) = self.bytes.as_chunks::<8>();
        self.key
            .extend(whole.iter().map(|word| u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.key.push(u64::from_le_bytes(last));
        }
        let Ok(len) = u32::try_from(len) else {
            let asked = len as u64;
            return Err(ObjectError::Full {
                asked,
                free: u32::MAX.into(),
            });
        };
        Ok((Key::new(&self.key, len), &mut self.bytes, &mut self.words))
    }

    /// Encodes a value; returns its bytes, and memory for words.
    #[inline]
    pub(super) fn value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(&[u8], &mut Vec<u64>), ObjectError> {
        encode(&mut self.bytes, value)?;
        Ok((&self.bytes, &mut self.words))
    }
}

/// Encodes a value into memory that is used again.
#[inline]
pub(super) fn encode<T: Serialize + ?Sized>(
    bytes: &mut Vec<u8>,
    value: &T,
) -> Result<(), ObjectError> {
    bytes.clear();
    codec::append(bytes, value)?;
    match u32::try_from(bytes.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ObjectError::Full {
            asked: bytes.len() as u64,
            free: u32::MAX.into(),
        }),
    }
}

/// Returns the bytes of a value that was copied to `words`, behind its key.
#[inline]
pub(super) fn value_bytes<'w>(content: &Content, words: &'w [u64]) -> &'w [u8] {
    bytes_of(words.get(content.key_words..).unwrap_or(&[]), content.len)
}

/// Decodes a value that was copied to `words`, behind its key.
#[inline]
pub(super) fn decode<T: Stored>(content: &Content, words: &[u64]) -> Result<T, ValueError> {
    codec::decode(value_bytes(content, words))
}
