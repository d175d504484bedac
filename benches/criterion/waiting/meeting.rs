//! What it costs to meet: a condition variable that two processes hand a turn over by, and a
//! barrier of two, beside pthread's process-shared ones. And what is left of them when one process
//! is killed.
//!
//! The ways are taken in turn. Printed are the medians of the runs, and the median of each run's
//! ratio to pthread in the same turn.

#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "each block is what C does with one object"
)]

use std::cell::RefCell;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossdock::sync::{Barrier, Condvar, Party};
use crossdock::{Mutex, Segment};

use crate::Failed;
use crate::trips::{median, pin};

const RUNS: usize = 7;
const WARM_UP: usize = 200;
/// Processes that meet until one is killed.
const COMPANY: usize = 3;
/// A survivor that has not ended after so long is stuck: far longer than it takes to notice a
/// death.
const PATIENCE: Duration = Duration::from_secs(3);

/// A way for processes to meet, each with a number.
trait Meeting {
    /// Goes on when it is `side`'s turn, or when all have come; an error if there is nothing to
    /// wait for any more.
    fn meet(&self, side: usize) -> Result<(), Failed>;
}

struct OurCondvar(Mutex<u64>, Condvar, u64);

impl Meeting for OurCondvar {
    fn meet(&self, side: usize) -> Result<(), Failed> {
        let Self(turn, changed, sides) = self;
        let guard = turn.lock_or_repair(|_| ())?;
        let others = |turn: &mut u64| *turn % sides != side as u64;
        let mut guard = changed.wait_while_or_repair(guard, others, |_| ())?;
        *guard += 1;
        drop(guard);
        if *sides == 2 {
            changed.notify_one();
        } else {
            changed.notify_all();
        }
        Ok(())
    }
}

/// The barrier, and the party of it that this process is.
struct OurBarrier(&'static Barrier, RefCell<Option<Party<'static>>>);

impl Meeting for OurBarrier {
    fn meet(&self, _: usize) -> Result<(), Failed> {
        let mut party = self.1.borrow_mut();
        if party.is_none() {
            *party = Some(self.0.register()?);
        }
        party.as_mut().ok_or("no party")?.wait()?;
        Ok(())
    }
}

/// What pthread's processes share.
#[repr(C)]
struct Shared {
    mutex: libc::pthread_mutex_t,
    condvar: libc::pthread_cond_t,
    barrier: libc::pthread_barrier_t,
    turn: u64,
    sides: u64,
}

/// Turns what a pthread function returned into an outcome.
fn checked(returned: i32) -> Result<(), Failed> {
    match returned {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error).into()),
    }
}

/// Zeroed memory for a `T` that forked children share; it stays until the process ends.
pub(crate) fn shared_memory<T>() -> Result<NonNull<T>, Failed> {
    let (access, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
    );
    let len = size_of::<T>();
    // SAFETY: a fresh mapping.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    Ok(NonNull::new(memory.cast::<T>()).ok_or("mmap returned null")?)
}

impl Shared {
    /// In memory that forked children share, for so many processes.
    fn new(sides: usize) -> Result<NonNull<Self>, Failed> {
        let shared = shared_memory::<Self>()?;
        // SAFETY: zeroed memory of that size is a `Shared`, and no other process knows of it.
        let it = unsafe { &mut *shared.as_ptr() };
        it.sides = sides as u64;
        // SAFETY: as here, for each: attributes of this frame, objects that nothing uses yet.
        unsafe {
            let mut attributes = std::mem::zeroed::<libc::pthread_mutexattr_t>();
            checked(libc::pthread_mutexattr_init(&raw mut attributes))?;
            let shared = libc::PTHREAD_PROCESS_SHARED;
            checked(libc::pthread_mutexattr_setpshared(
                &raw mut attributes,
                shared,
            ))?;
            let robust = libc::PTHREAD_MUTEX_ROBUST;
            checked(libc::pthread_mutexattr_setrobust(
                &raw mut attributes,
                robust,
            ))?;
            checked(libc::pthread_mutex_init(
                &raw mut it.mutex,
                &raw const attributes,
            ))?;
            let mut attributes = std::mem::zeroed::<libc::pthread_condattr_t>();
            checked(libc::pthread_condattr_init(&raw mut attributes))?;
            checked(libc::pthread_condattr_setpshared(
                &raw mut attributes,
                shared,
            ))?;
            checked(libc::pthread_cond_init(
                &raw mut it.condvar,
                &raw const attributes,
            ))?;
            let mut attributes = std::mem::zeroed::<libc::pthread_barrierattr_t>();
            checked(libc::pthread_barrierattr_init(&raw mut attributes))?;
            checked(libc::pthread_barrierattr_setpshared(
                &raw mut attributes,
                shared,
            ))?;
            let count = u32::try_from(sides)?;
            checked(libc::pthread_barrier_init(
                &raw mut it.barrier,
                &raw const attributes,
                count,
            ))?;
        }
        Ok(shared)
    }
}

