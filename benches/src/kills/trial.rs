//! One kill, and what became of the others.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossdock::process::{self, JoinError, JoinTimeoutError, Process};
use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;
use crossdock_cli::work::Speed;

use super::worker::{Board, Job, VICTIM, WORKERS, work};
use super::{LATEST, PROGRESS, SURVIVOR, Trial};
use crate::peers::locks::Lock;

/// For what has to happen, however busy the machine is: a process begins, a process ends.
const SOON: Duration = Duration::from_secs(60);
/// Between two looks at the board.
const GLANCE: Duration = Duration::from_micros(500);

/// The processes of a trial; none outlives it.
struct Workers(Vec<Process<Result<(), String>>>);

impl Drop for Workers {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // One that has ended needs neither.
            let _ = process.kill();
            let _ = process.join_timeout(SOON);
        }
    }
}

fn ended(index: usize, how: &dyn std::fmt::Display) -> Failure {
    Failure::Worker(format!("number {index} of a trial: {how}"))
}

impl Workers {
    /// Looks until `done`, no longer than `patience`. A survivor that ends meanwhile is an error.
    fn until(&mut self, patience: Duration, done: impl Fn() -> bool) -> Result<bool, Failure> {
        let deadline = Instant::now() + patience;
        let last = self.0.len() - 1;
        while !done() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            match self.0[last].join_timeout(GLANCE) {
                Err(JoinTimeoutError::Timeout) => {}
                Ok(Ok(())) => return Err(ended(last, &"ended early")),
                Ok(Err(words)) => return Err(ended(last, &words)),
                Err(error) => return Err(ended(last, &error)),
            }
        }
        Ok(true)
    }

    fn kill(&mut self, index: usize) -> Result<(), Failure> {
        let process = &mut self.0[index];
        process.kill().map_err(|error| ended(index, &error))?;
        match process.join_timeout(SOON) {
            Err(JoinTimeoutError::Join(JoinError::Killed { .. })) => Ok(()),
            Err(error) => Err(ended(index, &error)),
            Ok(Ok(())) => Err(ended(index, &"ended before it was killed")),
            Ok(Err(words)) => Err(ended(index, &words)),
        }
    }

    fn join_survivors(&mut self) -> Result<(), Failure> {
        for index in (0..WORKERS).filter(|index| *index != VICTIM) {
            match self.0[index].join_timeout(SOON) {
                Ok(Ok(())) => {}
                Ok(Err(words)) => return Err(ended(index, &words)),
                Err(error) => return Err(ended(index, &error)),
            }
        }
        Ok(())
    }
}

pub(super) fn once<L: Lock>(speed: Speed, patience: Duration) -> Result<Trial, Failure> {
    let memory = Memory::new(size_of::<Board>())?;
    let board = memory.at::<Board>(0);
    // SAFETY: `memory` keeps it mapped, its zeros are a board, and atomics may be shared.
    let board = unsafe { board.as_ref() };
    let lock = L::create()?;
    let mut workers = begin::<L>(&lock, &memory, speed)?;

    let done = |index: usize| board.slots[index].done.load(Ordering::Relaxed);
    let began = workers.until(SOON, || (0..WORKERS).all(|index| done(index) >= PROGRESS))?;
    if !began {
        return Err(ended(VICTIM, &"did not begin"));
    }
    let delay = Duration::from_micros(fastrand::u64(0..LATEST));
    workers.until(delay, || false)?;
    workers.kill(VICTIM)?;

    let before: Vec<u64> = (0..WORKERS).map(done).collect();
    let goes_on = |index: usize| index == VICTIM || done(index) >= before[index] + PROGRESS;
    let went_on = workers.until(patience, || (0..WORKERS).all(goes_on))?;
    board.stop.store(1, Ordering::Relaxed);
    if went_on {
        workers.join_survivors()?;
    }
    drop(workers);

    let number = board.number.load(Ordering::Relaxed);
    let mirror = board.mirror.load(Ordering::Relaxed);
    // The last change of the one that was killed may be made and not yet noted.
    let noted: u64 = (0..WORKERS).map(done).sum();
    let exact = number == mirror && (noted..=noted + 1).contains(&number);
    let told = |index: usize| board.slots[index].told.load(Ordering::Relaxed) > 0;
    Ok(Trial {
        held: board.slots[VICTIM].holds.load(Ordering::Relaxed) != 0,
        stuck: !went_on,
        told: (0..WORKERS).any(told),
        wrong: went_on && !exact,
    })
}

fn begin<L: Lock>(lock: &L::Handle, board: &Memory, speed: Speed) -> Result<Workers, Failure> {
    let mut workers = Workers(Vec::new());
    for index in 0..WORKERS {
        let micros = if index == VICTIM {
            super::VICTIM
        } else {
            SURVIVOR
        };
        let job = Job {
            lock: lock.clone(),
            board: board.clone(),
            index,
            parent: std::process::id(),
            inside: speed.work(micros.0 * 1_000),
            outside: speed.work(micros.1 * 1_000),
        };
        workers.0.push(process::spawn(work::<L>, job)?);
    }
    Ok(workers)
}
