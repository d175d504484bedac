//! The snapshot, from which the writer's role and reader slots are claimed.

use std::marker::PhantomData;
use std::ptr::NonNull;

use bytemuck::Pod;

use super::options::READERS;
use super::{Reader, ReaderError, SnapshotOptions, Writer};
use crate::algorithm::snapshot::entry;
use crate::algorithm::snapshot::layout::{ReaderState, SnapshotLayout};
use crate::algorithm::snapshot::{
    ClaimError as Unclaimed, Corrupt, ReaderSlot, SlotError, Snapshot as Raw, SnapshotState,
};
use crate::facade::AtomicU64;
use crate::format::{Kind, PayloadShape};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{
    Bytes, ClaimError, Entry, EntryError, EntryRef, Fault, HoldsValue, MembershipError, Placeable,
};
use crate::wait::event_count::use_events;

/// The latest whole value of one writer, as an entry of a segment: created with the
/// [options](SnapshotOptions), or just with its first value.
///
/// This handle is cheap to clone, and an argument or result of a spawned function.
/// [`writer`](Self::writer) claims the role of the one process that publishes,
/// [`reader`](Self::reader) claims one of the reader slots.
///
/// [`Writer::publish`] and the two `load`s copy a value through the stack. A value of some hundred
/// KiB and more is created by [`Segment::create_boxed`](crate::Segment::create_boxed) or
/// [`create_with`](crate::Segment::create_with), published by [`Writer::publish_with`] or
/// [`Writer::update`], and read where it is by [`Reader::read`].
///
/// The algorithm is Chen's and Burns' (1997): there are two buffers more than reader slots, so that
/// the writer always finds a buffer that no reader uses.
///
/// `T` is [`Pod`], because it is given by reference to bytes that other processes have written.
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, Snapshot};
///
/// let segment = Segment::anonymous()?;
/// let position = segment.create::<Snapshot<[f64; 2]>>("position", [0.0, 0.0])?;
/// let (mut writer, mut reader) = (position.writer()?, position.reader()?);
/// assert_eq!(*reader.read()?, [0.0, 0.0]);
/// writer.publish([1.5, 2.0])?;
/// assert_eq!(*reader.read()?, [1.5, 2.0]);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// A value that was read stays until the reader reads again, and no longer:
///
/// ```compile_fail
/// # use crossdock::{Segment, Snapshot};
/// # let segment = Segment::anonymous().unwrap();
/// let pace = segment.create::<Snapshot<u64>>("pace", 1).unwrap();
/// let mut reader = pace.reader().unwrap();
/// let before = reader.read().unwrap();
/// let now = reader.read().unwrap();
/// println!("{} {}", *before, *now);
/// ```
///
/// nor longer than its reader:
///
/// ```compile_fail
/// # use crossdock::{Segment, Snapshot};
/// # let segment = Segment::anonymous().unwrap();
/// let pace = segment.create::<Snapshot<u64>>("pace", 1).unwrap();
/// let mut reader = pace.reader().unwrap();
/// let now = reader.read().unwrap();
/// drop(reader);
/// println!("{}", *now);
/// ```
///
/// A value has no pointers in it, which would mean something else in another process:
///
/// ```compile_fail
/// # use crossdock::{Segment, Snapshot};
/// # let segment = Segment::anonymous().unwrap();
/// segment.create::<Snapshot<&'static str>>("name", "rye");
/// ```
///
/// and no padding, whose bytes would be whatever was there before:
///
/// ```compile_fail
/// use bytemuck::{Pod, Zeroable};
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[repr(C)]
/// struct Reading {
///     sensor: u8,
///     celsius: f64,
/// }
/// ```
pub struct Snapshot<T> {
    state: EntryRef<SnapshotState>,
    /// Invariant 1: as many reader slots as the snapshot has are mapped there, as long as `state`.
    slots: NonNull<[ReaderSlot]>,
    /// Invariant 2: two more words than that are mapped there, likewise.
    buffer_versions: NonNull<[AtomicU64]>,
    /// Invariant 3: as many buffers, `stride` bytes apart, are mapped there, likewise, each aligned
    /// to 128 and of the size of a `T` at least.
    buffers: NonNull<u8>,
    stride: usize,
    values: PhantomData<T>,
}

// SAFETY: buffers are written by the writer while no reader uses them, and else only read, by the
// snapshot's protocol; `T` is Send and Sync (Payload).
unsafe impl<T: Payload> Send for Snapshot<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Snapshot<T> {}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            slots: self.slots,
            buffer_versions: self.buffer_versions,
            buffers: self.buffers,
            stride: self.stride,
            values: PhantomData,
        }
    }
}

