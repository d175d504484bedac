//! Child processes that never outlive the rig, and waits that end.

use std::ffi::c_int;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicPtr, AtomicU64};
use std::time::{Duration, Instant};

use crossdock::sync::sleeps;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork, getpid, getppid};

/// The rig cannot do its work: what failed, in words. Never a finding about the library.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

/// What a part of the rig comes to, unless it cannot do its work.
pub(crate) type Rig<T = ()> = Result<T, Broken>;

impl<E: std::error::Error> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exited(u8),
    Killed(Signal),
}

/// A forked child, killed and collected when it is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    end: Option<End>,
}

/// How many children were served after a sleep that no wake had ended, but the end of its slice: in
/// memory that they share with the rig.
fn by_slice() -> Rig<&'static AtomicU64> {
    static PLACE: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());
    let place = NonNull::new(PLACE.load(Relaxed)).map_or_else(shared_word, Ok)?;
    PLACE.store(place.as_ptr(), Relaxed);
    // SAFETY: a word that is mapped for good, and used as an atomic alone.
    Ok(unsafe { place.as_ref() })
}

/// mmap(2): a word, zeroed, that forked children share.
fn shared_word() -> Rig<NonNull<AtomicU64>> {
    let (access, kind) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), 8, access, kind, -1, 0) };
    if place == libc::MAP_FAILED {
        return Err(Errno::last().into());
    }
    NonNull::new(place.cast()).ok_or_else(|| Broken("a mapping at address 0".into()))
}

/// How many children were served by the end of a slice since this was last asked.
pub(crate) fn take_served_by_slice() -> Rig<u64> {
    Ok(by_slice()?.swap(0, Relaxed))
}

/// What a child exits with after a panic.
pub(crate) const PANICKED: u8 = 101;

/// fork(2); the child runs `body` and exits with its value, and dies with the rig.
pub(crate) fn forked(body: impl FnOnce() -> u8) -> Rig<Child> {
    forked_by(Box::new(body))
}

fn forked_by(body: Box<dyn FnOnce() -> u8 + '_>) -> Rig<Child> {
    let parent = getpid();
    let by_slice = by_slice()?;
    let slept = sleeps().all;
    // SAFETY: the rig has one thread, so the child may do whatever the rig may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Child::of(child),
        ForkResult::Child => {
            let code = match set_pdeathsig(Signal::SIGKILL) {
                Ok(()) if getppid() == parent => {
                    let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED);
                    let sleeps = sleeps();
                    let timed_out = sleeps.all > slept && sleeps.last_timed_out;
                    by_slice.fetch_add(timed_out.into(), Relaxed);
                    code
                }
                _ => PANICKED,
            };
            exit_now(code)
        }
    }
}

/// _exit(2): no handlers, no destructors.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code.into()) }
}

