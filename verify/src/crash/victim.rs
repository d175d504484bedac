//! The process that is stepped, stopped and killed.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::time::TimeSpec;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::crash::operation::Base;
use crate::crash::trail::Trail;
use crate::process::{Broken, Child, End, Rig, forked};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the rig reads and writes the registers and the code of x86_64");

/// A traced child, stopped between two instructions.
pub(crate) struct Victim {
    child: Child,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One more instruction has been executed.
    Stopped,
    /// The process has exited.
    Ended(u8),
    /// It has not come to where it was to run: it took another way, and may sleep there.
    Astray,
}

/// How long a victim may run to a breakpoint.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);

impl Victim {
    /// Starts a victim, and returns when it has called what it is given: there its steps begin.
    pub(crate) fn start(body: impl FnOnce(&mut dyn FnMut()) -> u8) -> Rig<Self> {
        let mut child = forked(|| {
            body(&mut || {
                ptrace::traceme().expect("the rig traces its child");
                raise(Signal::SIGSTOP).expect("a process can stop itself");
            })
        })?;
        let status = waitpid(child.pid(), None)?;
        if child.note(status) || !matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)) {
            return Err(Broken(format!(
                "a victim did not get to its start: {status:?}"
            )));
        }
        Ok(Self { child })
    }

    /// Gives the stopped process away.
    pub(crate) fn into_child(self) -> Child {
        self.child
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Lets the victim execute one instruction; a system call is one.
    pub(crate) fn step(&mut self) -> Rig<Step> {
        ptrace::step(self.child.pid(), None)?;
        self.stopped()
    }

    /// Waits for the stop that ends a step, or for the end.
    fn stopped(&mut self) -> Rig<Step> {
        let status = waitpid(self.child.pid(), None)?;
        self.stopped_by(status)
    }

    /// As [`stopped`](Self::stopped), within [`ARRIVES_WITHIN`].
    fn arrives(&mut self) -> Rig<Step> {
        let mut stops = SigSet::empty();
        stops.add(Signal::SIGCHLD);
        let before = stops.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let step = self.arrives_by(Instant::now() + ARRIVES_WITHIN, &stops);
        before.thread_set_mask()?;
        step
    }

    /// `stops` are the signals that tell of it, which are blocked.
    fn arrives_by(&mut self, deadline: Instant, stops: &SigSet) -> Rig<Step> {
        loop {
            match waitpid(self.child.pid(), Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => {}
                status => return self.stopped_by(status),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Step::Astray);
            }
            let left = TimeSpec::from_duration(left);
            // SAFETY: the set and the time outlive the call; a null siginfo asks for none. That it
            // ends without a signal is no matter: the deadline says what follows.
            unsafe { libc::sigtimedwait(stops.as_ref(), std::ptr::null_mut(), left.as_ref()) };
        }
    }

    fn stopped_by(&mut self, status: WaitStatus) -> Rig<Step> {
        self.child.note(status);
        match status {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(Step::Stopped),
            WaitStatus::Exited(_, code) => Ok(Step::Ended(u8::try_from(code)?)),
            other => Err(Broken(format!(
                "a victim did something unforeseen: {other:?}"
            ))),
        }
    }

    /// Where the next instruction is, and whether it is a system call.
    pub(crate) fn next(&self) -> Rig<(u64, bool)> {
        const SYSCALL: [u8; 2] = [0x0f, 0x05];
        let at = ptrace::getregs(self.child.pid())?.rip;
        let word = ptrace::read(self.child.pid(), at as ptrace::AddressType)?;
        Ok((at, word.to_le_bytes().starts_with(&SYSCALL)))
    }

    /// Lets the victim run until it is about to execute the instruction at `address` for the time
    /// after `visits` earlier ones, by a breakpoint in its own copy of the code.
    pub(crate) fn run_to(&mut self, address: u64, visits: u32) -> Rig<Step> {
        const BREAKPOINT: i64 = 0xcc;
        let pid = self.child.pid();
        let place = address as ptrace::AddressType;
        let code = ptrace::read(pid, place)?;
        let trap = (code & !0xff) | BREAKPOINT;
        for visit in 0..=visits {
            // A breakpoint under the victim's feet would not be a visit.
            if visit > 0 {
                match self.step()? {
                    Step::Stopped => {}
                    other => return Ok(other),
                }
            }
            ptrace::write(pid, place, trap)?;
            ptrace::cont(pid, None)?;
            match self.arrives()? {
                Step::Stopped => {}
                other => return Ok(other),
            }
            ptrace::write(pid, place, code)?;
            let mut registers = ptrace::getregs(pid)?;
            registers.rip = address;
            ptrace::setregs(pid, registers)?;
        }
        Ok(Step::Stopped)
    }

    /// Kills the victim where it is, and waits for its death.
    pub(crate) fn kill(mut self) -> Rig {
        self.child.kill()
    }

    /// Turns the tracer's stop into one by a real SIGSTOP.
    pub(crate) fn suspend(self) -> Rig<Child> {
        ptrace::detach(self.child.pid(), Signal::SIGSTOP)?;
        if !self.child.reaches(&['T'], Duration::from_secs(10)) {
            return Err(Broken("a victim did not take SIGSTOP".into()));
        }
        Ok(self.child)
    }

    /// Lets the victim go on by itself.
    pub(crate) fn release(self) -> Rig<Child> {
        ptrace::detach(self.child.pid(), None)?;
        Ok(self.child)
    }
}

