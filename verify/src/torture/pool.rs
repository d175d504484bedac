//! A pool of workers: tasks alone and in chunks, limits and retries, workers that are recycled,
//! killed and stopped. Each task has one outcome, and none runs after its outcome is known.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossdock::array::Init;
use crossdock::process::{Pool, Progress, StartMethod, State, TaskError};
use crossdock::{AtomicArray, SegmentOptions};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{Rig, pause, watch_over};
use crate::random::Random;
use crate::torture::driver::{Tally, WINDOW};
use crate::torture::starts::{end_of_all, held};
use crate::torture::{Report, TortureArgs, has_bug};

/// The most tasks of a run.
const TASKS: usize = 16 << 20;
/// The limit of a task. Some hang the first time, and are stopped by it.
const LIMIT: Duration = Duration::from_millis(50);
const HANGS: u64 = 9973;
/// Every so many tasks have the seeded bug.
const BUGGED: u64 = 997;
/// The items after which a worker is replaced.
const RECYCLED: u64 = 2000;
const WATCHDOG: u32 = 60;
/// The most tasks that wait at the end of one thread at a time.
const HELD: usize = 32;

type Runs = AtomicArray<u8>;

/// Runs a task: counts it, and hangs the first time if it is one of those.
fn task(runs: &mut Runs, id: u64) -> u64 {
    let run = usize::try_from(id).map_or(0, |id| runs[id].fetch_add(1));
    if run == 0 && id % HANGS == 5 {
        loop {
            thread::park();
        }
    }
    if has_bug() && id.is_multiple_of(BUGGED) {
        // The seeded bug: it goes on after its outcome is known, if its worker is not replaced yet.
        let runs = runs.clone();
        thread::spawn(move || {
            thread::park_timeout(LIMIT / 5);
            usize::try_from(id).map(|id| runs[id].fetch_add(1))
        });
    }
    result(id)
}

fn result(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ id >> 7
}

/// What the threads of a run share.
struct Run<'a> {
    pool: &'a Pool<State<Runs>>,
    runs: &'a Runs,
    /// How often each task had run when its outcome was known; 0 before.
    known: Vec<std::sync::atomic::AtomicU8>,
    next: AtomicU64,
    answered: AtomicU64,
    over: AtomicBool,
    faults: Mutex<Vec<String>>,
}

impl Run<'_> {
    fn next(&self) -> Option<u64> {
        if self.over.load(Relaxed) {
            return None;
        }
        let id = self.next.fetch_add(1, Relaxed);
        (id < TASKS as u64).then_some(id)
    }

    fn fault(&self, what: String) {
        self.over.store(true, Relaxed);
        self.faults.lock().expect("no thread panics").push(what);
    }

    /// Notes the outcome of a task.
    fn outcome(&self, id: u64, outcome: &Result<u64, TaskError>) {
        let index = usize::try_from(id).unwrap_or(0);
        let ran = self.runs[index].load();
        if self.known[index].swap(ran.max(1), Relaxed) != 0 {
            self.fault(format!("task {id} has two outcomes"));
        }
        match outcome {
            Ok(value) if *value == result(id) && ran > 0 => {}
            Ok(value) => self.fault(format!("task {id} ran {ran} times and gave {value}")),
            Err(error) => self.fault(format!("task {id}: {error}")),
        }
        self.answered.fetch_add(1, Relaxed);
    }

    /// Submits tasks one by one, and waits for the oldest.
    fn singles(&self) {
        let options = self.pool.options().timeout(LIMIT).retries(u8::MAX);
        let mut held = std::collections::VecDeque::new();
        loop {
            let id = if held.len() < HELD { self.next() } else { None };
            if let Some(id) = id {
                match options.submit(task, id) {
                    Ok(task) => held.push_back((id, task)),
                    Err(error) => return self.fault(format!("task {id}: {error}")),
                }
            } else if let Some((id, task)) = held.pop_front() {
                self.outcome(id, &task.wait());
            } else {
                return;
            }
        }
    }

    /// Has an iterator run in chunks of a random length, again and again.
    fn chunks(&self, mut random: Random, ordered: bool) {
        while !self.over.load(Relaxed) {
            let size = 1 + u32::try_from(random.below(60)).unwrap_or(0);
            let length = 1 + random.index(5000);
            let ids: Vec<u64> = std::iter::from_fn(|| self.next()).take(length).collect();
            let options = self.pool.options().timeout(LIMIT).retries(u8::MAX);
            let options = options.chunk_size(size);
            if ordered {
                let results = options.imap(task, ids.iter().copied());
                let mut count = 0;
                for (id, outcome) in ids.iter().zip(results) {
                    self.outcome(*id, &outcome);
                    count += 1;
                }
                if count != ids.len() {
                    self.fault(format!("{count} results of {} items", ids.len()));
                }
            } else {
                // The identity of an item comes back with its result.
                let by_id = |runs: &mut Runs, id: u64| (id, task(runs, id));
                for outcome in options.imap_unordered(by_id, ids.iter().copied()) {
                    match outcome {
                        Ok((id, value)) => self.outcome(id, &Ok(value)),
                        Err(error) => self.fault(format!("an item: {error}")),
                    }
                }
            }
        }
    }

    /// Kills and stops workers at random.
    fn disturb(&self, args: &TortureArgs, random: &mut Random, tally: &mut Tally) -> Outcome {
        let end = Instant::now() + args.time();
        let mean = Duration::from_secs(1).div_f64(args.kill_rate.max(0.01));
        let (mut seen, mut since) = (0, Instant::now());
        let goes_on = || !self.over.load(Relaxed) && self.next.load(Relaxed) < TASKS as u64;
        let is_over = || match args.count {
            Some(count) => self.pool.progress().restarts >= count,
            None => Instant::now() >= end,
        };
        while !is_over() && goes_on() {
            watch_over(WATCHDOG)?;
            pause(random.time_below(2 * mean))?;
            let workers = self.pool.worker_ids();
            if !workers.is_empty() {
                let worker = workers[random.index(workers.len())];
                let worker = Pid::from_raw(i32::try_from(worker)?);
                if random.below(3) < 2 {
                    tally.kills += u64::from(signal(worker, Signal::SIGKILL)?);
                } else {
                    tally.stops += u64::from(signal(worker, Signal::SIGSTOP)?);
                    pause(random.time_below(Duration::from_millis(2)))?;
                    signal(worker, Signal::SIGCONT)?;
                }
            }
            let answered = self.answered.load(Relaxed);
            if answered != seen {
                (seen, since) = (answered, Instant::now());
            } else if since.elapsed() > WINDOW {
                self.fault(format!("no task was answered after {answered}"));
            }
        }
        self.over.store(true, Relaxed);
        Ok(())
    }
}

