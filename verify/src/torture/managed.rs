//! `torture managers`: objects that are created, used and removed by processes which are killed and
//! stopped; lists grow meanwhile. No object is ever in the room of another that is in use, each is
//! whole when it is found, and all room is there at the end.

use std::sync::Mutex;

use crossdock::array::Init;
use crossdock::manager::ManagerOptions;
use crossdock::object::ObjectError;
use crossdock::segment::EntryError;
use crossdock::{AtomicArray, Counter, List, Manager, Segment};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::has_bug;
use crate::torture::job::Job;
use crate::torture::worker::Ended;

/// The names of arrays, and of lists.
const NAMES: u64 = 8;
/// What is added to numbers, which tell by the rest what they are.
const STEP: u64 = 16;
/// The longest array: with the other objects it does not always fit.
const LONGEST: u64 = 1_500;
const ROOM: u64 = 96 << 10;
/// Fewer than there are names.
const OBJECTS: u64 = 12;
/// The handles that a process keeps at most, of objects that others remove meanwhile.
const KEPT: usize = 4;

pub(crate) struct Managers {
    manager: Manager,
    /// How many objects were created.
    created: Counter,
    kept: Mutex<Vec<Kept>>,
}

enum Kept {
    Array(u64, AtomicArray<u64>),
    List(u64, List<u64>),
}

impl Job for Managers {
    const NAME: &'static str = "managers";

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        let options = ManagerOptions::new(ROOM).objects(OBJECTS);
        Ok(Self {
            manager: segment.open_or_create("manager", options)?,
            created: segment.open_or_create("created", 0)?,
            kept: Mutex::default(),
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        let number = random.below(NAMES);
        match random.below(100) {
            0..25 => self.create(number, random),
            25..45 => self.open_one(number, random),
            45..85 => self.use_one(random),
            85..95 => {
                self.manager.remove(&name(number, random.below(2) == 0))?;
                Ok(())
            }
            95..99 => {
                let room = self.manager.room()?;
                match room.free <= ROOM && room.objects <= OBJECTS {
                    true => Ok(()),
                    false => Err(Ended::Wrong(format!("impossible: {room:?}"))),
                }
            }
            _ => {
                self.manager.objects()?;
                Ok(())
            }
        }
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        if let Ok(mut kept) = self.kept.lock() {
            kept.clear();
        }
        for number in 0..NAMES {
            for is_list in [false, true] {
                self.manager.remove(&name(number, is_list))?;
            }
        }
        let room = self.manager.room()?;
        if (room.free, room.longest, room.objects) != (ROOM, ROOM, OBJECTS) {
            tally.faults.push(format!("room is missing: {room:?}"));
        }
        let created = self.created.load();
        if created == 0 {
            tally.faults.push("too little was done".into());
        }
        Ok(format!("{created} objects created"))
    }
}

fn name(number: u64, is_list: bool) -> String {
    let kind = if is_list { "list" } else { "array" };
    format!("{kind} {number}")
}

/// Whether a number belongs to the objects of a name: those of lists and of arrays differ.
fn is_of(found: u64, number: u64, is_list: bool) -> bool {
    found % STEP == number + u64::from(is_list) * NAMES
}

impl Managers {
    fn keep(&self, kept: Kept, random: &mut Random) {
        if let Ok(mut all) = self.kept.lock() {
            if all.len() == KEPT {
                let at = usize::try_from(random.below(KEPT as u64)).unwrap_or(0);
                all.swap_remove(at);
            }
            all.push(kept);
        }
    }

    fn create(&self, number: u64, random: &mut Random) -> Result<(), Ended> {
        let is_list = random.below(2) == 0;
        let name = name(number, is_list);
        let made = if is_list {
            // It grows, as far as there is room.
            let room = 1 + random.below(10);
            self.manager
                .list(&name, room)
                .map(|list| Kept::List(number, list))
        } else {
            let len = usize::try_from(1 + random.below(LONGEST))?;
            let first = Init::filled(len, number);
            self.manager
                .create(&name, first)
                .map(|array| Kept::Array(number, array))
        };
        match made {
            Ok(made) => {
                self.created.add(1);
                self.keep(made, random);
                Ok(())
            }
            Err(
                EntryError::Exists { .. }
                | EntryError::ManagerFull { .. }
                | EntryError::ManagerObjects { .. },
            ) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn open_one(&self, number: u64, random: &mut Random) -> Result<(), Ended> {
        let is_list = random.below(2) == 0;
        let name = name(number, is_list);
        let opened = if is_list {
            let list = self.manager.open(&name);
            list.map(|list| Kept::List(number, list))
        } else {
            let array = self.manager.open(&name);
            array.map(|array| Kept::Array(number, array))
        };
        match opened {
            Ok(opened) => {
                self.keep(opened, random);
                Ok(())
            }
            Err(EntryError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Uses an object that this process has had for a while, which may have been removed.
    fn use_one(&self, random: &mut Random) -> Result<(), Ended> {
        let kept = match self.kept.lock() {
            Ok(all) => {
                let at = random.below(all.len().max(1) as u64);
                match all.get(usize::try_from(at)?) {
                    Some(Kept::Array(number, array)) => Some(Kept::Array(*number, array.clone())),
                    Some(Kept::List(number, list)) => Some(Kept::List(*number, list.clone())),
                    None => None,
                }
            }
            Err(_) => None,
        };
        match kept {
            Some(Kept::Array(number, array)) => Self::use_array(number, &array, random),
            Some(Kept::List(number, list)) => match Self::use_list(number, &list, random) {
                Ok(true) | Err(ObjectError::Removed | ObjectError::Full { .. }) => Ok(()),
                Ok(false) => Err(Ended::Wrong(format!("list {number} has {list:?}"))),
                Err(error) => Err(error.into()),
            },
            None => Ok(()),
        }
    }

    fn use_array(number: u64, array: &AtomicArray<u64>, random: &mut Random) -> Result<(), Ended> {
        let at = usize::try_from(random.below(array.len() as u64))?;
        // The seeded bug: an addition that makes it another object's number.
        let more = if has_bug() && random.below(100) == 0 {
            STEP + 1
        } else {
            STEP
        };
        array[at].fetch_add(more);
        match array.iter().find(|one| !is_of(one.load(), number, false)) {
            None => Ok(()),
            Some(other) => Err(Ended::Wrong(format!("array {number} has {}", other.load()))),
        }
    }

    /// Returns whether the list has its own numbers only.
    fn use_list(number: u64, list: &List<u64>, random: &mut Random) -> Result<bool, ObjectError> {
        match random.below(40) {
            0..9 => drop(list.pop()?),
            9 => list.clear()?,
            _ => list.push(&(random.below(1 << 20) * STEP + number + NAMES))?,
        }
        let found = list.slice(..)?;
        Ok(found.iter().all(|found| is_of(*found, number, true)))
    }
}
