//! What idle waiters cost: so many processes of one waiting thread each, for which nothing happens,
//! beside as many that sleep for a second again and again.
//!
//! Printed are the processor time of all of them, in percent of one core, and how often they wake
//! up; the median of the runs, and the least and the most. The ways are taken in turn. All figures
//! are the kernel's (`schedstat` and `status` of /proc/PID), of a time that begins when each
//! process has waited for some seconds. What the kernel does for a wake-up outside of the process
//! that it wakes is not in them.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crossdock::queue::Queue;
use crossdock::segment::Monitor;
use crossdock::{Mutex, Segment, SegmentOptions};

use crate::Failed;

const RUNS: usize = 3;
/// How long a process waits before it is looked at: its sleeps are as long as they get by then.
const WARM_UP: Duration = Duration::from_secs(3);
/// Between the two looks at a process.
const IDLE: Duration = Duration::from_secs(5);
/// Room for the participants' entries and the queue.
const SIZE: u64 = 8 << 20;

/// What the processes of a run do; none of them ever ends by itself.
#[derive(Clone, Copy)]
enum Way {
    Sleep,
    Receive,
    /// As before; but a sender is counted, by the parent, whose death they would be told of.
    ReceiveUntilEnd,
    Lock,
    /// Each process has a monitor, which is a thread more.
    LockMonitored,
}

const WAYS: [(&str, Way); 5] = [
    ("sleep(1 s) in a loop", Way::Sleep),
    ("Queue::recv", Way::Receive),
    ("Receiver::recv", Way::ReceiveUntilEnd),
    ("Mutex::lock", Way::Lock),
    ("the same, monitored", Way::LockMonitored),
];

/// Child processes, which are killed and reaped in the end, however that comes.
struct Children(Vec<libc::pid_t>);

impl Children {
    /// Starts `count` processes that run `body`.
    fn start(count: u32, body: impl Fn()) -> Result<Self, Failed> {
        // SAFETY: asks for the own process id.
        let parent = unsafe { libc::getpid() };
        let mut children = Self(Vec::new());
        for _ in 0..count {
            // SAFETY: this program has one thread, so the child may do what this process may.
            let child = unsafe { libc::fork() };
            match child {
                -1 => return Err(io::Error::last_os_error().into()),
                0 => {
                    // SAFETY: a signal for this process alone: it ends with its parent.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                    // SAFETY: asks for a process id: another one, if the parent has ended before
                    // that.
                    if unsafe { libc::getppid() } == parent {
                        body();
                    }
                    // SAFETY: ends the process; nothing runs after it.
                    unsafe { libc::_exit(1) }
                }
                child => children.0.push(child),
            }
        }
        Ok(children)
    }

    /// Fails if one of them has ended.
    fn assert_waiting(&self) -> Result<(), Failed> {
        for child in &self.0 {
            let id = libc::id_t::try_from(*child)?;
            // SAFETY: all zeros is one.
            let mut ended: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            // SAFETY: `ended` outlives the call.
            let done = unsafe { libc::waitid(libc::P_PID, id, &raw mut ended, how) };
            // SAFETY: zero, or filled in by waitid.
            if done != 0 || unsafe { ended.si_pid() } != 0 {
                return Err("a waiter ended".into());
            }
        }
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &self.0 {
            // SAFETY: a child of this process, which is reaped below only.
            unsafe { libc::kill(*child, libc::SIGKILL) };
        }
        for child in &self.0 {
            // SAFETY: a null pointer asks for no status.
            unsafe { libc::waitpid(*child, std::ptr::null_mut(), 0) };
        }
    }
}

/// One look at a process.
struct Look {
    at: Instant,
    /// Nanoseconds that it ran.
    ran: f64,
    /// How often it fell asleep.
    slept: f64,
}

