//! What the workers share: the segment and its entries.

use crossdock::array::Init;
use crossdock::{AtomicArray, Counter, Mutex, Segment, SegmentOptions, ShardedCounter};

use crate::process::Broken;
use crate::torture::driver::Plan;
use crate::torture::way::Way;

use super::ledger::Ledger;

/// Entries that workers create when they come to need them.
pub(crate) const EXTRAS: u64 = 96;
pub(crate) const EXTRA_VALUE: u64 = 7;
/// How many numbers the operations are spread over.
pub(crate) const SUMS: usize = 3;

/// A process's handles.
pub(crate) struct Shared {
    pub(crate) segment: Segment,
    pub(crate) ledger: Mutex<Ledger>,
    /// Transfers that were told to have been made.
    pub(crate) transfers: Counter,
    /// A lock, and two counters that are equal whenever it is free.
    pub(crate) raw: Mutex<()>,
    pub(crate) pair: [Counter; 2],
    /// Operations, counted three times.
    pub(crate) total: Counter,
    pub(crate) cells: ShardedCounter,
    /// The same once more, spread over floating-point numbers.
    pub(crate) sums: AtomicArray<f64>,
    pub(crate) repairs: Counter,
    /// Not 0 when workers shall leave.
    pub(crate) stop: Counter,
}

/// The name of worker `slot`'s count of operations.
pub(crate) fn progress_name(slot: usize) -> String {
    format!("progress.{slot}")
}

pub(crate) fn extra_name(number: u64) -> String {
    format!("extra.{number}")
}

impl Shared {
    /// Makes the segment for a plan's workers.
    pub(crate) fn create(way: &Way, plan: Plan) -> Result<Self, Broken> {
        let participants = u32::try_from(plan.processes)? + 2;
        let entries = u32::try_from(plan.slots())? + u32::try_from(EXTRAS)? + 16;
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(participants)
            .entries(entries);
        let segment = way.create(&options)?;
        for slot in 0..plan.slots() {
            segment.create::<Counter>(&progress_name(slot), 0)?;
        }
        segment.create::<Mutex<Ledger>>("ledger", Ledger::new())?;
        segment.create::<Mutex<()>>("raw", ())?;
        segment.create::<ShardedCounter>("cells", ())?;
        segment.create::<AtomicArray<f64>>("sums", Init::zeroed(SUMS))?;
        for name in ["transfers", "left", "right", "total", "repairs", "stop"] {
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
            ledger: segment.open("ledger")?,
            transfers: segment.open("transfers")?,
            raw: segment.open("raw")?,
            pair: [segment.open("left")?, segment.open("right")?],
            total: segment.open("total")?,
            cells: segment.open("cells")?,
            sums: segment.open("sums")?,
            repairs: segment.open("repairs")?,
            stop: segment.open("stop")?,
            segment,
        })
    }
}
