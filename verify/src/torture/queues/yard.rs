//! The segment with its rings and queues, and how all of them and their lanes are numbered.

use crossdock::queue::Queue;
use crossdock::queue::spsc::Spsc;
use crossdock::{Segment, SegmentOptions};

use crate::process::Rig;
use crate::torture::way::Way;

use crate::torture::traffic::item::{Item, Large, Small};

/// The capacities of the rings for two; each comes with small and with large items.
const RING_CAPACITIES: [u64; 4] = [1, 3, 8, 1024];
/// Those of the queues, which come likewise.
const QUEUE_CAPACITIES: [u64; 4] = [2, 3, 8, 1024];

/// How many rings there are.
pub(crate) const RINGS: usize = 2 * RING_CAPACITIES.len();
/// How many rings and queues there are.
pub(crate) const LINES: usize = RINGS + 2 * QUEUE_CAPACITIES.len();

/// Whether senders and receivers of a queue are counted, most of them; of the others none is.
pub(crate) fn is_counted(line: usize) -> bool {
    // Each capacity once, and once not.
    (line - RINGS) % 2 == (line - RINGS) / QUEUE_CAPACITIES.len()
}

/// The rings and queues of one size of items.
pub(crate) struct Lines<T> {
    pub(crate) rings: Vec<Spsc<T>>,
    /// The line that is the first ring.
    pub(crate) first_ring: usize,
    pub(crate) queues: Vec<Queue<T>>,
    /// The line that is the first queue.
    pub(crate) first_queue: usize,
}

/// A process's handles.
pub(crate) struct Yard {
    pub(crate) small: Lines<Small>,
    pub(crate) large: Lines<Large>,
}

/// The halves of the lines.
const SMALL: usize = 0;
const LARGE: usize = 1;

fn name(line: usize) -> String {
    format!("line.{line}")
}

impl<T: Item> Lines<T> {
    fn create(segment: &Segment, half: usize) -> Rig {
        let [first_ring, first_queue] = Self::firsts(half);
        // Once an end was there, a waiter is told when the last one has gone.
        for (line, capacity) in (first_ring..).zip(RING_CAPACITIES) {
            let ring = segment.create::<Spsc<T>>(&name(line), capacity)?;
            drop((ring.producer()?, ring.consumer()?));
        }
        for (line, capacity) in (first_queue..).zip(QUEUE_CAPACITIES) {
            let queue = segment.create::<Queue<T>>(&name(line), capacity)?;
            if is_counted(line) {
                drop((queue.sender()?, queue.receiver()?));
            }
        }
        Ok(())
    }

    fn open(segment: &Segment, half: usize) -> Rig<Self> {
        let [first_ring, first_queue] = Self::firsts(half);
        let rings = (first_ring..).take(RING_CAPACITIES.len());
        let queues = (first_queue..).take(QUEUE_CAPACITIES.len());
        Ok(Self {
            rings: rings
                .map(|line| segment.open(&name(line)))
                .collect::<Result<_, _>>()?,
            first_ring,
            queues: queues
                .map(|line| segment.open(&name(line)))
                .collect::<Result<_, _>>()?,
            first_queue,
        })
    }

    /// The first ring and the first queue of small items, half 0, or of large ones, half 1.
    fn firsts(half: usize) -> [usize; 2] {
        [
            half * RING_CAPACITIES.len(),
            RINGS + half * QUEUE_CAPACITIES.len(),
        ]
    }
}

impl Yard {
    /// Makes the segment, for so many workers.
    pub(crate) fn create(way: &Way, workers: usize) -> Rig<Segment> {
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(u32::try_from(workers)? + 2)
            .entries(u32::try_from(LINES)? + 8);
        let segment = way.create(&options)?;
        Lines::<Small>::create(&segment, SMALL)?;
        Lines::<Large>::create(&segment, LARGE)?;
        Ok(segment)
    }

    pub(crate) fn open(segment: &Segment) -> Rig<Self> {
        Ok(Self {
            small: Lines::open(segment, SMALL)?,
            large: Lines::open(segment, LARGE)?,
        })
    }
}
