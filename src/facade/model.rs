//! The facade under the `loom` cfg: loom's atomics, a modelled futex, and death at any step.
//!
//! - **Steps.** Every shared access is a step. [`process`] runs a body as a process that dies
//!   before its k-th step: it unwinds, so that nothing of its own code runs any more, and then the
//!   modelled kernel does what the real one does: drop the process's byte locks, after its last
//!   store. A sweep runs the model for every k until the victim survives.
//! - **Time.** Real waiters sleep in slices. A model in which a sleep may end at any time would
//!   hide every lost wake-up behind "the slice ended"; one in which it never ends would report the
//!   wake that a dead process owed. So each death ends two sleeps of every other process, the one
//!   it is in or the next ones, and nothing else ends a sleep but a wake: the models prove that two
//!   looks after the last death are enough.
//! - **Soft faults.** [`soft_fault_at`] makes the k-th operation that may fail without cause do so
//!   once: a weak CAS, a wait that returns at once. loom itself never does either.
//! - **Seeded bugs.** [`mutation`] is true for the number in `CROSSDOCK_MUTANT`.

mod exclusion;
mod explore;

use core::time::Duration;
use std::cell::Cell as StdCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64 as StdAtomicU64, Ordering::Relaxed as StdRelaxed};

use loom::sync::atomic as la;
use loom::sync::atomic::Ordering;
use loom::thread::JoinHandle;

pub(crate) use std::sync::{Arc, Weak};

pub(crate) use exclusion::{Exclusive, Guarded, exclusive};
pub(crate) use explore::{
    explore, explore_at_least, explore_deaths, explore_deaths_at_least, explore_deaths_one_less,
    explore_one_less, explore_soft_faults, explore_stops, explore_two_deaths,
};

/// Whether the seeded bug `number` is the one under test.
pub(crate) fn mutation(number: u32) -> bool {
    static ACTIVE: OnceLock<u32> = OnceLock::new();
    let active = ACTIVE.get_or_init(|| {
        std::env::var("CROSSDOCK_MUTANT")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    });
    *active == number
}

/// What happened in the interleavings of the running exploration.
static DEATHS: StdAtomicU64 = StdAtomicU64::new(0);
/// The same of process 1, 2 and 3, each by itself.
static DEATHS_OF: [StdAtomicU64; 3] = [const { StdAtomicU64::new(0) }; 3];
static SOFT_FAULTS: StdAtomicU64 = StdAtomicU64::new(0);

loom::thread_local! {
    static STEPS_LEFT: StdCell<Option<u32>> = StdCell::new(None);
    /// Which process runs, 0 for none.
    static RUNNING: StdCell<u32> = StdCell::new(0);
    static SOFT_LEFT: StdCell<Option<u32>> = StdCell::new(None);
    /// What happens while the running process is stopped, in place of its death.
    static MEANWHILE: StdCell<Option<Box<dyn FnOnce()>>> = StdCell::new(None);
    /// How many deaths this process has slept through, and how many slices it has left of the last.
    static SLICES: StdCell<(u32, u32)> = StdCell::new((0, 0));
}

/// How many sleeps of a process a death ends.
const SLICES_PER_DEATH: u32 = 2;

/// What a dying process unwinds with.
struct Killed;

/// The process that runs, 0 for none.
pub(crate) fn running() -> u32 {
    RUNNING.with(StdCell::get)
}

/// A point where the running process may die; the facade calls it before every shared access.
pub(crate) fn step() {
    let dies = STEPS_LEFT.with(|left| match left.get() {
        Some(0) => true,
        Some(n) => {
            left.set(Some(n - 1));
            false
        }
        None => false,
    });
    if dies {
        DEATHS.fetch_add(1, StdRelaxed);
        let running = running() as usize;
        if let Some(deaths) = running.checked_sub(1).and_then(|at| DEATHS_OF.get(at)) {
            deaths.fetch_add(1, StdRelaxed);
        }
        match MEANWHILE.with(StdCell::take) {
            None => die(),
            Some(meanwhile) => {
                STEPS_LEFT.with(|left| left.set(None));
                meanwhile();
            }
        }
    }
}

/// The running process dies here; not counted, since no sweep over its steps asked for it.
pub(crate) fn die() -> ! {
    STEPS_LEFT.with(|left| left.set(None));
    std::panic::resume_unwind(Box::new(Killed))
}

fn soft_fault() -> bool {
    SOFT_LEFT.with(|left| match left.get() {
        Some(0) => {
            left.set(None);
            SOFT_FAULTS.fetch_add(1, StdRelaxed);
            true
        }
        Some(n) => {
            left.set(Some(n - 1));
            false
        }
        None => false,
    })
}

/// Makes the `k`-th operation of this process that may fail without cause do so.
pub(crate) fn soft_fault_at(k: Option<u32>) {
    SOFT_LEFT.with(|left| left.set(k));
}

