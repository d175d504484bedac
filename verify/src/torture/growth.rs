//! `torture growth`: lists and dictionaries of a manager that grow while processes which add to
//! them are killed and stopped. What was added is there, whole and once, and what one worker
//! appended is in its order; at the end all room is there.

use std::sync::Mutex;

use crossdock::array::Init;
use crossdock::manager::ManagerOptions;
use crossdock::object::{ObjectError, ObjectOptions};
use crossdock::segment::EntryError;
use crossdock::sync::RwLockReadGuard;
use crossdock::{AtomicArray, Counter, Dict, List, Manager, RwLock, Segment};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::job::Job;
use crate::torture::worker::Ended;
use crate::torture::{has_bug, in_this_order};

/// How many objects grow at a time: lists at even places, dictionaries at odd ones.
const PLACES: usize = 4;
/// A full object, or the largest, does not always fit beside the others.
const ROOM: u64 = 320 << 10;
/// Of the objects that take the places of full ones, and of what those were before.
const OBJECTS: u64 = 24;
/// With so many values at the most an object is full. It begins with room for one.
const MOST: u64 = 600;
/// The most values that are appended at once.
const AT_ONCE: u64 = 3;

pub(crate) struct Growth {
    manager: Manager,
    /// Which object is at each place, by a number: changed while no process adds to it.
    rounds: Vec<RwLock<u64>>,
    /// For each worker and place, how many values of its own it was about to have added, and how
    /// many it was told to have.
    begun: AtomicArray<u64>,
    told: AtomicArray<u64>,
    added: Counter,
    /// How many objects were filled.
    filled: Counter,
    /// The objects that this process has used last, with their rounds.
    handles: Mutex<[Option<(u64, Object)>; PLACES]>,
}

#[derive(Clone)]
enum Object {
    List(List<Vec<u64>>),
    Dict(Dict<u64, Vec<u64>>),
}

/// A worker at a place, in a round.
#[derive(Clone, Copy)]
struct Post {
    slot: usize,
    place: usize,
    round: u64,
}

/// The value of a worker with a number: of a length that depends on it, of one or several blocks.
fn value(slot: usize, number: u64) -> Vec<u64> {
    let len = 1 + number % 7;
    vec![(slot as u64) << 32 | number; usize::try_from(len).unwrap_or(1)]
}

/// The worker of a value and its number, if it is whole.
fn author(value: &[u64]) -> Result<(usize, u64), String> {
    let first = value.first().copied().unwrap_or(0);
    let (slot, number) = (first >> 32, first & 0xffff_ffff);
    match usize::try_from(slot) {
        Ok(slot) if value == self::value(slot, number) => Ok((slot, number)),
        _ => Err(format!("a torn value: {value:?}")),
    }
}

/// Whether each worker's values are those with the numbers from 1 on, once and in order, as many as
/// it was told or more. Returns how many they are of each.
fn count(values: &[Vec<u64>], told: &[u64]) -> Result<Vec<u64>, String> {
    let mut counts = vec![0; told.len()];
    for value in values {
        let (slot, number) = author(value)?;
        let count = counts
            .get_mut(slot)
            .ok_or(format!("of no worker: {slot}"))?;
        *count += 1;
        if number != *count {
            return Err(format!("worker {slot}: {number} in the place of {count}"));
        }
    }
    match counts
        .iter()
        .zip(told)
        .position(|(count, told)| count < told)
    {
        Some(slot) => Err(format!(
            "worker {slot}: {} values, and {} were told",
            counts[slot], told[slot]
        )),
        None => Ok(counts),
    }
}

/// Whether no worker has more values than it was about to have added.
fn bound(counts: &[u64], begun: &[u64]) -> Result<(), String> {
    match counts
        .iter()
        .zip(begun)
        .position(|(count, most)| count > most)
    {
        Some(slot) => Err(format!(
            "worker {slot}: {} values, and {} were added at most",
            counts[slot], begun[slot]
        )),
        None => Ok(()),
    }
}

