//! The segment of a pool: the queues, the words of the tasks and the buffers of the workers.

use std::marker::PhantomData;
use std::ptr::NonNull;

use serde::{Deserialize, Serialize};

use crate::AtomicArray;
use crate::algorithm::tasks::{Done, Place, Task};
use crate::array::Init;
use crate::queue::{ByteOptions, ByteQueue};
use crate::segment::{EntryError, Segment, SegmentOptions};
use crate::sync::{Permit, Semaphore};

use super::BuildError;
use super::PoolTasks;
use super::message::ReplyHeader;
use crate::codec::{Output, OutputFull};

/// The bytes of a message that a cell holds: with its words a cell is 2 KiB. A chunk of a hundred
/// numbers is in one piece; and a queue that is used up cell by cell goes round in less memory.
const CELL: u64 = CELL_STRIDE - 32;
const CELL_STRIDE: u64 = 2 << 10;
/// A message of so many bytes fits into each pool's segment, with its header.
pub(super) const LEAST_MEMORY: usize = 16 << 10;
/// The words before the buffer of a place: its record, which item is the buffer's first, and the
/// bytes of a panic; then the header of a reply, right before the frames.
const PLACE_HEAD: usize = 8;
/// The words of a buffer.
const BUFFER_WORDS: usize = 8 << 10;
/// The words for the panic that a worker dies of.
const PANIC_WORDS: usize = 512;
/// Its bytes.
pub(super) const MAX_PANIC: usize = PANIC_WORDS * size_of::<u64>();
const PLACE_WORDS: usize = PLACE_HEAD + BUFFER_WORDS + PANIC_WORDS;
/// The bytes that the results of a task have in a worker before it sends them.
pub(super) const BUFFER: usize = BUFFER_WORDS * size_of::<u64>();

/// What all processes of a pool share.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PoolSegment {
    pub(super) segment: Segment,
    /// Of one attempt: a task whose worker died is a dead letter, which the parent judges.
    pub(super) tasks: ByteQueue,
    pub(super) replies: ByteQueue,
    pub(super) running: PoolTasks,
    places: AtomicArray<u64>,
    /// With a permit for each worker that may take tasks, if there are more.
    turns: Option<Semaphore>,
}

impl PoolSegment {
    /// Creates the segment of a pool of so many workers, spare ones and tasks in flight, with room
    /// for so many bytes each way.
    pub(super) fn create(
        workers: u32,
        spare: u32,
        in_flight: u32,
        bytes: u64,
    ) -> Result<Self, BuildError> {
        let all = workers + spare;
        let cells = (bytes / CELL_STRIDE).max(u64::from(in_flight) * 2 + 16);
        let running = (in_flight, all);
        let places = usize::try_from(all).unwrap_or(usize::MAX) * PLACE_WORDS;
        // A slot of the queue takes 8 bytes of its own, at most 16 as they are a power of two.
        let beside = (places * size_of::<u64>()) as u64 + PoolTasks::len(running) + (1 << 20);
        let size = cells.saturating_mul(2 * (CELL_STRIDE + 16));
        let segment = SegmentOptions::new()
            .size(size.saturating_add(beside))
            // What is not used takes no memory, and no time to get it.
            .reserve(false)
            .participants(all * 2 + 6)
            .entries(8)
            .anonymous()
            .map_err(BuildError::Segment)?;
        let queue = |name, attempts| -> Result<ByteQueue, EntryError> {
            let options = ByteOptions::new(cells).cell_size(CELL);
            segment.create(name, options.max_attempts(attempts))
        };
        let made = || -> Result<Self, EntryError> {
            Ok(Self {
                tasks: queue("tasks", 1)?,
                replies: queue("replies", 100)?,
                running: segment.create("running", running)?,
                places: segment.create("places", Init::zeroed(places))?,
                turns: match spare {
                    0 => None,
                    _ => Some(segment.create("turns", u64::from(workers))?),
                },
                segment: segment.clone(),
            })
        };
        made().map_err(BuildError::Entry)
    }

    /// Worker: waits until it may take tasks. The permit returns when the worker leaves, or dies.
    /// `None` if all may, and when the pool has ended.
    pub(super) fn turn(&self) -> Option<Permit<'_>> {
        self.turns.as_ref()?.acquire().ok()
    }

    /// Ends all waits, also of workers whose parent has ended.
    pub(super) fn close(&self) {
        self.tasks.close();
        self.replies.close();
        if let Some(turns) = &self.turns {
            turns.close();
        }
    }

    /// The word of the task in a slot; `None` if there is no such slot.
    pub(super) fn task(&self, slot: u32) -> Option<Task<'_>> {
        self.running.task(slot)
    }

    /// The record and the buffer of a worker's place.
    pub(super) fn buffer(&self, place: u32) -> Option<Buffer<'_>> {
        let at = usize::try_from(place).ok()?.checked_mul(PLACE_WORDS)?;
        let words = self.places.get(at..at + PLACE_WORDS)?;
        Some(Buffer(words))
    }

    /// The longest message, in bytes.
    pub(super) fn max_message(&self) -> usize {
        usize::try_from(self.tasks.max_message_len()).unwrap_or(usize::MAX)
    }
}

