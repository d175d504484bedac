//! Where the workers of a run meet, are let go, counted and stopped.

use std::time::{Duration, Instant};

use crossdock::{Counter, Segment, SegmentOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pin::Pin;
use crate::worker::{Workers, message};
use crate::{Failure, pin};

/// How much of the measured time the workers run before.
const WARM_UP: f64 = 0.15;
/// How much longer is measured, at most, until something was done: a busy machine may not let the
/// workers run in a short time.
const MEASURED_ON: Duration = Duration::from_millis(500);

/// The phases of a run, as the driver sets them.
#[derive(Clone, Copy, Debug)]
pub struct Phase;

impl Phase {
    /// Not all are there.
    pub const GATHER: u64 = 0;
    /// They work, and nothing is measured.
    pub const WARM_UP: u64 = 1;
    /// They work.
    pub const MEASURE: u64 = 2;
    /// They end.
    pub const STOP: u64 = 3;
}

/// A worker's place in a run: what it shares with the driver.
#[derive(Clone, Serialize, Deserialize)]
pub struct Post {
    core: Option<usize>,
    /// Which [`Phase`] the run is in.
    phase: Counter,
    /// How many workers are there.
    arrived: Counter,
    /// How much this one has done.
    count: Counter,
}

impl Post {
    /// Pins the calling thread, says that it is there, and lets others run until all are.
    ///
    /// # Errors
    ///
    /// If it cannot be pinned.
    pub fn begin(&self) -> Result<(), String> {
        if let Some(core) = self.core {
            pin::pin(core).map_err(message)?;
        }
        self.arrived.add(1);
        while self.phase.load() == Phase::GATHER {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The phase of the run: one load.
    #[inline(always)]
    pub fn phase(&self) -> u64 {
        self.phase.load()
    }

    /// Publishes how much was done so far.
    #[inline(always)]
    pub fn publish(&self, done: u64) {
        self.count.store(done);
    }
}

/// What the driver and its workers share.
pub struct Floor {
    phase: Counter,
    arrived: Counter,
    counts: Vec<Counter>,
    posts: Vec<Post>,
    _segment: Segment,
}

impl Floor {
    /// One for so many workers.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the system refuses.
    pub fn new(workers: u32, pinned: Pin) -> Result<Self, Failure> {
        let entries = workers + 2;
        let segment = SegmentOptions::new()
            .size((128 << 10) + u64::from(entries) * 1024)
            .participants((workers + 8).min(1023))
            .entries(entries)
            .anonymous()?;
        let counter = |name: &str| segment.create::<Counter>(name, 0);
        let (phase, arrived) = (counter("phase")?, counter("arrived")?);
        let counts = (1..=workers)
            .map(|worker| counter(&format!("count {worker}")))
            .collect::<Result<Vec<_>, _>>()?;
        let cores = pin::cores()?;
        let posts = (0..).zip(&counts).map(|(worker, count)| Post {
            core: pinned.core(worker, &cores),
            phase: phase.clone(),
            arrived: arrived.clone(),
            count: count.clone(),
        });
        Ok(Self {
            posts: posts.collect(),
            phase,
            arrived,
            counts,
            _segment: segment,
        })
    }

    /// The places of all workers, in their order.
    pub fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// Lets the workers begin, and stops them: what each did in the time between, and the time. If
    /// that was nothing, they go on for as long again, and for half a second more at most.
    ///
    /// # Errors
    ///
    /// [`Failure::Worker`] if one of them ends before.
    pub fn measure<R>(
        &self,
        workers: &mut Workers<R>,
        time: Duration,
    ) -> Result<(Vec<u64>, Duration), Failure>
    where
        R: Serialize + DeserializeOwned,
    {
        let all = self.counts.len() as u64;
        workers.until(|| self.arrived.load() == all)?;
        self.phase.store(Phase::WARM_UP);
        let counts = || {
            self.counts
                .iter()
                .map(|count| count.load())
                .collect::<Vec<_>>()
        };
        workers.work_for(time.mul_f64(WARM_UP))?;
        self.phase.store(Phase::MEASURE);
        let (start, before) = at_once(counts);
        loop {
            workers.work_for(time)?;
            let (end, after) = at_once(counts);
            let both = before.iter().zip(&after);
            let done: Vec<u64> = both.map(|(before, after)| after - before).collect();
            let elapsed = end - start;
            if done.iter().any(|done| *done > 0) || elapsed > time + MEASURED_ON {
                self.phase.store(Phase::STOP);
                return Ok((done, elapsed));
            }
        }
    }
}

/// Reads something, and the time at which it was read: again, if the reading was interrupted for
/// long.
fn at_once<T>(read: impl Fn() -> T) -> (Instant, T) {
    const LONG: Duration = Duration::from_micros(50);
    const TRIES: u32 = 100;
    let mut tries = 0;
    loop {
        let (before, read, took) = {
            let before = Instant::now();
            (before, read(), before.elapsed())
        };
        tries += 1;
        if took < LONG || tries == TRIES {
            return (before + took / 2, read);
        }
    }
}
