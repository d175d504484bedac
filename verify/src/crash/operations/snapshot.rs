//! Operations on snapshots: whatever is read is whole and was published, and the role and the seats
//! change hands.

use std::time::Duration;

use crossdock::segment::ClaimError;
use crossdock::snapshot::{Reader, ReaderError, Writer};
use crossdock::{Snapshot, SnapshotOptions};
use crossdock_spec::FAILED;
use crossdock_spec::snapshot::Op::{
    Claim, DieWriting, Leave, Load, LoadHalves, Publish, PublishTorn, Read, ReadHalves, Rise, Sit,
    Update,
};
use crossdock_spec::snapshot::{Op, SEATS, State};

use crate::crash::operation::Base;
use crate::crash::specified::{Guards, Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::{Rig, exit_now, until};

/// A value of some words: what is not whole shows.
type Value = [u64; 8];

/// What no value is made of.
const TORN: u8 = 200;
/// What the seeded bugs publish.
const WRONG: u8 = 100;

fn number(value: &Value) -> u8 {
    let is_whole = value.iter().all(|word| *word == value[0]);
    u8::try_from(value[0])
        .ok()
        .filter(|_| is_whole)
        .unwrap_or(TORN)
}

/// Two halves of what may be two values.
fn halves(first: Value, second: Value) -> Value {
    std::array::from_fn(|at| if at < 4 { first[at] } else { second[at] })
}

impl Subject for Snapshot<Value> {
    type Spec = State;
    type Hand<'a> = (Option<Writer<Value>>, Guards<Reader<Value>>);

    fn create(base: &Base, first: &State) -> Rig<Self> {
        let options = SnapshotOptions::new([first.value.into(); 8]).readers(SEATS.into());
        Ok(base.segment.create("board", options)?)
    }

    fn run<'a>(
        &'a self,
        _: &Base,
        op: Op,
        (writer, Guards(readers)): &mut Self::Hand<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let is_done = match op {
            Claim => {
                let mut claimed = self.writer();
                // A process that came first has left since, or does so.
                until(patience.unwrap_or(Duration::from_secs(10)), || {
                    let is_taken = matches!(claimed, Err(ClaimError::RoleTaken { .. }));
                    if is_taken {
                        claimed = self.writer();
                    }
                    !is_taken
                });
                match claimed {
                    Err(ClaimError::RoleTaken { .. }) => return None,
                    claimed => *writer = claimed.ok(),
                }
                writer.is_some()
            }
            Publish(value) => writer.as_mut()?.publish([value.into(); 8]).is_ok(),
            PublishTorn(value) => {
                let torn = halves([value.into(); 8], [0; 8]);
                writer.as_mut()?.publish(torn).is_ok()
            }
            Update(value) => {
                let (writer, mut found) = (writer.as_mut()?, FAILED);
                let version = writer.version();
                let updated = writer.update(|there| {
                    found = number(there);
                    *there = [value.into(); 8];
                });
                return Some(if updated == Ok(version + 1) {
                    found
                } else {
                    FAILED
                });
            }
            DieWriting => {
                let _ = writer.as_mut()?.publish_with(|place| {
                    place[..4].fill(2);
                    exit_now(0);
                });
                false
            }
            Leave => {
                *writer = None;
                true
            }
            Sit => match self.reader() {
                Ok(reader) => {
                    readers.push(reader);
                    true
                }
                Err(ReaderError::NoFreeSlot { .. }) => return None,
                Err(_) => false,
            },
            Rise => readers.pop().is_some(),
            Read => {
                return Some(
                    readers
                        .last_mut()?
                        .load()
                        .map_or(FAILED, |value| number(&value)),
                );
            }
            ReadHalves => {
                let reader = readers.last_mut()?;
                let (first, second) = (reader.load().ok()?, reader.load().ok()?);
                return Some(number(&halves(first, second)));
            }
            Load => {
                return match self.load() {
                    Ok(value) => Some(number(&value)),
                    Err(ReaderError::NoFreeSlot { .. }) => None,
                    Err(_) => Some(FAILED),
                };
            }
            LoadHalves => {
                let (first, second) = (self.load().ok()?, self.load().ok()?);
                return Some(number(&halves(first, second)));
            }
        };
        Some(if is_done { 0 } else { FAILED })
    }
}

const ONE: State = State {
    value: 1,
    writer: None,
    seats: [0; 3],
};
/// A writer that has published before.
const WRITER: &[Op] = &[Claim, Publish(1)];
/// A reader that knows of something that it has not read.
const READER: &[Op] = &[Sit, Read, Claim, Publish(1), Leave];
/// Others read beside a writer, and may take its role.
const READ: &[Op] = &[Load, Sit, Read, Load, Read, Rise, Claim, Leave];
/// Others publish beside a reader: more often than there are buffers.
const WRITE: &[Op] = &[
    Claim,
    Publish(3),
    Load,
    Publish(4),
    Load,
    Publish(5),
    Load,
    Publish(6),
    Load,
    Publish(7),
    Load,
    Leave,
];
/// Whatever happened, all seats and the role can be had, and what is published is read.
const LAST: &[Op] = &[
    Load,
    Sit,
    Sit,
    Claim,
    Update(9),
    Read,
    Rise,
    Read,
    Rise,
    Leave,
];

/// The operations on snapshots.
pub(crate) const LISTED: &[Listed] = specified! { Snapshot<Value>;
    "Snapshot publish" "a value that is torn" {
        before: WRITER, act: &[Publish(2)], bug: &[PublishTorn(2)], meanwhile: READ, last: LAST,
    }
    "Snapshot update" "a value that no process meant to publish before it" {
        before: WRITER, act: &[Update(2)], bug: &[Publish(WRONG), Update(2)],
        meanwhile: READ, last: LAST,
    }
    "Snapshot writer" "a value published when claiming" {
        first: ONE, dead: &[Claim, DieWriting], act: &[Claim], bug: &[Claim, Publish(WRONG)],
        meanwhile: READ, last: LAST,
    }
    "Snapshot writer leaves" "a value published when leaving" {
        before: WRITER, act: &[Leave], bug: &[Publish(WRONG), Leave], meanwhile: READ, last: LAST,
    }
    "Snapshot read" "half of what was read first, half of what was read next" {
        before: READER, act: &[Read], bug: &[ReadHalves], tells: true, meanwhile: WRITE, last: LAST,
    }
    "Snapshot load" "half of what was read first, half of what was read next" {
        first: ONE, act: &[Load], bug: &[LoadHalves], tells: true, meanwhile: WRITE, last: LAST,
    }
    // The dead one has all seats: two processes each with one would take longer.
    "Snapshot reader" "two seats taken for one" {
        first: ONE, dead: &[Sit, Read, Sit, Read], act: &[Sit], bug: &[Sit, Sit],
        meanwhile: WRITE, last: LAST,
    }
    "Snapshot reader leaves" "a seat taken when leaving, and both kept" {
        before: READER, act: &[Rise], bug: &[Sit], meanwhile: WRITE, last: LAST,
    }
};