/// What pthread_mutex_lock(3) and pthread_cond_wait(3) return if the owner died; then the mutex is
/// held.
fn repaired(returned: i32, mutex: *mut libc::pthread_mutex_t) -> Result<(), Failed> {
    if returned == libc::EOWNERDEAD {
        // SAFETY: the mutex of `Shared`, which this process holds.
        return checked(unsafe { libc::pthread_mutex_consistent(mutex) });
    }
    checked(returned)
}

struct PthreadCondvar(NonNull<Shared>);

impl Meeting for PthreadCondvar {
    fn meet(&self, side: usize) -> Result<(), Failed> {
        let shared = self.0.as_ptr();
        // SAFETY: `Shared::new` made them, and they stay mapped; `turn` is read and changed under
        // the mutex.
        unsafe {
            let mutex = &raw mut (*shared).mutex;
            let condvar = &raw mut (*shared).condvar;
            let sides = (*shared).sides;
            repaired(libc::pthread_mutex_lock(mutex), mutex)?;
            while (&raw const (*shared).turn).read_volatile() % sides != side as u64 {
                repaired(libc::pthread_cond_wait(condvar, mutex), mutex)?;
            }
            (*shared).turn += 1;
            checked(libc::pthread_mutex_unlock(mutex))?;
            checked(if sides == 2 {
                libc::pthread_cond_signal(condvar)
            } else {
                libc::pthread_cond_broadcast(condvar)
            })
        }
    }
}

struct PthreadBarrier(NonNull<Shared>);

impl Meeting for PthreadBarrier {
    fn meet(&self, _: usize) -> Result<(), Failed> {
        // SAFETY: `Shared::new` made it, and it stays mapped.
        match unsafe { libc::pthread_barrier_wait(&raw mut (*self.0.as_ptr()).barrier) } {
            libc::PTHREAD_BARRIER_SERIAL_THREAD => Ok(()),
            returned => checked(returned),
        }
    }
}

/// Makes one of a kind for so many processes.
type Make = fn(usize) -> Result<Box<dyn Meeting>, Failed>;

/// pthread's and crossdock's, of each kind.
const KINDS: [(&str, [Make; 2]); 2] = [
    (
        "condvar",
        [
            |sides| Ok(Box::new(PthreadCondvar(Shared::new(sides)?))),
            |sides| {
                let segment = Segment::anonymous()?;
                let (turn, changed) = (segment.create("turn", 0)?, segment.create("changed", ())?);
                Ok(Box::new(OurCondvar(turn, changed, sides as u64)))
            },
        ],
    ),
    (
        "barrier",
        [
            |sides| Ok(Box::new(PthreadBarrier(Shared::new(sides)?))),
            |sides| {
                let barrier = Segment::anonymous()?.create("barrier", sides as u64)?;
                // A party of it is kept beside it.
                let barrier: &Barrier = Box::leak(Box::new(barrier));
                Ok(Box::new(OurBarrier(barrier, RefCell::new(None))))
            },
        ],
    ),
];
const WHOSE: [&str; 2] = ["pthread", "crossdock"];

/// Forks a process that does `body` and ends, with 1 if that fails.
pub(crate) fn fork(body: impl FnOnce() -> Result<(), Failed>) -> Result<i32, Failed> {
    // SAFETY: this program has one thread, so the child may do what this process may.
    match unsafe { libc::fork() } {
        0 => {
            let code = body().is_err().into();
            // SAFETY: ends the process; nothing runs after it.
            unsafe { libc::_exit(code) }
        }
        child if child < 0 => Err(io::Error::last_os_error().into()),
        child => Ok(child),
    }
}

