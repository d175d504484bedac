//! Operations on shared objects: a change is made whole or not at all, no room is lost, readers
//! never wait, and a waiter learns of what a killed writer did.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Shared};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Sets a key that is not there.
    Insert,
    /// Replaces the value of a key, by one of another length.
    Update,
    Remove,
    Clear,
    Push,
    Pop,
    /// Inserts before all others.
    PushFront,
    Sort,
    /// Replaces a single value.
    Store,
    /// Sets a key after another writer died, which clears up first.
    Sweep,
}

pub(super) struct Changing {
    pub(super) verb: Verb,
    pub(super) seeded: bool,
}

/// What the dictionary, the list and the single value have.
pub(super) type Contents = (BTreeMap<u32, Vec<u8>>, Vec<u32>, String);

pub(super) struct World {
    pub(super) base: Base,
    pub(super) objects: Objects,
}

pub(super) struct Objects {
    pub(super) dict: Dict<u32, Vec<u8>>,
    pub(super) list: List<u32>,
    pub(super) shared: Shared<String>,
}

impl Objects {
    fn of(base: &Base) -> Rig<Self> {
        let options = ObjectOptions::new(4).bytes_each(32);
        let first = SharedOptions::new(&"first".to_owned()).capacity(64);
        Ok(Self {
            dict: base.segment.create("dict", options)?,
            list: base.segment.create("list", options)?,
            shared: base.segment.create("shared", first)?,
        })
    }

    /// All that the objects have, by reads that take no lock.
    pub(super) fn contents(&self) -> Rig<Contents> {
        let dict = self.dict.iter().collect::<Result<_, _>>()?;
        Ok((dict, self.list.slice(..)?, self.shared.load()?))
    }

    /// How many more values each of the two has room for, which it has no longer after this.
    fn room(&self) -> Rig<[usize; 2]> {
        self.dict.clear()?;
        let keys = (1_000..2_000).take_while(|key| self.dict.insert(key, &vec![]).is_ok());
        let keys = keys.count();
        self.list.clear()?;
        let values = (0..1_000).take_while(|value| self.list.push(value).is_ok());
        Ok([keys, values.count()])
    }

