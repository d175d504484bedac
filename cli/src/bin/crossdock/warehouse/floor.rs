//! The entries that all workers of a run share.

use crossdock::sync::MutexGuard;
use crossdock::{Counter, Mutex, Segment, SegmentOptions, ShardedCounter};
use serde::{Deserialize, Serialize};

use super::tally::{Ledger, Notes, Tally};
use super::{Failure, Kind, Options};

/// The handles that a worker gets.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub(crate) tally: Tally,
    /// The number of products packed by each worker.
    pub(crate) packed: Vec<Counter>,
    /// The number of kills requested by each worker.
    pub(crate) due: Vec<Counter>,
    pub(crate) recovered: Counter,
    /// Held by the driver until all workers have arrived: they start together.
    pub(crate) gate: Mutex<()>,
    /// Held by the driver while it is alive: a worker that waits for the driver waits for this
    /// lock, and is told when the driver dies.
    pub(crate) driver: Mutex<()>,
    /// The number of workers at the start barrier.
    pub(crate) arrived: Counter,
}

impl Floor {
    pub(crate) fn new(options: &Options, kind: Kind) -> Result<Self, Failure> {
        let workers = options.workers;
        let participants = workers + workers.div_ceil(2) + 8;
        let entries = 2 * workers + 8;
        // 128 bytes an entry, and as much for each participant's cell and registry entry.
        let size = u64::from(2 * entries + 2 * participants) * 256 + (64 << 10);
        let segment = SegmentOptions::new()
            .size(size)
            .participants(participants)
            .entries(entries)
            .anonymous()?;
        let counters = |what: &str| -> Result<Vec<Counter>, Failure> {
            (1..=workers)
                .map(|id| Ok(segment.create(&format!("{what} {id}"), 0)?))
                .collect()
        };
        Ok(Self {
            tally: Tally::new(&segment, kind)?,
            packed: counters("packed by")?,
            due: counters("kills due for")?,
            recovered: segment.create("recovered", 0)?,
            gate: segment.create("gate", ())?,
            driver: segment.create("driver", ())?,
            arrived: segment.create("arrived", 0)?,
        })
    }

    pub(crate) fn notes(&self, worker: u32) -> Notes<'_> {
        Notes {
            worker,
            packed: &self.packed,
            recovered: &self.recovered,
        }
    }

    /// Returns the number of products packed by all workers.
    pub(crate) fn progress(&self) -> u64 {
        self.packed.iter().map(|counter| counter.load()).sum()
    }

    /// Locks one of the driver's two locks, for the driver.
    pub(crate) fn hold(lock: &Mutex<()>) -> Result<MutexGuard<'_, ()>, Failure> {
        Ok(lock.lock_or_repair(|_| ())?)
    }
}

impl Tally {
    fn new(segment: &Segment, kind: Kind) -> Result<Self, Failure> {
        const NAME: &str = "total";
        Ok(match kind {
            Kind::Racy => Self::Racy(segment.create::<Counter>(NAME, 0)?),
            Kind::Atomic => Self::Atomic(segment.create::<Counter>(NAME, 0)?),
            Kind::Sharded => Self::Sharded(segment.create::<ShardedCounter>(NAME, ())?),
            Kind::Mutex => Self::Mutex(segment.create::<Mutex<Ledger>>(NAME, Ledger::default())?),
        })
    }
}
