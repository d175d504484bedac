//! Starting a child of this program without copying its memory: clone(2), execve(2).
//!
//! `CLONE_VM | CLONE_VFORK`: the child borrows this process's memory, on a stack of its own, and
//! the calling thread sleeps until it has called execve or ended. So a start takes as long with
//! gigabytes as with none, no handler of pthread_atfork runs, and other threads go on.
//! `CLONE_PIDFD`: the kernel makes the pidfd with the child, so it means the child though that may
//! end, and be waited for by other code, at once. (posix_spawn(3) cannot give one, and a number
//! that is looked up afterwards may be another process's.)
//!
//! Between the two calls the child may do what changes no memory but its stack and errno: it makes
//! system calls. All signals are blocked meanwhile, and handlers are reset before they no longer
//! are, since a handler would run in the memory of this process.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr::{null, null_mut};

use super::{child, descriptor};

/// The child's stack, in bytes.
const STACK: usize = 32 << 10;

/// The signals that the child has at their default, though this process ignores them: Rust
/// programs ignore SIGPIPE, and a parent that ignores the others would have a child that
/// `terminate` or the terminal cannot end.
pub(super) const DEFAULTED: [libc::c_int; 3] = [libc::SIGPIPE, libc::SIGTERM, libc::SIGINT];
/// The highest number of a signal.
pub(super) const SIGNALS: libc::c_int = 64;
/// The bytes of the kernel's set of signals.
pub(super) const SET: usize = 8;

/// What a standard stream of a child is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream<'a> {
    /// That of this process.
    Inherit,
    /// `/dev/null`.
    Null,
    /// This descriptor's file.
    Of(BorrowedFd<'a>),
}

/// What a child runs, and what it has.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    /// The program.
    pub(crate) path: CString,
    /// Its arguments, with its name first.
    pub(crate) arguments: Vec<CString>,
    /// Its whole environment, `NAME=value` each.
    pub(crate) environment: Vec<CString>,
    /// Its standard input, output and error.
    pub(crate) streams: [Stream<'a>; 3],
    /// Its working directory; `None` for this process's.
    pub(crate) directory: Option<BorrowedFd<'a>>,
    /// Whether it has its streams and what it is handed, and no other descriptor.
    pub(crate) bare: bool,
}