/// The machine that the modelled processes run on; one per execution.
pub(crate) struct Kernel {
    sleepers: loom::sync::Mutex<Sleepers>,
    /// Byte locks: 0 or the process that holds it. They die with the process.
    bytes: [la::AtomicU32; 3],
}

#[derive(Default)]
struct Sleepers {
    /// The sleepers of each word; a sleeper on several words is listed once for each.
    queue: VecDeque<(usize, Arc<Sleeper>)>,
    deaths: u32,
}

impl Sleepers {
    fn remove(&mut self, me: &Arc<Sleeper>) {
        self.queue.retain(|(_, sleeper)| !Arc::ptr_eq(sleeper, me));
    }

    /// Returns whether this process's slice ends, because a process has died.
    fn slice_ends(&self) -> bool {
        SLICES.with(|slices| {
            let (deaths, left) = slices.get();
            let left = if deaths < self.deaths {
                SLICES_PER_DEATH
            } else {
                left
            };
            slices.set((self.deaths, left.saturating_sub(1)));
            left > 0
        })
    }
}

struct Sleeper {
    signal: loom::sync::Condvar,
    awake: StdCell<bool>,
}

// SAFETY: `awake` is only touched while `Kernel::sleepers` is locked.
unsafe impl Send for Sleeper {}
// SAFETY: as above.
unsafe impl Sync for Sleeper {}

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel {
        sleepers: loom::sync::Mutex::new(Sleepers::default()),
        bytes: [la::AtomicU32::new(0), la::AtomicU32::new(0), la::AtomicU32::new(0)],
    };
}

/// Starts a thread. What loom makes of one is built once, and not for each process of each model,
/// which took a good part of the time of the build.
pub(crate) fn spawn(body: impl FnOnce() -> bool + 'static) -> JoinHandle<bool> {
    loom::thread::spawn::<Box<dyn FnOnce() -> bool>, bool>(Box::new(body))
}

/// Runs `body` as process `id` (not 0), which dies before its `death`-th step.
///
/// Returns whether it survived. `body` is only borrowed, so that what it has captured is dropped
/// after the unwinding: loom's `Arc` lets others run when it is dropped, and to std they all run
/// on the thread that is panicking, which poisons their mutexes.
pub(crate) fn process<R>(id: u32, death: Option<u32>, body: impl Fn() -> R) -> bool {
    let returned = StdCell::new(None);
    let survived = process_of(id, death, &|| returned.set(Some(body())));
    drop(returned);
    survived
}

