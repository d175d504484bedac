//! Creating entries: complete or not at all, and never an obstacle to the next creator.

use crossdock::array::Init;
use crossdock::segment::EntryError;
use crossdock::{AtomicArray, Counter, Mutex, Placeable, Segment};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Child, End, PANICKED, Rig, forked};

const NAME: &str = "new";
/// The value that the victim creates the entry with, and the one of others.
const VICTIM: u8 = 77;
const OTHER: u8 = 88;

/// The operations of the directory.
pub(crate) const LISTED: &[Listed] = listed! {
    creating;
    "Segment::create::<Counter>" Counter "an entry that is published before it has its value"
    "Segment::create::<Mutex>" Mutex "an entry that is published before it has its value"
    "Segment::create::<AtomicArray>" Array "an entry that is published before it has its values"
    "Segment::open_or_create" OpenOrCreate "a creator that sets its value though another was first"
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Counter,
    Mutex,
    Array,
    OpenOrCreate,
}

struct Creating {
    verb: Verb,
    seeded: bool,
}

fn creating(verb: Verb, seeded: bool) -> Creating {
    Creating { verb, seeded }
}

#[derive(Default)]
struct Seen {
    /// Creates an entry while the victim is stopped, if need be as soon as that is dead.
    other: Option<Child>,
}

/// An entry that holds a value, and can be read whatever it is.
trait Valued: Placeable + Sized {
    fn config(value: u8) -> Self::Config;
    fn value(&self) -> Option<u8>;
    fn set(&self, value: u8);
}

impl Valued for Counter {
    fn config(value: u8) -> u64 {
        value.into()
    }
    fn value(&self) -> Option<u8> {
        u8::try_from(self.load()).ok()
    }
    fn set(&self, value: u8) {
        self.store(value.into());
    }
}

impl Valued for Mutex<[u64; 2]> {
    fn config(value: u8) -> [u64; 2] {
        [value.into(); 2]
    }
    fn value(&self) -> Option<u8> {
        let words = *self.try_lock().ok()?;
        u8::try_from(words[0]).ok().filter(|_| words[0] == words[1])
    }
    fn set(&self, value: u8) {
        if let Ok(mut guard) = self.lock() {
            *guard = Self::config(value);
        }
    }
}

/// Values that a function makes, all the same.
impl Valued for AtomicArray<u16> {
    fn config(value: u8) -> Init<u16> {
        Init::from_fn(5, move |_| value.into())
    }
    fn value(&self) -> Option<u8> {
        let values = self.to_vec();
        let same = values.iter().all(|value| *value == values[0]);
        u8::try_from(values[0]).ok().filter(|_| same)
    }
    fn set(&self, value: u8) {
        self.fill(value.into());
    }
}

impl Creating {
    /// What the victim does; the value that is there then.
    fn operate<P: Valued>(&self, segment: &Segment) -> Rig<u8> {
        let made: P = match (self.verb, self.seeded) {
            (Verb::OpenOrCreate, false) => segment.open_or_create(NAME, P::config(VICTIM))?,
            (_, false) => segment.create(NAME, P::config(VICTIM))?,
            (Verb::OpenOrCreate, true) => {
                let made: P = segment.open_or_create(NAME, P::config(VICTIM))?;
                made.set(VICTIM);
                made
            }
            (_, true) => {
                let made: P = segment.create(NAME, P::config(0))?;
                made.set(VICTIM);
                made
            }
        };
        // A mutex that the victim holds at its point could not be read by others.
        Ok(match self.verb {
            Verb::OpenOrCreate => made.value().unwrap_or(PANICKED),
            Verb::Counter | Verb::Mutex | Verb::Array => VICTIM,
        })
    }

    fn operate_on(&self, segment: &Segment) -> u8 {
        let made = match self.verb {
            Verb::Mutex => self.operate::<Mutex<[u64; 2]>>(segment),
            Verb::Array => self.operate::<AtomicArray<u16>>(segment),
            Verb::Counter | Verb::OpenOrCreate => self.operate::<Counter>(segment),
        };
        made.unwrap_or(PANICKED)
    }

