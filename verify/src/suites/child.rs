//! Forked children of a suite: real deaths between its steps.

use std::ffi::c_int;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a child or a thread may take for what takes it microseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A forked child, killed and collected at the latest when it is dropped.
pub(crate) struct Child {
    pid: c_int,
    is_collected: bool,
}

/// fork(2): the child runs `body` and exits with 0, or with 101 if it panics.
pub(crate) fn forked(body: impl FnOnce()) -> Child {
    let parent = std::process::id();
    // SAFETY: the child runs `body` and ends by _exit; the C library and crossdock make their own
    // locks safe for a fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: asks for a signal at the parent's death; no memory is involved.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        // SAFETY: has no preconditions.
        let is_orphan = unsafe { libc::getppid() }.cast_unsigned() != parent;
        let ended = catch_unwind(AssertUnwindSafe(body));
        let code = if is_orphan || ended.is_err() { 101 } else { 0 };
        // SAFETY: ends the process; nothing runs after it.
        unsafe { libc::_exit(code) }
    }
    Child {
        pid,
        is_collected: false,
    }
}

/// Has a child run `body`, and be killed while it holds what that returned.
pub(crate) fn killed_with<R>(body: impl FnOnce() -> R) {
    let child = forked(|| {
        let held = body();
        // SAFETY: a process may always kill itself.
        unsafe { libc::raise(libc::SIGKILL) };
        drop(held);
    });
    let status = child.collect();
    let is_killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
    assert!(is_killed, "a child ended with status {status:#x}");
}

/// Has a child run `body`, and waits for its end.
pub(crate) fn in_child(body: impl FnOnce()) {
    let status = forked(body).collect();
    let is_well = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
    assert!(is_well, "a child ended with status {status:#x}");
}

impl Child {
    /// SIGKILL; returns when the child is dead.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for the child's end, and returns what waitpid(2) says of it.
    fn collect(mut self) -> c_int {
        self.is_collected = true;
        collected(self.pid)
    }
}

fn collected(pid: c_int) -> c_int {
    let mut status = 0;
    // SAFETY: the child is this process's, and `status` outlives the call.
    let found = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(found, pid, "waitpid: {}", std::io::Error::last_os_error());
    status
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_collected {
            // SAFETY: the child is not collected, so the number is still its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            collected(self.pid);
        }
    }
}

/// Calls `body` in another thread, and returns when that has ended, with all that it had.
///
/// # Panics
///
/// If `body` does.
pub(crate) fn in_thread(body: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(body).join().expect("no panic"));
}

/// Looks until `done`, yielding in between.
///
/// # Panics
///
/// If it does not come to that.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not yet: {what}");
        std::thread::yield_now();
    }
}

/// The number of the calling thread, for [`sleeps`].
pub(crate) fn this_thread() -> c_int {
    // SAFETY: has no preconditions.
    unsafe { libc::gettid() }
}

/// Returns whether a thread of this process is asleep on a word, or has ended.
pub(crate) fn sleeps(thread: c_int) -> bool {
    let calls = [libc::SYS_futex, SYS_FUTEX_WAITV].map(|number| format!("{number} "));
    let process = std::process::id();
    let call = fs::read_to_string(format!("/proc/{process}/task/{thread}/syscall"));
    call.map_or(true, |call| {
        calls.iter().any(|number| call.starts_with(number))
    })
}

/// futex_waitv(2).
const SYS_FUTEX_WAITV: i64 = 449;