type Outcome = Rig;

/// Sends a signal to a worker. Returns false if it has ended meanwhile.
fn signal(worker: Pid, signal: Signal) -> Rig<bool> {
    match kill(worker, signal) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn run(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let segment = SegmentOptions::new()
        .size(2 * TASKS as u64)
        .participants(1000)
        .anonymous()?;
    let runs: Runs = segment.create("runs", Init::zeroed(TASKS))?;
    let method = match args.fork_server {
        true => StartMethod::ForkServer,
        false => StartMethod::Spawn,
    };
    // The server and its connection are there from now on.
    let first = Pool::builder().workers(1).start(method).build()?;
    first.join();
    let before = held()?;
    let pool = Pool::builder()
        .workers(args.processes.unwrap_or(8).into())
        .start(method)
        .initializer(|runs: Runs| runs, runs.clone())
        .max_tasks_per_worker(RECYCLED)
        .build()?;
    let run = Run {
        pool: &pool,
        runs: &runs,
        known: (0..TASKS).map(|_| 0.into()).collect(),
        next: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        over: AtomicBool::new(false),
        faults: Mutex::default(),
    };
    let mut tally = Tally::default();
    let shared = &run;
    thread::scope(|scope| {
        let seeds = [random.next(), random.next()];
        let [ordered, unordered] = seeds.map(Random::new);
        scope.spawn(|| shared.singles());
        scope.spawn(move || shared.chunks(ordered, true));
        scope.spawn(move || shared.chunks(unordered, false));
        let outcome = shared.disturb(args, &mut random, &mut tally);
        shared.over.store(true, Relaxed);
        outcome
    })?;
    watch_over(2 * WATCHDOG)?;
    let submitted = run.next.load(Relaxed).min(TASKS as u64);
    let answered = run.answered.load(Relaxed);
    let (known, faults) = (run.known, run.faults);
    let progress = pool.progress();
    pool.join();
    tally.faults = faults.into_inner().expect("no thread panics");
    let after = end_of_all(before, &mut tally.faults)?;
    if submitted != answered && tally.faults.is_empty() {
        let what = format!("{answered} of {submitted} tasks have an outcome");
        tally.faults.push(what);
    }
    for (id, known) in known.iter().enumerate() {
        let (known, now) = (known.load(Relaxed), runs[id].load());
        if known != 0 && known != now {
            let what = format!("task {id} had run {known} times when it was answered, {now} now");
            tally.faults.push(what);
        }
    }
    let Progress {
        retried, restarts, ..
    } = progress;
    Ok(Report {
        what: "pool",
        done: format!(
            "{answered} tasks, {retried} retried, {restarts} workers replaced, {} descriptors, \
             {} threads and {} memory files after, {before:?} before",
            after.0, after.1, after.2
        ),
        tally,
    })
}
