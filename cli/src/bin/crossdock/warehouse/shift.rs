//! One run: the driver starts the workers, kills those that are due, replaces them, and counts.

use std::time::{Duration, Instant};

use crossdock::process::{self, JoinError, JoinTimeoutError, Process};

use super::floor::Floor;
use super::report::Report;
use super::schedule::{self, Kill};
use super::worker::{self, Done, Order};
use super::{Failure, Kind, Options, Run};
use crate::with_causes;

/// The interval at which the driver checks the workers.
const LOOK: Duration = Duration::from_millis(2);

/// A worker as the driver sees it.
struct Post {
    id: u32,
    kills: Vec<Kill>,
    killed: usize,
    process: Option<Process<Done>>,
    took: Duration,
}

pub(crate) fn run(options: &Options, kind: Kind, report: &Report) -> Result<Run, Failure> {
    let floor = Floor::new(options, kind)?;
    let alive = Floor::hold(&floor.driver)?;
    let gate = Floor::hold(&floor.gate)?;
    let talk = report.talks();
    let mut posts = schedule::kills(options.workers, options.products, options.kill)
        .into_iter()
        .zip(1..)
        .map(|(kills, id)| Post {
            id,
            kills,
            killed: 0,
            process: None,
            took: Duration::ZERO,
        })
        .collect::<Vec<_>>();
    for post in &mut posts {
        post.start(options, &floor, talk)?;
    }
    wait_for_all(&mut posts, &floor)?;
    let progress = report.begin(kind, options.expected());
    let start = Instant::now();
    drop(gate);

    while posts.iter().any(|post| post.process.is_some()) {
        for post in &mut posts {
            post.kill_if_due(options, &floor, talk)?;
        }
        progress.set(floor.progress());
        if let Some(post) = posts.iter_mut().find(|post| post.process.is_some()) {
            post.look(LOOK)?;
        }
    }
    let wall = start.elapsed();
    progress.finish();
    drop(alive);

    let total = floor.tally.total(floor.notes(1))?;
    let expected = options.expected();
    let killed = posts.iter().map(|post| post.killed).sum::<usize>();
    let killed = u32::try_from(killed).unwrap_or(u32::MAX);
    let (lost, unsettled) = Run::settle(kind, expected, total, killed);
    // Without kills the workers' own clocks leave out how long processes take to end.
    let longest = posts.iter().map(|post| post.took).max().unwrap_or(wall);
    let took = if killed == 0 { longest } else { wall };
    Ok(Run {
        counter: kind,
        expected,
        total,
        lost,
        unsettled,
        ns_per_op: took.as_secs_f64() * 1e9 / as_f64(expected),
        seconds: took.as_secs_f64(),
        killed,
        recovered: floor.recovered.load(),
    })
}

/// Waits until every worker is at the start barrier; a worker that exits before is an error.
fn wait_for_all(posts: &mut [Post], floor: &Floor) -> Result<(), Failure> {
    let expected = posts.len() as u64;
    while floor.arrived.load() < expected {
        for post in &mut *posts {
            post.look(LOOK)?;
        }
    }
    Ok(())
}

impl Post {
    fn start(&mut self, options: &Options, floor: &Floor, talk: bool) -> Result<(), Failure> {
        let order = Order {
            id: self.id,
            products: options.products,
            kills: self.kills[self.killed..].to_vec(),
            talk,
            floor: floor.clone(),
        };
        self.process = Some(
            process::Builder::new()
                .daemon(true)
                .spawn(worker::work, order)?,
        );
        Ok(())
    }

    /// Kills the worker if it has requested it, and starts a replacement.
    fn kill_if_due(&mut self, options: &Options, floor: &Floor, talk: bool) -> Result<(), Failure> {
        let due = floor.due[self.id as usize - 1].load();
        if due <= self.killed as u64 {
            return Ok(());
        }
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        // It cannot have exited: it waits for this.
        let _ = process.kill();
        match process.join() {
            Err(JoinError::Killed { .. }) => {
                self.killed += 1;
                self.start(options, floor, talk)
            }
            outcome => self.ended(outcome),
        }
    }

    /// Waits at most `timeout` for the worker to exit.
    fn look(&mut self, timeout: Duration) -> Result<(), Failure> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        match process.join_timeout(timeout) {
            Err(JoinTimeoutError::Timeout) => Ok(()),
            Ok(done) => self.ended(Ok(done)),
            Err(JoinTimeoutError::Join(error)) => self.ended(Err(error)),
            Err(_) => Ok(()),
        }
    }

    fn ended(&mut self, outcome: Result<Done, JoinError>) -> Result<(), Failure> {
        self.process = None;
        let message = match outcome {
            Ok(Done::Packed(took)) => {
                self.took = took;
                return Ok(());
            }
            Ok(Done::LockError(message)) => message,
            Ok(Done::Alone) => "took the driver for dead".to_owned(),
            Err(error) => with_causes(&error),
        };
        Err(Failure::Worker {
            id: self.id,
            message,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate for the report; 52 bits are plenty"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
