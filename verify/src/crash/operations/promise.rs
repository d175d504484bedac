//! Operations on a promise: its value is whole and set once, a waiter is told of a claimer's death,
//! and the next process sets the value.

use crossdock::sync::{Promise, PromiseError};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Child, Rig, forked_asleep};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Claims and sets, beside a waiter.
    Set,
    /// Claims and gives back, beside a waiter.
    GiveBack,
    /// Claims and sets in one, beside a process that would do so, too.
    GetOrInit,
}

struct Promising {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    promise: Promise<[u64; 2]>,
}

#[derive(Default)]
struct Seen {
    waiter: Option<Child>,
}

/// What a waiter ends with that was told of a claimer's death.
const TOLD: u8 = 6;
/// What a waiter ends with that found a value which no process has set.
const TORN: u8 = 7;
/// What the victim sets.
const MINE: [u64; 2] = [5; 2];
/// What others set.
const THEIRS: [u64; 2] = [9; 2];

impl Operation for Promising {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let promise = base.segment.create("promise", ())?;
        Ok(World { base, promise })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        begin();
        if self.verb == Verb::GetOrInit {
            let value = if self.seeded { [5, 6] } else { MINE };
            return u8::from(world.promise.get_or_init(|| value).is_err());
        }
        let Ok(claim) = world.promise.claim() else {
            return 1;
        };
        match self.verb {
            Verb::GiveBack if self.seeded => drop(claim.set(MINE)),
            Verb::Set if !self.seeded => {
                if claim.set(MINE).is_err() {
                    return 1;
                }
            }
            _ => drop(claim),
        }
        0
    }

    fn assemble(&self, world: &World, seen: &mut Seen) -> Rig {
        if self.verb == Verb::GetOrInit {
            return Ok(());
        }
        let waiter = forked_asleep(|| match world.promise.wait() {
            Ok(&(MINE | THEIRS)) => 0,
            Ok(_) => TORN,
            Err(PromiseError::Abandoned) => TOLD,
            Err(_) => 1,
        })?;
        seen.waiter = Some(waiter);
        Ok(())
    }

    fn meanwhile(&self, world: &World, _: &mut Seen, scene: &mut Scene) -> Rig {
        match world.promise.get() {
            None | Some(&(MINE | THEIRS)) => {}
            Some(torn) => scene.lost(format!("a torn value: {torn:?}")),
        }
        Ok(())
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let is_set = world.promise.get().is_some();
        if done && self.verb == Verb::Set && world.promise.get() != Some(&MINE) {
            scene.lost(format!("the value: {:?}", world.promise.get()));
        }
        if done && self.verb == Verb::GiveBack && is_set {
            scene.duplicated("a value that no process has set");
        }
        scene.outcome(if is_set { "set" } else { "unset" });
        // Sets it unless it is set, and takes the claim over from a dead victim.
        match world.promise.get_or_init(|| THEIRS) {
            Ok(&(MINE | THEIRS)) => {}
            Ok(torn) => scene.lost(format!("a torn value: {torn:?}")),
            Err(error) => scene.stuck(format!("no value: {error}")),
        }
        if let Some(waiter) = seen.waiter {
            match scene.code_of(waiter)? {
                Some(0) | None => {}
                Some(TOLD) if !done => scene.outcome("told"),
                Some(TOLD) => scene.duplicated("a death is told, and none died"),
                Some(TORN) => scene.lost("a value that is not whole"),
                Some(other) => scene.lost(format!("the waiter ended with {other}")),
            }
        }
        Ok(())
    }
}

/// The operations on promises.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Promising { verb, seeded };
    "Promise::claim and set beside a waiter" Set "a claim that is dropped without a value"
    "Promise::claim given back beside a waiter" GiveBack "a value that is set instead"
    "Promise::get_or_init" GetOrInit "another value"
};
