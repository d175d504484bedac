//! The array behind a lock, and its chunks.

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;

use bytemuck::Pod;

use super::{ArrayOptions, Init};
use crate::algorithm::chunks::layout::ArrayLayout;
use crate::algorithm::chunks::{LeaseTable, LeaseTableState, Leases};
use crate::facade::Ordering::Relaxed;
use crate::facade::{AtomicU64, Futex};
use crate::format::{Kind, PayloadShape};
use crate::participant::Tag;
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{
    Bytes, Entry, EntryError, MembershipError, Placeable, SegmentLiveness, Shape, sealed,
};
use crate::sync::rwlock::{Access, RawRwLock};

/// Many values of one type, behind a lock for many readers or one writer, and cut into chunks that
/// processes lease, each another one, to work on them at the same time; an entry of a segment, created with
/// its [options](ArrayOptions): the values, and the length of a chunk.
///
/// | to do what | with | beside |
/// |---|---|---|
/// | look at all values | [`read`](Self::read): `&[T]` | other readers |
/// | change any values | [`write`](Self::write): `&mut [T]` | nobody |
/// | work on one part after the other | [`lease_chunk`](Self::lease_chunk): a [`Lease`](super::Lease), `&mut [T]` | leases of other chunks |
/// | copy some in or out | [`copy_from`](Self::copy_from), [`copy_to`](Self::copy_to) | as `write`, as `read` |
///
/// Each waits for the others: readers and writers until the chunks that are in somebody's hands are back,
/// and nobody gets another one meanwhile; who wants a chunk, until they have left.
///
/// A chunk that was leased is done when its lease is [finished](super::Lease::finish), and is to do
/// again if it is dropped without, or if its holder panics or is killed. So each chunk is finished by
/// somebody, whoever is killed; [`lease_chunk`](Self::lease_chunk) says `None` when all are done.
/// [`restart`](Self::restart) makes all of them to do again.
///
/// # When a process is killed
///
/// | | what it leaves | who repairs it |
/// |---|---|---|
/// | with a chunk | the chunk, to do; [`Lease::holder_died`](super::Lease::holder_died) tells the next one | whoever wants it, or waits to read |
/// | while it writes | [`OwnerDied`](crate::sync::LockError::OwnerDied), for every reader and writer until one has repaired the values; there are no leases before that | a writer |
/// | while it reads, or waits | nothing | - |
/// | in [`restart`](Self::restart) | all chunks to do, or none more than before | - |
///
/// One that is stopped is never taken for dead. What it has is waited for: with a chunk by readers, writers,
/// and who wants that chunk or the last one; while it writes by all; while it reads by writers and
/// who wants a chunk.
///
/// `T` is [`Pod`], because a killed process can leave any bytes behind. Done again, a chunk may have been
/// written to already: let what is written follow from something else than what stood there before, or look
/// at [`Lease::holder_died`](super::Lease::holder_died).
///
/// Chunks that whoever is idle takes one after the other are the chunk self-scheduling of Kruskal and Weiss
/// ("Allocating independent subtasks on parallel processors", 1985), with an owner for each.
///
/// # Examples
///
/// ```
/// use crossdock::array::Init;
/// use crossdock::{Array, Segment, process};
///
/// fn square(squares: Array<u64>) -> u32 {
///     let mut chunks = 0;
///     while let Some(mut chunk) = squares.lease_chunk().expect("nobody writes") {
///         let first = chunk.range().start as u64;
///         (first..).zip(chunk.iter_mut()).for_each(|(i, square)| *square = i * i);
///         chunk.finish().expect("it is this process's");
///         chunks += 1;
///     }
///     chunks
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// process::init();
/// let segment = Segment::anonymous()?;
/// let squares = segment.create::<Array<u64>>("squares", Init::zeroed(1000).into())?;
/// let workers = (0..2)
///     .map(|_| process::spawn(square, squares.clone()))
///     .collect::<Result<Vec<_>, _>>()?;
/// let mut chunks = 0;
/// for worker in workers {
///     chunks += worker.join()?;
/// }
/// assert_eq!(chunks, 63);
/// assert_eq!(squares.read_or_repair(|_| ())?[999], 999 * 999);
/// # Ok(())
/// # }
/// ```
///
/// What has no meaning in another process cannot be in it:
///
/// ```compile_fail,E0277
/// # use crossdock::{Array, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// segment.create::<Array<&u64>>("pointers", Init::filled(3, &7).into()).unwrap();
/// ```
///
/// nor what has bytes that are no part of a value:
///
/// ```compile_fail,E0277
/// # use crossdock::{Array, Segment, array::Init};
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Padded(u8, u64);
/// crossdock::payload!(Padded, "shop.padded/1");
/// let segment = Segment::anonymous().unwrap();
/// segment.create::<Array<Padded>>("padded", Init::filled(3, Padded(1, 2)).into()).unwrap();
/// ```
///
/// A guard stays with its thread (a lease need not):
///
/// ```compile_fail,E0277
/// # use crossdock::{Array, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// let numbers = segment.create::<Array<u64>>("numbers", Init::zeroed(10).into()).unwrap();
/// let guard = numbers.read().unwrap();
/// std::thread::scope(|scope| { scope.spawn(move || drop(guard)); });
/// ```
pub struct Array<T> {
    raw: RawRwLock,
    /// Invariant 1: mapped as long as `raw`, and aligned; any bytes are such a state.
    table: NonNull<LeaseTableState>,
    /// Invariant 2: as many words as there are chunks are mapped there, likewise.
    words: NonNull<[Futex]>,
    /// Invariant 3: all values of the array are mapped there, likewise; any bytes are a `T`.
    values: NonNull<[T]>,
    layout: ArrayLayout,
    /// Where this handle looks for a chunk first; [`NOWHERE`] until it has looked.
    next: AtomicU64,
}

