//! The driver: starts workers, kills and stops them at random, starts them again.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crossdock::Counter;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::process::{Broken, pause, until, watch_over};
use crate::random::Random;
use crate::torture::TortureArgs;
use crate::torture::shared::{Shared, Way, progress_name};

/// How long a worker may make no progress: it is stopped for a few milliseconds at a time, and
/// waits for others that are.
const WINDOW: Duration = Duration::from_secs(10);
const LONGEST_STOP: Duration = Duration::from_millis(40);
/// Seconds after which the driver gives itself up, if it hangs.
const WATCHDOG: u32 = 60;

/// One worker's place, and whoever has it.
struct Slot {
    child: Child,
    progress: Counter,
    seen: u64,
    since: Instant,
    stopped_until: Option<Instant>,
}

/// All that the run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) faults: Vec<String>,
}

pub(crate) struct Driver<'a> {
    args: &'a TortureArgs,
    way: &'a Way,
    shared: &'a Shared,
    slots: Vec<Slot>,
    random: Random,
    started: u64,
    tally: Tally,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        args: &'a TortureArgs,
        seed: u64,
        way: &'a Way,
        shared: &'a Shared,
    ) -> Result<Self, Broken> {
        let mut driver = Self {
            args,
            way,
            shared,
            slots: Vec::new(),
            random: Random::new(seed),
            started: 0,
            tally: Tally::default(),
        };
        for number in 0..usize::from(args.processes) {
            let progress = shared.segment.open::<Counter>(&progress_name(number))?;
            let child = driver.start(number)?;
            driver.slots.push(Slot {
                child,
                progress,
                seen: 0,
                since: Instant::now(),
                stopped_until: None,
            });
        }
        Ok(driver)
    }

    /// Runs until the time is up or something is wrong, and has everybody leave.
    pub(crate) fn run(mut self) -> Result<Tally, Broken> {
        let end = Instant::now() + Duration::from_secs(self.args.secs);
        let mean = Duration::from_secs(1).div_f64(self.args.kill_rate.max(0.01));
        while Instant::now() < end && self.tally.faults.is_empty() {
            watch_over(WATCHDOG)?;
            let now = Instant::now();
            let mut next = now + self.random.time_below(2 * mean);
            for slot in &mut self.slots {
                match slot.stopped_until {
                    Some(until) if until <= now => slot.go_on()?,
                    Some(until) => next = next.min(until),
                    None => {}
                }
            }
            pause(next.min(end).saturating_duration_since(now))?;
            self.collect()?;
            self.disturb()?;
            self.look_for_the_stuck();
        }
        self.finish()?;
        Ok(std::mem::take(&mut self.tally))
    }

    fn start(&mut self, number: usize) -> Result<Child, Broken> {
        self.started += 1;
        let seed = self.random.next() ^ self.started;
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["worker", "--slot", &number.to_string()])
            .args(["--seed", &seed.to_string()])
            .args(["--parent", &getpid().to_string()])
            .stdin(self.shared.stdin(self.way)?);
        if let Way::Name(name) = self.way {
            command.args(["--name", name]);
        }
        Ok(command.spawn()?)
    }

    fn restart(&mut self, number: usize) -> Result<(), Broken> {
        let child = self.start(number)?;
        let slot = &mut self.slots[number];
        slot.child = child;
        slot.since = Instant::now();
        slot.stopped_until = None;
        Ok(())
    }

    /// Replaces workers that have ended by themselves.
    fn collect(&mut self) -> Result<(), Broken> {
        for number in 0..self.slots.len() {
            if let Some(status) = self.slots[number].child.try_wait()? {
                if status.success() {
                    self.restart(number)?;
                } else {
                    self.fault(format!("worker {number} ended with {status}"));
                }
            }
        }
        Ok(())
    }

    /// Kills or stops one of them.
    fn disturb(&mut self) -> Result<(), Broken> {
        let number = self.random.index(self.slots.len());
        if self.random.below(3) < 2 {
            let slot = &mut self.slots[number];
            // Stopped ones are killed as well; one that has just ended is not there to be.
            slot.child.kill()?;
            let status = slot.child.wait()?;
            if was_killed(status) {
                self.tally.kills += 1;
            } else if !status.success() {
                self.fault(format!("worker {number} ended with {status}"));
            }
            self.restart(number)?;
        } else if self.slots[number].stopped_until.is_none() {
            let pause = self.random.time_below(LONGEST_STOP);
            let slot = &mut self.slots[number];
            slot.signal(Signal::SIGSTOP)?;
            slot.stopped_until = Some(Instant::now() + pause);
            self.tally.stops += 1;
        }
        Ok(())
    }

    fn look_for_the_stuck(&mut self) {
        let now = Instant::now();
        let mut stuck = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let count = slot.progress.get();
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
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            let count = slot.progress.get();
            // One that has just left by itself has nothing to advance to.
            if !until(WINDOW, || {
                slot.progress.get() != count || matches!(slot.child.try_wait(), Ok(Some(_)))
            }) {
                self.fault(format!("worker {number} does not advance after SIGCONT"));
            }
        }
        self.shared.stop.set(1);
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            let ended = until(WINDOW, || !matches!(slot.child.try_wait(), Ok(None)));
            if !ended {
                slot.child.kill()?;
            }
            let status = slot.child.wait()?;
            if !ended {
                self.fault(format!("worker {number} does not leave"));
            } else if !status.success() {
                self.fault(format!("worker {number} ended with {status}"));
            }
        }
        Ok(())
    }

    fn fault(&mut self, what: String) {
        self.tally.faults.push(what);
    }
}

fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(libc::SIGKILL)
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

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            // One that is gone already is not there to be killed.
            let _ = slot.child.kill();
            let _ = slot.child.wait();
        }
    }
}