impl<T: Payload + Pod> Snapshot<T> {
    /// Claims the writer's role.
    ///
    /// Never blocks. A writer that was killed or has left is replaced, and the value that it
    /// published last stays. The first operation of a process joins the segment.
    ///
    /// # Errors
    ///
    /// [`ClaimError::RoleTaken`] while another handle has the role, in this process or another live
    /// one; [`ClaimError::Fault`].
    pub fn writer(&self) -> Result<Writer<T>, ClaimError> {
        let me = self.state.tag()?;
        use_events(self.state.events());
        let claimed = self.raw().claim_writer(&self.state.liveness(me));
        let claim = claimed.map_err(|refused| match refused {
            Unclaimed::Taken(tag) => ClaimError::RoleTaken {
                pid: self.state.pid_of(tag),
            },
            Unclaimed::Corrupt(Corrupt { word }) => Fault::corrupt(Kind::Snapshot, word).into(),
            Unclaimed::MembershipLost => self.state.membership_lost(me).into(),
        })?;
        Ok(Writer::new(self.clone(), claim))
    }

    /// Claims a reader slot, for as long as the reader is kept.
    ///
    /// Never blocks. The slots of processes that were killed are taken over. The first operation of
    /// a process joins the segment.
    ///
    /// # Errors
    ///
    /// [`ReaderError::NoFreeSlot`] if live readers have all slots, in this process or others;
    /// [`ReaderError::Fault`].
    pub fn reader(&self) -> Result<Reader<T>, ReaderError> {
        let me = self.state.tag()?;
        let claimed = self
            .raw()
            .claim_slot(ReaderState::Idle, &self.state.liveness(me));
        let claim = claimed.map_err(|slot_error| self.slot_error(slot_error, me))?;
        Ok(Reader::new(self.clone(), claim))
    }

    /// Reads what was published last, by copy.
    ///
    /// Claims a reader slot for the moment, so as many threads can load at once as there are slots.
    /// To read often, take a [`reader`](Self::reader): that is cheaper, and reads in place. Never
    /// blocks.
    ///
    /// # Errors
    ///
    /// As [`reader`](Self::reader).
    pub fn load(&self) -> Result<T, ReaderError> {
        let me = self.state.tag()?;
        let (raw, others) = (self.raw(), self.state.liveness(me));
        let claimed = raw.claim_slot(ReaderState::Choosing, &others);
        let mut claim = claimed.map_err(|slot_error| self.slot_error(slot_error, me))?;
        let chosen = raw.choose(&mut claim);
        // SAFETY: the buffer is mapped and aligned, and this reader's until it leaves; any bytes
        // are a `T`.
        let value = chosen.map(|index| unsafe { self.buffer(index).read() });
        let left = raw.release_slot(&claim);
        let read = value.and_then(|value| left.map(|()| value));
        read.map_err(|Corrupt { word }| match self.membership_lost(me) {
            Some(error) => error.into(),
            None => Fault::corrupt(Kind::Snapshot, word).into(),
        })
    }

    /// Returns the number of reader slots.
    pub fn readers(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Returns the version: the number of values that were published. The answer may be stale when
    /// it is returned.
    pub fn version(&self) -> u64 {
        self.state.peek()
    }

    /// Returns where the first buffer is: bytes from the start of the segment's file, for readers
    /// that are written in other languages. It does not change. [docs/attach.md] describes the
    /// layout, and how a reader gets a whole value without a slot.
    ///
    /// [docs/attach.md]: https://docs.rs/crate/crossdock/latest/source/docs/attach.md
    pub fn data_offset(&self) -> u64 {
        let record = &self.state.entry().record;
        let buffers = self.buffer_versions.len() as u64 * self.stride as u64;
        // The buffers are the end of the entry.
        record.offset + record.len - buffers
    }

    fn slot_error(&self, slot_error: SlotError, me: Tag) -> ReaderError {
        match slot_error {
            SlotError::Full => ReaderError::NoFreeSlot {
                slots: self.readers(),
            },
            SlotError::Corrupt(Corrupt { word }) => Fault::corrupt(Kind::Snapshot, word).into(),
            SlotError::MembershipLost => self.state.membership_lost(me).into(),
        }
    }
}

impl<T> Snapshot<T> {
    #[inline(always)]
    pub(super) fn raw(&self) -> Raw<'_> {
        Raw {
            state: &self.state,
            // SAFETY: Invariant 1, and atomics may be shared.
            slots: unsafe { self.slots.as_ref() },
            // SAFETY: Invariant 2, likewise.
            buffer_versions: unsafe { self.buffer_versions.as_ref() },
        }
    }