/// The object at a place in a round.
fn name(place: usize, round: u64) -> String {
    format!("{place} in round {round}")
}

/// How many values make an object full.
fn limit(round: u64) -> u64 {
    MOST >> (round % 4)
}

impl Object {
    fn open(manager: &Manager, place: usize, round: u64) -> Result<Self, EntryError> {
        let (name, options) = (name(place, round), ObjectOptions::new(1).bytes_each(32));
        Ok(match place % 2 {
            0 => Self::List(manager.open_or_create(&name, options)?),
            _ => Self::Dict(manager.open_or_create(&name, options)?),
        })
    }

    fn len(&self) -> u64 {
        match self {
            Self::List(list) => list.len() as u64,
            Self::Dict(dict) => dict.len(),
        }
    }

    /// Adds the values of a worker with these numbers: all or none.
    fn add(&self, slot: usize, numbers: std::ops::Range<u64>) -> Result<(), ObjectError> {
        match self {
            Self::List(list) if numbers.end - numbers.start == 1 => {
                list.push(&value(slot, numbers.start))
            }
            Self::List(list) => list.extend(numbers.map(|number| value(slot, number))),
            Self::Dict(dict) => {
                let value = value(slot, numbers.start);
                dict.insert(&value[0], &value).map(drop)
            }
        }
    }

    /// All values of one instant: of a list in order, of a dictionary in that of their numbers.
    fn values(&self) -> Result<Vec<Vec<u64>>, Ended> {
        match self {
            Self::List(list) => Ok(list.snapshot()?),
            Self::Dict(dict) => sorted(dict.snapshot()?),
        }
    }

    /// The values that were there before this, as an iteration finds them, which is not of one
    /// instant: those that `told` knows of.
    fn former(&self, told: &[u64]) -> Result<Vec<Vec<u64>>, Ended> {
        let mut values = match self {
            Self::List(list) => list.iter().collect::<Result<_, _>>()?,
            Self::Dict(dict) => sorted(dict.iter().collect::<Result<_, _>>()?)?,
        };
        let is_former = |value: &Vec<u64>| match author(value) {
            Ok((slot, number)) => told.get(slot).is_none_or(|told| number <= *told),
            Err(_) => true,
        };
        values.retain(is_former);
        Ok(values)
    }
}

/// The values of a dictionary in the order of their keys, which they name.
fn sorted(mut entries: Vec<(u64, Vec<u64>)>) -> Result<Vec<Vec<u64>>, Ended> {
    entries.sort_unstable_by_key(|(key, _)| *key);
    match entries
        .iter()
        .find(|(key, value)| value.first() != Some(key))
    {
        None => Ok(entries.into_iter().map(|(_, value)| value).collect()),
        Some(other) => Err(Ended::Wrong(format!("another key's value: {other:?}"))),
    }
}

impl Job for Growth {
    const NAME: &'static str = "growth";

    fn open(segment: &Segment, slots: usize) -> Rig<Self> {
        let options = ManagerOptions::new(ROOM).objects(OBJECTS);
        let rounds = (0..PLACES).map(|place| segment.open_or_create(&format!("round {place}"), 0));
        Ok(Self {
            manager: segment.open_or_create("manager", options)?,
            rounds: rounds.collect::<Result<_, _>>()?,
            begun: segment.open_or_create("begun", Init::zeroed(slots * PLACES))?,
            told: segment.open_or_create("told", Init::zeroed(slots * PLACES))?,
            added: segment.open_or_create("added", 0)?,
            filled: segment.open_or_create("filled", 0)?,
            handles: Mutex::default(),
        })
    }

