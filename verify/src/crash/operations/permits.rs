//! Operations on a semaphore: whatever a victim leaves, every permit is held by one process or
//! free.

use std::mem::forget;

use crossdock::sync::{Permit, Permits, Semaphore, SemaphoreOptions};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Child, Rig, forked, forked_asleep};

/// How many permits there are at first.
const PERMITS: u32 = 3;
/// How many there can be.
const MOST: u64 = 8;

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Acquires a permit, and ends with it.
    Acquire,
    /// The same, of a process that died with all of them.
    TakeOver,
    /// Releases a permit, beside a waiter for all.
    Release,
    /// Acquires two permits, and ends with them.
    AcquireMany,
    /// Releases two permits, beside a waiter for all.
    ReleaseMany,
    /// Takes a permit out.
    Forget,
    /// Adds two permits.
    Add,
    /// Closes the semaphore, beside a waiter for more than there are.
    Close,
}

impl Verb {
    /// How many permits the victim may hold.
    fn holds(self) -> u32 {
        match self {
            Self::Acquire | Self::TakeOver | Self::Release | Self::Forget => 1,
            Self::AcquireMany | Self::ReleaseMany => 2,
            Self::Add | Self::Close => 0,
        }
    }

    /// How many permits there may be, before and after.
    fn permits(self) -> (u32, u32) {
        match self {
            Self::Forget => (PERMITS, PERMITS - 1),
            Self::Add => (PERMITS, PERMITS + 2),
            _ => (PERMITS, PERMITS),
        }
    }

    /// How many permits a process waits for beside the victim.
    fn waits(self) -> Option<u32> {
        match self {
            Self::Release | Self::ReleaseMany => Some(PERMITS),
            Self::Close => Some(PERMITS + 1),
            _ => None,
        }
    }
}

struct Sharing {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    semaphore: Semaphore,
}

#[derive(Default)]
struct Seen {
    sleeper: Option<Child>,
}

/// What a victim has before its first step.
enum Hand<'a> {
    Nothing,
    One(Permit<'a>),
    Two(Permits<'a>),
}

/// What the waiter for more permits than there are ends with: it was told of the close.
const CLOSED: u8 = 7;

impl Sharing {
    fn prepare<'a>(&self, world: &'a World) -> Option<Hand<'a>> {
        world.base.join();
        Some(match self.verb {
            Verb::Release | Verb::Forget => Hand::One(world.semaphore.acquire().ok()?),
            Verb::ReleaseMany => Hand::Two(world.semaphore.acquire_many(2).ok()?),
            _ => Hand::Nothing,
        })
    }

    fn operate(&self, world: &World, hand: Hand<'_>) -> Option<u8> {
        let semaphore = &world.semaphore;
        match (self.verb, hand) {
            (Verb::Acquire | Verb::TakeOver, _) => {
                if self.verb == Verb::TakeOver {
                    world.base.segment.reap();
                }
                forget(semaphore.acquire().ok()?);
                if self.seeded {
                    forget(semaphore.acquire().ok()?);
                }
            }
            (Verb::AcquireMany, _) => {
                forget(semaphore.acquire_many(2).ok()?);
                if self.seeded {
                    forget(semaphore.acquire().ok()?);
                }
            }
            (Verb::Release, Hand::One(permit)) if self.seeded => permit.forget(),
            (Verb::Release, Hand::One(permit)) => drop(permit),
            (Verb::ReleaseMany, Hand::Two(permits)) if self.seeded => {
                let mut permits = permits.into_permits();
                permits.pop()?.forget();
            }
            (Verb::ReleaseMany, Hand::Two(permits)) => drop(permits),
            (Verb::Forget, Hand::One(permit)) => {
                permit.forget();
                if self.seeded {
                    semaphore.acquire().ok()?.forget();
                }
            }
            (Verb::Add, _) => semaphore
                .add_permits(if self.seeded { 3 } else { 2 })
                .ok()?,
            (Verb::Close, _) if self.seeded => {}
            (Verb::Close, _) => semaphore.close(),
            _ => return None,
        }
        Some(0)
    }

    /// Takes all permits that are free, one after the other, and releases them.
    fn take_all(&self, world: &World, scene: &mut Scene) -> u32 {
        let mut taken = Vec::new();
        while let Ok(permit) = world.semaphore.try_acquire() {
            taken.push(permit);
        }
        let most = self.verb.permits().0.max(self.verb.permits().1);
        let count = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        if count > most {
            scene.duplicated(format!("{count} permits were had, of {most}"));
        }
        count
    }
}

