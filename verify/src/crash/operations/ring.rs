//! Operations on a ring for two: what was committed arrives once, and the roles change hands.

use crossdock::queue::TryRecvError;
use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::segment::ClaimError;

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Broken;

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Pushes item 2 after item 1, which it pushed before.
    Push,
    /// Pushes items 2, 3 and 4 at once, across the end of the ring.
    PushSlice,
    /// Pops the first of three items.
    Pop,
    /// Pops two of three items at once.
    PopSlice,
    /// Becomes the producer.
    Claim,
    /// Gives the producer's end back, after pushing item 1.
    Leave,
}

const CAPACITY: u64 = 4;
/// What the third party pushes while a consumer is stopped, and what a new producer does.
const LATER: u64 = 9;

impl Verb {
    fn consumes(self) -> bool {
        matches!(self, Self::Pop | Self::PopSlice)
    }

    /// The items that are there when all processes have done what they do, and how many of the
    /// first of them the victim can have taken: all of them, or none.
    fn items(self) -> (&'static [u64], usize) {
        match self {
            Self::Push => (&[1, 2], 0),
            Self::PushSlice => (&[1, 2, 3, 4], 0),
            Self::Pop => (&[1, 2, 3], 1),
            Self::PopSlice => (&[1, 2, 3], 2),
            Self::Claim => (&[], 0),
            Self::Leave => (&[1], 0),
        }
    }

    /// How many of the items are there before the victim's first step.
    fn before(self) -> usize {
        match self {
            Self::Push | Self::PushSlice | Self::Leave => 1,
            Self::Pop | Self::PopSlice => 3,
            Self::Claim => 0,
        }
    }
}

struct Ringing {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    ring: Spsc<u64>,
}

#[derive(Default)]
struct Seen {
    /// What a third party popped beside a stopped producer.
    popped: Vec<u64>,
    /// What it pushed beside a stopped consumer.
    pushed: Vec<u64>,
    /// The victim had the role when it was stopped.
    had: bool,
}

/// The end that a victim has before its first step, if any.
type Ends = (Option<Producer<u64>>, Option<Consumer<u64>>);

/// Pops all that is there.
fn drain(ring: &Spsc<u64>, scene: &mut Scene) -> Vec<u64> {
    let mut items = Vec::new();
    let mut consumer: Consumer<u64> = match ring.consumer() {
        Ok(consumer) => consumer,
        Err(error) => {
            scene.stuck(format!("no process can consume: {error}"));
            return items;
        }
    };
    loop {
        match consumer.try_pop() {
            Ok(item) => items.push(item),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return items,
            Err(error) => {
                scene.lost(format!("popping: {error}"));
                return items;
            }
        }
    }
}

impl Ringing {
    /// A victim's ends, with what it has done before its first step.
    fn prepare(&self, world: &World) -> Option<Ends> {
        if self.verb.consumes() {
            return Some((None, Some(world.ring.consumer().ok()?)));
        }
        if self.verb == Verb::Claim {
            world.base.join();
            return Some((None, None));
        }
        let mut producer = world.ring.producer().ok()?;
        producer.push(1).ok()?;
        Some((Some(producer), None))
    }

    fn operate(
        &self,
        world: &World,
        producer: Option<Producer<u64>>,
        consumer: Option<Consumer<u64>>,
    ) -> Option<u8> {
        match (self.verb, producer, consumer) {
            (Verb::Push, Some(mut end), _) => {
                // The seeded bug: an item that is two.
                let item = if self.seeded {
                    end.push(7).map(|()| 2)
                } else {
                    Ok(2)
                };
                end.push(item.ok()?).ok()?;
                std::mem::forget(end);
            }
            (Verb::PushSlice, Some(mut end), _) => {
                let items = if self.seeded { [2, 4, 3] } else { [2, 3, 4] };
                (end.push_slice(&items) == Ok(3)).then_some(())?;
                std::mem::forget(end);
            }
            (Verb::Pop, _, Some(mut end)) => {
                let item = end.pop().ok()?;
                if self.seeded {
                    end.pop().ok()?;
                }
                std::mem::forget(end);
                return item.to_le_bytes().first().copied();
            }
            (Verb::PopSlice, _, Some(mut end)) => {
                let mut items = [0; 3];
                let wanted = if self.seeded { 3 } else { 2 };
                (end.pop_slice(&mut items[..wanted]) == Ok(wanted)).then_some(())?;
                std::mem::forget(end);
                return items[0].to_le_bytes().first().copied();
            }
            (Verb::Claim, _, _) => {
                let mut claimed = world.ring.producer().ok();
                if let (Some(end), true) = (&mut claimed, self.seeded) {
                    end.push(7).ok()?;
                }
                let had = claimed.is_some();
                std::mem::forget(claimed);
                return Some(u8::from(had));
            }
            (Verb::Leave, Some(end), _) => {
                if self.seeded {
                    let mut end = end;
                    end.push(7).ok()?;
                    return Some(0);
                }
                drop(end);
            }
            _ => return None,
        }
        Some(0)
    }