/// Microseconds of a meeting between a process on the first core and one on the second.
fn meetings(make: Make, cores: [usize; 2], count: usize) -> Result<f64, Failed> {
    let meeting = make(2)?;
    let child = fork(|| {
        pin(cores[1])?;
        (0..WARM_UP + count).try_for_each(|_| meeting.meet(1))
    })?;
    pin(cores[0])?;
    let mut begun = Instant::now();
    for number in 0..WARM_UP + count {
        if number == WARM_UP {
            begun = Instant::now();
        }
        meeting.meet(0)?;
    }
    let took = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    Ok(took)
}

/// Takes and prints runs of `count` meetings.
pub(crate) fn measure(count: usize) -> Result<(), Failed> {
    println!("meetings of two processes, medians of {RUNS} runs of {count}");
    for (kind, makes) in KINDS {
        for (placed, cores) in [("one core", [0, 0]), ("two cores", [0, 1])] {
            let (mut took, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
            for _ in 0..RUNS {
                let theirs = meetings(makes[0], cores, count)?;
                let ours = meetings(makes[1], cores, count)?;
                took[0].push(theirs);
                took[1].push(ours);
                ratios.push(ours / theirs);
            }
            let [theirs, ours] = took.map(median);
            let ratio = median(ratios);
            println!(
                "{kind}  {placed:>9}  pthread {theirs:>7.2} us  crossdock {ours:>7.2} us  {ratio:>5.2} x"
            );
        }
    }
    Ok(())
}

/// Has processes meet and kills one of them, so often, at moments that are spread over a
/// millisecond; prints how often a survivor was stuck.
pub(crate) fn kill(kills: u64) -> Result<(), Failed> {
    println!("one of {COMPANY} processes killed, {kills} times each");
    for (kind, makes) in KINDS {
        for (whose, make) in WHOSE.into_iter().zip(makes) {
            let mut stuck = 0;
            for number in 0..kills {
                stuck += u64::from(!goes_on(make, kind, number * 1000 / kills)?);
            }
            println!("{kind}  {whose:>9}  stuck {stuck:>4} of {kills}");
        }
    }
    Ok(())
}

/// Kills one of several processes after so many microseconds. Returns whether the others go on, as
/// far as there is something to go on with: at a condition variable a process takes the dead one's
/// turns, and all end after some; at a barrier they are told that it is broken.
#[expect(
    clippy::disallowed_methods,
    reason = "when the kill comes is any moment; no process waits for it"
)]
fn goes_on(make: Make, kind: &str, after: u64) -> Result<bool, Failed> {
    let meeting = make(COMPANY)?;
    let begun: NonNull<AtomicU64> = shared_memory()?;
    // SAFETY: a fresh mapping of zeros, which stays.
    let begun = unsafe { begun.as_ref() };
    let endless = |side: usize| {
        move |meeting: &dyn Meeting| -> Result<(), Failed> {
            meeting.meet(side)?;
            begun.fetch_add(1, Relaxed);
            loop {
                meeting.meet(side)?;
            }
        }
    };
    let victim = fork(|| endless(0)(&*meeting))?;
    let mut others = Vec::new();
    for side in 1..COMPANY {
        let run = endless(side);
        others.push(fork(|| run(&*meeting))?);
    }
    // All are registered once each has met the others.
    let deadline = Instant::now() + PATIENCE;
    while begun.load(Relaxed) < COMPANY as u64 {
        if Instant::now() > deadline {
            return Err("the processes do not meet".into());
        }
        sleep(Duration::from_micros(200));
    }
    sleep(Duration::from_micros(after));
    // SAFETY: a child of this process that was not waited for.
    unsafe { libc::kill(victim, libc::SIGKILL) };
    ended(victim, PATIENCE);
    let well = if kind == "condvar" {
        // A process that takes the dead one's turns, a few hundred of them.
        let substitute = fork(|| (0..300).try_for_each(|_| meeting.meet(0)))?;
        let well = ended(substitute, PATIENCE);
        others.push(substitute);
        well
    } else {
        others.iter().all(|other| ended(*other, PATIENCE))
    };
    for other in others {
        if !ended(other, Duration::ZERO) {
            // SAFETY: as above.
            unsafe { libc::kill(other, libc::SIGKILL) };
            ended(other, PATIENCE);
        }
    }
    Ok(well)
}

/// Returns whether a child has ended within `patience`.
#[expect(
    clippy::disallowed_methods,
    reason = "a pause between two looks at a child, with a deadline"
)]
fn ended(child: i32, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        // SAFETY: no status is asked for.
        let waited = unsafe { libc::waitpid(child, std::ptr::null_mut(), libc::WNOHANG) };
        if waited != 0 {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_micros(200));
    }
}