/// The results of the items of a task that its worker has not sent yet.
pub(super) struct Buffer<'a>(&'a [crate::array::Element<u64>]);

impl<'a> Buffer<'a> {
    fn place(&self) -> Place<'a> {
        Place {
            task: self.0[0].state().word(),
            done: self.0[1].state().word(),
        }
    }

    /// Worker: the buffer belongs to the task, and its first item will be `first`.
    pub(super) fn open(&self, task: u64, first: u32) {
        self.place().open(task);
        self.0[2].store(first.into());
    }

    /// Worker: commits the results of so many items, which are that many bytes.
    #[inline(always)]
    pub(super) fn record(&self, items: u32, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(0);
        self.place().record(Done { items, bytes });
    }

    /// Worker: where the frames of results are written to, none of which are there; at most `most`
    /// bytes.
    ///
    /// # Safety
    /// - This process is the worker of the place, and nothing else writes to the frames while what
    ///   is returned is used.
    pub(super) unsafe fn frames(&self, most: usize) -> PlaceFrames<'a> {
        assert_eq!(self.0.len(), PLACE_WORDS);
        // SAFETY: a place has so many words, and more behind them.
        let first = unsafe { NonNull::from(self.0).cast::<u64>().add(PLACE_HEAD) }.cast();
        PlaceFrames {
            // INVARIANT: 1: behind the head, the last words of which are the header's.
            first,
            len: 0,
            most: most.min(BUFFER),
            full: false,
            place: PhantomData,
        }
    }

    /// Worker: the process panics, and may die of it.
    pub(super) fn record_panic(&self, panic: &[u8]) {
        let words = &self.0[PLACE_HEAD + BUFFER_WORDS..];
        let len = panic.len().min(size_of_val(words));
        for (element, part) in words.iter().zip(panic[..len].chunks(size_of::<u64>())) {
            let mut word = [0; size_of::<u64>()];
            word[..part.len()].copy_from_slice(part);
            element.store(u64::from_le_bytes(word));
        }
        self.0[3].store(len as u64);
    }

    /// Worker: it has survived what was recorded.
    pub(super) fn forget_panic(&self) {
        self.0[3].store(0);
    }

    /// Parent: what the worker recorded last; nothing if it has not panicked.
    pub(super) fn last_panic(&self) -> Vec<u8> {
        let words = &self.0[PLACE_HEAD + BUFFER_WORDS..];
        let len = usize::try_from(self.0[3].load()).unwrap_or(usize::MAX);
        let bytes = words.iter().flat_map(|word| word.load().to_le_bytes());
        bytes.take(len).collect()
    }

    /// Parent: the first item in the buffer of a worker that died, how many there are, and their
    /// frames.
    pub(super) fn read(&self, task: u64) -> (u32, u32, Vec<u8>) {
        let done = self.place().read(task);
        let first = u32::try_from(self.0[2].load()).unwrap_or(u32::MAX);
        let len = usize::try_from(done.bytes).unwrap_or(0).min(BUFFER);
        let words = &self.0[PLACE_HEAD..PLACE_HEAD + len.div_ceil(size_of::<u64>())];
        let bytes = words.iter().flat_map(|word| word.load().to_le_bytes());
        (first, done.items, bytes.take(len).collect())
    }
}

/// The frames in a worker's place, and a header before them, which together are a reply.
pub(super) struct PlaceFrames<'a> {
    /// Invariant 1: `ReplyHeader::LEN` bytes before it, and `most` behind it, are this worker's, in
    /// the segment, which is mapped for `'a`.
    first: NonNull<u8>,
    /// At most `most`.
    len: usize,
    most: usize,
    /// Whether something did not fit.
    pub(super) full: bool,
    place: PhantomData<&'a [u8]>,
}

const _: () = assert!(ReplyHeader::LEN <= (PLACE_HEAD - 4) * size_of::<u64>());

impl PlaceFrames<'_> {
    /// Returns the reply: the header, and the frames that are there.
    pub(super) fn reply(&mut self, header: &ReplyHeader) -> &[u8] {
        // SAFETY: Invariant 1.
        let start = unsafe { self.first.sub(ReplyHeader::LEN) };
        let len = ReplyHeader::LEN + self.len;
        // SAFETY: Invariant 1; only this worker reads or writes there while it lives, and `self` is
        // borrowed mutably.
        let message = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), len) };
        header.write(message);
        message
    }

    /// Returns how many bytes fit in all.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

impl Output for PlaceFrames<'_> {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        if bytes.len() > self.most - self.len {
            self.full = true;
            return Err(OutputFull);
        }
        // SAFETY: Invariant 1: `len` is not above `most`.
        let end = unsafe { self.first.add(self.len) };
        // SAFETY: Invariant 1: there is room for so many bytes, and they are no part of the place.
        unsafe {
            end.as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        self.len += bytes.len();
        Ok(())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[inline(always)]
    fn put_at(&mut self, at: usize, bytes: [u8; 4]) {
        assert!(self.len >= bytes.len() && at <= self.len - bytes.len());
        // SAFETY: Invariant 1, and the line above.
        let place = unsafe { self.first.add(at) };
        // SAFETY: as above.
        unsafe {
            place
                .as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
    }
}
