//! What a process gives to a child that another process forks for it: signals, environment,
//! streams, directory. A child that execve made has them from the kernel.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;

use super::start::{DEFAULTED, NotStarted, SET, SIGNALS, change_mask, replace};
use super::{checked, restarted};

/// Which signals a process ignores, and which it handles, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dispositions {
    ignored: u64,
    handled: u64,
}

impl Dispositions {
    /// rt_sigaction(2), for all signals.
    pub(crate) fn current() -> Self {
        let mut all = Self {
            ignored: 0,
            handled: 0,
        };
        for signal in 1..=SIGNALS {
            match disposition(signal) {
                Some(libc::SIG_DFL) | None => {}
                Some(libc::SIG_IGN) => all.ignored |= bit(signal),
                Some(_) => all.handled |= bit(signal),
            }
        }
        all
    }

    /// The signals that a child which execve makes ignores.
    pub(crate) fn inherited(self) -> u64 {
        DEFAULTED
            .iter()
            .fold(self.ignored, |left, signal| left & !bit(*signal))
    }

    /// signal(2): has this process, whose dispositions are `self`, ignore what another process
    /// would [leave ignored](Self::inherited) to it. A handler of its own stays.
    pub(crate) fn inherit(self, ignored: u64) {
        let other = (self.inherited() ^ ignored) & !self.handled;
        for signal in (1..=SIGNALS).filter(|signal| other & bit(*signal) != 0) {
            let disposition = match ignored & bit(signal) {
                0 => libc::SIG_DFL,
                _ => libc::SIG_IGN,
            };
            // SAFETY: a disposition that runs no code. For signals that have none it fails.
            unsafe { libc::signal(signal, disposition) };
        }
    }
}

fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

/// rt_sigaction(2): the handler of a signal, or what is there instead.
fn disposition(signal: libc::c_int) -> Option<usize> {
    // The structure has the handler first and is 32 bytes long at most.
    let mut now = [0_usize; 4];
    // SAFETY: only asks; there is room for what is written.
    let asked = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            null_mut::<usize>(),
            now.as_mut_ptr(),
            SET,
        )
    };
    (asked == 0).then_some(now[0])
}

/// What a standard stream of this process becomes.
#[derive(Debug)]
pub(crate) enum OwnStream {
    /// Not open.
    Closed,
    /// `/dev/null`.
    Null,
    /// This file.
    Of(OwnedFd),
}

/// fchdir(2), dup2(2): gives this process its directory and its standard streams.
pub(crate) fn enter(directory: &OwnedFd, streams: [OwnStream; 3]) -> Result<(), NotStarted> {
    // SAFETY: fchdir takes an integer.
    checked(unsafe { libc::fchdir(directory.as_raw_fd()) })
        .map_err(|error| ("entering the child's directory", error))?;
    for (number, stream) in (0..).zip(streams) {
        set_stream(number, &stream)
            .map_err(|error| ("giving the child its standard streams", error))?;
    }
    Ok(())
}

/// The three streams become `/dev/null`, and the directory the root: a process that waits for
/// requests keeps no pipe open and no file system busy.
pub(crate) fn leave() {
    for number in 0..3 {
        // What could not be replaced stays as it is.
        let _ = set_stream(number, &OwnStream::Null);
    }
    let _ = std::env::set_current_dir("/");
}

fn set_stream(number: libc::c_int, stream: &OwnStream) -> io::Result<()> {
    match stream {
        OwnStream::Closed => {
            // SAFETY: the process reaches a standard stream by its number only.
            unsafe { libc::close(number) };
            Ok(())
        }
        OwnStream::Null => {
            let access = match number {
                0 => libc::O_RDONLY,
                _ => libc::O_WRONLY,
            };
            replace(number, access).map_err(|_| io::Error::last_os_error())
        }
        OwnStream::Of(fd) => {
            // SAFETY: dup2 takes two integers; the process reaches a standard stream by its number
            // only.
            restarted(|| unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
        }
    }
}

/// environ(7): replaces the whole environment of this process, `NAME=value` each. What was there
/// stays in memory.
///
/// # Safety
/// - This process has one thread.
pub(crate) unsafe fn set_environment(variables: Vec<CString>) {
    unsafe extern "C" {
        static mut environ: *const *const libc::c_char;
    }
    let mut lines: Vec<*const libc::c_char> = variables
        .into_iter()
        .map(|line| line.into_raw().cast_const())
        .collect();
    lines.push(std::ptr::null());
    let lines: &'static [_] = Vec::leak(lines);
    // SAFETY: a list that ends with null, of strings that end with a zero, all of which stay; no
    // other thread reads the variable (the caller's duty).
    unsafe { environ = lines.as_ptr() };
}

/// rt_sigprocmask(2): lets no signal through to this thread, and gives the mask before.
pub(crate) fn block_signals() -> u64 {
    change_mask(u64::MAX)
}

/// rt_sigprocmask(2): lets through all signals but those in `mask`.
pub(crate) fn set_signal_mask(mask: u64) {
    change_mask(mask);
}

/// The signals that a terminal sends to all processes of a group, of which a process that works for
/// one of them takes no notice.
pub(crate) fn terminal_signals() -> u64 {
    [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
    ]
    .iter()
    .fold(0, |mask, signal| mask | bit(*signal))
}
