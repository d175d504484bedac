//! One kill, and what became of the others and of the items.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crossdock::process::{self, JoinError, JoinTimeoutError, Process};
use crossdock_bench::Failure;

use super::board::{ITEMS, Ledger, Phase};
use super::worker::{Job, work};
use super::{LATEST, Link, PROGRESS, Role, Trial};

/// For what has to happen, however busy the machine is: a process begins, a process ends.
const SOON: Duration = Duration::from_secs(60);
/// Between two looks at the board.
const GLANCE: Duration = Duration::from_micros(500);

/// A process of a trial.
struct Worker {
    process: Process<Result<(), String>>,
    role: Role,
    part: usize,
}

/// All of them; none outlives it.
struct Workers<'a, L: Link> {
    all: Vec<Worker>,
    queue: &'a L::Handle,
    ledger: &'a Ledger,
    /// How many processes there have been.
    begun: usize,
    /// The places of those that send, or sent.
    senders: Vec<usize>,
}

impl<L: Link> Drop for Workers<'_, L> {
    fn drop(&mut self) {
        for worker in &mut self.all {
            // One that has ended needs neither.
            let _ = worker.process.kill();
            let _ = worker.process.join_timeout(SOON);
        }
    }
}

/// What a look at the survivors found.
enum Seen {
    /// What was waited for has come.
    Done,
    /// It has not.
    Not,
    /// One of them gave up: what it was told.
    GaveUp(String),
}

fn ended(part: usize, how: impl Display) -> Failure {
    Failure::Worker(format!("number {part} of a trial: {how}"))
}

impl<L: Link> Workers<'_, L> {
    fn add(&mut self, role: Role) -> Result<(), Failure> {
        let part = self.begun;
        self.begun += 1;
        let sender = self.senders.len();
        if role == Role::Sender {
            self.senders.push(part);
        }
        let job = Job {
            queue: self.queue.clone(),
            ledger: self.ledger.clone(),
            role,
            part,
            sender,
            parent: std::process::id(),
        };
        let process = process::spawn(work::<L>, job)?;
        self.all.push(Worker {
            process,
            role,
            part,
        });
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        let count = |worker: &Worker| self.ledger.part(worker.part).count();
        self.all.iter().map(count).collect()
    }

    /// Looks until `done` of all counts, no longer than `patience`.
    fn until(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) -> Result<Seen, Failure> {
        let deadline = Instant::now() + patience;
        let mut turn = 0;
        while !done(self) {
            if Instant::now() >= deadline {
                return Ok(Seen::Not);
            }
            turn = (turn + 1) % self.all.len();
            let worker = &mut self.all[turn];
            match worker.process.join_timeout(GLANCE) {
                Err(JoinTimeoutError::Timeout) => {}
                Ok(Err(words)) => return Ok(Seen::GaveUp(words)),
                Ok(Ok(())) => return Err(ended(worker.part, "ended early")),
                Err(error) => return Err(ended(worker.part, error)),
            }
        }
        Ok(Seen::Done)
    }

    /// Kills the first one of that role, and waits for its end.
    fn kill(&mut self, role: Role) -> Result<(), Failure> {
        let victim = self.all.iter().position(|worker| worker.role == role);
        let mut victim = self.all.remove(victim.unwrap_or_default());
        let killed = victim.process.kill();
        killed.map_err(|error| ended(victim.part, error))?;
        match victim.process.join_timeout(SOON) {
            Err(JoinTimeoutError::Join(JoinError::Killed { .. })) => Ok(()),
            Err(error) => Err(ended(victim.part, error)),
            Ok(Ok(())) => Err(ended(victim.part, "ended before it was killed")),
            Ok(Err(words)) => Err(ended(victim.part, words)),
        }
    }

    /// Waits for the end of all of a role; whether they ended well.
    fn join(&mut self, role: Role) -> Result<Option<String>, Failure> {
        for worker in self.all.iter_mut().filter(|worker| worker.role == role) {
            match worker.process.join_timeout(SOON) {
                Ok(Ok(())) => {}
                Ok(Err(words)) => return Ok(Some(words)),
                Err(error) => return Err(ended(worker.part, error)),
            }
        }
        self.all.retain(|worker| worker.role != role);
        Ok(None)
    }
}

pub(super) fn once<L: Link>(victim: Role, patience: Duration) -> Result<Trial, Failure> {
    let ledger = Ledger::new()?;
    let queue = L::create()?;
    let mut workers = Workers::<L> {
        all: Vec::new(),
        queue: &queue,
        ledger: &ledger,
        begun: 0,
        senders: Vec::new(),
    };
    // Receivers first: one that comes late is not sent to by everybody.
    for _ in 0..L::RECEIVERS {
        workers.add(Role::Receiver)?;
    }
    for _ in 0..L::SENDERS {
        workers.add(Role::Sender)?;
    }
    let ready = |workers: &Workers<L>| {
        let mut all = workers.all.iter();
        all.all(|worker| ledger.part(worker.part).is_ready())
    };
    begun(workers.until(SOON, ready)?)?;
    ledger.enter(Phase::Traffic);
    let flows = |workers: &Workers<L>| workers.counts().iter().all(|count| *count >= PROGRESS);
    begun(workers.until(SOON, flows)?)?;
    let delay = Duration::from_micros(fastrand::u64(0..LATEST));
    workers.until(delay, |_| false)?;
    workers.kill(victim)?;

    let before = workers.counts();
    workers.add(victim)?;
    let went_on = |workers: &Workers<L>| {
        let counts = workers.counts();
        let at_end = |worker: &Worker, count: u64| worker.role == Role::Sender && count == ITEMS;
        let mut all = workers
            .all
            .iter()
            .zip(counts.iter().zip(before.iter().chain([&0])));
        // Who has sent all that the board has room for need not go on, nor who has got all that.
        let over = workers.all.iter().zip(&counts);
        let over = over
            .filter(|(worker, count)| at_end(worker, **count))
            .count()
            == L::SENDERS;
        all.all(|(worker, (now, before))| over || at_end(worker, *now) || *now >= before + PROGRESS)
    };
    let mut trial = Trial::default();
    match workers.until(patience, went_on)? {
        Seen::Done => {}
        Seen::Not => trial.stuck = true,
        Seen::GaveUp(_) => trial.cut = true,
    }
    ledger.enter(Phase::Stop);
    if !trial.stuck && !trial.cut {
        trial.cut = workers.join(Role::Sender)?.is_some();
        ledger.enter(Phase::Drain);
        trial.cut |= workers.join(Role::Receiver)?.is_some();
    }
    let senders = std::mem::take(&mut workers.senders);
    drop(workers);
    trial.judge(ledger.balance(&senders), victim);
    Ok(trial)
}

fn begun(seen: Seen) -> Result<(), Failure> {
    match seen {
        Seen::Done => Ok(()),
        Seen::Not => Err(ended(0, "there was no traffic")),
        Seen::GaveUp(words) => Err(ended(0, words)),
    }
}
