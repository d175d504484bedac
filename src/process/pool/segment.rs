//! The segment of a pool: the queues, the words of the tasks and the buffers of the workers.

use serde::{Deserialize, Serialize};

use crate::AtomicArray;
use crate::algorithm::tasks::{Done, Place, Task};
use crate::array::Init;
use crate::queue::{ByteOptions, ByteQueue};
use crate::segment::{EntryError, Segment, SegmentOptions};
use crate::sync::{Permit, Semaphore};

use super::BuildError;

/// The bytes of a message that a cell holds: with its words a cell is 512 bytes.
const CELL: u64 = 480;
const CELL_STRIDE: u64 = 512;
/// The words from one task to the next, so that they share no cache line.
const TASK_WORDS: usize = 8;
/// The words before the buffer of a place: its record, which item is the buffer's first, and the
/// bytes of a panic.
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
    words: AtomicArray<u64>,
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
        let slots = usize::try_from(in_flight).unwrap_or(usize::MAX) * TASK_WORDS;
        let places = usize::try_from(all).unwrap_or(usize::MAX) * PLACE_WORDS;
        // A slot of the queue takes 8 bytes of its own, at most 16 as they are a power of two.
        let size = cells * 2 * (CELL_STRIDE + 16) + ((slots + places) * size_of::<u64>()) as u64;
        let segment = SegmentOptions::new()
            .size(size + (1 << 20))
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
                words: segment.create("words", Init::zeroed(slots))?,
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
        let at = usize::try_from(slot).ok()?.checked_mul(TASK_WORDS)?;
        let words = self.words.get(at..at + 2)?;
        Some(Task {
            word: words[0].state().word(),
            since: words[1].state().word(),
        })
    }

    /// Which errors of a task in a slot are tried again by its worker: written before the message
    /// is sent, read by the worker that has the message.
    pub(super) fn policy(&self, slot: u32) -> Option<&crate::array::Element<u64>> {
        let at = usize::try_from(slot).ok()?.checked_mul(TASK_WORDS)?;
        self.words.get(at + 2)
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

impl Buffer<'_> {
    fn place(&self) -> Place<'_> {
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

    /// Worker: commits the frame of one more item, behind the `bytes` that are there, if it fits.
    /// Returns the bytes that are there then.
    pub(super) fn commit(&self, items: u32, bytes: usize, frame: &[u8]) -> Option<usize> {
        let words = frame.len().div_ceil(size_of::<u64>());
        let at = bytes / size_of::<u64>();
        let place = self.0[..PLACE_HEAD + BUFFER_WORDS]
            .get(PLACE_HEAD + at..)?
            .get(..words)?;
        for (element, part) in place.iter().zip(frame.chunks(size_of::<u64>())) {
            let mut word = [0; size_of::<u64>()];
            word[..part.len()].copy_from_slice(part);
            element.store(u64::from_le_bytes(word));
        }
        let words = u32::try_from(at + words).ok()?;
        self.place().record(Done { items, words });
        usize::try_from(words).ok()?.checked_mul(size_of::<u64>())
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
    /// frames, each filled up to a multiple of eight bytes.
    pub(super) fn read(&self, task: u64) -> (u32, u32, Vec<u8>) {
        let done = self.place().read(task);
        let first = u32::try_from(self.0[2].load()).unwrap_or(u32::MAX);
        let words = usize::try_from(done.words).unwrap_or(0).min(BUFFER_WORDS);
        let words = &self.0[PLACE_HEAD..PLACE_HEAD + words];
        let bytes = words.iter().flat_map(|word| word.load().to_le_bytes());
        (first, done.items, bytes.collect())
    }
}
