//! The driver: starts workers, kills and stops them at random, starts them again.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::process::{Rig, pause, until, watch_over};
use crate::random::Random;
use crate::torture::TortureArgs;

/// How long a worker may make no progress: it is stopped for a few milliseconds at a time, and
/// waits for others that are.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
const LONGEST_STOP: Duration = Duration::from_millis(40);
/// Seconds after which the driver gives itself up, if it hangs.
const WATCHDOG: u32 = 60;

/// What workers are tortured at.
pub(crate) trait Workload {
    /// Its name on a worker's command line.
    const NAME: &'static str;

    /// Completes a worker's command line.
    fn equip(&self, command: &mut Command) -> Rig;

    /// How much the worker in `slot` and those before it have done. Each thread of a process has a
    /// slot.
    fn progress(&self, slot: usize) -> u64;

    /// The worker in `slot` has ended with its process, and none is there yet in its place.
    fn ended(&mut self, _slot: usize) {}

    /// What has not gone on for longer than [`WINDOW`], besides single workers.
    fn stuck(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Asks all processes to leave.
    fn dismiss(&self);
}

/// What is started, and how it is treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) processes: usize,
    /// How many threads a process has at most, each a worker in a slot of its own.
    pub(crate) threads: usize,
    /// How often a second a process is killed or stopped.
    pub(crate) kill_rate: f64,
}

impl Plan {
    /// What the command line says, or so many processes.
    pub(crate) fn of(args: &TortureArgs, processes: u16) -> Self {
        Self {
            processes: args.processes.unwrap_or(processes).into(),
            threads: args.threads.into(),
            kill_rate: args.kill_rate,
        }
    }

    /// How many slots there are for workers.
    pub(crate) fn slots(&self) -> usize {
        self.processes * self.threads
    }

    /// The first slot of the process with a number.
    fn slot(&self, process: usize) -> usize {
        process * self.threads
    }
}

/// All that a run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    /// How many threads were cut off by the kills.
    pub(crate) cut_off: u64,
    pub(crate) stops: u64,
    pub(crate) faults: Vec<String>,
}

/// One process, and its threads.
struct Slot {
    child: Child,
    threads: Vec<Thread>,
    stopped_until: Option<Instant>,
    /// It was killed; a process that has much to do dies late.
    killed: bool,
}

/// What was seen of a thread's progress, and when it was last seen to have made some.
#[derive(Clone, Copy)]
struct Thread {
    seen: u64,
    since: Instant,
}

pub(crate) struct Driver<'a, J: Workload> {
    plan: Plan,
    job: &'a mut J,
    slots: Vec<Slot>,
    random: &'a mut Random,
    tally: &'a mut Tally,
}

/// Has workers at the job for `time`, or until something is wrong, and has all processes leave.
pub(crate) fn drive(
    plan: Plan,
    job: &mut impl Workload,
    random: &mut Random,
    tally: &mut Tally,
    time: Duration,
) -> Rig {
    watch_over(WATCHDOG)?;
    let mut driver = Driver {
        plan,
        job,
        slots: Vec::new(),
        random,
        tally,
    };
    for number in 0..plan.processes {
        let slot = driver.start(number)?;
        driver.slots.push(slot);
    }
    driver.run(time)
}

