//! A process that is traced from one system call to the next, also one that another process started.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::{Broken, End, has_state, pidfd_of, signal_to, until};
use crate::process::{PANICKED, STOPS_WITHIN};

/// A step of a traced process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is about to enter the kernel.
    Entry,
    /// It has made the system call with this number, and runs none of its own code since.
    Call(u64),
    /// One more instruction was executed.
    Instruction,
    /// It has ended.
    Ended(End),
}

/// The address of an instruction, and how often it was reached before.
pub(super) type Place = (u64, u32);

/// A traced process, stopped. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Tracee {
    pid: Pid,
    pidfd: OwnedFd,
    ended: Option<End>,
    /// The system call that it is in.
    call: Option<u64>,
    /// Processes that it has forked since this was last asked.
    forked: Option<Pid>,
    /// Whether the tracer has let go of it.
    released: bool,
}

impl Tracee {
    /// Takes a process that has stopped under this tracer.
    pub(super) fn new(pid: Pid) -> Result<Self, Broken> {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(pid, options)?;
        Ok(Self {
            pid,
            pidfd: pidfd_of(pid)?,
            ended: None,
            call: None,
            forked: None,
            released: false,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Runs it to its `nth` fork, lets go of it, and returns the process that it has forked.
    pub(super) fn descend(mut self, nth: usize) -> Result<Self, Broken> {
        let mut count = 0;
        loop {
            if let Step::Ended(end) = self.advance()? {
                return Err(Broken(format!("it ends before it forks: {end:?}")));
            }
            let Some(child) = self.forked.take() else {
                continue;
            };
            let child = stopped_at_birth(child)?;
            if count == nth {
                self.release()?;
                return Self::new(child);
            }
            ptrace::detach(child, None)?;
            count += 1;
        }
    }

    /// Runs it to its next step. What it forks meanwhile is let go.
    pub(super) fn step(&mut self) -> Result<Step, Broken> {
        let step = self.advance()?;
        if let Some(child) = self.forked.take() {
            ptrace::detach(stopped_at_birth(child)?, None)?;
            return self.step();
        }
        Ok(step)
    }

    fn advance(&mut self) -> Result<Step, Broken> {
        let mut signal = None;
        loop {
            ptrace::syscall(self.pid, signal.take())?;
            match waitpid(self.pid, Some(WaitPidFlag::__WALL))? {
                WaitStatus::PtraceSyscall(_) => match self.call.take() {
                    Some(call) => return Ok(Step::Call(call)),
                    None => {
                        self.call = Some(ptrace::getregs(self.pid)?.orig_rax);
                        return Ok(Step::Entry);
                    }
                },
                WaitStatus::PtraceEvent(_, _, event) => {
                    let forks = [libc::PTRACE_EVENT_FORK, libc::PTRACE_EVENT_VFORK];
                    if forks.contains(&event) {
                        let child = i32::try_from(ptrace::getevent(self.pid)?)?;
                        self.forked = Some(Pid::from_raw(child));
                        return Ok(Step::Entry);
                    }
                }
                WaitStatus::Stopped(_, received) => signal = Some(received),
                other => return self.ended(other),
            }
        }
    }

    /// Lets it execute one instruction, if the next one is no system call: then it is `Entry`.
    pub(super) fn instruct(&mut self) -> Result<Step, Broken> {
        const SYSCALL: [u8; 2] = [0x0f, 0x05];
        let at = ptrace::getregs(self.pid)?.rip;
        let word = ptrace::read(self.pid, at as ptrace::AddressType)?;
        if word.to_le_bytes().starts_with(&SYSCALL) {
            return Ok(Step::Entry);
        }
        let mut signal = None;
        loop {
            ptrace::step(self.pid, signal.take())?;
            match waitpid(self.pid, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => return Ok(Step::Instruction),
                WaitStatus::Stopped(_, received) => signal = Some(received),
                other => return self.ended(other),
            }
        }
    }

    /// The address of the next instruction.
    pub(super) fn address(&self) -> Result<u64, Broken> {
        Ok(ptrace::getregs(self.pid)?.rip)
    }

    /// Runs it to a place, counted from here, or to its next system call if it takes another way.
    pub(super) fn run_to(&mut self, (address, visits): Place) -> Result<Step, Broken> {
        const BREAKPOINT: i64 = 0xcc;
        let place = address as ptrace::AddressType;
        let code = ptrace::read(self.pid, place)?;
        for visit in 0..=visits {
            // A breakpoint under its feet would not be a visit.
            if visit > 0 && self.instruct()? != Step::Instruction {
                return Ok(Step::Entry);
            }
            ptrace::write(self.pid, place, (code & !0xff) | BREAKPOINT)?;
            let step = self.advance_to_trap()?;
            if let Step::Ended(_) = step {
                return Ok(step);
            }
            ptrace::write(self.pid, place, code)?;
            if step == Step::Entry {
                return Ok(step);
            }
            let mut registers = ptrace::getregs(self.pid)?;
            registers.rip = address;
            ptrace::setregs(self.pid, registers)?;
        }
        Ok(Step::Instruction)
    }

    fn advance_to_trap(&mut self) -> Result<Step, Broken> {
        let mut signal = None;
        loop {
            ptrace::syscall(self.pid, signal.take())?;
            match waitpid(self.pid, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => return Ok(Step::Instruction),
                WaitStatus::PtraceSyscall(_) => {
                    self.call = Some(ptrace::getregs(self.pid)?.orig_rax);
                    return Ok(Step::Entry);
                }
                WaitStatus::Stopped(_, received) => signal = Some(received),
                other => return self.ended(other),
            }
        }
    }

    fn ended(&mut self, status: WaitStatus) -> Result<Step, Broken> {
        let end = match status {
            WaitStatus::Exited(_, code) => End::Exited(u8::try_from(code).unwrap_or(PANICKED)),
            WaitStatus::Signaled(_, signal, _) => End::Killed(signal),
            other => return Err(Broken(format!("a traced process: {other:?}"))),
        };
        self.ended = Some(end);
        Ok(Step::Ended(end))
    }

    /// Kills it where it is, and waits for its death. Returns how it has ended.
    pub(super) fn kill(&mut self) -> Result<End, Broken> {
        while self.ended.is_none() {
            signal_to(&self.pidfd, Signal::SIGKILL)?;
            match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
                Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) => {
                    self.ended(status)?;
                }
                Ok(_) => {}
                // It was let go, and is another process's to wait for.
                Err(Errno::ECHILD) => return Ok(End::Killed(Signal::SIGKILL)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.ended.unwrap_or(End::Killed(Signal::SIGKILL)))
    }

    /// Lets it go on by itself.
    pub(super) fn release(&mut self) -> Result<(), Broken> {
        if self.ended.is_some() || self.released {
            return Ok(());
        }
        match ptrace::detach(self.pid, None) {
            Ok(()) => self.released = true,
            // Another of its threads has ended it.
            Err(Errno::ESRCH) => drop(self.kill()?),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Stops it by a real SIGSTOP, which the tracer has no part in.
    pub(super) fn suspend(&mut self) -> Result<(), Broken> {
        signal_to(&self.pidfd, Signal::SIGSTOP)?;
        self.release()?;
        if !until(STOPS_WITHIN, || has_state(self.pid, &['T', 'Z', 'X'])) {
            return Err(Broken("a process did not take SIGSTOP".into()));
        }
        Ok(())
    }

    /// Lets it go on after [`suspend`](Self::suspend).
    pub(super) fn resume(&self) -> Result<(), Broken> {
        signal_to(&self.pidfd, Signal::SIGCONT).map(drop)
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if !self.released {
            // One that cannot be killed ends with the tracer.
            let _ = self.kill();
        }
    }
}

/// Waits until a process that was just forked has stopped under the tracer.
fn stopped_at_birth(pid: Pid) -> Result<Pid, Broken> {
    match waitpid(pid, Some(WaitPidFlag::__WALL))? {
        WaitStatus::Stopped(..) => Ok(pid),
        other => Err(Broken(format!("a process at its birth: {other:?}"))),
    }
}