const NOWHERE: u64 = u64::MAX;

// SAFETY: values are reached through guards and leases, as the protocol has it; `T` is Send + Sync.
unsafe impl<T: Payload> Send for Array<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Array<T> {}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            table: self.table,
            words: self.words,
            values: self.values,
            layout: self.layout,
            // ORDERING: Relaxed; a hint.
            next: AtomicU64::new(self.next.load(Relaxed)),
        }
    }
}

impl<T> Array<T> {
    pub(super) fn table(&self) -> LeaseTable<'_> {
        LeaseTable {
            // SAFETY: Invariant 1, and an atomic may be shared with anybody.
            state: unsafe { self.table.as_ref() },
            // SAFETY: Invariant 2, and a futex may be shared with anybody.
            chunks: unsafe { self.words.as_ref() },
        }
    }

    /// The lock, as it is used beside leases.
    #[inline(always)]
    pub(super) fn access(&self) -> Access<'_, LeaseTable<'_>> {
        self.raw.beside(self.table())
    }

    pub(super) fn leases(&self) -> Leases<'_> {
        Leases {
            lock: self.access().lock,
            table: self.table(),
        }
    }

    pub(super) fn raw(&self) -> &RawRwLock {
        &self.raw
    }

    /// This process's tag, which it gets now if it has none.
    pub(super) fn joined(&self) -> Result<Tag, MembershipError> {
        self.raw.entry_ref().tag()
    }

    pub(super) fn liveness(&self, me: Tag) -> SegmentLiveness<'_> {
        self.raw.entry_ref().liveness(me)
    }

    #[cold]
    pub(super) fn membership_lost(&self, me: Tag) -> MembershipError {
        self.raw.entry_ref().membership_lost(me)
    }

    /// This process's tag, if it has one.
    pub(super) fn own(&self) -> Option<Tag> {
        self.raw.entry_ref().current_tag()
    }

    /// All values.
    pub(super) fn values(&self) -> NonNull<[T]> {
        self.values
    }

    /// The values of a part of the array.
    pub(super) fn values_of(&self, range: Range<usize>) -> NonNull<[T]> {
        let range = range.start.min(self.layout.cut.len())..range.end.min(self.layout.cut.len());
        // SAFETY: inside of the values, by Invariant 3.
        let first = unsafe { self.values.cast::<T>().add(range.start) };
        NonNull::slice_from_raw_parts(first, range.len())
    }

    /// The next chunk is looked for behind this one.
    pub(super) fn go_on_behind(&self, chunk: usize) {
        // ORDERING: Relaxed; a hint.
        self.next.store(chunk as u64 + 1, Relaxed);
    }

    /// Where to look for a chunk first: behind the last one, or at a place of this participant's own, far
    /// from those of others.
    pub(super) fn next(&self, me: Tag) -> usize {
        /// 2^32 by the golden ratio: its multiples are spread evenly, however many there are.
        const SPREAD: u32 = 0x9e37_79b9;
        // ORDERING: Relaxed; a hint.
        let next = self.next.load(Relaxed);
        let next = if next == NOWHERE {
            let place = u64::from(me.index().wrapping_mul(SPREAD));
            (place * self.chunks() as u64) >> u32::BITS
        } else {
            next
        };
        usize::try_from(next).unwrap_or(0)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.layout.cut.len()
    }

    /// Whether there are none: there is no such array.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many values a chunk has; the last one may have fewer.
    pub fn chunk_len(&self) -> usize {
        self.layout.cut.chunk()
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> usize {
        self.layout.cut.count()
    }

    /// Which values chunk `chunk` has; none if there is no such chunk.
    pub fn range(&self, chunk: usize) -> Range<usize> {
        self.layout.cut.range(chunk)
    }

    /// How many chunks are not done: to do, or in somebody's hands. A glance, exact while nobody is at
    /// work.
    ///
    /// Never blocks. Nothing counts them anywhere, so it looks at each: four bytes for a chunk.
    pub fn chunks_left(&self) -> usize {
        self.table().left()
    }
}