/// All threads of a process.
fn look(child: libc::pid_t) -> Result<Look, Failed> {
    let (mut ran, mut slept) = (0.0, 0.0);
    for thread in fs::read_dir(format!("/proc/{child}/task"))? {
        let thread = thread?.path();
        let schedstat = fs::read_to_string(thread.join("schedstat"))?;
        let first = schedstat.split(' ').next();
        ran += first.ok_or("no time in schedstat")?.parse::<f64>()?;
        let status = fs::read_to_string(thread.join("status"))?;
        let switches = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .ok_or("no switches in status")?;
        slept += switches.trim().parse::<f64>()?;
    }
    let at = Instant::now();
    Ok(Look { at, ran, slept })
}

#[expect(
    clippy::disallowed_methods,
    reason = "time passes while nothing is to happen; nothing is waited for"
)]
fn pass(time: Duration) {
    std::thread::sleep(time);
}

/// A second of sleep, again and again.
fn sleep() {
    loop {
        pass(Duration::from_secs(1));
    }
}

/// Percent of a core, and wake-ups a second, of `count` processes that wait.
fn idle(way: Way, count: u32) -> Result<[f64; 2], Failed> {
    // A participant more: the one that has the lock.
    let options = SegmentOptions::new().size(SIZE).participants(count + 1);
    let segment: Segment = options.anonymous()?;
    let queue = segment.create::<Queue<u64>>("queue", 64)?;
    let mutex = segment.create::<Mutex<u64>>("mutex", 0)?;
    let _held = mutex.lock().map_err(|error| error.to_string())?;
    let mut sender = None;
    let children = match way {
        Way::Sleep => Children::start(count, sleep),
        Way::Receive => Children::start(count, || _ = queue.recv()),
        Way::ReceiveUntilEnd => {
            sender = Some(queue.sender()?);
            Children::start(count, || _ = queue.recv())
        }
        Way::Lock => Children::start(count, || drop(mutex.lock())),
        Way::LockMonitored => Children::start(count, || {
            // A waiter that cannot have one ends, and fails the run.
            if let Ok(monitor) = Monitor::start()
                && monitor.watch(&segment).is_ok()
            {
                drop(mutex.lock());
            }
        }),
    }?;
    pass(WARM_UP);
    // Each by the time between its own two looks: to look at all of them takes a while.
    let looks = || children.0.iter().map(|child| look(*child));
    let before: Vec<Look> = looks().collect::<Result<_, _>>()?;
    pass(IDLE);
    let after: Vec<Look> = looks().collect::<Result<_, _>>()?;
    children.assert_waiting()?;
    drop(sender);
    let mut all = [0.0; 2];
    for (before, after) in before.iter().zip(&after) {
        let seconds = (after.at - before.at).as_secs_f64();
        all[0] += (after.ran - before.ran) / 1e9 / seconds * 100.0;
        all[1] += (after.slept - before.slept) / seconds;
    }
    Ok(all)
}

/// The median, the least and the most.
fn spread(mut values: [f64; RUNS]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[RUNS / 2], values[0], values[RUNS - 1]]
}

/// Measures and prints what `count` idle waiters cost.
pub(crate) fn measure(count: u32) -> Result<(), Failed> {
    println!("{count} idle processes, medians of {RUNS} runs of {IDLE:?}");
    let mut found = WAYS.map(|_| [[0.0; RUNS]; 2]);
    for run in 0..RUNS {
        for ((_, way), found) in WAYS.into_iter().zip(&mut found) {
            let [percent, wakes] = idle(way, count)?;
            found[0][run] = percent;
            found[1][run] = wakes;
        }
    }
    for ((name, _), [percent, wakes]) in WAYS.into_iter().zip(found) {
        let ([percent, least, most], [wakes, ..]) = (spread(percent), spread(wakes));
        println!(
            "{name:>20}  {percent:>6.2} % of a core ({least:.2} to {most:.2})  {wakes:>6.0} wake-ups/s"
        );
    }
    Ok(())
}
