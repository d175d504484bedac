//! One kill, and what became of the others and of the items.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crossdock::process::{self, JoinError, JoinTimeoutError, Process};
use crossdock_cli::{Failure, pin};

use super::board::{ITEMS, Ledger, Phase};
use super::worker::{Job, work};
use super::{LATEST, Link, PROGRESS, Role, Trial};

/// For what has to happen, however busy the machine is: a process begins, a process ends.
const SOON: Duration = Duration::from_secs(60);
/// A worker that has not ended so long after it was told to is stuck.
pub(super) const END: Duration = Duration::from_secs(10);
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
    cores: Vec<usize>,
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
            core: role.core(&self.cores),
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

    /// Waits for the end of all of a role.
    fn join(&mut self, role: Role) -> Result<Seen, Failure> {
        for worker in self.all.iter_mut().filter(|worker| worker.role == role) {
            match worker.process.join_timeout(END) {
                Ok(Ok(())) => {}
                Ok(Err(words)) => return Ok(Seen::GaveUp(words)),
                Err(JoinTimeoutError::Timeout) => return Ok(Seen::Not),
                Err(error) => return Err(ended(worker.part, error)),
            }
        }
        self.all.retain(|worker| worker.role != role);
        Ok(Seen::Done)
    }
}

/// Whether each has passed an item since, and those of each role enough together: one of them may
/// be quicker than the other. `before` has no count of the newcomer, which is the last one.
fn has_gone_on<L: Link>(workers: &Workers<'_, L>, before: &[u64]) -> bool {
    let counts = workers.counts();
    let before = before.iter().chain([&0]);
    let passed = counts.iter().zip(before).map(|(now, before)| now - before);
    let passed: Vec<(Role, u64)> = workers.all.iter().map(|one| one.role).zip(passed).collect();
    let of_role = |role| {
        let of_role = passed.iter().filter(move |(one, _)| *one == role);
        let counts = of_role.map(|(_, count)| *count);
        counts.clone().sum::<u64>() >= PROGRESS * counts.count() as u64
    };
    // A sender of all that the board has room for need not go on, nor a receiver of all that.
    let at_end = |(worker, count): (&Worker, &u64)| worker.role == Role::Sender && *count == ITEMS;
    workers.all.iter().zip(&counts).any(at_end)
        || (passed.iter().all(|(_, count)| *count > 0)
            && of_role(Role::Sender)
            && of_role(Role::Receiver))
}

pub(super) fn once<L: Link>(victim: Role, patience: Duration) -> Result<Trial, Failure> {
    let ledger = Ledger::new()?;
    let queue = L::create()?;
    let mut workers = Workers::<L> {
        all: Vec::new(),
        queue: &queue,
        ledger: &ledger,
        cores: pin::cores()?,
        begun: 0,
        senders: Vec::new(),
    };
    // Receivers first: one that comes late is not sent to by all.
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
    let went_on = |workers: &Workers<L>| has_gone_on(workers, &before);
    let mut trial = Trial::default();
    trial.saw(&workers.until(patience, went_on)?);
    ledger.enter(Phase::Stop);
    for role in [Role::Sender, Role::Receiver] {
        if !trial.stuck && !trial.cut {
            trial.saw(&workers.join(role)?);
            ledger.enter(Phase::Drain);
        }
    }
    let senders = std::mem::take(&mut workers.senders);
    drop(workers);
    trial.judge(ledger.balance(&senders), victim);
    Ok(trial)
}

impl Trial {
    /// What a look at the survivors says of them.
    fn saw(&mut self, seen: &Seen) {
        match seen {
            Seen::Done => {}
            Seen::Not => self.stuck = true,
            Seen::GaveUp(_) => self.cut = true,
        }
    }
}

fn begun(seen: Seen) -> Result<(), Failure> {
    match seen {
        Seen::Done => Ok(()),
        Seen::Not => Err(ended(0, "there was no traffic")),
        Seen::GaveUp(words) => Err(ended(0, words)),
    }
}