    /// The value of the entry, if there is one.
    fn look(&self, segment: &Segment, scene: &mut Scene) -> Option<u8> {
        let found = match self.verb {
            Verb::Mutex => segment
                .open::<Mutex<[u64; 2]>>(NAME)
                .map(|entry| entry.value()),
            Verb::Array => segment
                .open::<AtomicArray<u16>>(NAME)
                .map(|entry| entry.value()),
            Verb::Counter | Verb::OpenOrCreate => {
                segment.open::<Counter>(NAME).map(|entry| entry.value())
            }
        };
        match found {
            Ok(Some(value @ (VICTIM | OTHER))) => Some(value),
            Ok(other) => {
                scene.lost(format!("the entry is there, and its value is {other:?}"));
                None
            }
            Err(EntryError::NotFound { .. }) => None,
            Err(error) => {
                scene.lost(format!("the entry cannot be opened: {error}"));
                None
            }
        }
    }

    /// The other creator's entry; the one of the same name where creators may meet.
    fn start_other(&self, base: &Base) -> Rig<Child> {
        forked(|| {
            let segment = &base.segment;
            let value = if self.verb == Verb::OpenOrCreate {
                segment
                    .open_or_create(NAME, u64::from(OTHER))
                    .map(|made: Counter| made.load())
            } else {
                segment
                    .create("other", u64::from(OTHER))
                    .map(|made: Counter| made.load())
            };
            value.map_or(PANICKED, |value| u8::try_from(value).unwrap_or(PANICKED))
        })
    }

    /// Waits for the other creator, which no process may keep from its end.
    fn finish_other(&self, other: Child, scene: &mut Scene) -> Rig<Option<u8>> {
        let mut other = other;
        match other.end_within(scene.patience)? {
            Some(End::Exited(value @ (VICTIM | OTHER))) => Ok(Some(value)),
            Some(end) => {
                scene.lost(format!("another creator failed: {end:?}"));
                Ok(None)
            }
            None => {
                scene.stuck("another creator waits forever");
                Ok(None)
            }
        }
    }
}

impl Operation for Creating {
    type World = Base;
    type Seen = Seen;

    fn world(&self) -> Rig<Base> {
        Base::new(4)
    }

    fn base<'a>(&self, base: &'a Base) -> &'a Base {
        base
    }

    fn victim(&self, base: Owned<Base>, begin: &mut dyn FnMut()) -> u8 {
        base.join();
        if let Ok(other) = Base::new(2) {
            self.operate_on(&other.segment);
            std::mem::forget(other);
        }
        begin();
        self.operate_on(&base.segment)
    }

    fn meanwhile(&self, base: &Base, seen: &mut Seen, scene: &mut Scene) -> Rig {
        self.look(&base.segment, scene);
        seen.other = Some(self.start_other(base)?);
        Ok(())
    }

    fn again(&self, _: &Base, seen: &mut Seen, scene: &mut Scene) -> Rig {
        // The other creator is first, unless it waits for a victim that was stopped in between.
        if let Some(other) = &seen.other {
            other.ends_or_sleeps(scene.patience);
        }
        Ok(())
    }

    fn after_kill(&self, base: &Base, seen: Seen, scene: &mut Scene) -> Rig {
        let other = match seen.other {
            Some(other) => other,
            None => self.start_other(base)?,
        };
        let found = self.finish_other(other, scene)?;
        let value = self.look(&base.segment, scene);
        scene.outcome(if value == Some(VICTIM) {
            "there"
        } else {
            "not there"
        });
        if self.verb == Verb::OpenOrCreate && value != found {
            scene.lost(format!(
                "a creator was told {found:?}, and found is {value:?}"
            ));
        }
        Ok(())
    }

    fn after_end(&self, base: &Base, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let found = match seen.other {
            Some(other) => self.finish_other(other, scene)?,
            None => None,
        };
        let value = self.look(&base.segment, scene);
        if value != Some(code) || (self.verb != Verb::OpenOrCreate && code != VICTIM) {
            scene.lost(format!(
                "the victim was told {code}, and found is {value:?}"
            ));
        }
        if self.verb == Verb::OpenOrCreate && found.is_some() && found != value {
            scene.lost(format!(
                "a creator was told {found:?}, and found is {value:?}"
            ));
        }
        scene.outcome("went on");
        Ok(())
    }
}
