//! The process that is stepped, stopped and killed.

use std::cell::OnceCell;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};

use crate::crash::operation::Base;
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
}

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
            if visit > 0
                && let Step::Ended(code) = self.step()?
            {
                return Ok(Step::Ended(code));
            }
            ptrace::write(pid, place, trap)?;
            ptrace::cont(pid, None)?;
            if let Step::Ended(code) = self.stopped()? {
                return Ok(Step::Ended(code));
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
    /// How many steps it takes to change something.
    steps: OnceCell<usize>,
}

impl Death {
    /// Has a process die in the step after so many changes of the segment.
    pub(crate) fn after(
        &self,
        changes: usize,
        base: &Base,
        body: impl FnOnce(&mut dyn FnMut()) -> u8,
    ) -> Rig {
        /// How many steps sooner than the time before a process may change something: how long it
        /// takes to tell the time differs.
        const NEAR: usize = 256;
        let mut doomed = Victim::start(body)?;
        let step = |doomed: &mut Victim| match doomed.step()? {
            Step::Stopped => Ok(()),
            Step::Ended(_) => Err(Broken("a process did not die where it was to".into())),
        };
        let mut steps = self
            .steps
            .get()
            .map_or(0, |steps| steps.saturating_sub(NEAR));
        for _ in 0..steps {
            step(&mut doomed)?;
        }
        let (mut before, mut now) = (Vec::new(), Vec::new());
        base.image(&mut before)?;
        let mut changed = 0;
        while changed < changes {
            step(&mut doomed)?;
            steps += 1;
            base.image(&mut now)?;
            if now != before {
                changed += 1;
                let _ = self.steps.set(steps);
            }
            std::mem::swap(&mut now, &mut before);
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
