//! Jobs at the entries of one segment: what a process does there, and what must hold in the end.
//! The rest is the same for all of them.

use std::process::{Command, ExitCode};
use std::time::Duration;

use crossdock::array::Init;
use crossdock::segment::Monitor;
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};
use crossdock::{AtomicArray, Counter, Segment, SegmentOptions};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::{Plan, Tally, Workload, drive};
use crate::torture::way::Way;
use crate::torture::worker::{Ended, Orders};
use crate::torture::{Report, TortureArgs, abandoned, take_away};

/// How many entries a job may have, besides those that it names.
const ENTRIES: u32 = 24;

/// What workers do at the entries of one segment: a process's handles of them.
pub(crate) trait Job: Sized {
    /// Its name on a worker's command line.
    const NAME: &'static str;
    /// How many processes work at a time, unless the command line says it.
    const PROCESSES: u16 = 6;
    /// How many more entries it needs than a few.
    const MORE_ENTRIES: u32 = 0;
    /// Whether a thread of every other process reaps those that die meanwhile.
    const MONITORED: bool = false;

    /// Opens the entries, and creates those that are not there yet. There are `slots` slots.
    fn open(segment: &Segment, slots: usize) -> Rig<Self>;

    /// One operation, of the worker in `slot`.
    fn operate(&self, slot: usize, random: &mut Random) -> Result<(), Ended>;

    /// The worker in `slot` has ended, and none has taken its place yet.
    fn ended(&mut self, _slot: usize) {}

    /// Adds what does not hold after all have left or died; says what was done.
    fn judge(&self, tally: &mut Tally) -> Rig<String>;
}

/// A job's segment, with the entries that all jobs have.
struct Site<J> {
    way: Way,
    segment: Segment,
    /// How many operations each worker has done.
    progress: AtomicArray<u64>,
    /// Not 0 when workers shall leave.
    stop: Counter,
    job: J,
}

impl<J: Job> Site<J> {
    fn new(way: Way, segment: Segment, slots: usize) -> Rig<Self> {
        Ok(Self {
            progress: segment.open_or_create("progress", Init::zeroed(slots))?,
            stop: segment.open_or_create("stop", 0)?,
            job: J::open(&segment, slots)?,
            segment,
            way,
        })
    }

    fn create(way: Way, plan: Plan) -> Rig<Self> {
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(u32::try_from(plan.processes)? + 2)
            .entries(ENTRIES + J::MORE_ENTRIES);
        let segment = way.create(&options)?;
        Self::new(way, segment, plan.slots())
    }

    /// Comes to the segment as a worker does.
    fn join(way: &Way) -> Rig<Self> {
        let segment = way.open()?;
        let slots = segment.open::<AtomicArray<u64>>("progress")?.len();
        Self::new(way.clone(), segment, slots)
    }

    /// One operation of the worker in `slot`: the job's, mostly.
    fn operate(&self, slot: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..12 => {
                let reaping = self.segment.reap();
                if reaping.stuck > 0 {
                    return Err(Ended::Wrong(format!("{} places are stuck", reaping.stuck)));
                }
            }
            12 if random.below(50) == 0 => return Err(Ended::Replaced),
            12..50 if self.stop.load() != 0 => return Err(Ended::Left),
            _ => self.job.operate(slot, random)?,
        }
        Ok(())
    }
}

impl<J: Job> Workload for Site<J> {
    const NAME: &'static str = J::NAME;

    fn equip(&self, command: &mut Command) -> Rig {
        self.way.show(&self.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.progress[slot].load()
    }

    fn ended(&mut self, slot: usize) {
        self.job.ended(slot);
    }

    fn dismiss(&self) {
        self.stop.store(1);
    }
}

/// Drives a job for its time, and judges what is left.
pub(crate) fn run<J: Job>(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let plan = Plan::of(args, J::PROCESSES);
    let mut site = Site::<J>::create(Way::any(&mut random), plan)?;
    let mut tally = Tally::default();
    let time = args.time();
    let driven = drive(plan, &mut site, &mut random, &mut tally, time);
    let judged = driven.and_then(|()| {
        tally.faults.extend(abandoned(&site.segment));
        site.job.judge(&mut tally)
    });
    take_away(&site.segment, &mut tally.faults)?;
    Ok(Report {
        what: J::NAME,
        done: judged?,
        tally,
    })
}

/// One thread of a worker, until it is told to leave or killed.
pub(crate) fn work<J: Job>(mut orders: Orders) -> Rig<ExitCode> {
    let random = &mut orders.random;
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let site = Site::<J>::join(&orders.way)?;
        let monitor = match random.below(2) {
            0 if J::MONITORED => Some(Monitor::start()?),
            _ => None,
        };
        if let Some(monitor) = &monitor {
            monitor.watch(&site.segment)?;
        }
        for _ in 0..random.below(20_000) {
            if let Err(ended) = site.operate(orders.slot, random) {
                return ended.of_worker(orders.slot);
            }
            site.progress[orders.slot].fetch_add(1);
        }
    }
}

/// Now and then gives the processor away, so that kills and stops find a lock held.
pub(crate) fn dawdle(random: &mut Random) {
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
}

/// How long an operation waits that does not wait indefinitely.
pub(crate) const SHORT: Duration = Duration::from_millis(2);

/// What came of an attempt to acquire a lock, in whichever way: the guard, and whether an owner
/// died; `None` if it is not to be had.
pub(crate) type Acquired<G> = Result<Option<(G, bool)>, Ended>;

pub(crate) fn acquired<G>(outcome: Result<G, LockError<G>>) -> Acquired<G> {
    match outcome {
        Ok(guard) => Ok(Some((guard, false))),
        Err(LockError::OwnerDied(guard)) => Ok(Some((guard, true))),
        Err(other) => Err(Ended::Wrong(other.to_string())),
    }
}

pub(crate) fn tried<G>(outcome: Result<G, TryLockError<G>>) -> Acquired<G> {
    match outcome {
        Ok(guard) => Ok(Some((guard, false))),
        Err(TryLockError::Lock(error)) => acquired(Err(error)),
        Err(TryLockError::WouldBlock { .. }) => Ok(None),
        Err(other) => Err(Ended::Wrong(other.to_string())),
    }
}

pub(crate) fn waited<G>(outcome: Result<G, LockTimeoutError<G>>) -> Acquired<G> {
    match outcome {
        Ok(guard) => Ok(Some((guard, false))),
        Err(LockTimeoutError::Lock(error)) => acquired(Err(error)),
        Err(LockTimeoutError::Timeout { .. }) => Ok(None),
        Err(other) => Err(Ended::Wrong(other.to_string())),
    }
}