/// [`process`], which is built once.
fn process_of(id: u32, death: Option<u32>, body: &dyn Fn()) -> bool {
    STEPS_LEFT.with(|left| left.set(death));
    RUNNING.with(|running| running.set(id));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    STEPS_LEFT.with(|left| left.set(None));
    match outcome {
        Ok(()) => true,
        Err(cause) if cause.is::<Killed>() => {
            for byte in &KERNEL.bytes {
                // The kernel drops a lock after the last store of its holder: Release.
                let _ = byte.compare_exchange(id, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
            let mut sleepers = KERNEL.sleepers.lock().unwrap();
            sleepers.deaths += 1;
            for (_, sleeper) in &sleepers.queue {
                sleeper.signal.notify_one();
            }
            false
        }
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

/// Runs `body` as process `id` (not 0), which is stopped before its `stop`-th step, and goes on
/// after `meanwhile`, which is what another process does. No two of their steps are interleaved
/// otherwise, so a model has as many runs as `body` has steps, however long `meanwhile` is.
pub(crate) fn stopped_process(
    id: u32,
    stop: Option<u32>,
    meanwhile: impl FnOnce() + 'static,
    body: impl Fn(),
) {
    MEANWHILE.with(|place| place.set(Some(Box::new(meanwhile))));
    process(id, stop, body);
    drop(MEANWHILE.with(StdCell::take));
}

/// `F_OFD_SETLK` of byte `index` for process `id`: whether it was free (or its own).
pub(crate) fn lock_byte(index: u32, id: u32) -> bool {
    step();
    let byte = &KERNEL.bytes[index as usize];
    byte.compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

/// Unlocks byte `index`, which process `id` holds.
pub(crate) fn unlock_byte(index: u32, id: u32) {
    step();
    let byte = &KERNEL.bytes[index as usize];
    let _ = byte.compare_exchange(id, 0, Ordering::AcqRel, Ordering::Relaxed);
}

/// Seeded bugs of processes that ask the kernel: a second death goes unnoticed. A number for each
/// model of two deaths, each of which must break.
const SECOND_DEATH_UNNOTICED: core::ops::RangeInclusive<u32> = 750..=769;
/// As those, in the models of an end that goes to a child: of the endpoint counts, and of a ring.
const SECOND_DEATH_OF_A_CHILD_UNNOTICED: [u32; 2] = [517, 547];
/// As those, in the models of a manager.
const SECOND_DEATH_IN_A_MANAGER_UNNOTICED: core::ops::RangeInclusive<u32> = 906..=909;

/// `F_OFD_GETLK` of byte `index`. An RMW, since the kernel's answer is never stale.
pub(crate) fn is_byte_locked(index: u32) -> bool {
    step();
    let mut unnoticed = SECOND_DEATH_UNNOTICED
        .chain(SECOND_DEATH_OF_A_CHILD_UNNOTICED)
        .chain(SECOND_DEATH_IN_A_MANAGER_UNNOTICED);
    if unnoticed.any(mutation) && KERNEL.sleepers.lock().unwrap().deaths > 1 {
        return true;
    }
    KERNEL.bytes[index as usize].fetch_add(0, Ordering::AcqRel) != 0
}

macro_rules! atomic {
    (@change $int:ty: $($operation:ident)+) => {$(
        #[track_caller]
        pub(crate) fn $operation(&self, value: $int, order: Ordering) -> $int {
            step();
            self.0.$operation(value, order)
        }
    )+};
    ($name:ident, $int:ty) => {
        /// loom's atomic; every access is a step.
        #[derive(Debug)]
        pub(crate) struct $name(la::$name);

        impl $name {
            #[track_caller]
            pub(crate) fn new(value: $int) -> Self {
                Self(la::$name::new(value))
            }
            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $int {
                step();
                self.0.load(order)
            }
            #[track_caller]
            pub(crate) fn store(&self, value: $int, order: Ordering) {
                step();
                self.0.store(value, order);
            }
            atomic! { @change $int: swap fetch_add fetch_sub fetch_and fetch_or fetch_xor }
            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }
            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                step();
                if soft_fault() {
                    return Err(self.0.load(failure));
                }
                self.0.compare_exchange(current, new, success, failure)
            }
        }
    };
}
atomic!(AtomicU8, u8);
atomic!(AtomicU16, u16);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);

/// A word with the kernel's wait queue: the value is compared under the queue's lock.
pub(crate) struct Futex(AtomicU32);

impl Futex {
    #[track_caller]
    pub(crate) fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }
    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn wake(&self, count: u32) -> u32 {
        step();
        let mut sleepers = KERNEL.sleepers.lock().unwrap();
        for woken in 0..count {
            let place = sleepers.queue.iter().position(|(on, _)| *on == self.key());
            let Some((_, sleeper)) = place.and_then(|place| sleepers.queue.remove(place)) else {
                return woken;
            };
            sleeper.awake.set(true);
            sleeper.signal.notify_one();
        }
        count
    }
}

impl Deref for Futex {
    type Target = AtomicU32;

    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

/// As [`futex_wait_any`], for one word.
pub(crate) fn futex_wait(word: &Futex, expected: u32, slice: Duration) {
    futex_wait_any(&[(word, expected)], slice);
}

/// As the kernel does it, word for word: each is compared, and slept on, under the queue's lock,
/// but not all at once. A wake by one word leaves the sleeper on the others until it runs, so it
/// can take the wakes of several.
pub(crate) fn futex_wait_any(words: &[(&Futex, u32)], _slice: Duration) {
    step();
    if words.is_empty() || soft_fault() {
        return;
    }
    let me = Arc::new(Sleeper {
        signal: loom::sync::Condvar::new(),
        awake: StdCell::new(false),
    });
    // An RMW reads the newest value in loom.
    let changed =
        |(word, expected): &(&Futex, u32)| word.0.0.fetch_add(0, Ordering::Relaxed) != *expected;
    let mut sleepers = KERNEL.sleepers.lock().unwrap();
    for (number, word) in words.iter().enumerate() {
        if number > 0 {
            drop(sleepers);
            sleepers = KERNEL.sleepers.lock().unwrap();
        }
        if changed(word) {
            return sleepers.remove(&me);
        }
        sleepers.queue.push_back((word.0.key(), me.clone()));
    }
    // A seeded bug: a sleeper whose word has changed relies on being woken.
    let trusting = mutation(15);
    let mut trusts = false;
    while !me.awake.get() && (trusts || !sleepers.slice_ends()) {
        sleepers = me.signal.wait(sleepers).unwrap();
        trusts = trusting && words.iter().any(changed);
    }
    sleepers.remove(&me);
}

std::thread_local! {
    static CLOCK: StdCell<u64> = const { StdCell::new(0) };
}

/// The time, which passes when the model says so.
pub(crate) fn clock() -> u64 {
    CLOCK.get()
}

/// Sets the time, in nanoseconds; to be set back at the end of the model.
pub(crate) fn set_clock(now: u64) {
    CLOCK.set(now);
}

/// Time does not pass for a waiter.
pub(crate) fn clock_here() -> u64 {
    0
}

/// Every slice has ended, so models cover what a sleeper does then.
pub(crate) fn has_passed(_end: u64) -> bool {
    true
}

/// What a handle remembers of its waits: models have no handles.
#[derive(Debug)]
pub(crate) struct WaitHistory;

impl WaitHistory {
    pub(crate) fn resume(&self, _progress: u64, now: u64) -> u64 {
        now
    }
    pub(crate) fn keep(&self, _now: u64) {}
    pub(crate) fn end(&self) {}
    pub(crate) fn spins(&self) -> bool {
        false
    }
    pub(crate) fn spun(&self, _in_vain: bool) {}
}

std::thread_local! {
    /// Whether the modelled kernel refuses membarrier(2). loom runs all its threads on one of
    /// std's.
    static REFUSES_MEMBARRIER: StdCell<bool> = const { StdCell::new(false) };
}

/// Explores models in which the kernel refuses membarrier(2) to every process.
pub(crate) fn without_membarrier(explore: impl FnOnce()) {
    REFUSES_MEMBARRIER.set(true);
    explore();
    REFUSES_MEMBARRIER.set(false);
}

/// The light side of a barrier between two processes: under loom as strong as the heavy one, for
/// that is what both amount to, and nothing without membarrier(2).
pub(crate) fn light_barrier() {
    if !REFUSES_MEMBARRIER.get() {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// The heavy side; false if it was none for others.
pub(crate) fn heavy_barrier() -> bool {
    step();
    loom::sync::atomic::fence(Ordering::SeqCst);
    !REFUSES_MEMBARRIER.get()
}

/// Whether the kernel has refused this process a heavy barrier.
pub(crate) fn lacks_heavy_barrier() -> bool {
    REFUSES_MEMBARRIER.get()
}

/// The barrier of a process that has just changed a word.
pub(crate) fn barrier_after_rmw() {
    step();
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Takes part in the heavy barriers of others, if the modelled kernel lets it.
pub(crate) fn use_light_barriers() -> bool {
    !REFUSES_MEMBARRIER.get()
}

/// loom runs every thread in the order of its program.
pub(crate) fn program_order() {}

/// Plain data in one race-checked cell: loom fails the model if a read can meet a write.
pub(crate) struct Words<const N: usize>(loom::cell::UnsafeCell<[u64; N]>);

impl<const N: usize> Words<N> {
    #[track_caller]
    pub(crate) fn new(words: [u64; N]) -> Self {
        Self(loom::cell::UnsafeCell::new(words))
    }
    #[track_caller]
    pub(crate) fn read(&self) -> [u64; N] {
        step();
        // SAFETY: loom fails the model before this is a race.
        self.0.with(|words| unsafe { *words })
    }
    #[track_caller]
    pub(crate) fn write(&self, words: &[u64; N]) {
        step();
        // SAFETY: as in `read`.
        self.0.with_mut(|cell| unsafe { *cell = *words });
    }
}

// SAFETY: loom's cell checks that accesses are ordered.
unsafe impl<const N: usize> Sync for Words<N> {}

/// A deadline that never comes, or has passed after so many looks.
#[derive(Debug)]
pub(crate) struct Deadline(Option<StdCell<u32>>);

/// How long a waiter may still sleep.
#[derive(Debug)]
pub(crate) enum Left {
    Forever,
    For(Duration),
    Passed,
}

impl Deadline {
    pub(crate) fn never() -> Self {
        Self(None)
    }
    /// A deadline that has passed when it is looked at for the `looks + 1`-th time.
    pub(crate) fn after_looks(looks: u32) -> Self {
        Self(Some(StdCell::new(looks)))
    }
    /// The same: what takes long is as long as the model says.
    pub(crate) fn within(&self, _longest: Duration) -> Self {
        Self(self.0.clone())
    }
    pub(crate) fn left(&self) -> Left {
        match &self.0 {
            None => Left::Forever,
            Some(looks) if looks.get() == 0 => Left::Passed,
            Some(looks) => {
                looks.set(looks.get() - 1);
                Left::For(Duration::from_millis(1))
            }
        }
    }
}

/// Models never spin, whatever the pace.
pub(crate) struct Backoff;

impl Backoff {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn of(_pace: super::Pace) -> Self {
        Self
    }
    pub(crate) fn close(_pace: super::Pace) -> Self {
        Self
    }
    pub(crate) fn spin(&mut self) -> bool {
        false
    }
    pub(crate) fn spin_on(&mut self, _slice: Duration) -> bool {
        false
    }
}

/// Nor are they patient.
pub(crate) struct ShortSpin;

impl ShortSpin {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn follow(_steps: u64) -> bool {
        false
    }
    pub(crate) fn wait(&mut self) -> bool {
        false
    }
}