/// Why no child runs: what the system was asked for, and what it said.
pub(crate) type NotStarted = (&'static str, io::Error);

/// The steps of the child that may fail; the number is sent.
const STEPS: [&str; 4] = [
    "starting this program again",
    "opening /dev/null for the child",
    "handing descriptors to the child",
    "entering the child's directory",
];
const EXEC: u32 = 0;
const NULL: u32 = 1;
const HAND: u32 = 2;
const ENTER: u32 = 3;

/// In place of a descriptor: a stream that is inherited.
const INHERIT: libc::c_int = -1;
/// In place of a descriptor: a stream that is `/dev/null`.
const DEV_NULL: libc::c_int = -2;

/// What the child is told, all of it prepared before there is one.
struct Plan {
    path: *const libc::c_char,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    inherited: *const libc::c_int,
    inherited_len: usize,
    record: libc::c_int,
    streams: [libc::c_int; 3],
    /// -1 for none.
    directory: libc::c_int,
    bare: bool,
}

/// clone(2), execve(2): starts `command`; gives its pid and its pidfd.
///
/// The child inherits `inherited` and `record` under the numbers that they have here, and nothing
/// else that is close-on-exec. Its signal mask is empty, and its dispositions are the default,
/// except that it ignores what this process ignores, apart from SIGPIPE, SIGTERM and SIGINT. Its
/// pid is in the first 4 bytes of `record` before it runs anything.
pub(crate) fn start(
    command: &Command<'_>,
    inherited: &[BorrowedFd<'_>],
    record: &File,
) -> Result<(u32, OwnedFd), NotStarted> {
    let arguments = pointers(&command.arguments);
    let environment = pointers(&command.environment);
    let inherited: Vec<_> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    let mut plan = Plan {
        path: command.path.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        inherited: inherited.as_ptr(),
        inherited_len: inherited.len(),
        record: record.as_raw_fd(),
        streams: command.streams.map(|stream| match stream {
            Stream::Inherit => INHERIT,
            Stream::Null => DEV_NULL,
            Stream::Of(fd) => fd.as_raw_fd(),
        }),
        directory: command.directory.map_or(-1, |fd| fd.as_raw_fd()),
        bare: command.bare,
    };
    let mut stack = vec![MaybeUninit::<[u64; 2]>::uninit(); STACK / 16];
    let top = stack.as_mut_ptr_range().end;
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let before = change_mask(u64::MAX);
    // SAFETY: the child runs `run`, which ends by execve or _exit, on a stack that nothing else
    // uses and that outlives it, as `plan` and all that it points to do: this thread sleeps until
    // then. `pidfd` is where the kernel writes with CLONE_PIDFD.
    let pid = unsafe {
        libc::clone(
            run,
            top.cast(),
            flags,
            (&raw mut plan).cast(),
            &raw mut pidfd,
        )
    };
    let cloned = super::checked(pid);
    change_mask(before);
    drop(stack);
    let pid = cloned.map_err(|error| ("cloning this process", error))?;
    // SAFETY: the kernel has just made it for this call.
    let pidfd = unsafe { descriptor::made(pidfd) }.map_err(|error| {
        // Nothing could own the child. Its number is its own until it is waited for.
        // SAFETY: kill takes two integers.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        // SAFETY: a null pointer asks for no status.
        unsafe { libc::waitpid(pid, null_mut(), 0) };
        (
            "moving the child's pidfd above the standard descriptors",
            error,
        )
    })?;
    let refused = |cause| {
        // It has ended, or does not matter.
        let _ = child::kill(pidfd.as_fd());
        let _ = child::reap(pidfd.as_fd(), true);
        Err(cause)
    };
    let mut said = [0; 8];
    if let Err(error) = record.read_exact_at(&mut said, 0) {
        // Not even its pid: it was killed before it could write that.
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok((pid.cast_unsigned(), pidfd))
        } else {
            refused(("reading what the child recorded", error))
        };
    }
    let [a, b, c, d, low, high, step, _] = said;
    if [a, b, c, d] != [0; 4] {
        return Ok((pid.cast_unsigned(), pidfd));
    }
    let step = STEPS.get(usize::from(step)).copied().unwrap_or(STEPS[0]);
    let errno = u16::from_le_bytes([low, high]);
    refused((step, io::Error::from_raw_os_error(errno.into())))
}

/// The list of pointers that execve takes.
fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    let texts = texts.iter().map(|text| text.as_ptr());
    texts.chain([null()]).collect()
}

/// rt_sigprocmask(2): sets this thread's mask, those signals included that the C library keeps for
/// itself; gives the mask before. Async-signal-safe.
pub(super) fn change_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: both sets are as long as is said, and outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            SET,
        )
    };
    before
}

