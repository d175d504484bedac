//! The driver of one run.

use std::time::{Duration, Instant};

use crossdock::{Counter, Segment, SegmentOptions, process};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::workers::{Done, Order, Phase, Task, add_until_stopped, histogram, work};
use super::{Contestant, Sample, Setting, ThreadContestant};
use crate::worker::{Crew, die_with};
use crate::{Failure, pin};

/// How much of the measured time the workers run before.
const WARM_UP: f64 = 0.15;

/// Measures a kind whose workers are processes.
pub(super) fn processes<C: Contestant>(setting: &Setting) -> Result<Sample, Failure> {
    let handle = C::create(setting.processes)?;
    let floor = Floor::new(setting)?;
    let mut crew = Crew::new();
    for task in &floor.tasks {
        let order = Order {
            handle: handle.clone(),
            task: task.clone(),
            driver: std::process::id(),
        };
        crew.add(process::spawn(work::<C>, order)?);
    }
    let (ops, elapsed) = floor.measure(&mut crew)?;
    let done = crew.join()?;
    sample(ops, elapsed, &done, C::total(&handle)?)
}

/// Measures a kind whose workers are threads: in a process of their own, too.
pub(super) fn threads<C: ThreadContestant>(setting: &Setting) -> Result<Sample, Failure> {
    let floor = Floor::new(setting)?;
    let mut crew = Crew::new();
    let order = (floor.tasks.clone(), std::process::id());
    crew.add(process::spawn(host::<C>, order)?);
    let (ops, elapsed) = floor.measure(&mut crew)?;
    let mut hosts = crew.join()?;
    let Hosted { done, total } = hosts
        .pop()
        .ok_or_else(|| Failure::Worker("it returned nothing".to_owned()))?;
    sample(ops, elapsed, &done, total)
}

/// What the process of the threads returns.
#[derive(Serialize, Deserialize)]
struct Hosted {
    done: Vec<Done>,
    total: u64,
}

fn host<C: ThreadContestant>((tasks, driver): (Vec<Task>, u32)) -> Result<Hosted, String> {
    die_with(driver)?;
    let contestant = C::default();
    let done = std::thread::scope(|scope| {
        let run = |task| {
            let add = |inside| {
                contestant.add(inside);
                Ok(())
            };
            add_until_stopped(task, add)
        };
        let threads: Vec<_> = tasks
            .iter()
            .map(|task| scope.spawn(move || run(task)))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            let panicked = |_| Err("a thread panicked".to_owned());
            thread.join().unwrap_or_else(panicked)
        });
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Hosted {
        done,
        total: contestant.total(),
    })
}

fn sample(ops: Vec<u64>, elapsed: Duration, done: &[Done], found: u64) -> Result<Sample, Failure> {
    let mut latency = histogram().map_err(Failure::Worker)?;
    for (value, count) in done.iter().flat_map(|done| &done.latency) {
        latency.saturating_record_n(*value, *count);
    }
    let latency: Option<Histogram<u64>> = Some(latency).filter(|all| !all.is_empty());
    let expected: u64 = done.iter().map(|done| done.ops).sum();
    if found > expected {
        return Err(Failure::Worker(format!(
            "the number is {found} after {expected} additions"
        )));
    }
    Ok(Sample {
        ops,
        elapsed,
        expected,
        found,
        latency,
    })
}

/// What the driver and its workers share besides the number.
struct Floor {
    phase: Counter,
    arrived: Counter,
    counts: Vec<Counter>,
    tasks: Vec<Task>,
    time: Duration,
    _segment: Segment,
}

impl Floor {
    fn new(setting: &Setting) -> Result<Self, Failure> {
        let entries = setting.processes + 2;
        let segment = SegmentOptions::new()
            .size((128 << 10) + u64::from(entries) * 1024)
            .participants((setting.processes + 8).min(1023))
            .entries(entries)
            .anonymous()?;
        let counter = |name: &str| segment.create::<Counter>(name, 0);
        let (phase, arrived) = (counter("phase")?, counter("arrived")?);
        let counts = (1..=setting.processes)
            .map(|worker| counter(&format!("count {worker}")))
            .collect::<Result<Vec<_>, _>>()?;
        let cores = pin::cores()?;
        let tasks = (0..).zip(&counts).map(|(worker, count)| Task {
            core: setting.pin.core(worker, &cores),
            inside: setting.inside,
            outside: setting.outside,
            latency: setting.latency,
            phase: phase.clone(),
            arrived: arrived.clone(),
            count: count.clone(),
        });
        Ok(Self {
            tasks: tasks.collect(),
            phase,
            arrived,
            counts,
            time: setting.time,
            _segment: segment,
        })
    }

    /// Lets the workers begin, and stops them: what each added in the time between, and the time.
    fn measure<R>(&self, crew: &mut Crew<R>) -> Result<(Vec<u64>, Duration), Failure>
    where
        R: Serialize + serde::de::DeserializeOwned,
    {
        let all = self.counts.len() as u64;
        crew.until(|| self.arrived.get() == all)?;
        self.phase.set(Phase::WARM_UP);
        let counts = || self.counts.iter().map(Counter::get).collect::<Vec<_>>();
        crew.work_for(self.time.mul_f64(WARM_UP))?;
        self.phase.set(Phase::MEASURE);
        let (start, before) = at_once(counts);
        crew.work_for(self.time)?;
        let (end, after) = at_once(counts);
        self.phase.set(Phase::STOP);
        let elapsed = end - start;
        let ops = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after - before);
        Ok((ops.collect(), elapsed))
    }
}

/// Reads something, and the time at which it was read: again, if the reading was interrupted for long.
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
