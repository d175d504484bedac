//! Operations on counters: what two of them come to, whichever is first.
//!
//! The judge is the counter's specification as a pure function. The victim's operation and the
//! third party's are applied in the order that the third party saw, and value and results must be
//! what the specification says.

use crossdock::Counter;

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// What is done to the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Sub,
    Swap,
    CompareExchange,
    FetchMax,
    FetchMin,
    FetchAnd,
    FetchOr,
    Set,
    ShardedFirst,
    ShardedLater,
}

const START: u64 = 40;
impl Verb {
    /// What the victim's operation is given.
    fn victims(self) -> u64 {
        if self == Self::FetchMin { 30 } else { 50 }
    }

    /// What the third party's operation is given.
    fn thirds(self) -> u64 {
        if self == Self::FetchMin { 20 } else { 70 }
    }

    /// The value after, and what is returned.
    fn specified(self, value: u64, amount: u64) -> (u64, u64) {
        match self {
            Self::Add => (value + amount, value + amount),
            Self::Sub => {
                let new = value.wrapping_sub(amount);
                (new, new)
            }
            Self::Swap => (amount, value),
            Self::CompareExchange if value == START => (amount, value),
            Self::CompareExchange => (value, value),
            Self::FetchMax => (value.max(amount), value),
            Self::FetchMin => (value.min(amount), value),
            Self::FetchAnd => (value & amount, value),
            Self::FetchOr => (value | amount, value),
            Self::Set => (amount, 0),
            Self::ShardedFirst | Self::ShardedLater => (value + amount, 0),
        }
    }

    fn is_sharded(self) -> bool {
        matches!(self, Self::ShardedFirst | Self::ShardedLater)
    }
}

struct Counting {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    counter: Counter,
    /// For the victim to go through its motions with.
    spare: Counter,
}

#[derive(Default)]
struct Seen {
    /// The value that the third party found, and the one that it left.
    values: Option<(u64, u64)>,
}

impl Counting {
    fn value(&self, world: &World) -> u64 {
        if self.verb.is_sharded() {
            world.base.cells.load()
        } else {
            world.counter.load()
        }
    }

    /// The operation, on the counter or (`spare`) on one that no process looks at.
    fn operate(&self, world: &World, spare: bool, amount: u64) -> u64 {
        let counter = if spare { &world.spare } else { &world.counter };
        match self.verb {
            Verb::Add => counter.add(amount),
            Verb::Sub => counter.sub(amount),
            Verb::Swap => counter.swap(amount),
            Verb::CompareExchange => match counter.compare_exchange(START, amount) {
                Ok(found) | Err(found) => found,
            },
            Verb::FetchMax => counter.fetch_max(amount),
            Verb::FetchMin => counter.fetch_min(amount),
            Verb::FetchAnd => counter.fetch_and(amount),
            Verb::FetchOr => counter.fetch_or(amount),
            Verb::Set => {
                counter.store(amount);
                0
            }
            Verb::ShardedFirst | Verb::ShardedLater => {
                world.base.cells.add(if spare { 0 } else { amount });
                0
            }
        }
    }

    /// The same in two steps, or in many, as it must not be.
    fn operate_wrongly(&self, world: &World, amount: u64) -> u64 {
        if self.verb.is_sharded() {
            (0..amount).for_each(|_| world.base.cells.add(1));
            return 0;
        }
        if self.verb == Verb::Set {
            world.counter.store(amount ^ 1);
        }
        let (value, returned) = self.verb.specified(world.counter.load(), amount);
        world.counter.store(value);
        returned
    }
}

impl Operation for Counting {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let counter = base.segment.create("counter", START)?;
        let spare = base.segment.create("spare", START)?;
        base.cells.add(START);
        Ok(World {
            base,
            counter,
            spare,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        if self.verb == Verb::ShardedFirst {
            if let Ok(other) = Base::new(2) {
                std::mem::forget(other);
            }
        } else {
            world.base.join();
        }
        if self.verb != Verb::ShardedFirst {
            self.operate(&world, true, self.verb.victims());
        }
        begin();
        let returned = if self.seeded {
            self.operate_wrongly(&world, self.verb.victims())
        } else {
            self.operate(&world, false, self.verb.victims())
        };
        returned.to_le_bytes()[0]
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let found = self.value(world);
        let (made, _) = self.verb.specified(START, self.verb.victims());
        if found != START && found != made {
            scene.lost(format!("the value is {found}: not {START}, and not {made}"));
        }
        let returned = self.operate(world, false, self.verb.thirds());
        let (left, expected) = self.verb.specified(found, self.verb.thirds());
        if returned != expected {
            scene.lost(format!("a third party was told {returned}, not {expected}"));
        }
        seen.values = Some((found, left));
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        let value = self.value(world);
        let (made, _) = self.verb.specified(START, self.verb.victims());
        let (found, allowed) = match seen.values {
            Some((found, left)) => (found, vec![left]),
            None => (value, vec![START, made]),
        };
        scene.outcome(if found == START { "not made" } else { "made" });
        compare(value, &allowed, scene);
        Ok(())
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let (value, returned) = match seen.values {
            // The third party was first.
            Some((START, left)) => self.verb.specified(left, self.verb.victims()),
            Some((_, left)) => (left, self.verb.specified(START, self.verb.victims()).1),
            None => self.verb.specified(START, self.verb.victims()),
        };
        compare(self.value(world), &[value], scene);
        let returned = returned.to_le_bytes()[0];
        if code != returned {
            scene.lost(format!("the victim was told {code}, not {returned}"));
        }
        scene.outcome("went on");
        Ok(())
    }
}

fn compare(value: u64, allowed: &[u64], scene: &mut Scene) {
    if allowed.contains(&value) {
        return;
    }
    let what = format!("the value is {value}, and should be {allowed:?}");
    if allowed.iter().all(|allowed| value > *allowed) {
        scene.duplicated(what);
    } else {
        scene.lost(what);
    }
}

/// The operations on counters.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Counting { verb, seeded };
    "Counter::add" Add "a load, an addition and a store"
    "Counter::sub" Sub "a load, a subtraction and a store"
    "Counter::swap" Swap "a load and a store"
    "Counter::compare_exchange" CompareExchange "a load, a comparison and a store"
    "Counter::fetch_max" FetchMax "a load, a comparison and a store"
    "Counter::fetch_min" FetchMin "a load, a comparison and a store"
    "Counter::fetch_and" FetchAnd "a load and a store"
    "Counter::fetch_or" FetchOr "a load and a store"
    "Counter::set" Set "two stores"
    "ShardedCounter::add, the first" ShardedFirst "an addition in fifty steps"
    "ShardedCounter::add, a later one" ShardedLater "an addition in fifty steps"
};
