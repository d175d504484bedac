//! Shared objects beside the stores that processes share values through: what a call costs, and
//! what becomes of the others when a writer is killed.

mod bare;
#[cfg(boost_map)]
mod boost;
#[cfg(feature = "stores")]
mod lmdb;
mod ours;
mod place;
#[cfg(feature = "stores")]
mod redb;
#[cfg(feature = "stores")]
mod redis;
#[cfg(feature = "stores")]
mod sled;
mod trial;

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossdock_cli::Failure;
use crossdock_cli::rounds::interleave;
use crossdock_cli::stats::median;
use serde::{Deserialize, Serialize};

use self::place::Place;
use crate::peers::locks::{Script, python_version};
use crate::ratio::Ratio;
use crate::study::Effort;
use crate::work::{Figure, Way};

pub(crate) use self::ours::READERS;

pub(crate) const KEYS: u64 = 100_000;
/// The bytes of a value that is measured.
pub(crate) const VALUE: usize = 100;
/// What has not got on after so long counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// For an interpreter that starts, and a map that is filled.
const SILENCE: Duration = Duration::from_secs(120);
/// Calls between two looks at the clock.
const STRIDE: u64 = 64;

type Key = [u8; 16];

/// A map of a process; others may have it open as well.
trait Map: Sized {
    /// Opens the map at a place, or makes it.
    fn open(place: &Place) -> Result<Self, Failure>;
    /// Sets a value, and makes it visible to others.
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure>;
    /// Copies a value out; false if there is none.
    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure>;
    /// The value in what was copied out.
    fn value(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

/// What a call takes, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Speed {
    /// Of a new key.
    pub(crate) insert_ns: f64,
    /// Of another value of a key.
    pub(crate) replace_ns: f64,
    pub(crate) get_ns: f64,
}

/// What a killed writer left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Toll {
    /// No other process could go on.
    pub(crate) hung: bool,
    /// Another process was refused.
    pub(crate) refused: bool,
    /// Values of which one part is of another.
    pub(crate) torn: u64,
    /// Values that had been set, and are not there.
    pub(crate) lost: u64,
}

/// What can be measured.
#[derive(Clone, Copy)]
enum Subject {
    Rust {
        speed: fn(Duration) -> Result<Speed, Failure>,
        /// `None` of what another row's kills show, or of what promises nothing.
        kill: Option<fn() -> Result<Toll, Failure>>,
        /// Why it is not here, if it is not.
        absent: fn() -> Option<String>,
    },
    Python,
    #[cfg_attr(
        all(feature = "stores", boost_map),
        expect(dead_code, reason = "all are built")
    )]
    Absent(&'static str),
}

const fn of<M: Map>(absent: fn() -> Option<String>) -> Subject {
    Subject::Rust {
        speed: speed::<M>,
        kill: Some(trial::once::<M>),
        absent,
    }
}

/// What is measured, and whose writers are not killed.
const fn measured<M: Map>() -> Subject {
    Subject::Rust {
        speed: speed::<M>,
        kill: None,
        absent: || None,
    }
}

const fn here<M: Map>() -> Subject {
    of::<M>(|| None)
}

#[cfg(feature = "stores")]
const LMDB: Subject = here::<lmdb::Lmdb>();
#[cfg(feature = "stores")]
const LMDB_KEPT: Subject = measured::<lmdb::LmdbKept>();
#[cfg(feature = "stores")]
const REDB: Subject = here::<redb::Redb>();
#[cfg(feature = "stores")]
const SLED: Subject = here::<sled::Sled>();
#[cfg(feature = "stores")]
const REDIS: Subject = of::<redis::Redis>(redis::absent);
#[cfg(not(feature = "stores"))]
const LMDB: Subject = Subject::Absent("the feature `stores`");
#[cfg(not(feature = "stores"))]
const LMDB_KEPT: Subject = LMDB;
#[cfg(not(feature = "stores"))]
const REDB: Subject = LMDB;
#[cfg(not(feature = "stores"))]
const SLED: Subject = LMDB;
#[cfg(not(feature = "stores"))]
const REDIS: Subject = LMDB;
#[cfg(boost_map)]
const BOOST: Subject = here::<boost::Boost>();
#[cfg(not(boost_map))]
const BOOST: Subject = Subject::Absent("Boost's headers, a C++ compiler and the feature `stores`");