impl<T: Payload + Pod> sealed::Sealed for Array<T> {}

fn layout_of<T: Payload>(config: [u64; 4], participants: u32) -> Option<ArrayLayout> {
    let [len, chunk, 0, 0] = config else {
        return None;
    };
    let shape = shape_of::<T>()?;
    ArrayLayout::new((len, chunk), (shape.size(), shape.align()), participants)
        .filter(|_| Init::<T>::is_length(len))
}

impl<T: Payload + Pod> Placeable for Array<T> {
    type Config = ArrayOptions<T>;

    const KIND: Kind = Kind::Array;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(options: &ArrayOptions<T>) -> [u64; 4] {
        [options.init.len() as u64, options.chunk_len(), 0, 0]
    }

    fn shape(config: [u64; 4], participants: u32) -> Option<Shape> {
        Some(Shape {
            kind: Self::KIND,
            len: layout_of::<T>(config, participants)?.len(),
            payload: shape_of::<T>()?,
            config,
        })
    }

    fn refused(options: &ArrayOptions<T>) -> EntryError {
        let len = options.init.len() as u64;
        let chunk = options.chunk_len();
        if shape_of::<T>().is_none() {
            EntryError::Payload {
                found: Box::new(Self::payload()),
            }
        } else if Init::<T>::is_length(len) && !(1..=len).contains(&chunk) {
            EntryError::ChunkLength {
                found: chunk,
                least: 1,
                most: len,
            }
        } else {
            options.init.refused()
        }
    }

    fn ready(
        options: ArrayOptions<T>,
        fits: impl FnOnce() -> Result<(), EntryError>,
    ) -> Result<ArrayOptions<T>, EntryError> {
        options.ready(fits)
    }

    /// Zeroed words are those of an array that nobody was ever at.
    fn prepare(bytes: &Bytes<'_>, options: ArrayOptions<T>) {
        let config = Self::words(&options);
        if let Some(layout) = layout_of::<T>(config, bytes.participants()) {
            options.init.write(bytes, layout.data);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = layout_of::<T>(entry.record.config, participants)?;
        let raw = RawRwLock::anchored(entry, layout.cells)?;
        let anchor = raw.entry_ref();
        // INVARIANT: 1 to 3, by `payloads`; `T` is Pod.
        let table = anchor.payload(ArrayLayout::TABLE)?;
        let words = anchor.payloads(layout.chunks, layout.cut.count())?;
        let values = anchor.payloads(layout.data, layout.cut.len())?;
        Some(Self {
            raw,
            table,
            words: NonNull::slice_from_raw_parts(words, layout.cut.count()),
            values: NonNull::slice_from_raw_parts(values, layout.cut.len()),
            layout,
            next: AtomicU64::new(NOWHERE),
        })
    }

    fn entry(&self) -> &Entry {
        self.raw.entry_ref().entry()
    }
}

/// Never blocks, and shows no values.
impl<T> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array")
            .field("len", &self.len())
            .field("chunk_len", &self.chunk_len())
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}
