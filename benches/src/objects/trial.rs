//! A writer that is killed, and what another process finds then.

use std::time::{Duration, Instant};

use crossdock::process::{self, JoinError, JoinTimeoutError};
use crossdock::{Counter, Segment};
use crossdock_cli::Failure;

use super::{Key, Map, PATIENCE, Place, Toll, key};

/// The keys that the writer sets in turn.
pub(super) const KEYS: u64 = 16;
/// The words of a value, each of them how often its key was set.
pub(super) const WORDS: usize = 13;
/// The writer is killed at any time up to this one, once it has begun.
pub(super) const LATEST: Duration = Duration::from_millis(20);
/// The values that are set before.
const BEGUN: u64 = 64;
/// For what has to happen, however busy the machine is.
const SOON: Duration = Duration::from_secs(60);

type Job = (Place, Counter);

/// Sets values, and counts those that are set.
fn write<M: Map>((place, count): Job) -> Result<(), String> {
    let set = || -> Result<(), Failure> {
        let mut map = M::open(&place)?;
        for number in 0.. {
            map.put(&key(number % KEYS), &value(1 + number / KEYS))?;
            count.add(1);
        }
        Ok(())
    };
    set().map_err(|failure| failure.to_string())
}

fn value(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(WORDS)
}

/// The number of a value; `None` if it is torn.
fn number(bytes: &[u8]) -> Option<u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    let first = words.first()?;
    let whole = words.len() == WORDS && rest.is_empty() && words.iter().all(|word| word == first);
    whole.then(|| u64::from_le_bytes(*first))
}

/// Looks at all values, and sets them once more; `None` if it was refused.
fn look<M: Map>((place, count): Job) -> Option<(u64, u64)> {
    let (mut torn, mut lost) = (0, 0);
    let mut map = M::open(&place).ok()?;
    let mut bytes = Vec::new();
    for at in 0..KEYS {
        let at_key: Key = key(at);
        // How often this key was set for certain.
        let least = (count.load() + KEYS - 1 - at) / KEYS;
        let found = map.get(&at_key, &mut bytes).ok()?;
        match number(M::value(&bytes)).filter(|_| found) {
            None if found => torn += 1,
            Some(number) if number >= least => {}
            _ => lost += 1,
        }
        map.put(&at_key, &value(u64::MAX)).ok()?;
    }
    Some((torn, lost))
}

/// Kills a writer, and has another process look.
pub(super) fn once<M: Map>() -> Result<Toll, Failure> {
    let place = Place::new()?;
    let home = Segment::anonymous()?;
    let count = home.create::<Counter>("count", 0)?;
    let mut writer = process::spawn(write::<M>, (place.lent(), count.clone()))?;
    let deadline = Instant::now() + SOON;
    while count.load() < BEGUN {
        match writer.join_timeout(Duration::from_micros(500)) {
            Err(JoinTimeoutError::Timeout) if Instant::now() < deadline => {}
            Ok(Err(words)) => return Err(Failure::worker(words)),
            _ => return Err(Failure::worker("the writer did not begin")),
        }
    }
    let latest = u64::try_from(LATEST.as_micros()).unwrap_or(u64::MAX);
    let delay = Duration::from_micros(fastrand::u64(0..latest));
    match writer.join_timeout(delay) {
        Err(JoinTimeoutError::Timeout) => {}
        _ => return Err(Failure::worker("the writer ended early")),
    }
    writer.kill().map_err(Failure::worker)?;
    match writer.join_timeout(SOON) {
        Err(JoinTimeoutError::Join(JoinError::Killed { .. })) => {}
        _ => return Err(Failure::worker("the writer ended before it was killed")),
    }

    let mut looker = process::spawn(look::<M>, (place.lent(), count))?;
    let found = looker.join_timeout(PATIENCE);
    Ok(match found {
        Ok(Some((torn, lost))) => Toll {
            torn,
            lost,
            ..Toll::default()
        },
        Ok(None) => Toll {
            refused: true,
            ..Toll::default()
        },
        Err(JoinTimeoutError::Timeout) => {
            looker.kill().map_err(Failure::worker)?;
            // How it ends is of no interest.
            let _ = looker.join_timeout(SOON);
            Toll {
                hung: true,
                ..Toll::default()
            }
        }
        Err(error) => return Err(Failure::worker(error)),
    })
}
