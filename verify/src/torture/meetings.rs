//! `torture meetings`: processes that hand goods over by a condition variable and pass a barrier together,
//! killed meanwhile; nothing is lost or doubled, and all that pass a step were as many as it takes.

use std::process::{Command, ExitCode};
use std::time::Duration;

use crossdock::sync::{Barrier, BarrierError, BarrierTimeoutError, Condvar, LockError, MutexGuard};
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::process::Broken;
use crate::random::Random;
use crate::torture::driver::{Job, Plan, Tally, drive};
use crate::torture::way::Way;
use crate::torture::worker::{Ended, Orders};
use crate::torture::{Report, TortureArgs, abandoned, take_away};

const PROCESSES: u16 = 6;
/// How many pass the barrier together: fewer than workers, so that some find no seat.
const PARTIES: u64 = 3;
const SHORT: Duration = Duration::from_millis(5);

/// A process's handles.
struct Shared {
    segment: Segment,
    stock: Mutex<u64>,
    arrived: Condvar,
    barrier: Barrier,
    given: Counter,
    taken: Counter,
    passed: Counter,
    leaders: Counter,
    /// Not 0 when workers shall leave.
    stop: Counter,
}

fn progress_name(slot: usize) -> String {
    format!("progress.{slot}")
}

impl Shared {
    fn create(way: &Way, plan: Plan) -> Result<Self, Broken> {
        let participants = u32::try_from(plan.processes)? + 2;
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(participants)
            .entries(u32::try_from(plan.slots())? + 16);
        let segment = way.create(&options)?;
        for slot in 0..plan.slots() {
            segment.create::<Counter>(&progress_name(slot), 0)?;
        }
        segment.create::<Mutex<u64>>("stock", 0)?;
        segment.create::<Condvar>("arrived", ())?;
        segment.create::<Barrier>("barrier", PARTIES)?;
        for name in ["given", "taken", "passed", "leaders", "stop"] {
            segment.create::<Counter>(name, 0)?;
        }
        Self::attach(segment)
    }

    fn attach(segment: Segment) -> Result<Self, Broken> {
        Ok(Self {
            stock: segment.open("stock")?,
            arrived: segment.open("arrived")?,
            barrier: segment.open("barrier")?,
            given: segment.open("given")?,
            taken: segment.open("taken")?,
            passed: segment.open("passed")?,
            leaders: segment.open("leaders")?,
            stop: segment.open("stop")?,
            segment,
        })
    }

    /// Locks the stock; an owner that died leaves nothing to repair.
    fn lock(&self) -> Result<MutexGuard<'_, u64>, LockError> {
        self.stock.lock_or_repair(|_| ())
    }
}

/// The work at one segment.
struct Hall {
    way: Way,
    shared: Shared,
    progress: Vec<Counter>,
}

impl Job for Hall {
    const NAME: &'static str = "meetings";

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
        judge(&shared, &mut tally)?;
    }
    take_away(&shared.segment, &mut tally.faults)?;
    driven?;
    Ok(Report {
        what: Hall::NAME,
        done: format!(
            "{} goods taken, {} steps passed",
            shared.taken.load(),
            shared.leaders.load()
        ),
        tally,
    })
}

/// What must hold when all have left or are dead.
fn judge(shared: &Shared, tally: &mut Tally) -> Result<(), Broken> {
    let kills = tally.cut_off;
    let faults = &mut tally.faults;
    faults.extend(abandoned(&shared.segment));
    let (given, taken) = (shared.given.load(), shared.taken.load());
    let left = *shared.lock().map_err(|error| Broken(error.to_string()))?;
    // Each thread that is killed can be cut off between a change and its count.
    if given.abs_diff(taken + left) > kills {
        faults.push(format!(
            "{given} goods were given, {taken} taken, {left} are left, with {kills} threads killed"
        ));
    }
    let (passed, leaders) = (shared.passed.load(), shared.leaders.load());
    if passed.abs_diff(PARTIES * leaders) > PARTIES * kills {
        faults.push(format!(
            "{passed} passed {leaders} steps of {PARTIES}, with {kills} threads killed"
        ));
    }
    if taken == 0 || leaders == 0 {
        faults.push("nothing was taken, or no step passed".into());
    }
    shared.barrier.reset()?;
    let barrier = &shared.barrier;
    if barrier.is_broken() || barrier.n_waiting() != 0 || u64::from(barrier.parties()) != PARTIES {
        faults.push(format!("after a reset {barrier:?}"));
    }
    for _ in 0..PARTIES {
        match barrier.register() {
            Ok(party) => std::mem::forget(party),
            Err(error) => faults.push(format!("a seat is still taken: {error}")),
        }
    }
    Ok(())
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
        0..350 => {
            *shared.lock()? += 1;
            shared.given.add(1);
            if random.below(4) == 0 {
                shared.arrived.notify_all();
            } else {
                shared.arrived.notify_one();
            }
        }
        350..700 => {
            let guard = shared.lock()?;
            let empty = |stock: &mut u64| *stock == 0;
            let mut guard = match shared.arrived.wait_timeout_while(guard, SHORT, empty) {
                Ok((guard, _)) => guard,
                Err(error) => match error.into_guard() {
                    Some((mut guard, _)) => {
                        guard.mark_consistent();
                        guard
                    }
                    None => return Err(Ended::Wrong("a wait without its lock".into())),
                },
            };
            if *guard > 0 {
                *guard -= 1;
                shared.taken.add(1);
            }
        }
        700..950 => match shared.barrier.wait_timeout(SHORT) {
            Ok(result) => {
                shared.passed.add(1);
                shared.leaders.add(result.is_leader().into());
            }
            Err(BarrierTimeoutError::Timeout) => {}
            Err(BarrierTimeoutError::Barrier(BarrierError::Broken)) => shared.barrier.reset()?,
            Err(BarrierTimeoutError::Barrier(BarrierError::Full { .. })) => {}
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
