//! `torture meetings`: processes that hand goods over by a condition variable and pass a barrier
//! together, killed meanwhile; nothing is lost or doubled, and all that pass a step were as many as
//! it takes.

use std::time::Duration;

use crossdock::sync::{Barrier, BarrierError, BarrierTimeoutError, Condvar, LockError, MutexGuard};
use crossdock::{Counter, Mutex, Segment};

use crate::process::{Broken, Rig};
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::has_bug;
use crate::torture::job::Job;
use crate::torture::worker::Ended;

/// How many pass the barrier together: fewer than workers, so that some find no seat.
const PARTIES: u64 = 3;
const SHORT: Duration = Duration::from_millis(5);

pub(crate) struct Meetings {
    stock: Mutex<u64>,
    arrived: Condvar,
    barrier: Barrier,
    given: Counter,
    taken: Counter,
    passed: Counter,
    leaders: Counter,
}

impl Job for Meetings {
    const NAME: &'static str = "meetings";

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        Ok(Self {
            stock: segment.open_or_create("stock", 0)?,
            arrived: segment.open_or_create("arrived", ())?,
            barrier: segment.open_or_create("barrier", PARTIES)?,
            given: segment.open_or_create("given", 0)?,
            taken: segment.open_or_create("taken", 0)?,
            passed: segment.open_or_create("passed", 0)?,
            leaders: segment.open_or_create("leaders", 0)?,
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..370 => {
                // The seeded bug: goods that do not arrive.
                *self.lock()? += u64::from(!has_bug());
                self.given.add(1);
                if random.below(4) == 0 {
                    self.arrived.notify_all();
                } else {
                    self.arrived.notify_one();
                }
            }
            370..740 => {
                let guard = self.lock()?;
                let empty = |stock: &mut u64| *stock == 0;
                let mut guard = match self.arrived.wait_timeout_while(guard, SHORT, empty) {
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
                    self.taken.add(1);
                }
            }
            _ => match self.barrier.wait_timeout(SHORT) {
                Ok(result) => {
                    self.passed.add(1);
                    self.leaders.add(result.is_leader().into());
                }
                Err(BarrierTimeoutError::Barrier(BarrierError::Broken)) => self.barrier.reset()?,
                Err(
                    BarrierTimeoutError::Timeout
                    | BarrierTimeoutError::Barrier(BarrierError::Full { .. }),
                ) => {}
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let kills = tally.cut_off;
        let faults = &mut tally.faults;
        let (given, taken) = (self.given.load(), self.taken.load());
        let left = *self.lock().map_err(|error| Broken(error.to_string()))?;
        // Each thread that is killed can be cut off between a change and its count.
        if given.abs_diff(taken + left) > kills {
            faults.push(format!(
                "{given} goods were given, {taken} taken, {left} are left, with {kills} threads killed"
            ));
        }
        let (passed, leaders) = (self.passed.load(), self.leaders.load());
        if passed.abs_diff(PARTIES * leaders) > PARTIES * kills {
            faults.push(format!(
                "{passed} passed {leaders} steps of {PARTIES}, with {kills} threads killed"
            ));
        }
        if taken == 0 || leaders == 0 {
            faults.push("too little was done: nothing was taken, or no step passed".into());
        }
        let barrier = &self.barrier;
        barrier.reset()?;
        let has_all = u64::from(barrier.parties()) == PARTIES;
        if barrier.is_broken() || barrier.n_waiting() != 0 || !has_all {
            faults.push(format!("after a reset {barrier:?}"));
        }
        for _ in 0..PARTIES {
            match barrier.register() {
                Ok(party) => std::mem::forget(party),
                Err(error) => faults.push(format!("a seat is still taken: {error}")),
            }
        }
        Ok(format!("{taken} goods taken, {leaders} steps passed"))
    }
}

impl Meetings {
    /// Locks the stock; an owner that died leaves nothing to repair.
    fn lock(&self) -> Result<MutexGuard<'_, u64>, LockError> {
        self.stock.lock_or_repair(|_| ())
    }
}