/// The names of those that goals are held against.
pub(crate) const OURS: &str = "crossdock `Dict`";
pub(crate) const BARE: &str = "a bare table, the floor";
pub(crate) const OF_LMDB: &str = "LMDB (heed)";
pub(crate) const MANAGER: &str = "Python `Manager().dict`";

const SUBJECTS: [(&str, Subject); 9] = [
    (OURS, here::<ours::Ours>()),
    (BARE, measured::<bare::Bare>()),
    (OF_LMDB, LMDB),
    ("LMDB (heed), one transaction", LMDB_KEPT),
    ("redb, one process", REDB),
    ("sled, one process", SLED),
    ("Boost `map` under a mutex", BOOST),
    ("Redis, Unix socket", REDIS),
    (MANAGER, Subject::Python),
];

/// What was found of a subject.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stored {
    pub(crate) name: &'static str,
    /// Medians; `None` if it is not here.
    pub(crate) speed: Option<Speed>,
    pub(crate) tolls: Vec<Toll>,
    /// What is missing for it.
    pub(crate) absent: Option<String>,
    #[serde(skip)]
    gets: Vec<Option<f64>>,
}

impl Stored {
    /// How many times as long its get takes as that of another.
    pub(crate) fn get_over(&self, other: &Self) -> Option<Ratio> {
        Ratio::by_round(&self.gets, &other.gets)
    }
}

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) maps: Vec<Stored>,
    /// Our other calls.
    pub(crate) calls: Vec<Figure>,
    /// Copies of 4 KiB, of 64 KiB and of 1 MiB: memcpy, then `load_into`.
    pub(crate) copies: Vec<Figure>,
    /// The time of a read of two processes in a dictionary each, then in the same one.
    pub(crate) readers: Vec<Figure>,
}

/// How many measurements that is.
pub(crate) fn count(effort: &Effort) -> u64 {
    let runs = SUBJECTS.len() + ours::CALLS.len() + ours::COPIES.len() + READERS.len();
    runs as u64 * u64::from(effort.runs) + SUBJECTS.len() as u64 * u64::from(effort.kills)
}

/// Measures all; `step` is called before each measurement.
pub(crate) fn run(effort: &Effort, step: impl Fn()) -> Result<Found, Failure> {
    let figures = |ways: &[Way]| crate::work::figures(ways, effort, &step);
    Ok(Found {
        maps: maps(effort, &step)?,
        calls: figures(ours::CALLS)?,
        copies: figures(ours::COPIES)?,
        readers: figures(READERS)?,
    })
}

/// Measures all maps in turn, run after run, and kills their writers.
fn maps(effort: &Effort, step: &impl Fn()) -> Result<Vec<Stored>, Failure> {
    let time = Duration::from_secs_f64(effort.secs);
    let absent: Vec<Option<String>> = SUBJECTS.iter().map(|(_, one)| missing(one)).collect();
    let all: Vec<usize> = (0..SUBJECTS.len()).collect();
    let rounds = interleave(
        &all,
        |_| effort.runs,
        |at, _| {
            step();
            match (&absent[*at], &SUBJECTS[*at].1) {
                (Some(_), _) | (_, Subject::Absent(_)) => Ok(None),
                (None, Subject::Rust { speed, .. }) => speed(time).map(Some),
                (None, Subject::Python) => python_speed(time).map(Some),
            }
        },
    )?;
    let mut maps = Vec::new();
    for ((at, (name, subject)), rounds) in SUBJECTS.iter().enumerate().zip(rounds) {
        let speeds: Vec<Option<Speed>> = rounds.into_iter().map(Option::flatten).collect();
        let middle = |of: fn(&Speed) -> f64| median(speeds.iter().flatten().map(of));
        let is_here = speeds.iter().any(Option::is_some);
        let mut tolls = Vec::new();
        for _ in 0..effort.kills {
            step();
            match subject {
                Subject::Rust {
                    kill: Some(kill), ..
                } if is_here => tolls.push(kill()?),
                Subject::Python if is_here => tolls.push(python_kill()?),
                _ => {}
            }
        }
        maps.push(Stored {
            name,
            speed: is_here.then(|| Speed {
                insert_ns: middle(|speed| speed.insert_ns),
                replace_ns: middle(|speed| speed.replace_ns),
                get_ns: middle(|speed| speed.get_ns),
            }),
            tolls,
            absent: absent[at].clone(),
            gets: speeds.iter().map(|it| Some((*it)?.get_ns)).collect(),
        });
    }
    Ok(maps)
}

