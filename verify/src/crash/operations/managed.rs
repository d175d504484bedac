//! Operations on a manager: an object is whole or not there, none is ever in the room of another
//! that is in use, and all room is there at the end.

use std::mem::forget;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::manager::ManagerOptions;
use crossdock::segment::EntryError;
use crossdock::{AtomicArray, Manager, array::Init};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, End, Rig, forked};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Creates an object and drops its handle.
    Create,
    /// Creates an object where another was, which it frees first.
    CreateAgain,
    /// Opens an object, adds to its numbers, and drops its handle.
    Use,
    Remove,
    /// Reaps a process that died with an object.
    Reap,
}

struct Managing {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    manager: Manager,
}

/// An object of two blocks, of which the manager has three.
type Numbers = AtomicArray<u64>;
const LEN: usize = 70;
const ROOM: u64 = 3 * 512;

/// The numbers of the victim's object, of the one that is there first, and of another one.
const VICTIM: u64 = 77;
const FIRST: u64 = 5;
const OTHER: u64 = 88;

#[derive(Default)]
struct Seen {
    /// An object that others created while the victim was stopped, where there was room.
    other: Option<Numbers>,
    is_removed: bool,
}

impl Managing {
    /// The name of the object that the victim acts on.
    fn name(&self) -> &'static str {
        match self.verb {
            Verb::Create | Verb::CreateAgain => "new",
            Verb::Use | Verb::Remove | Verb::Reap => "old",
        }
    }

    fn operate(&self, world: &World) -> Rig {
        let World { base, manager } = world;
        match self.verb {
            Verb::Create | Verb::CreateAgain => {
                let first = if self.seeded { 0 } else { VICTIM };
                let made: Numbers = manager.create(self.name(), Init::filled(LEN, first))?;
                if self.seeded {
                    made.fill(VICTIM);
                }
            }
            // A seeded bug: where the object is, and no hold.
            Verb::Use if self.seeded => {
                let at = Self::place(base)? + 8 * (LEN as u64 - 1);
                base.file().write_all_at(&(FIRST + 1).to_le_bytes(), at)?;
            }
            Verb::Use => match manager.open::<Numbers>(self.name()) {
                Ok(numbers) => drop(numbers[LEN - 1].fetch_add(1)),
                Err(EntryError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            },
            Verb::Remove => {
                if self.seeded {
                    manager.open::<Numbers>(self.name())?.fill(0);
                }
                manager.remove(self.name())?;
            }
            Verb::Reap => {
                // A seeded bug: a hold by the tag of a process that lives.
                if self.seeded {
                    let cell = Self::cells(base)?;
                    let held = 1_u64 << 10 | 1 << 29;
                    base.file().write_all_at(&held.to_le_bytes(), cell)?;
                }
                base.segment.reap();
            }
        }
        Ok(())
    }

    /// Where the cells of the first record are, in the file.
    fn cells(base: &Base) -> Rig<u64> {
        Ok(base.offset_of("m")? + 256 + 2 * 256)
    }

    /// Where the pool begins, in the file.
    fn place(base: &Base) -> Rig<u64> {
        let cells = 2 * u64::from(PARTICIPANTS) * 8;
        Ok(Self::cells(base)? + cells.next_multiple_of(128))
    }

    /// The numbers of an object, if there is one: all the same, but for an addition.
    fn look(&self, world: &World, scene: &mut Scene) -> Option<u64> {
        let found = match world.manager.open::<Numbers>(self.name()) {
            Ok(found) => found.to_vec(),
            Err(EntryError::NotFound { .. }) => return None,
            Err(error) => {
                scene.lost(format!("the object cannot be opened: {error}"));
                return None;
            }
        };
        let (last, rest) = (found[LEN - 1], &found[..LEN - 1]);
        let first = rest[0];
        let expected = match self.verb {
            Verb::Create | Verb::CreateAgain => VICTIM,
            Verb::Use | Verb::Remove | Verb::Reap => FIRST,
        };
        let added = u64::from(self.verb == Verb::Use);
        let is_last = (expected..=expected + added).contains(&last);
        if rest.iter().any(|number| *number != expected) || !is_last {
            scene.lost(format!(
                "an object of {first} and {last}, and not of {expected}"
            ));
        }
        Some(first)
    }
}

const PARTICIPANTS: u32 = 5;

impl Operation for Managing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(PARTICIPANTS)?;
        let options = ManagerOptions::new(ROOM).objects(2);
        let manager: Manager = base.segment.create("m", options)?;
        match self.verb {
            Verb::Create => {}
            Verb::CreateAgain => {
                drop(manager.create::<Numbers>("gone", Init::filled(LEN, FIRST))?);
                manager.remove("gone")?;
            }
            Verb::Use | Verb::Remove | Verb::Reap => {
                drop(manager.create::<Numbers>("old", Init::filled(LEN, FIRST))?);
            }
        }
        if self.verb == Verb::Reap {
            let opens = || match manager.open::<Numbers>("old") {
                Ok(numbers) => {
                    forget(numbers);
                    0
                }
                Err(_) => 1,
            };
            if forked(opens)?.end_within(PATIENCE)? != Some(End::Exited(0)) {
                return Err(Broken("the process that is to die has no object".into()));
            }
        }
        Ok(World { base, manager })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        begin();
        u8::from(self.operate(&world).is_err())
    }

    /// Others remove the object that there was, and create another, where there is room.
    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        self.look(world, scene);
        if matches!(self.verb, Verb::Use | Verb::Reap) {
            seen.is_removed = world.manager.remove("old")?;
            // It would wait for a creator that is stopped; none of these is.
            let other = Init::filled(LEN, OTHER);
            seen.other = world.manager.create("other", other).ok();
        }
        Ok(())
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let found = self.look(world, scene);
        scene.outcome(match found {
            Some(_) => "there",
            None => "not there",
        });
        let is_there = match self.verb {
            Verb::Create | Verb::CreateAgain => done.then_some(true),
            Verb::Remove => done.then_some(false),
            Verb::Use | Verb::Reap => Some(!seen.is_removed),
        };
        if is_there.is_some_and(|is_there| is_there != found.is_some()) {
            scene.lost(format!("expected the object {is_there:?}, found {found:?}"));
        }
        if let Some(other) = &seen.other
            && let Some(number) = other.to_vec().into_iter().find(|number| *number != OTHER)
        {
            scene.duplicated(format!("{number} in the object of another process"));
        }
        drop(seen);
        for name in ["new", "old", "other"] {
            world.manager.remove(name)?;
        }
        let room = world.manager.room()?;
        if (room.free, room.longest, room.objects) != (ROOM, ROOM, 2) {
            scene.stuck(format!("room is missing: {room:?}"));
        }
        Ok(())
    }
}

/// How long a process may take to open an object and end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The operations on managers.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Managing { verb, seeded };
    "Manager::create" Create "numbers that are written after it is there"
    "Manager::create where another was" CreateAgain "numbers that are written after it is there"
    "Manager::open, use, drop" Use "an addition without a hold"
    "Manager::remove" Remove "numbers that are cleared first"
    "Manager: reap a dead holder" Reap "a hold in the name of another process"
};
