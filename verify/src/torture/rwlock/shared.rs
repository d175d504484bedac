//! What the workers share: the segment and its entries.

use crossdock::{Counter, RwLock, Segment, SegmentOptions};

use super::book::Book;
use crate::process::Broken;
use crate::torture::driver::Plan;
use crate::torture::way::Way;

/// A process's handles.
pub(super) struct Shared {
    pub(super) segment: Segment,
    pub(super) book: RwLock<Book>,
    pub(super) reads: Counter,
    /// Editions that were told to have been written.
    pub(super) writes: Counter,
    pub(super) repairs: Counter,
    /// Not 0 when workers shall leave.
    pub(super) stop: Counter,
}

/// The name of worker `slot`'s count of operations.
pub(super) fn progress_name(slot: usize) -> String {
    format!("progress.{slot}")
}

impl Shared {
    /// Makes the segment, for so many workers.
    pub(super) fn create(way: &Way, plan: Plan) -> Result<Self, Broken> {
        let participants = u32::try_from(plan.processes)? + 2;
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(participants)
            .entries(u32::try_from(plan.slots())? + 8);
        let segment = way.create(&options)?;
        for slot in 0..plan.slots() {
            segment.create::<Counter>(&progress_name(slot), 0)?;
        }
        segment.create::<RwLock<Book>>("book", Book::first())?;
        for name in ["reads", "writes", "repairs", "stop"] {
            segment.create::<Counter>(name, 0)?;
        }
        Self::attach(segment)
    }

    /// Comes to the segment as a worker does.
    pub(super) fn open(way: &Way) -> Result<Self, Broken> {
        Self::attach(way.open()?)
    }

    fn attach(segment: Segment) -> Result<Self, Broken> {
        Ok(Self {
            book: segment.open("book")?,
            reads: segment.open("reads")?,
            writes: segment.open("writes")?,
            repairs: segment.open("repairs")?,
            stop: segment.open("stop")?,
            segment,
        })
    }
}
