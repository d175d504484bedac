//! Objects of a manager that grow: what they have is there before, meanwhile and after, once, and
//! no room is lost.

use std::cell::RefCell;

use crossdock::manager::{ManagerOptions, ManagerRoom};
use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Manager, Shared};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Broken;

/// What the victim does, for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Sets a key that is not there.
    Insert,
    /// Appends a value.
    Push,
    /// Stores a longer value.
    Store,
}

struct Growing {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    manager: Manager,
    object: RefCell<Option<Object>>,
    /// What is free without the object.
    room: ManagerRoom,
}

/// The object, and its handle.
enum Object {
    Dict(Dict<u8, u8>),
    List(List<u8>),
    Shared(Shared<Vec<u8>>),
}

const NAME: &str = "o";
const ROOM: u64 = 8 * 512;
const RECORDS: u64 = 3;
const PARTICIPANTS: u32 = 5;
/// The bytes of a segment with the manager.
const SIZE: u64 = 1 << 14;

/// What an object has: its values in order.
type Contents = Vec<u8>;

impl Object {
    /// One with room for so many values, or 8 bytes for each.
    fn create(verb: Verb, manager: &Manager, name: &str, values: u64) -> Result<Self, Broken> {
        let options = ObjectOptions::new(values).bytes_each(8);
        Ok(match verb {
            Verb::Insert => Self::Dict(manager.dict(name, options)?),
            Verb::Push => Self::List(manager.list(name, options)?),
            Verb::Store => {
                let first = SharedOptions::new(&Vec::new()).capacity(8 * values);
                Self::Shared(manager.create(name, first)?)
            }
        })
    }

    fn open(verb: Verb, manager: &Manager) -> Result<Self, Broken> {
        Ok(match verb {
            Verb::Insert => Self::Dict(manager.open(NAME)?),
            Verb::Push => Self::List(manager.open(NAME)?),
            Verb::Store => Self::Shared(manager.open(NAME)?),
        })
    }

    fn add(&self, value: u8) -> Result<(), Broken> {
        match self {
            Self::Dict(dict) => drop(dict.insert(&value, &value)?),
            Self::List(list) => list.push(&value)?,
            Self::Shared(shared) => shared.update(|values| values.push(value))?,
        }
        Ok(())
    }

    /// All that it has, by reads that take no lock.
    fn contents(&self) -> Result<Contents, Broken> {
        let mut values: Contents = match self {
            Self::Dict(dict) => dict.keys().collect::<Result<_, _>>()?,
            Self::List(list) => list.slice(..)?,
            Self::Shared(shared) => shared.load()?,
        };
        values.sort_unstable();
        Ok(values)
    }
}

#[derive(Default)]
struct Seen {
    is_after: bool,
}

impl World {
    /// Calls `f` with the object; an error if its handle was dropped.
    fn with<R>(&self, f: impl FnOnce(&Object) -> Result<R, Broken>) -> Result<R, Broken> {
        match &*self.object.borrow() {
            Some(object) => f(object),
            None => Err(Broken("there is no handle".into())),
        }
    }
}

impl Growing {
    /// How many values there is room for; the victim adds one more.
    fn values(&self) -> u8 {
        match self.verb {
            // Of nine blocks, new values leave two.
            Verb::Insert | Verb::Push => 7,
            // With its length.
            Verb::Store => 15,
        }
    }

    fn after(&self) -> Contents {
        (0..=self.values()).collect()
    }

    /// The victim's operation; `seeded`, a larger object in the place of the one that is full.
    fn grow(&self, world: &World) -> Result<(), Broken> {
        if !self.seeded {
            return world.with(|object| object.add(self.values()));
        }
        let contents = world.with(Object::contents)?;
        world.manager.remove(NAME)?;
        let larger = Object::create(self.verb, &world.manager, NAME, 4)?;
        for value in contents.into_iter().chain([self.values()]) {
            larger.add(value)?;
        }
        Ok(())
    }

    /// Complains about contents that are neither those before nor those after; returns whether they
    /// are those after.
    fn check(&self, found: &Contents, done: bool, scene: &mut Scene) -> bool {
        let after = self.after();
        let is_after = *found == after;
        if !is_after && (done || **found != after[..after.len() - 1]) {
            scene.lost(format!("neither before nor after: {found:?}"));
        }
        is_after
    }

    /// What a handle from before has, and one that is opened now.
    fn look(&self, world: &World, done: bool, scene: &mut Scene) -> bool {
        let opened = Object::open(self.verb, &world.manager);
        let [old, new] = [
            world.with(Object::contents),
            opened.and_then(|new| new.contents()),
        ];
        match (old, new) {
            (Ok(old), Ok(new)) => {
                self.check(&old, done, scene);
                self.check(&new, done, scene)
            }
            (old, new) => {
                scene.lost(format!("the object: {old:?}, {new:?}"));
                false
            }
        }
    }

    fn judge(
        &self,
        world: &World,
        seen: &Seen,
        done: bool,
        scene: &mut Scene,
    ) -> Result<(), Broken> {
        let is_after = self.look(world, done, scene);
        scene.outcome(if is_after { "after" } else { "before" });
        if seen.is_after && !is_after {
            scene.lost("a change that others had seen");
        }
        // The next writers find all, and room for more.
        for more in 100..103 {
            if let Err(error) = world.with(|object| object.add(more)) {
                scene.lost(format!("no room for more: {error:?}"));
                return Ok(());
            }
        }
        let mut expected = self.after();
        expected.truncate(expected.len() - usize::from(!is_after));
        expected.extend(100..103);
        match world.with(Object::contents) {
            Ok(found) if found == expected => {}
            found => scene.lost(format!("{found:?} and not {expected:?}")),
        }
        // One object is left, the one that the handle follows, and then none.
        let objects = world.manager.room()?.objects;
        world.manager.remove(NAME)?;
        *world.object.borrow_mut() = None;
        let found = world.manager.room()?;
        if objects != world.room.objects - 1 || found != world.room {
            scene.stuck(format!("room is missing: {found:?}"));
        }
        Ok(())
    }
}

impl Operation for Growing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Result<World, Broken> {
        let base = Base::of_size(PARTICIPANTS, SIZE)?;
        let options = ManagerOptions::new(ROOM).objects(RECORDS);
        let manager: Manager = base.segment.create("m", options)?;
        let room = manager.room()?;
        let values = if self.verb == Verb::Store { 2 } else { 1 };
        let object = Object::create(self.verb, &manager, NAME, values)?;
        for value in 0..self.values() {
            object.add(value)?;
        }
        if manager.room()?.objects != room.objects - 1 {
            return Err(Broken("it has grown before".into()));
        }
        let object = RefCell::new(Some(object));
        Ok(World {
            base,
            manager,
            object,
            room,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        begin();
        u8::from(self.grow(&world).is_err())
    }

    /// Others read, whatever the victim holds.
    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Result<(), Broken> {
        seen.is_after = self.look(world, false, scene);
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Result<(), Broken> {
        self.judge(world, &seen, false, scene)
    }

    fn after_end(
        &self,
        world: &World,
        seen: Seen,
        code: u8,
        scene: &mut Scene,
    ) -> Result<(), Broken> {
        if code != 0 {
            scene.lost(format!("the victim ended with {code}"));
        }
        self.judge(world, &seen, true, scene)
    }
}

/// The growth of objects of a manager.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Growing { verb, seeded };
    "Dict::insert, which grows" Insert "a larger one in its place"
    "List::push, which grows" Push "a larger one in its place"
    "Shared::update, which grows" Store "a larger one in its place"
};
