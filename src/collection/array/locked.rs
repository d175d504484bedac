//! The array behind a lock, and its chunks.

use std::ops::{Deref, Range};
use std::ptr::NonNull;

use bytemuck::Pod;

use super::{ArrayOptions, CopyError, Init};
use crate::algorithm::chunks::entry;
use crate::algorithm::chunks::layout::ArrayLayout;
use crate::algorithm::chunks::{LeaseTable, Leases};
use crate::algorithm::rwlock::RwLockState;
use crate::facade::AtomicU64;
use crate::facade::Ordering::Relaxed;
use crate::format::{Kind, PayloadShape};
use crate::participant::Tag;
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{Bytes, Entry, EntryError, EntryRef, Placeable};
use crate::sync::rwlock::LeaseWords;
use crate::sync::{LockError, RwLock};

/// Many values of one type, behind a lock for many readers or one writer, and cut into chunks that
/// processes lease, each another one, to work on them at the same time. An entry of a segment,
/// created with its [options](ArrayOptions): the values, and the length of a chunk.
///
/// | to do what | with | beside |
/// |---|---|---|
/// | read all values | [`read`](RwLock::read): `&[T]` | other readers |
/// | change any values | [`write`](RwLock::write): `&mut [T]` | no other participant |
/// | work on one part after the other | [`lease_chunk`](Self::lease_chunk): a [`Lease`](super::Lease), `&mut [T]` | leases of other chunks |
/// | copy some in or out | [`copy_from`](Self::copy_from), [`copy_to`](Self::copy_to) | as `write`, as `read` |
///
/// An array derefs to its [lock](RwLock), over `[T]`: all methods of that lock are an array's, such
/// as `read_or_repair`, `try_write` and `read_timeout`. Readers and writers block until all leased
/// chunks are back, and no chunk is leased meanwhile; a lease blocks until readers and writers have
/// left.
///
/// A leased chunk is done when its lease is [finished](super::Lease::finish). It is to do again if
/// the lease is dropped without, or if its holder panics or is killed. So each chunk is finished,
/// whichever process is killed; [`lease_chunk`](Self::lease_chunk) returns `None` when all are
/// done. [`restart`](Self::restart) makes all of them to do again.
///
/// # When a process is killed
///
/// | killed | what it leaves | recovered by |
/// |---|---|---|
/// | with a chunk | the chunk, to do; [`Lease::holder_died`](super::Lease::holder_died) tells the next holder | the next process that wants the chunk, or waits to read |
/// | while it writes | [`OwnerDied`](crate::sync::LockError::OwnerDied), for every reader and writer until a writer has repaired the values; there are no leases before that | a writer |
/// | while it reads, or waits | nothing | - |
/// | in [`restart`](Self::restart) | all chunks to do, or none more than before | - |
///
/// A process that is stopped is never taken for dead. With a chunk it blocks readers, writers, and
/// the leases of that chunk, or of the last one; while it writes it blocks all others; while it
/// reads it blocks writers and leases.
///
/// `T` is [`Pod`], because a killed process can leave any bytes behind. A chunk that is done again
/// may have been written to already: compute its values from something else than its old ones, or
/// check [`Lease::holder_died`](super::Lease::holder_died).
///
/// That idle processes take one chunk after the other is the chunk self-scheduling of Kruskal and
/// Weiss ("Allocating independent subtasks on parallel processors", 1985), with an owner for each.
///
/// # Examples
///
/// ```
/// use crossdock::array::Init;
/// use crossdock::{Array, Segment, process};
///
/// fn square(squares: Array<u64>) -> u32 {
///     let mut chunks = 0;
///     while let Some(mut chunk) = squares.lease_chunk().expect("no process writes") {
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
/// let squares = segment.create::<Array<u64>>("squares", Init::zeroed(1000))?;
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
/// segment.create::<Array<&u64>>("pointers", Init::filled(3, &7)).unwrap();
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
/// segment.create::<Array<Padded>>("padded", Init::filled(3, Padded(1, 2))).unwrap();
/// ```
///
/// A guard stays with its thread (a lease need not):
///
/// ```compile_fail,E0277
/// # use crossdock::{Array, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// let numbers = segment.create::<Array<u64>>("numbers", Init::zeroed(10)).unwrap();
/// let guard = numbers.read().unwrap();
/// std::thread::scope(|scope| { scope.spawn(move || drop(guard)); });
/// ```
pub struct Array<T> {
    lock: RwLock<[T]>,
    /// That of the lock.
    words: LeaseWords,
    layout: ArrayLayout,
    /// Where this handle looks for a chunk first; [`NOWHERE`] until it has looked.
    next: AtomicU64,
}

