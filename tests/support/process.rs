//! Children made by fork, and the lines on which they speak with their parents.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Instant;

use super::PATIENCE;

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

/// A forked child, which is killed and reaped when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    pid: libc::pid_t,
    parent: u32,
    reaped: bool,
}

/// fork(2): the child runs `body` and ends with 0, or with 101 if it panics.
pub(crate) fn child(body: impl FnOnce()) -> Child {
    let parent = std::process::id();
    let_children_panic_aloud();
    // SAFETY: the child runs `body` and ends by _exit; the C library and crossdock make their own
    // locks safe for a fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        run(body, parent);
    }
    Child {
        pid,
        parent,
        reaped: false,
    }
}

/// A child that runs `body`, and sleeps in it by now, or has ended.
pub(crate) fn asleep(body: impl FnOnce()) -> Child {
    let line = Line::new();
    let child = child(|| {
        line.say(1);
        body();
    });
    line.hear();
    child.sleeps();
    child
}

/// Has children print a panic past the capture of the test harness, and without a lock that a thread
/// of the parent may have held at the fork.
fn let_children_panic_aloud() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let program = std::process::id();
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::process::id() == program {
                default(info);
            } else {
                write_error(&format!("in a child: {info}\n"));
            }
        }));
    });
}

fn run(body: impl FnOnce(), parent: u32) -> ! {
    // SAFETY: asks for a signal at the parent's death; no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: has no preconditions.
    let orphaned = unsafe { libc::getppid() }.cast_unsigned() != parent;
    if orphaned {
        exit(1);
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(()) => exit(0),
        Err(_) => exit(101),
    }
}

/// _exit(2): no destructors, no handlers.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(code) }
}

/// Writes to standard error past the capture of the test harness.
pub(crate) fn write_error(text: &str) {
    // SAFETY: descriptor 2 stays open, and the text outlives the call.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

/// A child that sleeps until it is killed.
pub(crate) fn sleeper() -> Child {
    let line = Line::new();
    child(move || line.sleep_until_killed())
}

impl Child {
    pub(crate) fn pid(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// Waits until the child has ended by itself, and fails if it panicked.
    pub(crate) fn join(mut self) {
        assert!(self.ends(), "child {} hangs", self.pid);
        let status = self.reap();
        assert!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
            "child {} ended with status {status:#x}",
            self.pid
        );
    }

    /// Waits until the child has ended by itself: its status, as waitpid(2) has it.
    pub(crate) fn status(mut self) -> i32 {
        assert!(self.ends(), "child {} hangs", self.pid);
        self.reap()
    }

    /// SIGKILL; returns when the child is gone and reaped.
    pub(crate) fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.reap();
    }

    /// SIGKILL; returns when the child is dead, and leaves a zombie.
    pub(crate) fn kill_to_zombie(&self) {
        self.signal(libc::SIGKILL);
        assert!(self.ends(), "child {} does not die", self.pid);
    }

    /// SIGSTOP; returns when the child is stopped.
    pub(crate) fn stop(&self) {
        self.signal(libc::SIGSTOP);
        self.stops();
    }

    /// Returns when the child is stopped, by whomever.
    pub(crate) fn stops(&self) {
        let mut status = 0;
        // SAFETY: the child is ours and `status` outlives the call.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, libc::WUNTRACED) };
        assert_eq!(pid, self.pid);
        assert!(libc::WIFSTOPPED(status), "ended: {status:#x}");
    }

    /// Returns when the child sleeps, or has ended.
    pub(crate) fn sleeps(&self) {
        let path = format!("/proc/{}/stat", self.pid);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let stat = std::fs::read_to_string(&path).expect("/proc");
            let (_, after_name) = stat.rsplit_once(") ").expect("a name");
            if after_name.starts_with(['S', 'Z']) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("child {} does not sleep", self.pid);
    }

    /// SIGCONT.
    pub(crate) fn cont(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is not reaped, so the number is still its own.
        unsafe { libc::kill(self.pid, signal) };
    }

    /// Whether the child ends in time.
    fn ends(&self) -> bool {
        // SAFETY: the child is not reaped; a pidfd is closed on exec by itself.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid, 0) };
        let pidfd = i32::try_from(pidfd).expect("a descriptor");
        assert!(pidfd >= 0, "pidfd_open");
        // SAFETY: it was just opened and is nobody else's.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        readable(&pidfd, Instant::now() + PATIENCE)
    }

    fn reap(&mut self) -> libc::c_int {
        let mut status = 0;
        // SAFETY: the child is ours and `status` outlives the call.
        unsafe { libc::waitpid(self.pid, &mut status, 0) };
        self.reaped = true;
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped && self.parent == std::process::id() {
            self.signal(libc::SIGKILL);
            self.reap();
        }
    }
}