impl Child {
    /// A child of this process.
    fn of(pid: Pid) -> Rig<Self> {
        Ok(Self {
            pid,
            pidfd: pidfd_of(pid)?,
            end: None,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Notes what waitpid(2) said; true if the process is gone.
    pub(crate) fn note(&mut self, status: WaitStatus) -> bool {
        match status {
            WaitStatus::Exited(_, code) => {
                self.end = Some(End::Exited(u8::try_from(code).unwrap_or(PANICKED)));
            }
            WaitStatus::Signaled(_, signal, _) => self.end = Some(End::Killed(signal)),
            _ => {}
        }
        self.end.is_some()
    }

    /// Notes an end that a tracer was told of.
    pub(crate) fn has_ended(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Waits until the process has ended, no longer than `patience`; `None` if it has not.
    pub(crate) fn end_within(&mut self, patience: Duration) -> Rig<Option<End>> {
        let deadline = Instant::now() + patience;
        while self.end.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            wait_readable(&self.pidfd, left)?;
            if !self.note(waitpid(self.pid, Some(WaitPidFlag::WNOHANG))?) && left.is_zero() {
                return Ok(None);
            }
        }
        Ok(self.end)
    }

    /// kill(2) of a process that was not collected yet, so the number is still its own.
    pub(crate) fn signal(&self, signal: Signal) -> Rig {
        if self.end.is_none() {
            kill(self.pid, signal)?;
        }
        Ok(())
    }

    /// Kills the process and waits for its death.
    pub(crate) fn kill(&mut self) -> Rig {
        self.signal(Signal::SIGKILL)?;
        while self.end.is_none() {
            self.note(waitpid(self.pid, None)?);
        }
        Ok(())
    }

    /// Waits until the kernel says that the process is in one of `states` (see proc_pid_stat(5)),
    /// no longer than `patience`.
    pub(crate) fn reaches(&self, states: &[char], patience: Duration) -> bool {
        until(patience, || has_state(self.pid, states))
    }

    /// Waits until the process is in futex(2), no longer than `patience`.
    pub(crate) fn sleeps_on_a_futex(&self, patience: Duration) -> bool {
        until(patience, || self.is_in_futex())
    }

    /// Waits until the process has ended or is in futex(2), no longer than `patience`.
    pub(crate) fn ends_or_sleeps(&self, patience: Duration) -> bool {
        until(patience, || {
            has_state(self.pid, &['Z', 'X']) || self.is_in_futex()
        })
    }

    fn is_in_futex(&self) -> bool {
        let number = format!("{} ", libc::SYS_futex);
        fs::read_to_string(format!("/proc/{}/syscall", self.pid))
            .is_ok_and(|call| call.starts_with(&number))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A child that cannot be killed dies with the rig.
        let _ = self.kill();
    }
}

/// A child that runs `body`, as [`forked`] has it, and sleeps on a futex in it by now.
pub(crate) fn forked_asleep(body: impl FnOnce() -> u8) -> Rig<Child> {
    let child = forked(body)?;
    if child.sleeps_on_a_futex(Duration::from_secs(10)) {
        Ok(child)
    } else {
        Err(Broken("the waiter does not sleep".into()))
    }
}

/// How long a process on a busy machine may take to stop.
pub(crate) const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Whether the kernel says that a process is in one of `states` (see proc_pid_stat(5)).
pub(crate) fn has_state(pid: Pid, states: &[char]) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map_or(Some('X'), |(_, rest)| rest.chars().next());
    state.is_some_and(|state| states.contains(&state))
}

/// pidfd_open(2).
pub(crate) fn pidfd_of(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: takes a number and flags; there are no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = c_int::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call has just made the descriptor, and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// pidfd_send_signal(2). Returns false if the process has ended.
pub(crate) fn signal_to(process: &impl AsFd, signal: Signal) -> Rig<bool> {
    let (fd, info) = (
        process.as_fd().as_raw_fd(),
        std::ptr::null::<libc::siginfo_t>(),
    );
    let call = libc::SYS_pidfd_send_signal;
    // SAFETY: a null siginfo asks the kernel to fill it; the other arguments are integers.
    let result = unsafe { libc::syscall(call, fd, signal as c_int, info, 0) };
    match Errno::result(result) {
        Ok(_) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Looks until `done`, yielding in between, no longer than `patience`.
pub(crate) fn until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::yield_now();
    }
}

/// poll(2): waits until `fd` is readable, or its other end closed, no longer than `patience`.
pub(crate) fn wait_readable(fd: impl AsFd, patience: Duration) -> Rig<bool> {
    // Rounded up: what is left of a patience is not nothing.
    let millis = patience.as_nanos().div_ceil(1_000_000);
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// poll(2) of nothing: lets `time` pass, or less when a signal comes.
#[cfg_attr(
    not(feature = "torture"),
    expect(dead_code, reason = "a sweep waits for what happens")
)]
pub(crate) fn pause(time: Duration) -> Rig {
    let millis = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
    match poll(&mut [], PollTimeout::from(millis)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

extern "C" fn give_up(_: c_int) {
    const SAID: &[u8] = b"crossdock-verify: stuck itself; giving up\n";
    // SAFETY: write(2) may be called in a handler, and the bytes are static.
    unsafe { libc::write(2, SAID.as_ptr().cast(), SAID.len()) };
    exit_now(1)
}

/// Has this process end, and its children with it, if it does not call this again in time.
pub(crate) fn watch_over(seconds: u32) -> Rig {
    let action = SigAction::new(
        SigHandler::Handler(give_up),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler calls only what a handler may call.
    unsafe { sigaction(Signal::SIGALRM, &action) }?;
    alarm::set(seconds);
    Ok(())
}