/// What a subject lacks, if it is not here.
fn missing(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Rust { absent, .. } => absent(),
        Subject::Python => python_version().is_none().then(|| "python3".to_owned()),
        Subject::Absent(what) => Some((*what).to_owned()),
    }
}

fn key(number: u64) -> Key {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mixed.to_le_bytes());
    key[8..].copy_from_slice(&mixed.rotate_left(17).to_le_bytes());
    key
}

/// Nanoseconds of a call, which is made until the time is over.
fn timed(time: Duration, mut call: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (begun, mut calls) = (Instant::now(), 0_u64);
    loop {
        for _ in 0..STRIDE {
            call()?;
        }
        calls += STRIDE;
        let elapsed = begun.elapsed();
        if elapsed >= time {
            return Ok(elapsed.as_secs_f64() * 1e9 / calls as f64);
        }
    }
}

/// Fills a map with all keys, and calls it with keys drawn at random.
fn speed<M: Map>(time: Duration) -> Result<Speed, Failure> {
    let place = Place::new()?;
    let mut map = M::open(&place)?;
    let value = [b'x'; VALUE];
    let begun = Instant::now();
    for number in 0..KEYS {
        map.put(&key(number), &value)?;
    }
    let insert_ns = begun.elapsed().as_secs_f64() * 1e9 / KEYS as f64;
    let draw = || key(fastrand::u64(0..KEYS));
    let replace_ns = timed(time, || map.put(&draw(), &value))?;
    let mut bytes = Vec::new();
    let get_ns = timed(time, || {
        if !map.get(&draw(), &mut bytes)? || black_box(&bytes).len() < VALUE {
            return Err(Failure::worker("a value is missing"));
        }
        Ok(())
    })?;
    Ok(Speed {
        insert_ns,
        replace_ns,
        get_ns,
    })
}

/// What the script says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Speed(Speed),
    Toll(Toll),
}

fn script(numbers: &[u64]) -> Result<Said, Failure> {
    let mut said = None;
    Script::Objects.run(numbers, SILENCE, |line| said = Some(line))?;
    said.ok_or_else(|| Failure::worker("the interpreter said nothing"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn python_speed(time: Duration) -> Result<Speed, Failure> {
    match script(&[0, KEYS, VALUE as u64, millis(time)])? {
        Said::Speed(speed) => Ok(speed),
        Said::Toll(_) => Err(Failure::worker("a toll of a map's speed")),
    }
}

fn python_kill() -> Result<Toll, Failure> {
    let latest = millis(trial::LATEST);
    match script(&[
        1,
        trial::KEYS,
        trial::WORDS as u64,
        latest,
        millis(PATIENCE),
    ])? {
        Said::Toll(toll) => Ok(toll),
        Said::Speed(_) => Err(Failure::worker("no toll of a kill")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::work::tests::figure;

    pub(crate) fn found() -> Found {
        let stored = |name, get_ns: f64, toll| Stored {
            name,
            speed: Some(Speed {
                insert_ns: 400.0,
                replace_ns: 300.0,
                get_ns,
            }),
            tolls: vec![Toll::default(), toll],
            absent: None,
            gets: vec![Some(get_ns); 3],
        };
        let hung = Toll {
            hung: true,
            ..Toll::default()
        };
        let absent = Stored {
            name: "another",
            speed: None,
            tolls: Vec::new(),
            absent: Some("a server".into()),
            gets: vec![None; 3],
        };
        let same = |kind| figure(kind, [1.0, 1.0, 1.0]);
        Found {
            maps: vec![
                stored(OURS, 200.0, Toll::default()),
                stored(OF_LMDB, 800.0, hung),
                absent,
            ],
            calls: vec![same("get"), same("push")],
            copies: ["4", "4", "64", "64", "1024", "1024"].map(same).to_vec(),
            readers: vec![same("private"), same("shared")],
        }
    }
}