impl Operation for Sharing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let options = SemaphoreOptions::new(PERMITS.into()).most(MOST);
        let semaphore: Semaphore = base.segment.create("permits", options)?;
        if self.verb == Verb::TakeOver {
            let mut child = forked(|| match semaphore.acquire_many(PERMITS) {
                Ok(all) => {
                    forget(all);
                    0
                }
                Err(_) => 1,
            })?;
            child.end_within(std::time::Duration::from_secs(10))?;
        }
        Ok(World { base, semaphore })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        let Some(hand) = self.prepare(&world) else {
            return 250;
        };
        begin();
        self.operate(&world, hand).unwrap_or(251)
    }

    fn assemble(&self, world: &World, seen: &mut Seen) -> Rig {
        let Some(count) = self.verb.waits() else {
            return Ok(());
        };
        let sleeper = forked_asleep(|| match world.semaphore.acquire_many(count) {
            Ok(_) => 0,
            Err(_) if world.semaphore.is_closed() => CLOSED,
            Err(_) => 1,
        })?;
        seen.sleeper = Some(sleeper);
        Ok(())
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if self.verb == Verb::TakeOver {
            // An attempt reaps only if no other participant did so just now.
            world.base.segment.reap();
        }
        let free = self.take_all(world, scene);
        // A waiter for all may have them by now, for a moment.
        let least = self.verb.permits().0.saturating_sub(self.verb.holds());
        if seen.sleeper.is_none() && free < least.min(PERMITS - 1) && !world.semaphore.is_closed() {
            scene.stuck(format!("{free} permits can be had beside the victim"));
        }
        Ok(())
    }

    /// Whatever happened, every permit can be had, and no waiter is left.
    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let semaphore = &world.semaphore;
        let closed = semaphore.is_closed();
        if self.verb == Verb::Close {
            if done && !closed {
                scene.lost("a close that was made");
            }
            // The waiter is told of this one otherwise.
            semaphore.close();
            scene.outcome(if closed { "closed" } else { "open" });
        } else if closed {
            scene.duplicated("the semaphore is closed, and no process closed it");
        }
        if let Some(sleeper) = seen.sleeper {
            let expected = if self.verb == Verb::Close { CLOSED } else { 0 };
            let code = scene.code_of(sleeper)?;
            if code.is_some_and(|code| code != expected) {
                scene.lost(format!("the waiter ended with {code:?}"));
            }
        }
        world.base.segment.reap();
        let (before, after) = self.verb.permits();
        let found = semaphore.available();
        if found < before.min(after) || done && found < after {
            scene.lost(format!("{found} permits are left, of {before} or {after}"));
        } else if found > before.max(after) || done && found > after {
            scene.duplicated(format!("{found} permits are there, of {before} or {after}"));
        } else if before != after {
            scene.outcome(match found {
                found if found == after => "made",
                found if found == before => "not made",
                _ => "half made",
            });
        }
        if self.verb == Verb::Close {
            return Ok(());
        }
        match semaphore.acquire_many_timeout(found.max(1), scene.patience) {
            Ok(all) => drop(all),
            Err(error) => scene.stuck(format!("the permits cannot be had: {error}")),
        }
        if !semaphore.holders().is_empty() {
            scene.stuck("a permit is held by no process");
        }
        Ok(())
    }
}

/// The operations on semaphores.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Sharing { verb, seeded };
    "Semaphore::acquire" Acquire "two permits taken for one"
    "Semaphore::acquire from a dead holder" TakeOver "two permits taken for one"
    "Semaphore permit dropped beside a waiter" Release "a permit taken out instead of released"
    "Semaphore::acquire_many" AcquireMany "three permits taken for two"
    "Semaphore permits dropped beside a waiter" ReleaseMany "one of the permits taken out"
    "Semaphore permit forgotten" Forget "two permits taken out for one"
    "Semaphore::add_permits" Add "three permits added for two"
    "Semaphore::close" Close "a close that is not made"
};
