//! The segment with its work queues, and how they and their lanes are numbered.

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::queue::{ByteOptions, ByteQueue, Channel, WorkOptions, WorkQueue};
use crossdock::segment::Placeable;
use crossdock::{Segment, SegmentOptions};

use crate::line::{Line, Message, Task};
use crate::process::Rig;
use crate::torture::traffic::item::NOTHING;
use crate::torture::way::Way;

/// Eight bytes.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Small(u64);
crossdock::payload!(Small, "crossdock-verify.task/1");

/// Some cache lines, of which each word follows from the first.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Large([u64; 24]);
crossdock::payload!(Large, "crossdock-verify.large-task/1");

impl Message for Small {
    fn of(word: u64) -> Self {
        Self(word)
    }

    fn word(&self) -> Option<u64> {
        Some(self.0)
    }
}

impl Message for Large {
    fn of(word: u64) -> Self {
        let mut next = word;
        Self([(); 24].map(|()| {
            let this = next;
            next = next.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(23);
            this
        }))
    }

    fn word(&self) -> Option<u64> {
        (Self::of(self.0[0]).0 == self.0).then_some(self.0[0])
    }
}

/// Capacities, and how often a message is delivered at most.
const SMALL: [(u64, u8); 3] = [(1, 3), (5, 126), (256, 2)];
const LARGE: [(u64, u8); 2] = [(3, 5), (64, 1)];
/// Cells, bytes in each, and the same.
const BYTES: [(u64, u64, u8); 2] = [(6, 16, 4), (200, 100, 3)];
/// The same of channels.
const CHANNELS: [(u64, u64, u8); 1] = [(40, 24, 126)];

/// How many lines there are.
pub(crate) const LINES: usize = SMALL.len() + LARGE.len() + BYTES.len() + CHANNELS.len();

/// Whether senders and receivers of a line are counted, most of them; of the others none is.
pub(crate) fn is_counted(line: usize) -> bool {
    line % 2 == 1
}

/// A process's handles; each kind with the number of its first line.
pub(crate) struct Yard {
    pub(crate) small: Vec<WorkQueue<Small>>,
    pub(crate) large: Vec<WorkQueue<Large>>,
    pub(crate) bytes: Vec<ByteQueue>,
    pub(crate) channels: Vec<Channel<Task>>,
}

/// What is done at each line, whatever its kind.
pub(crate) trait Visit {
    type Error;
    fn visit<L: Line>(&mut self, number: usize, line: &L) -> Result<(), Self::Error>;
}

/// A word that is never sent: in loans that are given up.
pub(crate) fn nothing() -> u64 {
    NOTHING.word()
}

fn name(line: usize) -> String {
    format!("line.{line}")
}

fn create<L: Line + Placeable>(segment: &Segment, line: usize, options: L::Config) -> Rig {
    let queue = segment.create::<L>(&name(line), options)?;
    // Once an end was there, a waiter is told when the last one has gone.
    if is_counted(line) {
        drop((queue.count_sender()?, queue.count_receiver()?));
    }
    Ok(())
}

fn open<L: Placeable>(segment: &Segment, lines: std::ops::Range<usize>) -> Rig<Vec<L>> {
    let opened = lines.map(|line| segment.open(&name(line)));
    Ok(opened.collect::<Result<_, _>>()?)
}

const FIRST_LARGE: usize = SMALL.len();
const FIRST_BYTES: usize = FIRST_LARGE + LARGE.len();
const FIRST_CHANNEL: usize = FIRST_BYTES + BYTES.len();

impl Yard {
    /// Makes the segment, for so many workers.
    pub(crate) fn create(way: &Way, workers: usize) -> Rig<Segment> {
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(u32::try_from(workers)? + 2)
            .entries(u32::try_from(LINES)? + 8);
        let segment = way.create(&options)?;
        for (line, (capacity, attempts)) in SMALL.into_iter().enumerate() {
            let options = WorkOptions::new(capacity).max_attempts(attempts);
            create::<WorkQueue<Small>>(&segment, line, options)?;
        }
        for (line, (capacity, attempts)) in (FIRST_LARGE..).zip(LARGE) {
            let options = WorkOptions::new(capacity).max_attempts(attempts);
            create::<WorkQueue<Large>>(&segment, line, options)?;
        }
        let options = |(cells, size, attempts)| {
            ByteOptions::new(cells)
                .cell_size(size)
                .max_attempts(attempts)
        };
        for (line, rules) in (FIRST_BYTES..).zip(BYTES) {
            create::<ByteQueue>(&segment, line, options(rules))?;
        }
        for (line, rules) in (FIRST_CHANNEL..).zip(CHANNELS) {
            create::<Channel<Task>>(&segment, line, options(rules))?;
        }
        Ok(segment)
    }

    pub(crate) fn open(segment: &Segment) -> Rig<Self> {
        Ok(Self {
            small: open(segment, 0..FIRST_LARGE)?,
            large: open(segment, FIRST_LARGE..FIRST_BYTES)?,
            bytes: open(segment, FIRST_BYTES..FIRST_CHANNEL)?,
            channels: open(segment, FIRST_CHANNEL..LINES)?,
        })
    }

    /// Has one line visited.
    pub(crate) fn visit<V: Visit>(&self, line: usize, visit: &mut V) -> Result<(), V::Error> {
        if let Some(channel) = line.checked_sub(FIRST_CHANNEL) {
            visit.visit(line, &self.channels[channel])
        } else if let Some(bytes) = line.checked_sub(FIRST_BYTES) {
            visit.visit(line, &self.bytes[bytes])
        } else if let Some(large) = line.checked_sub(FIRST_LARGE) {
            visit.visit(line, &self.large[large])
        } else {
            visit.visit(line, &self.small[line])
        }
    }

    /// Has all lines visited.
    pub(crate) fn visit_all<V: Visit>(&self, visit: &mut V) -> Result<(), V::Error> {
        (0..LINES).try_for_each(|line| self.visit(line, visit))
    }
}