    /// Complains if keys or room are missing after a change, which clears up; then nothing is left.
    pub(super) fn check_room(&self, scene: &mut Scene) -> Rig {
        let (keys, snapshot) = (self.dict.len(), self.dict.snapshot()?);
        if keys != snapshot.len() as u64 {
            scene.lost(format!("{keys} keys, and {snapshot:?}"));
        }
        let room = self.room()?;
        let expected = Self::of(&Base::of_size(2, SIZE)?)?.room()?;
        if room != expected {
            scene.lost(format!("room for {room:?} values and not for {expected:?}"));
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Seen {
    /// What others saw last while the victim was stopped.
    pub(super) contents: Option<Contents>,
}

impl Changing {
    /// What the objects have before the victim's operation and after it.
    pub(super) fn before_and_after(&self) -> [Contents; 2] {
        let dict = BTreeMap::from([(1, vec![1; 3]), (2, vec![2; 60])]);
        let before = (dict, vec![30, 10, 20], "first".to_owned());
        let mut after = before.clone();
        match self.verb {
            Verb::Insert | Verb::Sweep => drop(after.0.insert(3, vec![3; 60])),
            Verb::Update => drop(after.0.insert(2, vec![9; 3])),
            Verb::Remove => drop(after.0.remove(&2)),
            Verb::Clear => after.0.clear(),
            Verb::Push => after.1.push(40),
            Verb::Pop => drop(after.1.pop()),
            Verb::PushFront => after.1.insert(0, 40),
            Verb::Sort => after.1.sort_unstable(),
            Verb::Store => "the second".clone_into(&mut after.2),
        }
        [before, after]
    }

    /// The victim's operation; `seeded`, in two steps that should be one.
    pub(super) fn change(&self, objects: &Objects) -> Result<(), crossdock::Error> {
        let Objects { dict, list, shared } = objects;
        match self.verb {
            Verb::Insert | Verb::Sweep if self.seeded => {
                dict.insert(&3, &vec![3; 59])?;
                dict.insert(&3, &vec![3; 60])?;
            }
            Verb::Insert | Verb::Sweep => drop(dict.insert(&3, &vec![3; 60])?),
            Verb::Update if self.seeded => {
                dict.remove(&2)?;
                dict.insert(&2, &vec![9; 3])?;
            }
            Verb::Update => drop(dict.update(&2, |value| *value = vec![9; 3])?),
            Verb::Remove if self.seeded => {
                dict.insert(&2, &vec![])?;
                dict.remove(&2)?;
            }
            Verb::Remove => drop(dict.remove(&2)?),
            Verb::Clear if self.seeded => {
                dict.remove(&1)?;
                dict.remove(&2)?;
            }
            Verb::Clear => dict.clear()?,
            Verb::Push if self.seeded => {
                list.push(&41)?;
                list.set(3, &40)?;
            }
            Verb::Push => list.push(&40)?,
            Verb::Pop if self.seeded => {
                list.set(2, &0)?;
                list.pop()?;
            }
            Verb::Pop => drop(list.pop()?),
            Verb::PushFront if self.seeded => {
                list.push(&40)?;
                list.pop()?;
                list.insert(0, &40)?;
            }
            Verb::PushFront => drop(list.insert(0, &40)?),
            Verb::Sort if self.seeded => {
                for (at, value) in [10, 20, 30].iter().enumerate() {
                    list.set(at, value)?;
                }
            }
            Verb::Sort => list.sort()?,
            Verb::Store if self.seeded => {
                shared.store(&"the".to_owned())?;
                shared.store(&"the second".to_owned())?;
            }
            Verb::Store => drop(shared.store(&"the second".to_owned())?),
        }
        Ok(())
    }

    /// Complains about contents that are neither those before nor those after; returns whether they
    /// are those after.
    fn check(&self, found: &Contents, done: bool, scene: &mut Scene) -> bool {
        let [before, after] = self.before_and_after();
        let is_after = *found == after;
        if !is_after && (done || *found != before) {
            scene.lost(format!("neither before nor after: {found:?}"));
        }
        is_after
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let is_after = self.check(&world.objects.contents()?, done, scene);
        scene.outcome(if is_after { "after" } else { "before" });
        let [_, after] = self.before_and_after();
        if seen.contents.is_some_and(|seen| seen == after) && !is_after {
            scene.lost("a change that others had seen");
        }
        // A change clears up what is left, and changes nothing else.
        let kept = world.objects.dict.update(&1, |_| ())?;
        if kept.is_some() != world.objects.dict.contains_key(&1)? {
            scene.lost("a key that was there");
        }
        self.check(&world.objects.contents()?, done, scene);
        // All room is there.
        world.objects.check_room(scene)
    }
}

/// Where in an object the word of its writers' mutex is.
pub(super) const LOCK: u64 = 128;
/// A mutex whose owner has died.
const OWNER_DIED: u32 = 1 << 30;
/// The bytes of a segment with all objects.
const SIZE: u64 = 1 << 15;
/// How long others wait for a change.
const SHORT: Duration = Duration::from_micros(50);

impl Operation for Changing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::of_size(5, SIZE)?;
        let objects = Objects::of(&base)?;
        objects.dict.insert(&1, &vec![1; 3])?;
        objects.dict.insert(&2, &vec![2; 60])?;
        objects.list.extend([30, 10, 20])?;
        if self.verb == Verb::Sweep {
            let lock = base.offset_of("dict")? + LOCK;
            base.file().write_all_at(&OWNER_DIED.to_le_bytes(), lock)?;
        }
        Ok(World { base, objects })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        begin();
        u8::from(self.change(&world.objects).is_err())
    }

    /// Others read, whatever the victim holds.
    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let found = world.objects.contents()?;
        self.check(&found, false, scene);
        seen.contents = Some(found);
        // A waiter clears up after the dead, and never waits for the mutex.
        let _changed = world.objects.dict.wait_changed(SHORT);
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        self.judge(world, seen, false, scene)
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        if code != 0 {
            scene.lost(format!("the victim ended with {code}"));
        }
        self.judge(world, seen, true, scene)
    }
}

/// The operations on objects.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Changing { verb, seeded };
    "Dict::insert" Insert "two insertions"
    "Dict::update" Update "a removal and an insertion"
    "Dict::remove" Remove "a value that is emptied first"
    "Dict::clear" Clear "keys that are removed one by one"
    "Dict::insert after a death" Sweep "two insertions"
    "List::push" Push "another value, which is replaced"
    "List::pop" Pop "a value that is changed first"
    "List::insert at the front" PushFront "a push and a sort"
    "List::sort" Sort "values that are set one by one"
    "Shared::store" Store "two values"
};
