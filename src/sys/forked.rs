//! fork(2) in a process of one thread, and the ends of the children that it made.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, Ordering};

use super::{checked, descriptor, restarted};

/// fork(3) of the C library: `None` in the child, whose pid it returns in the parent.
///
/// The C library's, so handlers of pthread_atfork(3) run: some libraries seed their random
/// generators anew there.
///
/// # Safety
/// - This process has one thread: the child may then do anything.
pub(crate) unsafe fn fork() -> io::Result<Option<u32>> {
    // SAFETY: no other thread could hold a lock that the child will need (the caller's duty).
    let pid = checked(unsafe { libc::fork() })?;
    Ok(u32::try_from(pid).ok().filter(|pid| *pid != 0))
}

/// proc_pid_task(5): the ids of this process's threads.
pub(crate) fn threads() -> io::Result<Vec<u32>> {
    let paths = descriptor::paths_in(Path::new("/proc/thread-self/.."))?;
    let number = |path: &Path| path.file_name()?.to_str()?.parse().ok();
    Ok(paths.iter().filter_map(|path| number(path)).collect())
}

/// gettid(2).
pub(crate) fn thread() -> u32 {
    // SAFETY: gettid takes nothing and cannot fail.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Whether a thread of this process is in the kernel's list no more. The C library tells of a
/// thread's end a moment before.
pub(crate) fn thread_is_gone(thread: u32) -> bool {
    let process = std::process::id();
    // SAFETY: takes integers; signal 0 only asks whether there is such a thread.
    let asked = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) };
    asked == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// proc_pid_stat(5): whether a thread of this process sleeps.
pub(crate) fn sleeps(thread: u32) -> io::Result<bool> {
    let path = format!("/proc/thread-self/../{thread}/stat");
    let stat = descriptor::read(Path::new(&path))?;
    // The name may have anything in it, brackets too.
    let behind_name = stat.rsplitn(2, |byte| *byte == b')').next();
    Ok(behind_name.is_some_and(|fields| fields.starts_with(b" S")))
}

/// fflush(3): writes what C code of this process has printed, of which a child would have a copy.
pub(crate) fn flush_c_streams() {
    // SAFETY: null means all streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// _exit(2): ends this process at once, without handlers.
pub(crate) fn end(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// prctl(2), `PR_SET_PDEATHSIG`: has this process, which `parent` has forked, killed at the end of
/// that, or ends it if that has ended. It is told of the end of the thread that forked, which must
/// be the parent's only one.
pub(crate) fn end_with_parent(parent: u32) {
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if super::process::parent() != parent {
        end(0);
    }
}

/// prctl(2), `PR_SET_PDEATHSIG`: revokes [`end_with_parent`].
pub(crate) fn outlive_parent() {
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
}

/// The pipe that [`notify`] writes to.
static NOTIFIED: AtomicI32 = AtomicI32::new(-1);

/// The handler of SIGCHLD. Async-signal-safe.
extern "C" fn notify(_: libc::c_int) {
    // SAFETY: the C library's own place for this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let byte = [1_u8];
    // ORDERING: Relaxed; set before the handler is.
    let pipe = NOTIFIED.load(Ordering::Relaxed);
    // A full pipe is readable as well.
    // SAFETY: the byte outlives the call, which reads it.
    unsafe { libc::write(pipe, byte.as_ptr().cast(), byte.len()) };
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Is told when a child of this process ends.
#[derive(Debug)]
pub(crate) struct ChildEnds {
    reader: File,
    _writer: OwnedFd,
    /// The disposition of SIGCHLD before.
    before: libc::sigaction,
}

impl ChildEnds {
    /// pipe2(2), sigaction(2) with SIGCHLD. There is one at a time.
    pub(crate) fn watch() -> io::Result<Self> {
        let (reader, writer) = descriptor::pipe()?;
        for end in [&reader, &writer] {
            // SAFETY: F_SETFL takes an integer; the pipe is this function's own.
            checked(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
        }
        // ORDERING: Relaxed; the handler runs on this thread, or after the system call below.
        NOTIFIED.store(writer.as_raw_fd(), Ordering::Relaxed);
        // SAFETY: plain data, for which all zeroes is a value: no flags, no signal blocked.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(libc::c_int) = notify;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: the handler is async-signal-safe, and the other structure is the call's to write.
        checked(unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, before.as_mut_ptr()) })?;
        Ok(Self {
            reader: reader.into(),
            _writer: writer,
            // SAFETY: the call above has written it.
            before: unsafe { before.assume_init() },
        })
    }

    /// waitpid(2): tells of the children that have ended, which the kernel then forgets.
    pub(crate) fn take(&mut self, mut tell: impl FnMut(u32, ExitStatus)) {
        // Emptied first: what ends after this is told again.
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(read) if read > 0) {}
        loop {
            let mut status = 0;
            let ended = restarted(|| {
                // SAFETY: `status` outlives the call.
                unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }
            });
            let Ok(pid @ 1..) = ended else { return };
            tell(pid.cast_unsigned(), ExitStatus::from_raw(status));
        }
    }

    /// In a child: restores the disposition that was there before.
    pub(crate) fn forget(self) {
        // SAFETY: the structure is what the call gave once; the old one is not asked for.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.before, std::ptr::null_mut()) };
    }

    /// What is readable when a child has ended.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.reader.as_fd()
    }
}

/// poll(2): waits until one of the descriptors is readable, or closed at its other end; says which.
pub(crate) fn wait<const N: usize>(descriptors: [BorrowedFd<'_>; N]) -> io::Result<[bool; N]> {
    let mut polls = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let count = polls.len() as libc::nfds_t;
    // SAFETY: so many entries, which outlive the call.
    match checked(unsafe { libc::poll(polls.as_mut_ptr(), count, -1) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
        Err(error) => Err(error),
        Ok(_) => Ok(polls.map(|poll| poll.revents != 0)),
    }
}