const NOWHERE: u64 = u64::MAX;

/// The lock of the array's values: [`read`](RwLock::read), [`write`](RwLock::write) and their other
/// forms.
impl<T> Deref for Array<T> {
    type Target = RwLock<[T]>;

    #[inline(always)]
    fn deref(&self) -> &RwLock<[T]> {
        &self.lock
    }
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self {
            lock: self.lock.clone(),
            words: self.words,
            layout: self.layout,
            // ORDERING: Relaxed; a hint.
            next: AtomicU64::new(self.next.load(Relaxed)),
        }
    }
}

impl<T> Array<T> {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.layout.cut.len()
    }

    /// Returns false: an array has one value at least.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Returns the number of values in a chunk; the last chunk may have fewer.
    pub fn chunk_len(&self) -> usize {
        self.layout.cut.chunk()
    }

    /// Returns the number of chunks.
    pub fn chunks(&self) -> usize {
        self.layout.cut.count()
    }

    /// Returns the part of the array that chunk `chunk` is; empty if there is no such chunk.
    pub fn range(&self, chunk: usize) -> Range<usize> {
        self.layout.cut.range(chunk)
    }

    /// Returns the number of chunks that are not done: to do, or leased. The answer may be stale
    /// when it is returned; it is exact while no process leases.
    ///
    /// Never blocks. It looks at each chunk: four bytes.
    pub fn chunks_left(&self) -> usize {
        self.table().left()
    }

    /// Returns where the first value is: bytes from the start of the segment's file, for readers
    /// that are written in other languages. The others follow without gaps. It does not change.
    /// [docs/attach.md] describes the layout, and what a reader sees that does not lock.
    ///
    /// [docs/attach.md]: https://docs.rs/crate/crossdock/latest/source/docs/attach.md
    pub fn data_offset(&self) -> u64 {
        // The layout has checked that it is inside.
        self.lock.entry_ref().entry().record.offset + self.layout.data
    }

    #[inline(always)]
    pub(super) fn table(&self) -> LeaseTable<'_> {
        // SAFETY: the lock lives as long as this handle is borrowed.
        unsafe { self.words.table() }
    }

    /// The lock, as it is used beside leases.
    #[inline(always)]
    pub(super) fn leases(&self) -> Leases<'_> {
        let table = self.table();
        Leases {
            lock: self.lock.beside(table),
            table,
        }
    }

    pub(super) fn entry_ref(&self) -> &EntryRef<RwLockState> {
        self.lock.entry_ref()
    }

    /// The values of a part of the array.
    pub(super) fn values_of(&self, range: Range<usize>) -> NonNull<[T]> {
        let range = range.start.min(self.layout.cut.len())..range.end.min(self.layout.cut.len());
        // SAFETY: inside of the values, which are as many as the cut says.
        let first = unsafe { self.lock.data().cast::<T>().add(range.start) };
        NonNull::slice_from_raw_parts(first, range.len())
    }

    /// The next chunk is looked for behind this one.
    pub(super) fn go_on_behind(&self, chunk: usize) {
        // ORDERING: Relaxed; a hint.
        self.next.store(chunk as u64 + 1, Relaxed);
    }

    /// Where to look for a chunk first: behind the last one, or at a place of this participant's
    /// own, far from those of others.
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
}