    fn operate(&self, slot: usize, random: &mut Random) -> Result<(), Ended> {
        let place = random.index(PLACES);
        match random.below(100) {
            0..93 => self.add(slot, place, random),
            93..97 => self.look(place, random),
            _ => {
                self.forget(place);
                Ok(())
            }
        }
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let mut random = Random::new(0);
        for place in 0..PLACES {
            let round = *self.rounds[place].write_or_repair(|_| ())?;
            if let Err(Ended::Wrong(fault)) = self.check(place, round, &mut random) {
                tally.faults.push(fault);
            }
            self.forget(place);
            self.manager.remove(&name(place, round))?;
            self.remove_before(place, round)?;
        }
        let room = self.manager.room()?;
        if (room.free, room.longest, room.objects) != (ROOM, ROOM, OBJECTS) {
            tally.faults.push(format!("room is missing: {room:?}"));
        }
        let (added, filled) = (self.added.load(), self.filled.load());
        if filled == 0 {
            tally
                .faults
                .push("too little was done: no object was filled".into());
        }
        Ok(format!("{added} values added, {filled} objects filled"))
    }
}

impl Growth {
    /// Which object is at a place, which stays there as long as the guard is held.
    fn round(&self, place: usize) -> Result<RwLockReadGuard<'_, u64>, Ended> {
        Ok(self.rounds[place].read_or_repair(|_| ())?)
    }

    /// A handle of the object at a place; `None` if there is no room for the object.
    fn object(&self, place: usize, round: u64) -> Result<Option<Object>, Ended> {
        let mut handles = self.handles.lock()?;
        if let Some((of, object)) = &handles[place]
            && *of == round
        {
            return Ok(Some(object.clone()));
        }
        // The room of the one before is free only without its handles.
        handles[place] = None;
        match Object::open(&self.manager, place, round) {
            Ok(object) => {
                handles[place] = Some((round, object.clone()));
                Ok(Some(object))
            }
            Err(EntryError::ManagerFull { .. } | EntryError::ManagerObjects { .. }) => {
                // Nor is that of others which this process has not looked at since.
                *handles = Default::default();
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Drops this process's handle of the object at a place: the next one is opened.
    fn forget(&self, place: usize) {
        if let Ok(mut handles) = self.handles.lock() {
            handles[place] = None;
        }
    }

    /// What a word of the ledger says in a round: nothing, if it is of an earlier one.
    fn noted(&self, ledger: &AtomicArray<u64>, post: Post) -> u64 {
        let word = ledger[post.slot * PLACES + post.place].load();
        if word >> 32 == post.round {
            word & 0xffff_ffff
        } else {
            0
        }
    }

    fn note(&self, ledger: &AtomicArray<u64>, post: Post, count: u64) {
        ledger[post.slot * PLACES + post.place].store(post.round << 32 | count);
    }

    /// What the ledger says of all workers.
    fn all_noted(&self, ledger: &AtomicArray<u64>, place: usize, round: u64) -> Vec<u64> {
        let slots = 0..ledger.len() / PLACES;
        slots
            .map(|slot| self.noted(ledger, Post { slot, place, round }))
            .collect()
    }

    fn add(&self, slot: usize, place: usize, random: &mut Random) -> Result<(), Ended> {
        let guard = self.round(place)?;
        let round = *guard;
        let post = Post { slot, place, round };
        let Some(object) = self.object(place, round)? else {
            return Ok(());
        };
        if object.len() >= limit(round) {
            drop((guard, object));
            return self.replace(place, round, random);
        }
        let told = self.told_or_found(&object, post)?;
        let more = match object {
            Object::List(_) => 1 + random.below(AT_ONCE),
            Object::Dict(_) => 1,
        };
        self.note(&self.begun, post, told + more);
        in_this_order();
        // The seeded bug: values that were not added are told.
        let added = match has_bug() && random.below(500) == 0 {
            true => Ok(()),
            false => object.add(slot, told + 1..told + more + 1),
        };
        in_this_order();
        match added {
            Ok(()) => self.note(&self.told, post, told + more),
            Err(ObjectError::Full { .. }) => {
                self.note(&self.begun, post, told);
                drop((guard, object));
                return self.replace(place, round, random);
            }
            Err(error) => return Err(error.into()),
        }
        self.added.add(more);
        Ok(())
    }

    /// How many values a worker was told to have added. If the worker before it in its slot was
    /// killed in an addition, that is decided by now: the object has its values, or never will.
    fn told_or_found(&self, object: &Object, post: Post) -> Result<u64, Ended> {
        let told = self.noted(&self.told, post);
        let begun = self.noted(&self.begun, post);
        if begun == told {
            return Ok(told);
        }
        let values = object.values()?;
        let mine = values.iter().map(|value| author(value));
        let mine = mine.filter(|author| !matches!(author, Ok((slot, _)) if *slot != post.slot));
        let found = mine.collect::<Result<Vec<_>, _>>().map_err(Ended::Wrong)?;
        let found = found.len() as u64;
        if found != told && found != begun {
            let what = format!("{found} values of {begun}, and {told} were told");
            return Err(Ended::Wrong(what));
        }
        self.note(&self.told, post, found);
        in_this_order();
        self.note(&self.begun, post, found);
        Ok(found)
    }

    /// Looks at an object that others add to.
    fn look(&self, place: usize, random: &mut Random) -> Result<(), Ended> {
        let guard = self.round(place)?;
        self.check(place, *guard, random)
    }

    fn check(&self, place: usize, round: u64, random: &mut Random) -> Result<(), Ended> {
        let Some(object) = self.object(place, round)? else {
            return Ok(());
        };
        let told = self.all_noted(&self.told, place, round);
        in_this_order();
        let values = match random.below(2) {
            0 => object.former(&told)?,
            _ => object.values()?,
        };
        in_this_order();
        let begun = self.all_noted(&self.begun, place, round);
        let checked = count(&values, &told).and_then(|counts| bound(&counts, &begun));
        checked.map_err(|what| Ended::Wrong(format!("{}: {what}", name(place, round))))
    }

    /// Puts a new object in the place of a full one, unless another worker has.
    fn replace(&self, place: usize, round: u64, random: &mut Random) -> Result<(), Ended> {
        let mut guard = self.rounds[place].write_or_repair(|_| ())?;
        if *guard != round {
            return Ok(());
        }
        self.check(place, round, random)?;
        self.forget(place);
        self.remove_before(place, round)?;
        *guard = round + 1;
        self.filled.add(1);
        self.manager.remove(&name(place, round))?;
        Ok(())
    }

    /// Removes the object that was there before, if a worker was killed before it had.
    fn remove_before(&self, place: usize, round: u64) -> Result<(), EntryError> {
        if let Some(before) = round.checked_sub(1) {
            self.manager.remove(&name(place, before))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of two workers, the second of which was told of two.
    const TOLD: &[u64] = &[0, 2];

    fn values(of: &[(usize, u64)]) -> Vec<Vec<u64>> {
        let values = of.iter().map(|(slot, number)| value(*slot, *number));
        values.collect()
    }

    #[test]
    fn what_was_told_is_there_and_what_was_begun_may_be() {
        let counts = |of: &[(usize, u64)]| count(&values(of), TOLD);
        assert_eq!(counts(&[(1, 1), (1, 2)]), Ok(vec![0, 2]));
        let more = counts(&[(1, 1), (0, 1), (1, 2), (1, 3)]).expect("all are there");
        assert_eq!(more, [1, 3]);
        assert_eq!(bound(&more, &[1, 3]), Ok(()));
        assert!(bound(&more, &[1, 2]).is_err(), "it was never begun");
    }

    #[test]
    fn a_value_that_is_lost_doubled_torn_or_out_of_order_is_found() {
        for wrong in [
            &[(1, 1)][..],
            &[(1, 2), (1, 3)],
            &[(1, 1), (1, 3)],
            &[(1, 1), (1, 2), (1, 2)],
            &[(1, 2), (1, 1)],
            &[(1, 1), (1, 2), (2, 1)],
        ] {
            assert!(count(&values(wrong), TOLD).is_err(), "{wrong:?}");
        }
        let torn = [value(1, 1), vec![value(1, 2)[0], 0, 0]];
        assert!(count(&torn, TOLD).is_err());
        assert!(count(&[value(1, 1), vec![]], &[0, 1]).is_err());
    }
}