/// How a process dies before the victim comes, which the first one finds out for all.
#[derive(Default)]
pub(crate) struct Death {
    /// The way of the first one, and how many steps it was to its first change.
    way: OnceCell<(Trail, usize)>,
}

impl Death {
    /// Has a process die in the step after so many changes of the segment.
    pub(crate) fn after(
        &self,
        changes: usize,
        base: &Base,
        body: impl FnOnce(&mut dyn FnMut()) -> u8,
    ) -> Rig {
        /// How many steps before its first change a process is stepped: it may take another way
        /// than the first one did when it tells the time.
        const NEAR: usize = 64;
        let mut doomed = Victim::start(body)?;
        let went_on = |step: Step| match step {
            Step::Stopped => Ok(()),
            _ => Err(Broken("a process did not die where it was to".into())),
        };
        let known = self.way.get();
        if let Some((trail, steps)) = known {
            went_on(trail.follow(&mut doomed, steps.saturating_sub(NEAR), true)?)?;
        }
        let mut trail = Trail::default();
        let (mut before, mut now) = (Vec::new(), Vec::new());
        base.image(&mut before)?;
        let (mut changed, mut first, mut steps) = (0, 0, 0);
        while changed < changes {
            if known.is_none() {
                trail.note(doomed.next()?.0);
            }
            went_on(doomed.step()?)?;
            steps += 1;
            base.image(&mut now)?;
            if now != before {
                changed += 1;
                first = if first == 0 { steps } else { first };
            }
            std::mem::swap(&mut now, &mut before);
        }
        if known.is_none() {
            let _ = self.way.set((trail, first));
        }
        doomed.kill()
    }
}

/// Lets a suspended victim go on.
pub(crate) fn resume(child: Child) -> Rig<Child> {
    child.signal(Signal::SIGCONT)?;
    Ok(child)
}

/// What the victim exited with, if it did so in time.
pub(crate) fn exit_code(child: &mut Child, patience: Duration) -> Rig<Option<u8>> {
    match child.end_within(patience)? {
        None => Ok(None),
        Some(End::Exited(code)) => Ok(Some(code)),
        Some(End::Killed(signal)) => Err(Broken(format!("a victim died of {signal}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn not_on_the_way() -> u8 {
        std::hint::black_box(7)
    }

    fn address_of(function: fn() -> u8) -> u64 {
        (function as *const ()).addr() as u64
    }

    #[test]
    fn a_victim_that_sleeps_beside_its_way_is_astray() {
        let mut victim = Victim::start(|begin| {
            begin();
            // No more than a minute, if it is forgotten.
            std::thread::park_timeout(Duration::from_secs(60));
            not_on_the_way()
        })
        .expect("a process");
        let begun = Instant::now();
        let came = victim.run_to(address_of(not_on_the_way), 0);
        assert_eq!(came.expect("traced"), Step::Astray);
        assert!(begun.elapsed() >= ARRIVES_WITHIN);
        victim.kill().expect("it is killed where it is");
    }

    #[test]
    fn a_victim_comes_to_its_point_or_to_its_end() {
        let start = || {
            let body = |begin: &mut dyn FnMut()| {
                begin();
                not_on_the_way() + not_on_the_way()
            };
            Victim::start(body).expect("a process")
        };
        let mut victim = start();
        let address = address_of(not_on_the_way);
        let came = victim.run_to(address, 1).expect("traced");
        assert_eq!(came, Step::Stopped);
        assert_eq!(victim.next().expect("stopped").0, address);
        let mut child = victim.release().expect("it goes on");
        let code = exit_code(&mut child, Duration::from_secs(20));
        assert_eq!(code.expect("a child"), Some(14));
        let came = start().run_to(address, 2).expect("traced");
        assert_eq!(came, Step::Ended(14));
    }
}