/// Runs `body` in a child for each number, which all wait for a word and then begin at once; waits
/// for them.
pub(crate) fn at_once<N>(numbers: impl IntoIterator<Item = N>, body: impl Fn(N)) {
    let (ready, go) = (Line::new(), Line::new());
    let begins = |number| {
        child(|| {
            ready.say(1);
            go.hear();
            body(number);
        })
    };
    let children: Vec<_> = numbers.into_iter().map(begins).collect();
    children.iter().for_each(|_| assert_eq!(ready.hear(), 1));
    children.iter().for_each(|_| go.say(1));
    children.into_iter().for_each(Child::join);
}

/// Runs `body` in a child and waits for it.
pub(crate) fn in_child(body: impl FnOnce()) {
    child(body).join();
}

/// Runs `body` in a child, and fails if it left a descriptor or a mapping of a segment behind.
pub(crate) fn leaves_nothing(body: impl FnOnce()) {
    in_child(|| {
        let before = holdings();
        body();
        assert_eq!(holdings(), before, "descriptors, mappings of segments");
    });
}

/// How many descriptors are open, and how many mappings are of a segment.
fn holdings() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("/proc").count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc");
    let of_segments = |line: &&str| line.contains("memfd:") || line.contains("/dev/shm/");
    (descriptors, maps.lines().filter(of_segments).count())
}

fn readable(fd: &impl AsRawFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut poll = libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one entry, which outlives the call.
        let ready = unsafe { libc::poll(&mut poll, 1, millis) };
        if ready > 0 || left.is_zero() {
            return ready > 0;
        }
    }
}

/// A pipe whose messages are numbers; every message is heard by one.
pub(crate) struct Line {
    read: File,
    write: File,
}

impl Line {
    pub(crate) fn new() -> Self {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for the two descriptors.
        let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) };
        assert_eq!(made, 0, "pipe2");
        // SAFETY: just opened, and nobody else's.
        let read = unsafe { File::from_raw_fd(ends[0]) };
        // SAFETY: as above.
        let write = unsafe { File::from_raw_fd(ends[1]) };
        Self { read, write }
    }

    /// The line that another program of this process tree was given, by its numbers.
    pub(crate) fn inherited(text: &str) -> Self {
        let (read, write) = text.split_once(',').expect("two numbers");
        let open = |number: &str| {
            let number: i32 = number.parse().expect("a descriptor");
            // SAFETY: the parent left it open for this program.
            unsafe { File::from_raw_fd(number) }
        };
        Self {
            read: open(read),
            write: open(write),
        }
    }

    /// The numbers for [`inherited`](Self::inherited).
    pub(crate) fn numbers(&self) -> String {
        format!("{},{}", self.read.as_raw_fd(), self.write.as_raw_fd())
    }

    pub(crate) fn say(&self, message: u64) {
        let bytes = message.to_le_bytes();
        (&self.write).write_all(&bytes).expect("a pipe has room");
    }

    /// Waits for a message.
    pub(crate) fn hear(&self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(readable(&self.read, deadline), "nobody spoke");
            let mut bytes = [0; 8];
            match (&self.read).read_exact(&mut bytes) {
                Ok(()) => return u64::from_le_bytes(bytes),
                // Another listener was faster.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("reading a pipe: {error}"),
            }
        }
    }

    /// Waits for a message that never comes: the caller is killed here.
    pub(crate) fn sleep_until_killed(&self) -> ! {
        self.hear();
        panic!("was to be killed");
    }
}

/// A child that has run `body` and holds on to what it returned, until it is killed or released.
pub(crate) struct Holder {
    pub(crate) child: Child,
    release: Line,
}

/// Starts a child that calls `body`, keeps its result, and waits.
pub(crate) fn holder<R>(body: impl FnOnce() -> R) -> Holder {
    let (ready, release) = (Line::new(), Line::new());
    let child = child(|| {
        let held = body();
        ready.say(1);
        release.hear();
        drop(held);
    });
    ready.hear();
    Holder { child, release }
}

impl Holder {
    pub(crate) fn kill(self) {
        self.child.kill();
    }

    /// Lets go of what it holds, and ends.
    pub(crate) fn release(self) {
        self.release.say(1);
        self.child.join();
    }

    /// Lets go of what it holds; does not wait for it.
    pub(crate) fn tell_to_release(&self) {
        self.release.say(1);
    }
}
