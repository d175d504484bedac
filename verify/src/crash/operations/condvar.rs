//! Operations on a condition variable: no waiter sleeps through a change, and the mutex is free.

use std::mem::forget;
use std::time::Duration;

use crossdock::sync::{Condvar, LockError, MutexGuard};
use crossdock::{Counter, Mutex};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Child, End, Rig, forked};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Adds one to the stock and notifies one, beside a waiter that takes it.
    NotifyOne,
    /// The same, and notifies all.
    NotifyAll,
    /// Waits for a moment, and adds one then.
    Wait,
}

struct Trading {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    stock: Mutex<u64>,
    condvar: Condvar,
    taken: Counter,
}

#[derive(Default)]
struct Seen {
    waiter: Option<Child>,
}

const MOMENT: Duration = Duration::from_millis(1);
/// Waits in vain after which a handle no longer spins, which would be thousands of steps.
const IN_VAIN: usize = 6;

impl World {
    /// Locks; an owner that died leaves nothing to repair.
    fn lock(&self) -> Option<MutexGuard<'_, u64>> {
        self.stock.lock_or_repair(|_| ()).ok()
    }

    /// Waits for one, and takes it.
    fn take(&self) -> Option<()> {
        let guard = self.lock()?;
        let empty = |stock: &mut u64| *stock == 0;
        let mut guard = self
            .condvar
            .wait_while_or_repair(guard, empty, |_| ())
            .ok()?;
        *guard -= 1;
        self.taken.add(1);
        Some(())
    }

    /// How many were added.
    fn added(&self) -> Option<u64> {
        let guard = self.lock()?;
        Some(*guard + self.taken.load())
    }
}

impl Trading {
    fn operate(&self, world: &World) -> Option<u8> {
        let add = u64::from(!self.seeded);
        match self.verb {
            Verb::NotifyOne => {
                *world.lock()? += add;
                world.condvar.notify_one();
            }
            Verb::NotifyAll => {
                *world.lock()? += add;
                world.condvar.notify_all();
            }
            Verb::Wait => {
                let waited = world.condvar.wait_timeout(world.lock()?, MOMENT);
                let (mut guard, _) = waited.ok()?;
                *guard += 1;
                if self.seeded {
                    forget(guard);
                }
            }
        }
        Some(0)
    }
}

fn is_owner_died<G>(error: &crossdock::sync::TryLockError<G>) -> bool {
    use crossdock::sync::TryLockError;
    matches!(error, TryLockError::Lock(LockError::OwnerDied(_)))
}

impl Operation for Trading {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        Ok(World {
            stock: base.segment.create("stock", 0)?,
            condvar: base.segment.create("condvar", ())?,
            taken: base.segment.create("taken", 0)?,
            base,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        if self.verb == Verb::Wait {
            for _ in 0..IN_VAIN {
                let Some(guard) = world.lock() else {
                    return 1;
                };
                drop(world.condvar.wait_timeout(guard, MOMENT));
            }
        }
        begin();
        self.operate(&world).unwrap_or(1)
    }

    fn assemble(&self, world: &World, seen: &mut Seen) -> Rig {
        if self.verb == Verb::Wait {
            return Ok(());
        }
        let waiter = forked(|| u8::from(world.take().is_none()))?;
        if !waiter.sleeps_on_a_futex(Duration::from_secs(10)) {
            return Err(Broken("the waiter does not sleep".into()));
        }
        seen.waiter = Some(waiter);
        Ok(())
    }

    fn meanwhile(&self, world: &World, _: &mut Seen, _: &mut Scene) -> Rig {
        world.condvar.notify_all();
        Ok(())
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        if done && matches!(world.stock.try_lock(), Err(error) if is_owner_died(&error)) {
            scene.duplicated("the death of an owner is told, and it had unlocked");
        }
        let Some(added) = world.added() else {
            scene.stuck("the mutex cannot be locked");
            return Ok(());
        };
        if added > 1 || done && added == 0 {
            scene.lost(format!("{added} were added"));
        }
        scene.outcome(if added == 0 { "nothing" } else { "added" });
        if let Some(mut waiter) = seen.waiter {
            if added == 0
                && let Some(mut guard) = world.lock()
            {
                // The victim has not come to its change: this one is for the waiter's sake.
                *guard += 1;
                drop(guard);
                world.condvar.notify_one();
            }
            match waiter.end_within(scene.patience)? {
                Some(End::Exited(0)) => {}
                Some(other) => scene.lost(format!("the waiter failed: {other:?}")),
                None => scene.stuck("the waiter sleeps through a change"),
            }
        }
        world.base.segment.reap();
        let Some(mut guard) = world.lock() else {
            scene.stuck("the mutex cannot be locked again");
            return Ok(());
        };
        *guard = 1;
        drop(guard);
        if world.take().is_none() {
            scene.stuck("the condition variable cannot be waited with");
        }
        Ok(())
    }
}

/// The operations on condition variables.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Trading { verb, seeded };
    "Condvar::notify_one beside a waiter" NotifyOne "a notification of nothing"
    "Condvar::notify_all beside a waiter" NotifyAll "a notification of nothing"
    "Condvar::wait_timeout" Wait "a mutex that stays locked"
};
