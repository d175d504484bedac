//! `torture signals`: events, numbers and promises that processes wait for, and a reentrant mutex,
//! while their setters, waiters, claimers and owners are killed. No waiter sleeps through what it
//! waits for, no value is torn, and no promise has two.

use std::time::Duration;

use crossdock::array::NumberTimeoutError;
use crossdock::sync::{
    ClaimPromiseError, Event, EventTimeoutError, Promise, PromiseError, PromiseTimeoutError,
    ReentrantMutex,
};
use crossdock::{Counter, Segment};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::{Tally, WINDOW};
use crate::torture::has_bug;
use crate::torture::job::{Job, acquired};
use crate::torture::worker::Ended;

const PROMISES: u32 = 64;
/// How long a waiter waits for what others do all the time.
const LONG: Duration = WINDOW.checked_div(40).expect("40 is not 0");
/// How often others may do something that is cut off before a waiter must hear of it.
const MANY: u64 = 1000;

pub(crate) struct Signals {
    event: Event,
    /// Counted up before each set.
    pulses: Counter,
    number: Counter,
    promises: Vec<Promise<[u64; 2]>>,
    /// Two equal words behind a lock.
    words: ReentrantMutex<[u64; 2]>,
    /// How many values were made, and how many waits ended by what was waited for.
    made: Counter,
    heard: Counter,
}

impl Job for Signals {
    const NAME: &'static str = "signals";
    const MORE_ENTRIES: u32 = PROMISES;

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        let promise = |index| segment.open_or_create(&format!("promise.{index}"), ());
        Ok(Self {
            event: segment.open_or_create("event", false)?,
            pulses: segment.open_or_create("pulses", 0)?,
            number: segment.open_or_create("number", 0)?,
            promises: (0..PROMISES).map(promise).collect::<Result<_, _>>()?,
            words: segment.open_or_create("words", [0; 2])?,
            made: segment.open_or_create("made", 0)?,
            heard: segment.open_or_create("heard", 0)?,
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..330 => {
                self.pulses.add(1);
                self.event.set();
                self.event.clear();
            }
            330..550 => {
                self.number.add_and_notify(1);
            }
            550..572 => self.hear_event()?,
            572..594 => self.hear_number(1 + random.below(5))?,
            594..770 => self.promise(random)?,
            _ => self.count_up(1 + random.below(3))?,
        }
        Ok(())
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let kills = tally.cut_off;
        let faults = &mut tally.faults;
        let mut values = Vec::new();
        for promise in &self.promises {
            match promise.get_or_init(|| self.value()) {
                Ok(value) => values.push(*value),
                Err(error) => faults.push(format!("a promise: {error}")),
            }
        }
        faults.extend(values.iter().filter_map(|value| torn(*value)));
        values.sort_unstable();
        values.dedup();
        // A value that was made and not set was its maker's last.
        let (made, set) = (self.made.load(), values.len() as u64);
        if set != u64::from(PROMISES) || made - set > kills {
            faults.push(format!(
                "{made} values were made for {PROMISES} promises, which have {set}, with {kills} threads killed"
            ));
        }
        let heard = self.heard.load();
        if self.words.is_locked() || heard == 0 {
            faults.push("the words stay locked, or no wait was ever over".into());
        }
        let pulses = self.pulses.load();
        Ok(format!(
            "{pulses} sets, {heard} waits heard, {made} values made for {PROMISES} promises"
        ))
    }
}

impl Signals {
    fn value(&self) -> [u64; 2] {
        let made = self.made.add(1);
        // The seeded bug: a value of two halves.
        [made, !made ^ u64::from(has_bug())]
    }

    fn hear_event(&self) -> Result<(), Ended> {
        let before = self.pulses.load();
        match self.event.wait_timeout(LONG) {
            Ok(()) => {
                self.heard.add(1);
                Ok(())
            }
            Err(EventTimeoutError::Timeout) if self.pulses.load() - before < MANY => Ok(()),
            Err(EventTimeoutError::Timeout) => {
                Err(Ended::Wrong("a waiter sleeps through sets".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn hear_number(&self, more: u64) -> Result<(), Ended> {
        let least = self.number.load() + more;
        match self.number.wait_until_timeout(LONG, |now| now >= least) {
            Ok(now) if now >= least => {
                self.heard.add(1);
                Ok(())
            }
            Err(NumberTimeoutError::Timeout) if self.number.load() < least + MANY => Ok(()),
            Ok(_) | Err(NumberTimeoutError::Timeout) => {
                Err(Ended::Wrong("a waiter sleeps through a number".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn promise(&self, random: &mut Random) -> Result<(), Ended> {
        let promise = &self.promises[random.index(self.promises.len())];
        let value = match random.below(4) {
            0 => match promise.claim() {
                // Perhaps it is given back.
                Ok(claim) if random.below(2) == 0 => *claim.set(self.value())?,
                Ok(_) | Err(ClaimPromiseError::Set | ClaimPromiseError::Claimed { .. }) => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            },
            1 => match promise.wait_timeout(Duration::from_millis(1)) {
                Ok(value) => *value,
                Err(
                    PromiseTimeoutError::Timeout
                    | PromiseTimeoutError::Promise(PromiseError::Abandoned),
                ) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
            // Most stay unset for a while.
            2 if random.below(50) > 0 => match promise.get() {
                Some(value) => *value,
                None => return Ok(()),
            },
            _ if random.below(50) > 0 => return Ok(()),
            _ => *promise.get_or_init(|| self.value())?,
        };
        torn(value).map_or(Ok(()), |torn| Err(Ended::Wrong(torn)))
    }

    /// Counts both words up, the second one with `depth` guards.
    fn count_up(&self, depth: u64) -> Result<(), Ended> {
        let Some((mut words, owner_died)) = acquired(self.words.lock())? else {
            return Ok(());
        };
        if owner_died {
            let [first, _] = words.get();
            words.set([first; 2]);
            words.mark_consistent();
        }
        if depth > 1 {
            return self.count_up(depth - 1);
        }
        let [first, second] = words.get();
        if first != second {
            return Err(Ended::Wrong(format!(
                "{first} and {second} behind the lock"
            )));
        }
        words.set([first + 1, second]);
        words.set([first + 1, second + 1]);
        Ok(())
    }
}

fn torn(value: [u64; 2]) -> Option<String> {
    (value[0] != !value[1]).then(|| format!("a torn value: {value:?}"))
}
