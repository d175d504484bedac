//! `torture signals`: events, numbers and promises that processes wait for, and a reentrant mutex, while
//! their setters, waiters, claimers and owners are killed. No waiter sleeps through what it waits for, no
//! value is torn, and no promise has two.

use std::process::{Command, ExitCode};
use std::time::Duration;

use crossdock::array::NumberTimeoutError;
use crossdock::sync::{
    ClaimPromiseError, Event, EventTimeoutError, LockError, Promise, PromiseError,
    PromiseTimeoutError, ReentrantMutex,
};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::process::Broken;
use crate::random::Random;
use crate::torture::driver::{Job, Plan, Tally, WINDOW, drive};
use crate::torture::way::Way;
use crate::torture::worker::{Ended, Orders};
use crate::torture::{Report, TortureArgs, abandoned, take_away};

const PROCESSES: u16 = 6;
const PROMISES: u32 = 64;
/// How long a waiter waits for what others do all the time.
const LONG: Duration = WINDOW.checked_div(4).expect("4 is not 0");
/// How often others may do something that is cut off before a waiter must hear of it.
const MANY: u64 = 1000;

/// A process's handles.
struct Shared {
    segment: Segment,
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
    /// Not 0 when workers shall leave.
    stop: Counter,
}

fn progress_name(slot: usize) -> String {
    format!("progress.{slot}")
}

fn promise_name(index: u32) -> String {
    format!("promise.{index}")
}

impl Shared {
    fn create(way: &Way, plan: Plan) -> Result<Self, Broken> {
        let options = SegmentOptions::new()
            .size(1 << 20)
            .participants(u32::try_from(plan.processes)? + 2)
            .entries(u32::try_from(plan.slots())? + PROMISES + 16);
        let segment = way.create(&options)?;
        for slot in 0..plan.slots() {
            segment.create::<Counter>(&progress_name(slot), 0)?;
        }
        for index in 0..PROMISES {
            segment.create::<Promise<[u64; 2]>>(&promise_name(index), ())?;
        }
        segment.create::<Event>("event", false)?;
        segment.create::<ReentrantMutex<[u64; 2]>>("words", [0; 2])?;
        for name in ["pulses", "number", "made", "heard", "stop"] {
            segment.create::<Counter>(name, 0)?;
        }
        Self::attach(segment)
    }

    fn attach(segment: Segment) -> Result<Self, Broken> {
        let promises = (0..PROMISES).map(|index| segment.open(&promise_name(index)));
        Ok(Self {
            event: segment.open("event")?,
            pulses: segment.open("pulses")?,
            number: segment.open("number")?,
            promises: promises.collect::<Result<_, _>>()?,
            words: segment.open("words")?,
            made: segment.open("made")?,
            heard: segment.open("heard")?,
            stop: segment.open("stop")?,
            segment,
        })
    }
}

/// The work at one segment.
struct Signals {
    way: Way,
    shared: Shared,
    progress: Vec<Counter>,
}

impl Job for Signals {
    const NAME: &'static str = "signals";

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
    let mut signals = Signals {
        way,
        shared,
        progress,
    };
    let mut tally = Tally::default();
    let time = Duration::from_secs(args.secs);
    let driven = drive(plan, &mut signals, &mut random, &mut tally, time);
    let shared = signals.shared;
    if driven.is_ok() {
        judge(&shared, &mut tally);
    }
    take_away(&shared.segment, &mut tally.faults)?;
    driven?;
    Ok(Report {
        what: Signals::NAME,
        done: format!(
            "{} sets, {} waits heard, {} values made for {PROMISES} promises",
            shared.pulses.load(),
            shared.heard.load(),
            shared.made.load()
        ),
        tally,
    })
}

