//! Starting a child that inherits chosen descriptors, and taking them over in that child.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use nix::fcntl::SealFlag;

use super::{checked, pidfd, restarted, shm, socket};

/// More bytes than a limit allows.
pub(crate) const TOO_LARGE: i32 = libc::EFBIG;

/// The number of a system error, for the other side of a spawn.
pub(crate) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// What a spawned child inherits, each above the three standard descriptors.
///
/// All are close-on-exec in this process, so no other child that it starts meanwhile gets them.
#[derive(Debug)]
pub(crate) struct Inherited {
    /// The child's end of the pair over which descriptors come back.
    pub(crate) socket: UnixStream,
    /// Where the child records its pid (at offset 0), and later its result.
    pub(crate) result: File,
    /// Whatever else it needs.
    pub(crate) others: Vec<OwnedFd>,
}

/// fork(2), execve(2): starts `command` with the descriptors of `inherited`; gives its pid.
///
/// Between fork and exec the child clears close-on-exec on them, sends a pidfd of itself over the
/// socket and records its pid: nobody can reap it, and no other process can have got its pid,
/// before these are made. The caller takes the pidfd from the other end of the socket.
pub(crate) fn spawn(mut command: Command, inherited: Inherited) -> io::Result<std::process::Child> {
    let inherited = Arc::new(inherited);
    let before_exec = {
        let inherited = Arc::clone(&inherited);
        move || prepare(&inherited)
    };
    // SAFETY: `prepare` runs in the forked child and calls only fcntl, getpid, pidfd_open,
    // sendmsg, pwrite and close, all async-signal-safe; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(before_exec) };
    command.spawn()
}

/// The child's part between fork and exec.
fn prepare(inherited: &Inherited) -> io::Result<()> {
    keep_on_exec(&inherited.socket)?;
    keep_on_exec(&inherited.result)?;
    for fd in &inherited.others {
        keep_on_exec(fd)?;
    }
    let pid = std::process::id();
    let own = pidfd::open(pid)?;
    socket::send_fds(inherited.socket.as_fd(), &[own.as_fd()])?;
    match inherited.result.write_at(&pid.to_le_bytes(), 0)? {
        4 => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EIO)),
    }
}

/// fcntl(2) with `F_SETFD`: lets `fd` survive execve. Async-signal-safe.
fn keep_on_exec(fd: &impl AsFd) -> io::Result<()> {
    set_descriptor_flags(fd.as_fd().as_raw_fd(), 0)
}

fn set_descriptor_flags(fd: libc::c_int, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and touches no memory; a number that is not open is EBADF.
    checked(unsafe { libc::fcntl(fd, libc::F_SETFD, flags) }).map(drop)
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

fn frozen() -> SealFlag {
    shm::segment_seals() | SealFlag::F_SEAL_WRITE
}

/// gettid(2), getpid(2): whether the calling thread is the one that the process began with.
pub(crate) fn on_main_thread() -> bool {
    // SAFETY: gettid takes nothing and cannot fail.
    let thread = unsafe { libc::gettid() };
    u32::try_from(thread) == Ok(std::process::id())
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

/// getauxval(3), `AT_SECURE`: whether this program has more rights than who started it (setuid,
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
    // SAFETY: nobody else accesses the environment meanwhile (the caller's duty).
    unsafe { std::env::remove_var(name) };
}
