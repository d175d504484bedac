//! What every worker process of an experiment does first, and how its end is noticed.

use std::fmt::Display;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crossdock::process::Process;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// Has the kernel kill this worker when `parent`, which started it, dies: whatever it is waiting
/// for then, no process will come.
///
/// The signal comes when the thread ends that started this worker, which is the driver's main
/// thread in every experiment. `Builder::daemon` follows the process instead, with a thread in the
/// worker; a worker with one thread more takes longer to end, and that is measured here.
///
/// # Errors
///
/// If the parent is dead already.
pub fn die_with(parent: u32) -> Result<(), String> {
    // SAFETY: asks for a signal at the parent's death; no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if std::os::unix::process::parent_id() == parent {
        Ok(())
    } else {
        Err("the parent is gone".to_owned())
    }
}

/// The workers of a run. Those that are not joined are killed when it is dropped.
#[derive(Debug)]
pub struct Workers<R> {
    workers: Vec<Process<Result<R, String>>>,
}

impl<R: Serialize + DeserializeOwned> Workers<R> {
    /// A workers without workers.
    pub fn new() -> Self {
        Self {
            workers: Vec::new(),
        }
    }

    /// Takes a worker in.
    pub fn add(&mut self, worker: Process<Result<R, String>>) {
        self.workers.push(worker);
    }

    /// The process ids of those that are not joined.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.workers.iter().map(Process::id)
    }

    /// Lets others run until `ready`.
    ///
    /// # Errors
    ///
    /// [`Failure::Worker`] if a worker ends before: what it said.
    pub fn until(&mut self, mut ready: impl FnMut() -> bool) -> Result<(), Failure> {
        const LOOKS: u32 = 1024;
        loop {
            for _ in 0..LOOKS {
                if ready() {
                    return Ok(());
                }
                std::thread::yield_now();
            }
            if let Some(at) = self.workers.iter().position(|worker| !worker.is_alive()) {
                let early = "it ended before the others were there".to_owned();
                return match outcome(self.workers.swap_remove(at)) {
                    Err(failure) => Err(failure),
                    Ok(_) => Err(Failure::Worker(early)),
                };
            }
        }
    }

    /// Lets them work for so long.
    ///
    /// # Errors
    ///
    /// [`Failure::Worker`] as soon as one ends: what it said.
    pub fn work_for(&mut self, time: Duration) -> Result<(), Failure> {
        let end = Instant::now() + time;
        loop {
            if Instant::now() >= end {
                return Ok(());
            }
            if let Some(at) = self.ended(until(end))? {
                let early = "it ended before it was told to".to_owned();
                return Err(match outcome(self.workers.swap_remove(at)) {
                    Err(failure) => failure,
                    Ok(_) => Failure::Worker(early),
                });
            }
        }
    }

    /// What all of them returned, in the order in which they came.
    ///
    /// # Errors
    ///
    /// [`Failure::Worker`] as soon as one ended as it should not, or returned an error; the others,
    /// which may wait for what it had, are killed.
    pub fn join(self) -> Result<Vec<R>, Failure> {
        self.join_until(None)
    }

    /// As [`join`](Self::join), for those that may never end: they are killed after `patience`.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join), and [`Failure::Worker`] if one is still at work then.
    pub fn join_within(self, patience: Duration) -> Result<Vec<R>, Failure> {
        self.join_until(Some(Instant::now() + patience))
    }

    fn join_until(mut self, deadline: Option<Instant>) -> Result<Vec<R>, Failure> {
        let mut places: Vec<usize> = (0..self.workers.len()).collect();
        let mut results: Vec<(usize, R)> = Vec::new();
        while !self.workers.is_empty() {
            let Some(at) = self.ended(deadline.map_or(PollTimeout::NONE, until))? else {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    let stuck = "it did not end when it was told to".to_owned();
                    return Err(Failure::Worker(stuck));
                }
                continue;
            };
            results.push((places.remove(at), outcome(self.workers.remove(at))?));
        }
        results.sort_by_key(|(place, _)| *place);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// Waits until one has ended, or the time is over.
    fn ended(&self, timeout: PollTimeout) -> Result<Option<usize>, Failure> {
        let of = |worker| PollFd::new(AsFd::as_fd(worker), PollFlags::POLLIN);
        let mut ends: Vec<PollFd<'_>> = self.workers.iter().map(of).collect();
        match poll(&mut ends, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::io("poll")(errno.into())),
        }
        Ok(ends.iter().position(|end| end.any() == Some(true)))
    }
}

impl<R: Serialize + DeserializeOwned> Default for Workers<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Drop for Workers<R> {
    fn drop(&mut self) {
        for worker in self.workers.drain(..) {
            // One that has ended already is no error, and a process that cannot be killed dies with
            // this one.
            let _ = worker.kill();
        }
    }
}

/// Runs one thread for each task; what each returned, or the first error. Threads that run then end
/// with the process.
///
/// # Errors
///
/// The first error of a task, or that a thread panicked.
pub fn threads<T, R>(
    tasks: Vec<T>,
    run: impl Fn(T) -> Result<R, String> + Send + Sync + 'static,
) -> Result<Vec<R>, String>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let run = Arc::new(run);
    let (sender, receiver) = mpsc::channel();
    for (place, task) in tasks.into_iter().enumerate() {
        let (run, sender) = (Arc::clone(&run), sender.clone());
        std::thread::spawn(move || {
            let caught = catch_unwind(AssertUnwindSafe(|| run(task)));
            let result = caught.unwrap_or_else(|_| Err("a thread panicked".to_owned()));
            // No process listens after another's error.
            let _ = sender.send(result.map(|result| (place, result)));
        });
    }
    drop(sender);
    let mut results = receiver.iter().collect::<Result<Vec<_>, _>>()?;
    results.sort_by_key(|(place, _)| *place);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// In whole milliseconds, rounded up: this process shall sleep while others work.
fn until(end: Instant) -> PollTimeout {
    let left = end.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

fn outcome<R: Serialize + DeserializeOwned>(
    worker: Process<Result<R, String>>,
) -> Result<R, Failure> {
    match worker.join() {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(message)) => Err(Failure::Worker(message)),
        Err(error) => Err(Failure::Worker(error.to_string())),
    }
}

/// The text of an error, which is what a worker returns.
pub fn message(error: impl Display) -> String {
    error.to_string()
}
