//! `torture locks`: transfers between accounts, counters, the registry and the directory.

use crossdock::array::Init;
use crossdock::segment::EntryError;
use crossdock::sync::MutexGuard;
use crossdock::{AtomicArray, Counter, Mutex, Segment, ShardedCounter};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::accounts::{ACCOUNTS, Accounts};
use crate::torture::driver::Tally;
use crate::torture::has_bug;
use crate::torture::job::{Job, SHORT, acquired, dawdle, tried, waited};
use crate::torture::worker::Ended;

/// Entries that workers create when they come to need them.
const EXTRAS: u32 = 96;
const EXTRA_VALUE: u64 = 7;
/// How many numbers the operations are spread over.
const SUMS: usize = 3;

pub(crate) struct Locks {
    segment: Segment,
    accounts: Mutex<Accounts>,
    /// Transfers that were told to have been made.
    transfers: Counter,
    /// A lock, and two counters that are equal whenever it is free.
    raw: Mutex<()>,
    pair: [Counter; 2],
    /// Operations, counted three times.
    total: Counter,
    cells: ShardedCounter,
    /// The same once more, spread over floating-point numbers.
    sums: AtomicArray<f64>,
    repairs: Counter,
}

impl Job for Locks {
    const NAME: &'static str = "locks";
    const MORE_ENTRIES: u32 = EXTRAS;
    const MONITORED: bool = true;

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        let counter = |name| segment.open_or_create::<Counter>(name, 0);
        Ok(Self {
            accounts: segment.open_or_create("accounts", Accounts::new())?,
            transfers: counter("transfers")?,
            raw: segment.open_or_create("raw", ())?,
            pair: [counter("left")?, counter("right")?],
            total: counter("total")?,
            cells: segment.open_or_create("cells", ())?,
            sums: segment.open_or_create("sums", Init::zeroed(SUMS))?,
            repairs: counter("repairs")?,
            segment: segment.clone(),
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..640 => self.transfer(random)?,
            640..920 => self.count_both(random)?,
            920..975 => self.extra(random)?,
            _ => {
                self.segment.entries()?;
                self.segment.participants();
            }
        }
        self.total.add(1);
        // The seeded bug: operations that are counted once only.
        if !has_bug() {
            self.cells.add(1);
        }
        self.sums[random.index(SUMS)].fetch_add(1.0);
        Ok(())
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let kills = tally.cut_off;
        let faults = &mut tally.faults;
        if self.accounts.is_locked() || self.raw.is_locked() {
            faults.push("a lock is still held".into());
        }
        match self.accounts.lock_or_repair(Accounts::repair) {
            Ok(accounts) => {
                if !accounts.are_balanced() {
                    faults.push(format!("the accounts are torn: {:?}", *accounts));
                }
                let (made, told) = (accounts.transfers(), self.transfers.load());
                faults.extend(apart("transfers", made, told, kills));
            }
            Err(error) => faults.push(format!("the accounts cannot be locked: {error}")),
        }
        let (total, cells) = (self.total.load(), self.cells.load());
        faults.extend(apart("operations", total, cells, kills));
        let sum: f64 = self.sums.values().sum();
        if sum.fract() != 0.0 || (sum - total as f64).abs() > kills as f64 {
            faults.push(format!(
                "operations: {total}, and numbers that add up to {sum}, with {kills} threads killed"
            ));
        }
        let [left, right] = &self.pair;
        faults.extend(apart("the pair", left.load(), right.load(), kills));
        if total == 0 {
            faults.push("too little was done".into());
        }
        Ok(format!(
            "{total} operations, {} repairs",
            self.repairs.load()
        ))
    }
}

impl Locks {
    fn transfer(&self, random: &mut Random) -> Result<(), Ended> {
        let Some(mut accounts) = self.enter(random)? else {
            return Ok(());
        };
        if !accounts.are_balanced() {
            return Err(Ended::Wrong(format!("torn accounts: {:?}", *accounts)));
        }
        let amount = i64::try_from(random.below(100))?;
        let (from, to) = (random.index(ACCOUNTS), random.index(ACCOUNTS));
        accounts.transfer(from, to, amount, || dawdle(random));
        drop(accounts);
        self.transfers.add(1);
        Ok(())
    }

    /// Acquires the accounts in one of the ways there are; `None` if they are locked.
    fn enter(&self, random: &mut Random) -> Result<Option<MutexGuard<'_, Accounts>>, Ended> {
        let outcome = match random.below(4) {
            0 => acquired(self.accounts.lock()),
            1 => tried(self.accounts.try_lock()),
            2 => waited(self.accounts.lock_timeout(SHORT)),
            _ => {
                let guard = self.accounts.lock_or_repair(|accounts| {
                    accounts.repair();
                    self.repairs.add(1);
                })?;
                return Ok(Some(guard));
            }
        };
        Ok(outcome?.map(|(mut guard, owner_died)| {
            if owner_died {
                guard.repair();
                guard.mark_consistent();
                self.repairs.add(1);
            }
            guard
        }))
    }

    fn count_both(&self, random: &mut Random) -> Result<(), Ended> {
        let [left, right] = &self.pair;
        let guard = self.raw.lock_or_repair(|_| {
            right.store(left.load());
            self.repairs.add(1);
        })?;
        if left.load() != right.load() {
            let values = (left.load(), right.load());
            return Err(Ended::Wrong(format!("the pair is torn: {values:?}")));
        }
        left.add(1);
        dawdle(random);
        right.add(1);
        drop(guard);
        Ok(())
    }

    /// Finds or makes one of the entries that come with time.
    fn extra(&self, random: &mut Random) -> Result<(), Ended> {
        let name = format!("extra.{}", random.below(EXTRAS.into()));
        // Rarely, so that there is something left to create for a while.
        let found = if random.below(20) == 0 {
            self.segment.open_or_create::<Counter>(&name, EXTRA_VALUE)
        } else {
            self.segment.open::<Counter>(&name)
        };
        match found {
            Ok(entry) if entry.load() == EXTRA_VALUE => Ok(()),
            Ok(entry) => Err(Ended::Wrong(format!("{name} is {}", entry.load()))),
            Err(EntryError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Two counts of the same may differ by as many threads as were killed between counting and
/// counting.
fn apart(what: &str, one: u64, other: u64, kills: u64) -> Option<String> {
    (one.abs_diff(other) > kills)
        .then(|| format!("{what}: {one} and {other} differ by more than {kills} killed threads"))
}
