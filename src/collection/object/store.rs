//! The core of the handle of an object.

use std::cell::Cell;
use std::sync::Arc;

use serde::Serialize;

use super::growth::Generations;
use super::key::KeyMemory;
use super::words::ObjectWords;
use super::{KeyOf, ObjectError, ObjectTimeoutError, Stored};
use crate::Deadline;
use crate::algorithm::blocks::index::Key;
use crate::algorithm::blocks::read::{Buffer, Content, WordBuffer, bytes_of};
use crate::algorithm::blocks::write::{WriteError, Writer};
use crate::algorithm::blocks::{Blocks, Corrupt, Shape};
use crate::codec;
use crate::facade::{AtomicU64, Pace, WaitHistory, append_bytes, append_words};
use crate::format::Kind;
use crate::participant::{Liveness, Tag};
use crate::payload::ValueError;
use crate::segment::{Entry, Fault, MembershipError};
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;
use crate::wait::on_event::EventWaitError;
use crate::wait::select::NotMember;

/// The words of an object, as long as a handle of it.
pub(super) struct Store {
    /// What the object was when the handle was opened, and, of an entry of a segment, always is.
    first: ObjectWords,
    /// Of an object of a manager: what it has grown to since.
    generations: Option<Arc<Generations>>,
    kind: Kind,
    /// Of waits for it alone, and for several sources.
    waits: [WaitHistory; 2],
}

impl Clone for Store {
    fn clone(&self) -> Self {
        Self {
            first: self.first.clone(),
            generations: self.generations.clone(),
            kind: self.kind,
            waits: Default::default(),
        }
    }
}

impl Store {
    pub(super) fn attach(entry: Entry, shape: Shape, kind: Kind) -> Option<Self> {
        let is_managed = entry.hold.is_some();
        Some(Self {
            first: ObjectWords::attach(entry, shape)?,
            generations: is_managed.then(Arc::default),
            kind,
            waits: Default::default(),
        })
    }

    pub(super) fn entry(&self) -> &Entry {
        self.first.state.entry()
    }

    pub(super) fn first(&self) -> &ObjectWords {
        &self.first
    }

    pub(super) fn generations(&self) -> Option<&Generations> {
        self.generations.as_deref()
    }

    /// The words of the object, as far as this process knows, and how often it has grown for this
    /// handle.
    #[inline(always)]
    pub(super) fn newest(&self) -> (&ObjectWords, u32) {
        match &self.generations {
            None => (&self.first, 0),
            Some(generations) => generations.newest(&self.first),
        }
    }