impl<T: Pod> Array<T> {
    /// Copies the values from number `at` on out, as many as `values` has room for: under the lock,
    /// with one memcpy.
    ///
    /// Blocks as [`read`](RwLock::read) does.
    ///
    /// # Errors
    ///
    /// [`CopyError::OutOfRange`] if the array has not so many; [`CopyError::Lock`] if the values
    /// may be half changed, or are not locked. Nothing is copied then.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Array, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let primes = segment.create::<Array<u32>>("primes", [2, 3, 5, 0, 0])?;
    /// primes.copy_from(3, &[7, 11])?;
    /// let mut some = [0; 3];
    /// primes.copy_to(2, &mut some)?;
    /// assert_eq!(some, [5, 7, 11]);
    /// assert!(primes.copy_to(3, &mut some).is_err());
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn copy_to(&self, at: usize, values: &mut [T]) -> Result<(), CopyError> {
        self.check(at, values.len())?;
        let guard = self.read().map_err(LockError::without_guard)?;
        if let Some(part) = guard.get(at..).and_then(|rest| rest.get(..values.len())) {
            values.copy_from_slice(part);
        }
        Ok(())
    }

    /// Copies `values` in, from number `at` on: under the lock, with one memcpy.
    ///
    /// Blocks as [`write`](RwLock::write) does. A process that is killed while it copies is a
    /// writer that died: the next owner is told.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to).
    pub fn copy_from(&self, at: usize, values: &[T]) -> Result<(), CopyError> {
        self.check(at, values.len())?;
        let mut guard = self.write().map_err(LockError::without_guard)?;
        if let Some(part) = guard
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..values.len()))
        {
            part.copy_from_slice(values);
        }
        Ok(())
    }

    fn check(&self, at: usize, count: usize) -> Result<(), CopyError> {
        let len = self.len();
        match at.checked_add(count) {
            Some(end) if end <= len => Ok(()),
            _ => Err(CopyError::OutOfRange { at, count, len }),
        }
    }
}

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

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        Some(layout_of::<T>(config, participants)?.len())
    }

    fn refused(options: &ArrayOptions<T>) -> EntryError {
        let len = options.init.len() as u64;
        let chunk = options.chunk_len();
        if shape_of::<T>().is_none() {
            Self::unfit()
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

    /// Zeroed words are those of an array that no process has used.
    fn prepare(bytes: &Bytes<'_>, options: ArrayOptions<T>) {
        let config = Self::words(&options);
        if let Some(layout) = layout_of::<T>(config, bytes.participants()) {
            options.init.write(bytes, layout.data);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = layout_of::<T>(entry.record.config, participants)?;
        let locate = |state: &EntryRef<RwLockState>| {
            let len = layout.cut.len();
            let region = state.region();
            let table = entry::view(&region, &layout)?;
            let words = LeaseWords {
                state: NonNull::from(table.state),
                chunks: NonNull::from(table.chunks),
            };
            let values = state.payloads(layout.data, len)?;
            Some((NonNull::slice_from_raw_parts(values, len), Some(words)))
        };
        // SAFETY: `T` is Pod; everything is where `payloads` has checked.
        let lock = unsafe { RwLock::anchored(entry, layout.cells, locate) }?;
        Some(Self {
            words: lock.leases()?,
            lock,
            layout,
            next: AtomicU64::new(NOWHERE),
        })
    }

    fn entry(&self) -> &Entry {
        self.lock.entry_ref().entry()
    }
}

debug!(
    /// Never blocks, and shows no values.
    [T] Array<T>, |this| {
        len: this.len(),
        chunk_len: this.chunk_len(),
        poisoned: this.is_poisoned(),
        ..
    }
);