impl<J: Workload> Driver<'_, J> {
    fn run(mut self, time: Duration) -> Rig {
        let end = Instant::now() + time;
        let mean = Duration::from_secs(1).div_f64(self.plan.kill_rate.max(0.01));
        let mut due = Instant::now();
        while Instant::now() < end && self.tally.faults.is_empty() {
            watch_over(WATCHDOG)?;
            let now = Instant::now();
            let mut next = due.min(end);
            for slot in &mut self.slots {
                match slot.stopped_until {
                    Some(until) if until <= now => slot.go_on()?,
                    Some(until) => next = next.min(until),
                    None => {}
                }
            }
            pause(next.saturating_duration_since(now))?;
            self.collect()?;
            if due <= Instant::now() {
                self.disturb()?;
                due = Instant::now() + self.random.time_below(2 * mean);
            }
            self.look_for_the_stuck();
        }
        self.finish()
    }

    fn start(&mut self, number: usize) -> Rig<Slot> {
        let seed = self.random.next();
        let threads = 1 + self.random.index(self.plan.threads);
        let first = self.plan.slot(number);
        let mut command = Command::new("/proc/thread-self/exe");
        command
            .args(["worker", J::NAME, "--slot", &first.to_string()])
            .args(["--threads", &threads.to_string()])
            .args(["--seed", &seed.to_string()])
            .args(["--parent", &getpid().to_string()]);
        self.job.equip(&mut command)?;
        let child = command.spawn()?;
        let begins = |thread| Thread {
            seen: self.job.progress(first + thread),
            since: Instant::now(),
        };
        Ok(Slot {
            child,
            threads: (0..threads).map(begins).collect(),
            stopped_until: None,
            killed: false,
        })
    }

    /// Replaces workers that have ended.
    fn collect(&mut self) -> Rig {
        for number in 0..self.slots.len() {
            if let Some(status) = self.slots[number].child.try_wait()?
                && self.ended(number, status)
            {
                self.slots[number] = self.start(number)?;
            }
        }
        Ok(())
    }

    /// Clears the slots of a process that has ended.
    fn clear(&mut self, number: usize) {
        let first = self.plan.slot(number);
        for slot in first..first + self.slots[number].threads.len() {
            self.job.ended(slot);
        }
    }

    /// Notes the end of a process; false if it should not have come to it.
    fn ended(&mut self, number: usize, status: ExitStatus) -> bool {
        self.clear(number);
        let slot = &self.slots[number];
        let threads = slot.threads.len();
        // With several threads, one that wants to be replaced kills the process that it is in.
        let killed = status.signal() == Some(libc::SIGKILL) && (slot.killed || threads > 1);
        if killed {
            self.tally.kills += 1;
            self.tally.cut_off += threads as u64;
        } else if !status.success() {
            self.fault(format!("process {number} ended with {status}"));
        }
        killed || status.success()
    }

    /// Kills or stops one of them.
    fn disturb(&mut self) -> Rig {
        let number = self.random.index(self.slots.len());
        let slot = &mut self.slots[number];
        if slot.killed {
            return Ok(());
        }
        if self.random.below(3) < 2 {
            // Stopped ones are killed as well; one that has just ended is not there to be.
            slot.child.kill()?;
            slot.killed = true;
        } else if slot.stopped_until.is_none() {
            slot.signal(Signal::SIGSTOP)?;
            slot.stopped_until = Some(Instant::now() + self.random.time_below(LONGEST_STOP));
            self.tally.stops += 1;
        }
        Ok(())
    }

    fn look_for_the_stuck(&mut self) {
        let now = Instant::now();
        let mut stuck = self.job.stuck();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let first = self.plan.slot(number);
            for (thread, place) in slot.threads.iter_mut().zip(first..) {
                let count = self.job.progress(place);
                if count != thread.seen || slot.stopped_until.is_some() {
                    *thread = Thread {
                        seen: count,
                        since: now,
                    };
                } else if now - thread.since > WINDOW {
                    stuck.push(format!("worker {place} is stuck at {count}"));
                }
            }
        }
        self.tally.faults.extend(stuck);
    }

    /// All processes go on, advance, leave.
    fn finish(&mut self) -> Rig {
        watch_over(2 * WATCHDOG)?;
        for slot in &mut self.slots {
            if slot.stopped_until.is_some() {
                slot.go_on()?;
            }
        }
        let deadline = Instant::now() + WINDOW;
        let left = || deadline.saturating_duration_since(Instant::now());
        let counts: Vec<u64> = (0..self.plan.slots())
            .map(|slot| self.job.progress(slot))
            .collect();
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            let first = self.plan.slot(number);
            let slots = counts.iter().enumerate().skip(first);
            for (place, count) in slots.take(slot.threads.len()) {
                // One that has just left by itself has nothing to advance to.
                if !until(left(), || {
                    self.job.progress(place) != *count
                        || matches!(slot.child.try_wait(), Ok(Some(_)))
                }) {
                    let what = format!("worker {place} does not advance after SIGCONT");
                    self.tally.faults.push(what);
                }
            }
        }
        self.job.dismiss();
        let deadline = Instant::now() + WINDOW;
        let left = || deadline.saturating_duration_since(Instant::now());
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            let ended = until(left(), || !matches!(slot.child.try_wait(), Ok(None)));
            if !ended {
                slot.child.kill()?;
            }
            let status = slot.child.wait()?;
            if ended {
                self.ended(number, status);
            } else {
                self.clear(number);
                self.fault(format!("process {number} does not leave"));
            }
        }
        Ok(())
    }

    fn fault(&mut self, what: String) {
        self.tally.faults.push(what);
    }
}

impl Slot {
    /// kill(2), if the child has not ended: then the number is still its own.
    fn signal(&mut self, signal: Signal) -> Rig {
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?;
        }
        Ok(())
    }

    fn go_on(&mut self) -> Rig {
        self.signal(Signal::SIGCONT)?;
        self.stopped_until = None;
        for thread in &mut self.threads {
            thread.since = Instant::now();
        }
        Ok(())
    }
}

impl<J: Workload> Drop for Driver<'_, J> {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            // One that is gone already is not there to be killed.
            let _ = slot.child.kill();
            let _ = slot.child.wait();
        }
    }
}
