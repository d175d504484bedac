//! `torture objects`: dictionaries, lists and single values whose readers and writers are killed
//! and stopped; no committed change is lost, no value is torn, and all room is there at the end.

use std::time::Duration;

use crossdock::array::Init;
use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{AtomicArray, Dict, List, Segment, Shared};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::has_bug;
use crate::torture::job::Job;
use crate::torture::worker::Ended;

/// The keys that all workers change.
const KEYS: u32 = 40;
/// The values that a list has at most.
const MOST: usize = 60;
/// The longest value: that of several blocks.
const LONGEST: u64 = 40;

pub(crate) struct Objects {
    /// Under each key how often it was changed, as often as the length says.
    dict: Dict<u32, Vec<u64>>,
    /// How often each key was told to have been changed.
    told: AtomicArray<u64>,
    /// Numbers, each higher than the one before.
    list: List<u64>,
    /// Its value's length depends on its number, as in the dictionary.
    shared: Shared<Vec<u64>>,
}

/// The value of a number: a length that depends on it, of the number.
fn value(number: u64) -> Vec<u64> {
    let len = 1 + number % LONGEST;
    (0..len).map(|_| number).collect()
}

/// The number of a value, which must be whole.
fn number(found: &[u64]) -> Result<u64, Ended> {
    match found.first() {
        Some(first) if found == value(*first) => Ok(*first),
        _ => Err(Ended::Wrong(format!("a torn value: {found:?}"))),
    }
}

fn options() -> ObjectOptions {
    // No key is ever refused for want of room: with 10 blocks each there is some for every value.
    ObjectOptions::new(u64::from(KEYS) * 10).bytes_each(32)
}

impl Job for Objects {
    const NAME: &'static str = "objects";

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        let first = SharedOptions::new(&value(0)).capacity(1_024);
        Ok(Self {
            dict: segment.open_or_create("dict", options())?,
            told: segment.open_or_create("told", Init::zeroed(KEYS as usize))?,
            list: segment.open_or_create("list", ObjectOptions::new(200).bytes_each(8))?,
            shared: segment.open_or_create("shared", first)?,
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(100) {
            0..35 => self.read(random),
            35..65 => self.count(random),
            65..75 => self.come_and_go(random),
            75..90 => self.push(random),
            90..97 => self.replace(),
            _ => self.look_at_all(),
        }
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let mut all = 0;
        for (key, told) in (0..KEYS).zip(self.told.iter()) {
            let (found, told) = (
                self.dict.get(&key)?.map_or(0, |value| value[0]),
                told.load(),
            );
            all += found;
            if found < told || found > told + tally.cut_off {
                let fault = format!("key {key}: {found} changes, and {told} were told");
                tally.faults.push(fault);
            }
        }
        if all == 0 {
            tally.faults.push("too little was done".into());
        }
        // A change clears up, if the last writer was killed.
        self.dict.clear()?;
        self.list.clear()?;
        let keys = (0..).take_while(|key| self.dict.insert(key, &vec![]).is_ok());
        let values = (0..).take_while(|value| self.list.push(value).is_ok());
        let (keys, values) = (keys.count() as u64, values.count() as u64);
        // The blocks of a dictionary that new keys do not take are eight.
        let least = [u64::from(KEYS) * 10, 200];
        if keys < least[0] || values < least[1] {
            let fault = format!("room for {keys} keys and {values} values, not for {least:?}");
            tally.faults.push(fault);
        }
        for version in 1..9 {
            let before = self.shared.load()?;
            self.shared.store(&value(version))?;
            if number(&before).is_err() || self.shared.load()? != value(version) {
                tally.faults.push("the single value is torn".into());
            }
        }
        let replaced = self.shared.version()?;
        Ok(format!("{all} counts, {replaced} values replaced"))
    }
}

impl Objects {
    /// A value is whole, and not older than was told before the read.
    fn read(&self, random: &mut Random) -> Result<(), Ended> {
        let key = u32::try_from(random.below(u64::from(KEYS)))?;
        let told = self.told[key as usize].load();
        let found = self.dict.get(&key)?;
        let found = found.map_or(Ok(0), |found| number(&found))?;
        if found < told {
            return Err(Ended::Wrong(format!("key {key}: {found} after {told}")));
        }
        Ok(())
    }

    fn count(&self, random: &mut Random) -> Result<(), Ended> {
        let key = u32::try_from(random.below(u64::from(KEYS)))?;
        let counted = self.dict.update_or(
            &key,
            || value(0),
            |found| {
                *found = value(found[0] + 1);
                found[0]
            },
        );
        let counted = counted?;
        // The seeded bug: a change that was not made is told.
        let told = if has_bug() && random.below(100) == 0 {
            counted + 1_000_000
        } else {
            counted
        };
        self.told[key as usize].fetch_max(told);
        Ok(())
    }

    /// Keys that come and go beside the others.
    fn come_and_go(&self, random: &mut Random) -> Result<(), Ended> {
        let key = KEYS + u32::try_from(random.below(30))?;
        match random.below(2) {
            0 => drop(self.dict.insert(&key, &value(random.below(9)))?),
            _ => {
                let removed = self.dict.remove(&key)?;
                removed.map_or(Ok(0), |removed| number(&removed))?;
            }
        }
        Ok(())
    }

    /// Pushes a number that is higher than the last, and takes numbers from the front.
    fn push(&self, random: &mut Random) -> Result<(), Ended> {
        if self.list.len() > MOST {
            self.list.remove(0)?;
            return Ok(());
        }
        match random.below(10) {
            0 => drop(self.list.pop()?),
            1 => self.list.sort()?,
            _ => self.list.push(&random.below(1 << 40))?,
        }
        Ok(())
    }

    fn replace(&self) -> Result<(), Ended> {
        let before = self.shared.load_versioned()?;
        number(&before.0)?;
        self.shared.update(|found| *found = value(found[0] + 1))?;
        let after = self.shared.load_versioned()?;
        if after.1 <= before.1 || after.0[0] <= before.0[0] {
            return Err(Ended::Wrong(format!("{after:?} after {before:?}")));
        }
        Ok(())
    }

    /// Each key that is there all the while comes once; so does each value of a list.
    fn look_at_all(&self) -> Result<(), Ended> {
        let there: Vec<u32> = (0..KEYS)
            .filter(|key| self.told[*key as usize].load() > 0)
            .collect();
        let mut found = Vec::new();
        for entry in self.dict.iter() {
            let (key, value) = entry?;
            number(&value)?;
            found.push(key);
        }
        let missing = there
            .iter()
            .any(|key| found.iter().filter(|one| *one == key).count() != 1);
        if missing {
            return Err(Ended::Wrong(format!("of {there:?} there are {found:?}")));
        }
        let values = self.list.snapshot()?;
        if values.len() > 3 * MOST {
            return Err(Ended::Wrong(format!("{} values", values.len())));
        }
        let _changed = self.dict.wait_changed(Duration::from_micros(200));
        Ok(())
    }
}
