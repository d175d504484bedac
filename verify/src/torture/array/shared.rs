//! What the workers share: the array, and what is noted of it.

use crossdock::array::{ArrayOptions, Init};
use crossdock::{Array, AtomicArray, Counter, Mutex, Segment, SegmentOptions};

use crate::process::Broken;
use crate::torture::driver::Plan;
use crate::torture::way::Way;

pub(crate) const CHUNKS: usize = 24;
/// The words of a chunk: how often it was filled, with what, and a checksum.
pub(crate) const WORDS: usize = 8;

/// A process's handles.
pub(crate) struct Shared {
    pub(crate) segment: Segment,
    pub(crate) array: Array<u64>,
    /// For each chunk, how often it was finished, and how often its holder was said to have died.
    pub(crate) finished: AtomicArray<u64>,
    pub(crate) told: AtomicArray<u64>,
    /// For each worker, the chunk that it is about to finish, counted from 1.
    pub(crate) intents: AtomicArray<u64>,
    pub(crate) progress: AtomicArray<u64>,
    /// How many rounds were begun, and how many may have been besides.
    pub(crate) rounds: Mutex<[u64; 2]>,
    pub(crate) reads: Counter,
    pub(crate) writes: Counter,
    /// Not 0 when workers shall leave.
    pub(crate) stop: Counter,
}

/// What the last word of a chunk is, if the others are these.
fn checksum(words: &[u64]) -> u64 {
    let mix = |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    words[..WORDS - 1].iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Whether nobody was cut off while filling it.
pub(crate) fn is_whole(chunk: &[u64]) -> bool {
    chunk.iter().all(|word| *word == 0) || chunk[WORDS - 1] == checksum(chunk)
}

/// Fills a chunk, a word after the other, for the `more`-th time more; calls `dawdle` in the middle.
pub(crate) fn fill(chunk: &mut [u64], stamp: u64, more: u64, dawdle: impl FnOnce()) {
    chunk[WORDS - 1] = 0;
    std::hint::black_box(&mut *chunk);
    chunk[1..4].fill(stamp);
    std::hint::black_box(&mut *chunk);
    dawdle();
    chunk[4..WORDS - 1].fill(stamp);
    std::hint::black_box(&mut *chunk);
    // One word, so it is the old number or the new one.
    chunk[0] += more;
    chunk[WORDS - 1] = checksum(chunk);
}

/// Makes whole what a dead writer, or a dead holder, left; the numbers are one word each.
pub(crate) fn repair(values: &mut [u64]) {
    for chunk in values.chunks_mut(WORDS) {
        if !is_whole(chunk) {
            chunk[WORDS - 1] = checksum(chunk);
        }
    }
}

impl Shared {
    /// Makes the segment for a plan's workers.
    pub(crate) fn create(way: &Way, plan: Plan) -> Result<Self, Broken> {
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(u32::try_from(plan.processes)? + 2)
            .entries(16);
        let segment = way.create(&options)?;
        let array = ArrayOptions::new(Init::zeroed(CHUNKS * WORDS)).chunk(WORDS);
        segment.create::<Array<u64>>("array", array)?;
        for name in ["finished", "told"] {
            segment.create::<AtomicArray<u64>>(name, Init::zeroed(CHUNKS))?;
        }
        for name in ["intents", "progress"] {
            segment.create::<AtomicArray<u64>>(name, Init::zeroed(plan.slots()))?;
        }
        segment.create::<Mutex<[u64; 2]>>("rounds", [0, 0])?;
        for name in ["reads", "writes", "stop"] {
            segment.create::<Counter>(name, 0)?;
        }
        Self::attach(segment)
    }

    /// Comes to the segment as a worker does.
    pub(crate) fn open(way: &Way) -> Result<Self, Broken> {
        Self::attach(way.open()?)
    }

    fn attach(segment: Segment) -> Result<Self, Broken> {
        Ok(Self {
            array: segment.open("array")?,
            finished: segment.open("finished")?,
            told: segment.open("told")?,
            intents: segment.open("intents")?,
            progress: segment.open("progress")?,
            rounds: segment.open("rounds")?,
            reads: segment.open("reads")?,
            writes: segment.open("writes")?,
            stop: segment.open("stop")?,
            segment,
        })
    }
}
