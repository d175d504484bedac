//! A worker: random operations, until it is told to leave or killed.

use std::process::ExitCode;
use std::time::Duration;

use crossdock::Counter;
use crossdock::segment::Monitor;
use crossdock::sync::{LockError, LockTimeoutError, MutexGuard, TryLockError};

use crate::process::Broken;
use crate::random::Random;
use crate::torture::worker::{Ended, Orders};

use super::ledger::{ACCOUNTS, Ledger};
use super::shared::{EXTRA_VALUE, EXTRAS, SUMS, Shared, extra_name, progress_name};

pub(crate) fn work(mut orders: Orders) -> Result<ExitCode, Broken> {
    let random = &mut orders.random;
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let shared = Shared::open(&orders.way)?;
        let name = progress_name(orders.slot);
        let progress = shared.segment.open::<Counter>(&name)?;
        // Half of the time a thread of this process reaps those who die meanwhile.
        let monitor = match random.below(2) {
            0 => Some(Monitor::start()?),
            _ => None,
        };
        if let Some(monitor) = &monitor {
            monitor.watch(&shared.segment)?;
        }
        for _ in 0..random.below(20_000) {
            if let Err(ended) = operate(&shared, random) {
                return ended.of_worker(orders.slot);
            }
            shared.total.add(1);
            shared.cells.add(1);
            shared.sums[random.index(SUMS)].fetch_add(1.0);
            progress.add(1);
        }
    }
}

/// One operation.
fn operate(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    match random.below(1000) {
        0..600 => {
            let Some(mut ledger) = enter(shared, random)? else {
                return Ok(());
            };
            if !ledger.is_balanced() {
                return Err(Ended::Wrong(format!("the ledger is torn: {:?}", *ledger)));
            }
            let amount = i64::try_from(random.below(100))?;
            let (from, to) = (random.index(ACCOUNTS), random.index(ACCOUNTS));
            ledger.transfer(from, to, amount, || dawdle(random));
            drop(ledger);
            shared.transfers.add(1);
        }
        600..850 => {
            let [left, right] = &shared.pair;
            let guard = shared.raw.lock_or_repair(|_| {
                right.store(left.load());
                shared.repairs.add(1);
            })?;
            if left.load() != right.load() {
                let values = (left.load(), right.load());
                return Err(Ended::Wrong(format!("the pair is torn: {values:?}")));
            }
            left.add(1);
            dawdle(random);
            right.add(1);
            drop(guard);
        }
        850..900 => extra(shared, random)?,
        900..915 => {
            let reaping = shared.segment.reap();
            if reaping.stuck > 0 {
                return Err(Ended::Wrong(format!("{} places are stuck", reaping.stuck)));
            }
        }
        915..930 => {
            shared.segment.entries()?;
            shared.segment.participants();
        }
        930 if random.below(50) == 0 => return Err(Ended::Replaced),
        _ if shared.stop.load() != 0 => return Err(Ended::Left),
        _ => {}
    }
    Ok(())
}

/// Now and then gives the processor away, so that kills and stops find a lock held.
fn dawdle(random: &mut Random) {
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
}

/// Takes the ledger in one of the ways there are; `None` if somebody else has it.
fn enter<'a>(
    shared: &'a Shared,
    random: &mut Random,
) -> Result<Option<MutexGuard<'a, Ledger>>, Ended> {
    let repaired = |mut guard: MutexGuard<'a, Ledger>| {
        guard.repair();
        guard.mark_consistent();
        shared.repairs.add(1);
        Some(guard)
    };
    Ok(match random.below(4) {
        0 => match shared.ledger.lock() {
            Ok(guard) => Some(guard),
            Err(LockError::OwnerDied(guard)) => repaired(guard),
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        1 => match shared.ledger.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Lock(LockError::OwnerDied(guard))) => repaired(guard),
            Err(TryLockError::WouldBlock { .. }) => None,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        2 => match shared.ledger.lock_timeout(Duration::from_millis(2)) {
            Ok(guard) => Some(guard),
            Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => repaired(guard),
            Err(LockTimeoutError::Timeout { .. }) => None,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        _ => Some(shared.ledger.lock_or_repair(|ledger| {
            ledger.repair();
            shared.repairs.add(1);
        })?),
    })
}

/// Finds or makes one of the entries that come with time.
fn extra(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    let name = extra_name(random.below(EXTRAS));
    // Rarely, so that there is something left to create for a while.
    let found = if random.below(20) == 0 {
        shared.segment.open_or_create::<Counter>(&name, EXTRA_VALUE)
    } else {
        shared.segment.open::<Counter>(&name)
    };
    match found {
        Ok(entry) if entry.load() == EXTRA_VALUE => Ok(()),
        Ok(entry) => Err(Ended::Wrong(format!("{name} is {}", entry.load()))),
        Err(crossdock::segment::EntryError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