    /// Judges all items that any process popped, in their order.
    fn judge(&self, popped: &[u64], seen: &Seen, code: Option<u8>, scene: &mut Scene) {
        let (items, taken) = self.verb.items();
        let mut all = items.to_vec();
        all.extend(&seen.pushed);
        let found = format!("{popped:?} of {all:?} arrived");
        if self.verb.consumes() {
            let rest = &all[taken..];
            match popped {
                popped if popped == rest => scene.outcome("taken"),
                // Before its commit, a slice is as good as untouched.
                popped if popped == all && code.is_none() => scene.outcome("not taken"),
                popped if popped.len() < rest.len() => scene.lost(found),
                _ => scene.duplicated(found),
            }
            return;
        }
        let least = match code {
            Some(_) => all.len(),
            None => self.verb.before(),
        };
        // A slice is committed at once.
        let whole = |len: usize| self.verb != Verb::PushSlice || len == least || len == all.len();
        if popped.len() < least {
            scene.lost(found);
        } else if popped.len() > all.len() || all[..popped.len()] != *popped {
            scene.duplicated(found);
        } else if !whole(popped.len()) {
            scene.lost(found);
        } else {
            let made = popped.len() == all.len();
            scene.outcome(if made { "made" } else { "not made" });
        }
    }

    /// Whatever happened, the roles can be had and the ring works.
    fn works(&self, world: &World, scene: &mut Scene) {
        match world.ring.producer() {
            Ok(mut producer) => {
                if producer.push_timeout(LATER, scene.patience).is_err() {
                    scene.stuck("a new producer cannot push");
                }
            }
            Err(error) => scene.stuck(format!("no process can produce: {error}")),
        }
        let items = drain(&world.ring, scene);
        if items != [LATER] {
            scene.lost(format!("a new producer's item came as {items:?}"));
        }
    }
}

impl Operation for Ringing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Result<World, Broken> {
        let base = Base::new(4)?;
        let ring = base.segment.create::<Spsc<u64>>("ring", CAPACITY)?;
        let wrong = |error: &dyn std::fmt::Display| Broken(format!("preparing a ring: {error}"));
        let mut producer = ring.producer().map_err(|error| wrong(&error))?;
        let mut consumer = ring.consumer().map_err(|error| wrong(&error))?;
        // Not at the beginning: slices shall cross the end.
        for _ in 0..2 {
            producer.push(0).map_err(|error| wrong(&error))?;
            consumer.pop().map_err(|error| wrong(&error))?;
        }
        if self.verb.consumes() {
            let items = self.verb.items().0;
            if producer.push_slice(items) != Ok(items.len()) {
                return Err(Broken("preparing a ring: it is full".into()));
            }
        }
        drop((producer, consumer));
        Ok(World { base, ring })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        let Some((producer, consumer)) = self.prepare(&world) else {
            return 250;
        };
        begin();
        self.operate(&world, producer, consumer).unwrap_or(251)
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Result<(), Broken> {
        if self.verb.consumes() {
            match world.ring.producer() {
                Ok(mut producer) => {
                    if producer.try_push(LATER).is_ok() {
                        seen.pushed.push(LATER);
                    }
                }
                Err(error) => scene.stuck(format!("no producer beside a consumer: {error}")),
            }
            return Ok(());
        }
        if self.verb == Verb::Claim {
            match world.ring.producer() {
                // And leaves again.
                Ok(_) => {}
                Err(ClaimError::RoleTaken { .. }) => seen.had = true,
                Err(error) => scene.stuck(format!("the role cannot be claimed: {error}")),
            }
            return Ok(());
        }
        seen.popped = drain(&world.ring, scene);
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Result<(), Broken> {
        let mut popped = seen.popped.clone();
        popped.extend(drain(&world.ring, scene));
        self.judge(&popped, &seen, None, scene);
        self.works(world, scene);
        Ok(())
    }

    fn after_end(
        &self,
        world: &World,
        seen: Seen,
        code: u8,
        scene: &mut Scene,
    ) -> Result<(), Broken> {
        let expected = match self.verb {
            Verb::Claim if seen.had => 1,
            // It had looked at the role before, or not: either way the other has left again.
            Verb::Claim => code.min(1),
            verb if verb.consumes() => 1,
            _ => 0,
        };
        if code != expected {
            scene.lost(format!("the victim ended with {code}, not {expected}"));
        }
        let mut popped = seen.popped.clone();
        popped.extend(drain(&world.ring, scene));
        self.judge(&popped, &seen, Some(code), scene);
        self.works(world, scene);
        Ok(())
    }
}

/// The operations on rings for two.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Ringing { verb, seeded };
    "spsc push" Push "an item that no process sent before it"
    "spsc push_slice" PushSlice "two items change places"
    "spsc pop" Pop "two items popped for one"
    "spsc pop_slice" PopSlice "three items popped for two"
    "spsc claim" Claim "an item pushed when claiming"
    "spsc leave" Leave "an item pushed when leaving"
};