/// The child, in this process's memory: makes system calls, and never returns.
extern "C" fn run(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` passes a plan that outlives this child.
    let plan = unsafe { &*plan.cast::<Plan>() };
    let step = match prepare(plan) {
        Err(step) => step,
        Ok(()) => {
            // SAFETY: three lists that end with null, of strings that do, prepared by `start`.
            unsafe { libc::execve(plan.path, plan.arguments, plan.environment) };
            EXEC
        }
    };
    // The pid of a process is never 0: so this says that there is none.
    let said = [0, (errno() & 0xffff) | step << 16];
    write(plan.record, &said);
    // SAFETY: ends the child at once, without handlers.
    unsafe { libc::_exit(127) }
}

/// What comes before execve; the step that failed, with errno.
fn prepare(plan: &Plan) -> Result<(), u32> {
    if plan.bare {
        // Kernels before 5.11 cannot: the child has then what any other has.
        let (first, last) = (libc::STDERR_FILENO + 1, libc::c_uint::MAX);
        // SAFETY: takes integers, and changes the child's own table: it was cloned without
        // CLONE_FILES.
        unsafe {
            libc::syscall(
                libc::SYS_close_range,
                first,
                last,
                libc::CLOSE_RANGE_CLOEXEC,
            )
        };
    }
    for index in 0..plan.inherited_len {
        // SAFETY: inside of the list.
        let fd = unsafe { plan.inherited.add(index) };
        // SAFETY: as above.
        keep(unsafe { fd.read() })?;
    }
    keep(plan.record)?;
    // SAFETY: getpid takes nothing.
    let pid = unsafe { libc::getpid() };
    write(plan.record, &[pid.cast_unsigned(), 0]);
    // The descriptors are above the standard ones, so no replacement closes a later one.
    for (number, stream) in (0..).zip(plan.streams) {
        match stream {
            INHERIT => {}
            DEV_NULL if number == 0 => replace(number, libc::O_RDONLY)?,
            DEV_NULL => replace(number, libc::O_WRONLY)?,
            fd => {
                // SAFETY: dup2 takes two integers; the child reaches the stream by its number only.
                if unsafe { libc::dup2(fd, number) } == -1 {
                    return Err(HAND);
                }
            }
        }
    }
    if plan.directory != -1 {
        // SAFETY: fchdir takes an integer. The working directory is not shared with the parent:
        // the child was cloned without CLONE_FS.
        if unsafe { libc::fchdir(plan.directory) } == -1 {
            return Err(ENTER);
        }
    }
    reset_handlers();
    change_mask(0);
    Ok(())
}

/// fcntl(2) with `F_SETFD`: lets `fd` survive execve.
fn keep(fd: libc::c_int) -> Result<(), u32> {
    // SAFETY: F_SETFD takes an integer.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } {
        -1 => Err(HAND),
        _ => Ok(()),
    }
}

/// open(2), dup2(2): makes `/dev/null` the standard descriptor `number`.
pub(super) fn replace(number: libc::c_int, access: libc::c_int) -> Result<(), u32> {
    // SAFETY: the path ends with a zero.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), access) };
    if null == -1 {
        return Err(NULL);
    }
    if null != number {
        // SAFETY: dup2 takes two integers; the child reaches this descriptor by its number only.
        let replaced = unsafe { libc::dup2(null, number) };
        // SAFETY: opened above, and nothing else knows it.
        unsafe { libc::close(null) };
        if replaced == -1 {
            return Err(NULL);
        }
    }
    Ok(())
}

/// pwrite(2) of two words, at the start; that it may fail the reader knows.
fn write(record: libc::c_int, words: &[u32; 2]) {
    // SAFETY: 8 bytes that outlive the call.
    unsafe { libc::pwrite(record, words.as_ptr().cast(), 8, 0) };
}

fn errno() -> u32 {
    // SAFETY: the C library's own place for this thread, of which this child borrows the memory.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *place }.cast_unsigned()
}

/// rt_sigaction(2): no signal runs a handler any more.
///
/// The structure has the handler first and is 32 bytes long at most; all zeroes is the default.
fn reset_handlers() {
    let default = [0_usize; 4];
    for signal in 1..=SIGNALS {
        let mut now = [0_usize; 4];
        let place = now.as_mut_ptr();
        // SAFETY: only asks; there is room for what is written.
        let asked = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                null_mut::<usize>(),
                place,
                SET,
            )
        };
        let handler = now[0];
        let ignored = handler == libc::SIG_IGN;
        let stays = handler == libc::SIG_DFL || ignored && !is_defaulted(signal);
        if asked == 0 && !stays {
            // SAFETY: as above, and the default is a disposition of every signal.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    signal,
                    default.as_ptr(),
                    null_mut::<usize>(),
                    SET,
                )
            };
        }
    }
}

fn is_defaulted(signal: libc::c_int) -> bool {
    DEFAULTED.contains(&signal)
}
