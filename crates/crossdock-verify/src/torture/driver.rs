//! The driver: starts workers, kills and stops them at random, starts them again.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::process::{Broken, pause, until, watch_over};
use crate::random::Random;

/// How long a worker may make no progress: it is stopped for a few milliseconds at a time, and
/// waits for others that are.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
const LONGEST_STOP: Duration = Duration::from_millis(40);
/// Seconds after which the driver gives itself up, if it hangs.
const WATCHDOG: u32 = 60;

/// What workers are tortured at.
pub(crate) trait Job {
    /// Its name on a worker's command line.
    const NAME: &'static str;

    /// Completes a worker's command line.
    fn equip(&self, command: &mut Command) -> Result<(), Broken>;

    /// How much the worker in `slot` and those before it have done.
    fn progress(&self, slot: usize) -> u64;

    /// The process in `slot` has ended, by itself or not, and none is there yet in its place.
    fn ended(&mut self, _slot: usize) {}

    /// What has not gone on for longer than [`WINDOW`], besides single workers.
    fn stuck(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Asks everybody to leave.
    fn dismiss(&self);
}

/// Who is started, and how he is treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) processes: usize,
    /// How often a second somebody is killed or stopped.
    pub(crate) kill_rate: f64,
}

/// All that a run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) faults: Vec<String>,
}

/// One worker's place, and whoever has it.
struct Slot {
    child: Child,
    seen: u64,
    since: Instant,
    stopped_until: Option<Instant>,
    /// It was killed; whoever has much to do dies late.
    killed: bool,
}

pub(crate) struct Driver<'a, J: Job> {
    plan: Plan,
    job: &'a mut J,
    slots: Vec<Slot>,
    random: &'a mut Random,
    tally: &'a mut Tally,
}

/// Has workers at the job for `time`, or until something is wrong, and has everybody leave.
pub(crate) fn drive(
    plan: Plan,
    job: &mut impl Job,
    random: &mut Random,
    tally: &mut Tally,
    time: Duration,
) -> Result<(), Broken> {
    watch_over(WATCHDOG)?;
    let mut driver = Driver {
        plan,
        job,
        slots: Vec::new(),
        random,
        tally,
    };
    for number in 0..plan.processes {
        let child = driver.start(number)?;
        driver.slots.push(Slot {
            child,
            seen: 0,
            since: Instant::now(),
            stopped_until: None,
            killed: false,
        });
    }
    driver.run(time)
}

impl<J: Job> Driver<'_, J> {
    fn run(mut self, time: Duration) -> Result<(), Broken> {
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

    fn start(&mut self, number: usize) -> Result<Child, Broken> {
        let seed = self.random.next();
        let mut command = Command::new("/proc/thread-self/exe");
        command
            .args(["worker", J::NAME, "--slot", &number.to_string()])
            .args(["--seed", &seed.to_string()])
            .args(["--parent", &getpid().to_string()]);
        self.job.equip(&mut command)?;
        Ok(command.spawn()?)
    }

    fn restart(&mut self, number: usize) -> Result<(), Broken> {
        let child = self.start(number)?;
        let slot = &mut self.slots[number];
        slot.child = child;
        slot.since = Instant::now();
        slot.stopped_until = None;
        slot.killed = false;
        Ok(())
    }

    /// Replaces workers that have ended.
    fn collect(&mut self) -> Result<(), Broken> {
        for number in 0..self.slots.len() {
            if let Some(status) = self.slots[number].child.try_wait()?
                && self.ended(number, status)
            {
                self.restart(number)?;
            }
        }
        Ok(())
    }

    /// Notes the end of a worker; false if it should not have come to it.
    fn ended(&mut self, number: usize, status: ExitStatus) -> bool {
        self.job.ended(number);
        let killed = self.slots[number].killed && status.signal() == Some(libc::SIGKILL);
        if killed {
            self.tally.kills += 1;
        } else if !status.success() {
            self.fault(format!("worker {number} ended with {status}"));
        }
        killed || status.success()
    }

    /// Kills or stops one of them.
    fn disturb(&mut self) -> Result<(), Broken> {
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
            let count = self.job.progress(number);
            if count != slot.seen || slot.stopped_until.is_some() {
                slot.seen = count;
                slot.since = now;
            } else if now - slot.since > WINDOW {
                stuck.push(format!("worker {number} is stuck at {count}"));
            }
        }
        self.tally.faults.extend(stuck);
    }

    /// Everybody goes on, advances, leaves.
    fn finish(&mut self) -> Result<(), Broken> {
        watch_over(2 * WATCHDOG)?;
        for slot in &mut self.slots {
            if slot.stopped_until.is_some() {
                slot.go_on()?;
            }
        }
        let deadline = Instant::now() + WINDOW;
        let left = || deadline.saturating_duration_since(Instant::now());
        let counts: Vec<u64> = self.progress().collect();
        for (number, count) in counts.into_iter().enumerate() {
            let slot = &mut self.slots[number];
            // One that has just left by itself has nothing to advance to.
            if !until(left(), || {
                self.job.progress(number) != count || matches!(slot.child.try_wait(), Ok(Some(_)))
            }) {
                self.fault(format!("worker {number} does not advance after SIGCONT"));
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
                self.job.ended(number);
                self.fault(format!("worker {number} does not leave"));
            }
        }
        Ok(())
    }

    fn progress(&self) -> impl Iterator<Item = u64> {
        (0..self.slots.len()).map(|number| self.job.progress(number))
    }

    fn fault(&mut self, what: String) {
        self.tally.faults.push(what);
    }
}

impl Slot {
    /// kill(2), if the child has not ended: then the number is still its own.
    fn signal(&mut self, signal: Signal) -> Result<(), Broken> {
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?;
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), Broken> {
        self.signal(Signal::SIGCONT)?;
        self.stopped_until = None;
        self.since = Instant::now();
        Ok(())
    }
}

impl<J: Job> Drop for Driver<'_, J> {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            // One that is gone already is not there to be killed.
            let _ = slot.child.kill();
            let _ = slot.child.wait();
        }
    }
}
