//! Changes of shared objects by a process that others take for dead: it is reaped in the middle,
//! its successor sweeps and changes the objects, and then it goes on. What it had committed stays;
//! of the rest it makes nothing, and it frees nothing.

use std::os::unix::fs::FileExt;

use crossdock::Fault;
use crossdock::object::ObjectError;

use super::objects::{Changing, Contents, LOCK, Seen, Verb, World};
use crate::crash::operation::{Base, Fate, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Rig};

#[path = "../../../../tests/support/unmap.rs"]
mod unmap;

struct Reaped {
    change: Changing,
    /// The reaper frees the mutexes as if no owner had died.
    seeded: bool,
}

/// What the victim ended with, besides 0 and [`PANICKED`](crate::process::PANICKED): it was told
/// that its membership is lost, or something else.
const LOST: u8 = 1;
const WRONG: u8 = 2;

/// What the successor makes of contents.
fn succeeded(mut contents: Contents) -> Contents {
    contents.0.insert(4, vec![4; 20]);
    contents.0.insert(1, vec![1; 4]);
    contents.1.push(50);
    "the third".clone_into(&mut contents.2);
    contents
}

impl Reaped {
    fn new(verb: Verb, seeded: bool) -> Self {
        let change = Changing {
            verb,
            seeded: false,
        };
        Self { change, seeded }
    }

    /// The successor's changes of all objects.
    fn succeed(world: &World) -> Result<(), crossdock::Error> {
        let objects = &world.objects;
        objects.dict.insert(&4, &vec![4; 20])?;
        objects.dict.insert(&1, &vec![1; 4])?;
        objects.list.push(&50)?;
        objects.shared.store(&"the third".to_owned())?;
        Ok(())
    }

    /// What there is; complains if it cannot be read.
    fn contents(world: &World, scene: &mut Scene) -> Option<Contents> {
        let contents = world.objects.contents();
        contents
            .map_err(|Broken(error)| scene.lost(format!("a read: {error}")))
            .ok()
    }

    /// Complains about contents that are neither of two; returns whether they are the second.
    fn check(found: &Contents, allowed: &[Contents; 2], scene: &mut Scene) -> bool {
        if !allowed.contains(found) {
            scene.lost(format!("neither before nor after: {found:?}"));
        }
        *found == allowed[1]
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let Some(found) = Self::contents(world, scene) else {
            return Ok(());
        };
        let mut allowed = self.change.before_and_after();
        if let Some(seen) = seen.contents {
            allowed = allowed.map(succeeded);
            if found != seen {
                scene.duplicated(format!(
                    "changed after its successor had: {seen:?} to {found:?}"
                ));
            }
        }
        let is_after = Self::check(&found, &allowed, scene);
        scene.outcome(if is_after { "after" } else { "before" });
        if done && !is_after {
            scene.lost("a change that was told to have been made");
        }
        // A change may find what the reaped process left, and changes nothing else.
        match world.objects.dict.update(&1, |_| ()) {
            Ok(kept) if kept.is_some() == found.0.contains_key(&1) => {}
            kept => scene.lost(format!("the next change: {kept:?}")),
        }
        match Self::contents(world, scene) {
            Some(now) if now != found => scene.lost(format!("changed by the next change: {now:?}")),
            Some(_) => world.objects.check_room(scene)?,
            None => {}
        }
        Ok(())
    }
}

impl Operation for Reaped {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        self.change.world()
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    /// A look at the victim would find it dead, and it has to go on until it is reaped.
    fn image(&self, world: &World, image: &mut Vec<u8>) -> Rig {
        world.base.bytes(image)
    }

    /// It does not learn that its lock is gone, until it is reaped and asks.
    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        if unmap::unmap_lock(&world.base.segment).is_err() {
            return WRONG;
        }
        begin();
        match self.change.change(&world.objects) {
            Ok(()) => 0,
            Err(crossdock::Error::Object(ObjectError::Fault(Fault::NotMember(_)))) => LOST,
            Err(_) => WRONG,
        }
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if self.seeded {
            for name in ["dict", "list", "shared"] {
                let lock = world.base.offset_of(name)? + LOCK;
                world.base.file().write_all_at(&[0; 4], lock)?;
            }
        }
        if world.base.segment.reap().freed == 0 {
            scene.stuck("a process whose lock is gone was not reaped");
        }
        let allowed = self.change.before_and_after();
        if let Some(before) = Self::contents(world, scene) {
            Self::check(&before, &allowed, scene);
        }
        if let Err(error) = Self::succeed(world) {
            scene.lost(format!("its successor: {error}"));
        }
        seen.contents = Self::contents(world, scene);
        if let Some(after) = &seen.contents {
            Self::check(after, &allowed.map(succeeded), scene);
        }
        Ok(())
    }

    fn decides_before(&self) -> bool {
        true
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        self.judge(world, seen, false, scene)
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        if code > LOST || code == LOST && scene.fate == Fate::KilledAlone {
            scene.lost(format!("the victim ended with {code}"));
        }
        self.judge(world, seen, code == 0, scene)
    }
}

/// The changes of a process that is reaped alive.
pub(crate) const LISTED: &[Listed] = listed! {
    Reaped::new;
    "Dict::insert, reaped alive" Insert "mutexes that are free as if no owner had died"
    "Dict::update, reaped alive" Update "mutexes that are free as if no owner had died"
    "Dict::remove, reaped alive" Remove "mutexes that are free as if no owner had died"
    "Dict::clear, reaped alive" Clear "mutexes that are free as if no owner had died"
    "Dict::insert after a death, reaped alive" Sweep "mutexes that are free as if no owner had died"
    "List::push, reaped alive" Push "mutexes that are free as if no owner had died"
    "List::pop, reaped alive" Pop "mutexes that are free as if no owner had died"
    "List::insert at the front, reaped alive" PushFront "mutexes that are free as if no owner had died"
    "List::sort, reaped alive" Sort "mutexes that are free as if no owner had died"
    "Shared::store, reaped alive" Store "mutexes that are free as if no owner had died"
};
