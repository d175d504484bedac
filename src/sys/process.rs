//! What a process and its children know of each other, and of themselves.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::fcntl::SealFlag;

use super::{descriptor, restarted, shm};

/// More bytes than a limit allows.
pub(crate) const TOO_LARGE: i32 = libc::EFBIG;

/// No process is left to this user or this control group.
pub(crate) const NO_PROCESS: i32 = libc::EAGAIN;
/// There is no such file.
pub(crate) const NOT_FOUND: i32 = libc::ENOENT;

/// The number of a system error, for the other side of a spawn.
pub(crate) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// dup2(2): makes `fd` the standard output of this process.
pub(crate) fn replace_stdout(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: dup2 takes two integers. Standard output belongs to the whole process, which reaches
    // it by its number only, so no owner of the old description is left behind.
    restarted(|| unsafe { libc::dup2(fd.as_raw_fd(), libc::STDOUT_FILENO) }).map(drop)
}

/// fcntl(2), `F_ADD_SEALS`: no size, no byte and no seal of a memory file changes any more.
pub(crate) fn freeze(file: &File) -> io::Result<()> {
    shm::seal(file.as_fd(), frozen())
}

/// fcntl(2), `F_GET_SEALS`: whether `file` was frozen; not so if it is no memory file.
pub(crate) fn is_frozen(file: &File) -> io::Result<bool> {
    shm::seals(file.as_fd()).map(|seals| seals.contains(frozen()))
}

/// Not F_SEAL_WRITE: that waits until every processor has let go of the file's pages, since it is
/// for mapped files. These are not mapped, and this seal refuses every write after it.
fn frozen() -> SealFlag {
    shm::segment_seals() | SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE)
}

/// prctl(2) with `PR_SET_NAME`, or a write to proc_pid_comm(5): names this process, as ps(1) shows
/// it, on any thread. What a name has to say it says in 15 bytes.
pub(crate) fn set_name(name: &CStr) {
    if on_main_thread() {
        // SAFETY: the name ends with a zero; the rest of the arguments are unused.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        return;
    }
    let id = std::process::id();
    let path = format!("/proc/{id}/task/{id}/comm");
    let opened = descriptor::open(OpenOptions::new().write(true), Path::new(&path));
    if let Ok(fd) = opened {
        // For display: a process whose name cannot be set works all the same.
        let _ = File::from(fd).write(name.to_bytes());
    }
}

/// gettid(2), getpid(2): whether the calling thread is the process's first.
pub(crate) fn on_main_thread() -> bool {
    // SAFETY: gettid takes nothing and cannot fail.
    let thread = unsafe { libc::gettid() };
    u32::try_from(thread) == Ok(std::process::id())
}

/// getppid(2): the process id of the parent, or of the process that has inherited this one; 0 if
/// that is in another PID namespace.
pub(crate) fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// _exit(2): ends this process at once, as SIGKILL would.
pub(crate) fn end_now() -> ! {
    // SAFETY: ends the process, without handlers and destructors.
    unsafe { libc::_exit(128 + libc::SIGKILL) }
}

/// getrandom(2): a number that no other spawn has.
pub(crate) fn nonce() -> io::Result<u64> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is writable and 8 bytes long. (Requests of up to 256 bytes are neither
    // cut short nor interrupted.)
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == 8 {
        Ok(u64::from_le_bytes(bytes))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// getauxval(3), `AT_SECURE`: whether this program has more rights than its starter (setuid,
/// file capabilities), and so must not believe its environment.
pub(crate) fn has_raised_privileges() -> bool {
    // SAFETY: getauxval takes an integer and reads what the kernel left at exec.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// unsetenv(3): removes `name` from the environment.
///
/// # Safety
/// - No other thread of this process reads or writes the environment through the C library
///   meanwhile (Rust's own `std::env` has a lock).
pub(crate) unsafe fn remove_variable(name: &str) {
    // SAFETY: no other code accesses the environment meanwhile (the caller's duty).
    unsafe { std::env::remove_var(name) };
}
