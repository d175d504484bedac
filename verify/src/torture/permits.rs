//! `torture permits`: holders of permits that are killed; never are there more of them than permits, and no
//! signal is lost.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crossdock::sync::{
    AcquireTimeoutError, AddPermitsError, LockError, MutexGuard, Semaphore, SemaphoreOptions,
    TryAcquireError, TryLockError,
};
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::process::Broken;
use crate::random::Random;
use crate::torture::driver::{Job, Plan, Tally, WINDOW, drive};
use crate::torture::way::Way;
use crate::torture::worker::{Ended, Orders};
use crate::torture::{Report, TortureArgs, abandoned, has_bug, take_away};

const PROCESSES: u16 = 6;
/// Fewer than workers, so that many wait.
const PERMITS: u32 = 4;
const SIGNALS: u64 = 64;
const SHORT: Duration = Duration::from_millis(2);

/// A process's handles.
struct Shared {
    segment: Segment,
    permits: Semaphore,
    /// As many as permits: each holder of a permit finds one that is free.
    seats: Vec<Mutex<()>>,
    /// Permits that are added, and taken out.
    signals: Semaphore,
    added: Counter,
    consumed: Counter,
    held: Counter,
    /// Not 0 when workers shall leave.
    stop: Counter,
}

fn progress_name(slot: usize) -> String {
    format!("progress.{slot}")
}

fn seat_name(seat: u32) -> String {
    format!("seat.{seat}")
}

impl Shared {
    fn create(way: &Way, plan: Plan) -> Result<Self, Broken> {
        let participants = u32::try_from(plan.processes)? + 2;
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(participants)
            .entries(u32::try_from(plan.slots())? + PERMITS + 16);
        let segment = way.create(&options)?;
        for slot in 0..plan.slots() {
            segment.create::<Counter>(&progress_name(slot), 0)?;
        }
        for seat in 0..PERMITS {
            segment.create::<Mutex<()>>(&seat_name(seat), ())?;
        }
        segment.create::<Semaphore>("permits", u64::from(PERMITS))?;
        let options = SemaphoreOptions::new(0).most(SIGNALS);
        segment.create::<Semaphore>("signals", options)?;
        for name in ["added", "consumed", "held", "stop"] {
            segment.create::<Counter>(name, 0)?;
        }
        Self::attach(segment)
    }

    fn attach(segment: Segment) -> Result<Self, Broken> {
        let seats = (0..PERMITS).map(|seat| segment.open(&seat_name(seat)));
        Ok(Self {
            permits: segment.open("permits")?,
            seats: seats.collect::<Result<_, _>>()?,
            signals: segment.open("signals")?,
            added: segment.open("added")?,
            consumed: segment.open("consumed")?,
            held: segment.open("held")?,
            stop: segment.open("stop")?,
            segment,
        })
    }
}

/// The work at one segment.
struct Hall {
    way: Way,
    shared: Shared,
    progress: Vec<Counter>,
}

impl Job for Hall {
    const NAME: &'static str = "permits";

