//! A process that is traced from one system call to the next, also one that another process
//! started.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::{Broken, End, Rig, has_state, pidfd_of, signal_to, until};
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

/// A step from one process of a family to another one that is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the process that its nth fork has made.
    Fork(usize),
    /// To its own nth thread, of those that it starts.
    Thread(usize),
}

/// A traced process, or a thread of one, stopped. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Tracee {
    /// Of a thread its own number.
    pid: Pid,
    /// Of the process.
    pidfd: OwnedFd,
    ended: Option<End>,
    /// The system call that it is in.
    call: Option<u64>,
    /// A process or thread that it has started since this was last asked.
    started: Option<(Way, Pid)>,
    /// How many of each it has started.
    forks: usize,
    threads: usize,
    /// Whether the tracer has let go of it.
    released: bool,
}

impl Tracee {
    /// Takes a process that has stopped under this tracer.
    pub(super) fn new(pid: Pid) -> Rig<Self> {
        Self::of(pid, pidfd_of(pid)?)
    }

    fn of(pid: Pid, pidfd: OwnedFd) -> Rig<Self> {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(pid, options)?;
        Ok(Self {
            pid,
            pidfd,
            ended: None,
            call: None,
            started: None,
            forks: 0,
            threads: 0,
            released: false,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Runs it until it has started what is that way, lets go of it, and returns what it started.
    pub(super) fn descend(mut self, way: Way) -> Rig<Self> {
        loop {
            if let Step::Ended(end) = self.advance()? {
                return Err(Broken(format!("it ends before it starts {way:?}: {end:?}")));
            }
            let Some((found, started)) = self.started.take() else {
                continue;
            };
            let started = stopped_at_birth(started)?;
            if found == way {
                let pidfd = match way {
                    Way::Fork(_) => pidfd_of(started)?,
                    Way::Thread(_) => self.pidfd.try_clone()?,
                };
                self.release()?;
                return Self::of(started, pidfd);
            }
            ptrace::detach(started, None)?;
        }
    }

    /// Runs it to the system call with this number, of which there is none.
    pub(super) fn run_to_call(&mut self, number: u64) -> Rig {
        loop {
            match self.step()? {
                Step::Call(call) if call == number => return Ok(()),
                Step::Ended(end) => {
                    return Err(Broken(format!("it ends before its walk: {end:?}")));
                }
                _ => {}
            }
        }
    }

    /// Runs it to its next step. What it starts meanwhile is let go.
    pub(super) fn step(&mut self) -> Rig<Step> {
        let step = self.advance()?;
        if let Some((_, started)) = self.started.take() {
            ptrace::detach(stopped_at_birth(started)?, None)?;
            return self.step();
        }
        Ok(step)
    }

    fn advance(&mut self) -> Rig<Step> {
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
                    let (way, count) = match event {
                        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                            (Way::Fork(self.forks), &mut self.forks)
                        }
                        libc::PTRACE_EVENT_CLONE => (Way::Thread(self.threads), &mut self.threads),
                        _ => continue,
                    };
                    *count += 1;
                    let started = i32::try_from(ptrace::getevent(self.pid)?)?;
                    self.started = Some((way, Pid::from_raw(started)));
                    return Ok(Step::Entry);
                }
                WaitStatus::Stopped(_, received) => signal = Some(received),
                other => return self.ended(other),
            }
        }
    }

    /// Lets it execute one instruction, if the next one is no system call: then it is `Entry`.
    pub(super) fn instruct(&mut self) -> Rig<Step> {
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
    pub(super) fn address(&self) -> Rig<u64> {
        Ok(ptrace::getregs(self.pid)?.rip)
    }

    /// As [`run_to`](Self::run_to), an instruction at a time: other threads of the process may come
    /// to the place, too, and would die of a breakpoint.
    pub(super) fn step_to(&mut self, (address, visits): Place) -> Rig<Step> {
        let mut left = visits;
        loop {
            let step = self.instruct()?;
            if step != Step::Instruction {
                return Ok(step);
            }
            if self.address()? == address {
                match left.checked_sub(1) {
                    Some(fewer) => left = fewer,
                    None => return Ok(step),
                }
            }
        }
    }

    /// Runs it to a place, counted from here, or to its next system call if it takes another way.
    pub(super) fn run_to(&mut self, (address, visits): Place) -> Rig<Step> {
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

    fn advance_to_trap(&mut self) -> Rig<Step> {
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

    fn ended(&mut self, status: WaitStatus) -> Rig<Step> {
        let end = match status {
            WaitStatus::Exited(_, code) => End::Exited(u8::try_from(code).unwrap_or(PANICKED)),
            WaitStatus::Signaled(_, signal, _) => End::Killed(signal),
            other => return Err(Broken(format!("a traced process: {other:?}"))),
        };
        self.ended = Some(end);
        Ok(Step::Ended(end))
    }

    /// Kills it where it is, and waits for its death. Returns how it has ended.
    pub(super) fn kill(&mut self) -> Rig<End> {
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
    pub(super) fn release(&mut self) -> Rig {
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
    pub(super) fn suspend(&mut self) -> Rig {
        signal_to(&self.pidfd, Signal::SIGSTOP)?;
        self.release()?;
        if !until(STOPS_WITHIN, || has_state(self.pid, &['T', 'Z', 'X'])) {
            return Err(Broken("a process did not take SIGSTOP".into()));
        }
        Ok(())
    }

    /// Lets it go on after [`suspend`](Self::suspend).
    pub(super) fn resume(&self) -> Rig {
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
fn stopped_at_birth(pid: Pid) -> Rig<Pid> {
    match waitpid(pid, Some(WaitPidFlag::__WALL))? {
        WaitStatus::Stopped(..) => Ok(pid),
        other => Err(Broken(format!("a process at its birth: {other:?}"))),
    }
}