/// What must hold when all have left or are dead.
fn judge(shared: &Shared, tally: &mut Tally) {
    let kills = tally.cut_off;
    let faults = &mut tally.faults;
    faults.extend(abandoned(&shared.segment));
    let mut values = Vec::new();
    for promise in &shared.promises {
        match promise.get_or_init(|| value_of(shared)) {
            Ok(value) => values.push(*value),
            Err(error) => faults.push(format!("a promise: {error}")),
        }
    }
    faults.extend(values.iter().filter_map(|value| torn(*value)));
    values.sort_unstable();
    values.dedup();
    // A value that was made and not set was its maker's last.
    let (made, set) = (shared.made.load(), values.len() as u64);
    if set != u64::from(PROMISES) || made - set > kills {
        faults.push(format!(
            "{made} values were made for {PROMISES} promises, which have {set}, with {kills} threads killed"
        ));
    }
    if shared.words.is_locked() || shared.heard.load() == 0 {
        faults.push("the words stay locked, or no wait was ever over".into());
    }
}

fn value_of(shared: &Shared) -> [u64; 2] {
    let made = shared.made.add(1);
    [made, !made]
}

fn torn(value: [u64; 2]) -> Option<String> {
    (value[0] != !value[1]).then(|| format!("a torn value: {value:?}"))
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
        0..300 => {
            shared.pulses.add(1);
            shared.event.set();
            shared.event.clear();
        }
        300..500 => {
            shared.number.add_and_notify(1);
        }
        500..520 => hear_event(shared)?,
        520..540 => hear_number(shared, 1 + random.below(5))?,
        540..700 => promise(shared, random)?,
        700..900 => count_up(shared, 1 + random.below(3))?,
        900..910 => {
            let reaping = shared.segment.reap();
            if reaping.stuck > 0 {
                return Err(Ended::Wrong(format!("{} places are stuck", reaping.stuck)));
            }
        }
        910 if random.below(50) == 0 => return Err(Ended::Replaced),
        _ if shared.stop.load() != 0 => return Err(Ended::Left),
        _ => {}
    }
    Ok(())
}

fn hear_event(shared: &Shared) -> Result<(), Ended> {
    let before = shared.pulses.load();
    match shared.event.wait_timeout(LONG) {
        Ok(()) => {
            shared.heard.add(1);
            Ok(())
        }
        Err(EventTimeoutError::Timeout) if shared.pulses.load() - before < MANY => Ok(()),
        Err(EventTimeoutError::Timeout) => Err(Ended::Wrong("a waiter sleeps through sets".into())),
        Err(error) => Err(error.into()),
    }
}

fn hear_number(shared: &Shared, more: u64) -> Result<(), Ended> {
    let least = shared.number.load() + more;
    match shared.number.wait_until_timeout(LONG, |now| now >= least) {
        Ok(now) if now >= least => {
            shared.heard.add(1);
            Ok(())
        }
        Err(NumberTimeoutError::Timeout) if shared.number.load() < least + MANY => Ok(()),
        Ok(_) | Err(NumberTimeoutError::Timeout) => {
            Err(Ended::Wrong("a waiter sleeps through a number".into()))
        }
        Err(error) => Err(error.into()),
    }
}

fn promise(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    let promise = &shared.promises[usize::try_from(random.below(PROMISES.into()))?];
    let value = match random.below(4) {
        0 => match promise.claim() {
            // Perhaps it is given back.
            Ok(claim) if random.below(2) == 0 => *claim.set(value_of(shared))?,
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
        _ => *promise.get_or_init(|| value_of(shared))?,
    };
    torn(value).map_or(Ok(()), |torn| Err(Ended::Wrong(torn)))
}

/// Counts both words up, the second one with `depth` guards.
fn count_up(shared: &Shared, depth: u64) -> Result<(), Ended> {
    let words = match shared.words.lock() {
        Ok(words) => words,
        Err(LockError::OwnerDied(mut words)) => {
            let [first, _] = words.get();
            words.set([first; 2]);
            words.mark_consistent();
            words
        }
        Err(error) => return Err(Ended::Wrong(error.to_string())),
    };
    if depth > 1 {
        return count_up(shared, depth - 1);
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