    /// The number of values, or what `read` reads that may be stale; also of an object that was
    /// removed.
    pub(super) fn peek<R>(&self, read: impl Fn(Blocks<'_>) -> R) -> R {
        match self.read(&read) {
            Ok(result) => result,
            Err(_) => read(self.newest().0.blocks()),
        }
    }

    /// Reads the object; fails if it was removed from its manager. `read` is called again if the
    /// object has grown meanwhile.
    #[inline(always)]
    pub(super) fn read<R>(&self, mut read: impl FnMut(Blocks<'_>) -> R) -> Result<R, ObjectError> {
        match &self.generations {
            None => Ok(read(self.first.blocks())),
            Some(generations) => self.read_managed(generations, |blocks, _| read(blocks)),
        }
    }

    /// Reads the object as [`read`](Self::read) does; `read` is told how often it has grown for
    /// this handle.
    #[inline(always)]
    pub(super) fn read_seen<R>(
        &self,
        mut read: impl FnMut(Blocks<'_>, u32) -> R,
    ) -> Result<R, ObjectError> {
        match &self.generations {
            None => Ok(read(self.first.blocks(), 0)),
            Some(generations) => self.read_managed(generations, read),
        }
    }

    /// Fails if the object was removed from its manager.
    pub(super) fn ensure_live(&self) -> Result<(), ObjectError> {
        self.read(|_| ())
    }

    /// The bytes of content in a block.
    fn block_bytes(&self) -> u64 {
        self.newest().0.payload as u64 * 8
    }

    /// Changes the object; blocks while another live process does. `change` is called again if the
    /// object has grown meanwhile, and then changes that.
    pub(super) fn write<R>(
        &self,
        change: impl FnMut(Writer<'_>) -> Result<R, WriteError>,
    ) -> Result<R, ObjectError> {
        let written = self.write_seen(None, change)?;
        // It is `None` only if the object is not what was seen.
        written.ok_or_else(|| Fault::corrupt(self.kind, 0_u64).into())
    }

    /// Changes the object as [`write`](Self::write) does; if `seen` says how often it had grown for
    /// this handle when it was read, only if it has not since. Returns whether that is so.
    pub(super) fn write_seen<R>(
        &self,
        seen: Option<u32>,
        mut change: impl FnMut(Writer<'_>) -> Result<R, WriteError>,
    ) -> Result<Option<R>, ObjectError> {
        let me = self.me()?;
        let others = self.first.state.liveness(me);
        let written = match &self.generations {
            None => {
                let never = Deadline::never();
                let written = self.first.blocks().write(me, &others, &never, change);
                written.map(Some)
            }
            Some(_) => self.write_managed(me, &others, seen, &mut change)?,
        };
        written.map_err(|error| self.not_written(error, me))
    }

    #[cold]
    pub(super) fn not_written(&self, error: WriteError, me: Tag) -> ObjectError {
        match error {
            WriteError::Full { asked, free } => ObjectError::Full {
                asked: asked.saturating_mul(self.block_bytes()),
                free: free.saturating_mul(self.block_bytes()),
            },
            WriteError::Corrupt(corrupt) => self.corrupt(corrupt),
            WriteError::MembershipLost | WriteError::Busy | WriteError::Moved => {
                self.first.state.membership_lost(me).into()
            }
        }
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
        let others = self.first.state.liveness(me);
        loop {
            self.ensure_live()?;
            let (words, generation) = self.newest();
            let hold = words.hold();
            // The room is kept for the event, on which the waiter announces itself.
            let used = hold.map(|hold| hold.enter());
            if matches!(used, Some(None)) {
                continue;
            }
            let mode = WaitMode::new(Pace::Adaptive, &self.waits[0]);
            // A removal and a growth wake all waiters.
            let changed = || match condition() {
                Some(value) => Some(Ok(Some(value))),
                None => match self.ensure_live() {
                    Ok(()) if self.newest().1 == generation => None,
                    Ok(()) => Some(Ok(None)),
                    Err(error) => Some(Err(error)),
                },
            };
            let waited = words.blocks().wait(changed, me, &others, deadline, mode);
            let waited = waited.map_err(|error| match error {
                EventWaitError::TimedOut => ObjectTimeoutError::Timeout,
                EventWaitError::MembershipLost => self.first.state.membership_lost(me).into(),
                EventWaitError::Corrupt | EventWaitError::Disconnected => {
                    Fault::corrupt(self.kind, self.changes()).into()
                }
            })?;
            if let Some(value) = waited? {
                return Ok(value);
            }
        }
    }

    /// The number of changes.
    pub(super) fn changes(&self) -> u64 {
        self.peek(|blocks| blocks.state.changes())
    }

    /// Blocks until the object is changed after it had been `changes` times.
    pub(super) fn wait_changed(
        &self,
        changes: u64,
        deadline: &Deadline,
    ) -> Result<(), ObjectTimeoutError> {
        self.wait(|| (self.changes() != changes).then_some(()), deadline)
    }

    pub(super) fn history_of_several(&self) -> &WaitHistory {
        &self.waits[1]
    }

    /// Reaps the dead, and counts what a dead writer changed.
    pub(super) fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.first.state.liveness(me);
        others.reap(false);
        let (words, _) = self.newest();
        let used = words.hold().map(|hold| (hold.enter(), hold.ensure()));
        if matches!(used, None | Some((Some(_), Ok(())))) {
            words.blocks().sweep_after_death(me, &others);
        }
        NotMember::unless(others.is_member(), me)
    }

    /// Why this process cannot wait; `None` if it can by now.
    pub(super) fn lost(&self, why: NotMember) -> Option<Fault> {
        self.first.state.lost(why)
    }

    /// The version of a single value; `None` if it has none.
    pub(super) fn version(&self) -> Option<u64> {
        with_scratch(|scratch| {
            let loaded = self.read(|blocks| blocks.load(0, &mut scratch.words));
            let loaded = loaded.ok()?.ok().flatten();
            loaded.map(|content| content.mark)
        })
    }

    fn me(&self) -> Result<Tag, MembershipError> {
        use_events([self.newest().0.state.state().event()]);
        self.first.state.tag()
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
    key: KeyMemory,
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
    let words = scratch.words.capacity() * size_of::<u64>();
    if scratch.bytes.capacity() + scratch.key.room() + words <= MOST_KEPT {
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
        match self.key.encode(key)? {
            Ok(key) => Ok((key, &mut self.bytes, &mut self.words)),
            Err(asked) => Err(ObjectError::Full {
                asked,
                free: u32::MAX.into(),
            }),
        }
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