    pub(super) fn entry_ref(&self) -> &EntryRef<SnapshotState> {
        &self.state
    }

    /// Where a value is; the index is below the number of buffers.
    #[inline(always)]
    pub(super) fn buffer(&self, index: u32) -> NonNull<T> {
        debug_assert!((index as usize) < self.buffer_versions.len());
        // SAFETY: inside, by Invariant 3.
        unsafe { self.buffers.add(index as usize * self.stride) }.cast()
    }

    /// Whether `me` is this process, which a forked child is not.
    #[inline(always)]
    pub(super) fn is_mine(&self, me: Tag) -> bool {
        self.state.current_tag() == Some(me)
    }

    /// Returns what became of the membership, when the slot or the role is another process's: it is
    /// forgotten if peers have taken this process for dead.
    #[cold]
    pub(super) fn membership_lost(&self, me: Tag) -> Option<MembershipError> {
        let is_alive = self.state.liveness(me).is_member();
        (!is_alive).then(|| self.state.membership_lost(me))
    }
}

impl<T> Snapshot<T> {
    /// Why an operation of a claim by `me` was refused.
    #[cold]
    pub(super) fn refused(&self, me: Tag, Corrupt { word }: Corrupt) -> Fault {
        match self.membership_lost(me) {
            Some(_) if !self.is_mine(me) => Fault::NotOwner,
            _ => Fault::corrupt(Kind::Snapshot, word),
        }
    }
}

debug!(
    /// Never blocks, and does not show the value.
    [T] Snapshot<T>, |this| { version: this.state.peek(), readers: this.slots.len(), .. }
);

impl<T: Payload + Pod> Placeable for Snapshot<T> {
    type Config = SnapshotOptions<T>;

    const KIND: Kind = Kind::Snapshot;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(options: &SnapshotOptions<T>) -> [u64; 4] {
        [options.readers, 0, 0, 0]
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let [readers, 0, 0, 0] = config else {
            return None;
        };
        Some(SnapshotLayout::new(readers, shape_of::<T>()?.size())?.len())
    }

    fn refused(options: &SnapshotOptions<T>) -> EntryError {
        Self::refused_with(options.readers)
    }

    /// Zeros are a snapshot whose latest value is of version 0, in the first buffer, and that no
    /// process uses.
    fn prepare(bytes: &Bytes<'_>, options: SnapshotOptions<T>) {
        if let Some(layout) = SnapshotLayout::new(options.readers, size_of::<T>() as u64) {
            bytes.write(layout.buffers, &options.first);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        let layout = SnapshotLayout::new(entry.record.config[0], size_of::<T>() as u64)?;
        let state: EntryRef<SnapshotState> = EntryRef::new(entry)?;
        let len = usize::try_from(layout.buffers_len()).ok()?;
        // INVARIANT: 1, 2 and 3, by `payloads`; entries are aligned to 128 bytes, and so is what
        // `layout` puts the buffers at, and apart.
        let region = state.region();
        let words = entry::view(&region, &layout)?;
        let slots = NonNull::from(words.slots);
        let buffer_versions = NonNull::from(words.buffer_versions);
        let buffers = state.payloads(layout.buffers, len)?;
        Some(Self {
            state,
            slots,
            buffer_versions,
            buffers,
            stride: usize::try_from(layout.stride).ok()?,
            values: PhantomData,
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

impl<T: Payload + Pod> HoldsValue for Snapshot<T> {
    type Value = T;
    type Boxed = SnapshotOptions<Box<T>>;

    fn boxed_words(options: Option<&SnapshotOptions<Box<T>>>) -> [u64; 4] {
        [options.map_or(READERS, |options| options.readers), 0, 0, 0]
    }

    fn boxed_refused(options: Option<&SnapshotOptions<Box<T>>>) -> EntryError {
        Self::refused_with(options.map_or(READERS, |options| options.readers))
    }

    fn prepare_boxed(bytes: &Bytes<'_>, options: SnapshotOptions<Box<T>>) {
        if let Some(layout) = SnapshotLayout::new(options.readers, size_of::<T>() as u64) {
            bytes.write(layout.buffers, &*options.first);
        }
    }
}

impl<T: Payload + Pod> Snapshot<T> {
    /// Why there is no snapshot of so many reader slots.
    fn refused_with(found: u64) -> EntryError {
        let (least, most) = SnapshotLayout::READERS;
        match shape_of::<T>() {
            Some(_) if !(least..=most).contains(&found) => {
                EntryError::Readers { found, least, most }
            }
            _ => Self::unfit(),
        }
    }
}