    fn equip(&self, command: &mut Command) -> Result<(), Broken> {
        self.way.show(&self.shared.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.progress[slot].load()
    }

    fn dismiss(&self) {
        self.shared.stop.store(1);
    }
}

pub(crate) fn run(args: &TortureArgs, mut random: Random) -> Result<Report, Broken> {
    let plan = Plan::of(args, PROCESSES);
    let way = Way::any(&mut random);
    let shared = Shared::create(&way, plan)?;
    let progress = (0..plan.slots())
        .map(|slot| shared.segment.open(&progress_name(slot)))
        .collect::<Result<_, _>>()?;
    let mut hall = Hall {
        way,
        shared,
        progress,
    };
    let mut tally = Tally::default();
    let time = Duration::from_secs(args.secs);
    let driven = drive(plan, &mut hall, &mut random, &mut tally, time);
    let shared = hall.shared;
    if driven.is_ok() {
        judge(&shared, &mut tally);
    }
    take_away(&shared.segment, &mut tally.faults)?;
    driven?;
    Ok(Report {
        what: Hall::NAME,
        done: format!(
            "{} permits held, {} signals consumed",
            shared.held.load(),
            shared.consumed.load()
        ),
        tally,
    })
}

/// What must hold when all have left or are dead.
fn judge(shared: &Shared, tally: &mut Tally) {
    let kills = tally.cut_off;
    let faults = &mut tally.faults;
    faults.extend(abandoned(&shared.segment));
    let free = shared.permits.available();
    if free != PERMITS || !shared.permits.holders().is_empty() {
        faults.push(format!("{free} of {PERMITS} permits are free"));
    }
    if !shared.signals.holders().is_empty() {
        faults.push("a signal is still held".into());
    }
    // Each thread that is killed can be cut off between a signal and its count.
    let (added, consumed) = (shared.added.load(), shared.consumed.load());
    let left = u64::from(shared.signals.available());
    if added.abs_diff(consumed + left) > kills {
        faults.push(format!(
            "{added} signals were added, {consumed} consumed, {left} are left, with {kills} threads killed"
        ));
    }
    if shared.held.load() == 0 || consumed == 0 {
        faults.push("no permit was held, or no signal consumed".into());
    }
}

pub(crate) fn work(mut orders: Orders) -> Result<ExitCode, Broken> {
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let shared = Shared::attach(orders.way.open()?)?;
        let progress = shared
            .segment
            .open::<Counter>(&progress_name(orders.slot))?;
        for _ in 0..orders.random.below(20_000) {
            if let Err(ended) = operate(&shared, &mut orders.random) {
                return ended.of_worker(orders.slot);
            }
            progress.add(1);
        }
    }
}

/// One operation.
fn operate(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    match random.below(1000) {
        0..700 => hold(shared, random)?,
        700..820 => match shared.signals.add_permits(1) {
            Ok(()) => {
                shared.added.add(1);
            }
            Err(AddPermitsError::NoRoom { .. }) => {}
            Err(error) => return Err(error.into()),
        },
        820..950 => match shared.signals.acquire_timeout(SHORT) {
            Ok(signal) => {
                signal.forget();
                // The seeded bug: half of the signals are consumed twice.
                shared
                    .consumed
                    .add(1 + u64::from(has_bug() && random.below(2) == 0));
            }
            Err(AcquireTimeoutError::Timeout) => {}
            Err(error) => return Err(error.into()),
        },
        950..960 => {
            let reaping = shared.segment.reap();
            if reaping.stuck > 0 {
                return Err(Ended::Wrong(format!("{} places are stuck", reaping.stuck)));
            }
        }
        960 if random.below(50) == 0 => return Err(Ended::Replaced),
        _ if shared.stop.load() != 0 => return Err(Ended::Left),
        _ => {}
    }
    Ok(())
}

/// Holds one permit or some, with a seat for each.
fn hold(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    let permits = match random.below(8) {
        0 => {
            let count = 1 + u32::try_from(random.below(PERMITS.into()))?;
            match shared.permits.acquire_many_timeout(count, SHORT) {
                Ok(permits) => permits.into_permits(),
                Err(AcquireTimeoutError::Timeout) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        1 => match shared.permits.try_acquire() {
            Ok(permit) => vec![permit],
            Err(TryAcquireError::WouldBlock) => return Ok(()),
            Err(error) => return Err(error.into()),
        },
        _ => vec![shared.permits.acquire()?],
    };
    let seats = permits
        .iter()
        .map(|_| sit(shared))
        .collect::<Result<Vec<_>, _>>()?;
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
    shared.held.add(permits.len() as u64);
    drop(seats);
    drop(permits);
    Ok(())
}

/// Takes one of the seats. Holders of permits have as many, so one is free, though not always the one that is
/// looked at.
fn sit(shared: &Shared) -> Result<MutexGuard<'_, ()>, Ended> {
    let begun = Instant::now();
    loop {
        for seat in &shared.seats {
            match seat.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Lock(LockError::OwnerDied(mut guard))) => {
                    guard.mark_consistent();
                    return Ok(guard);
                }
                Err(TryLockError::WouldBlock { .. }) => {}
                Err(error) => return Err(Ended::Wrong(error.to_string())),
            }
        }
        if begun.elapsed() > WINDOW / 2 {
            return Err(Ended::Wrong("there are more holders than permits".into()));
        }
        std::thread::yield_now();
    }
}
