//! Operations on a ring for two: what was committed arrives once, and the roles change hands.

use crossdock::queue::TryRecvError;
use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::segment::ClaimError;
use crossdock_spec::queue::{CAPACITY, Event, State, Step, bit};

use crate::crash::allowed::Allowed;
use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Rig};

/// An operation on a ring.
struct Ringing {
    /// The items that are there before the victim's first step.
    before: &'static [u64],
    /// What the victim does, as the specification has it: a slice is all there, or not at all.
    steps: &'static [Step],
    role: Role,
    act: Act,
    seeded: bool,
}

/// Claims an end, calls `begin`, operates, and tells what was sent and received; with a bug if so.
type Act = fn(&Spsc<u64>, bool, &mut dyn FnMut()) -> Option<u8>;

/// What the victim is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Producer,
    Consumer,
    /// It becomes a producer.
    Claimer,
}

struct World {
    base: Base,
    ring: Spsc<u64>,
}

#[derive(Default)]
struct Seen {
    allowed: Allowed<State>,
    /// The victim had the role when it was stopped.
    had: bool,
}

/// What the third party pushes while a consumer is stopped, and what a new producer does.
const LATER: u64 = 9;
/// What a claimer tells that another process came before.
const TAKEN: u8 = 1;

/// Pops all that is there.
fn drain(ring: &Spsc<u64>, scene: &mut Scene, mut see: impl FnMut(Event, &mut Scene)) {
    let mut consumer = match ring.consumer() {
        Ok(consumer) => consumer,
        Err(error) => return scene.stuck(format!("no process can consume: {error}")),
    };
    loop {
        match consumer.try_pop() {
            Ok(item) => see(Event::Received(item, false), scene),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                return see(Event::Empty, scene);
            }
            Err(error) => return scene.lost(format!("popping: {error}")),
        }
    }
}

impl Ringing {
    /// Whatever happened, the roles can be had and the ring works.
    fn works(world: &World, scene: &mut Scene) {
        match world.ring.producer() {
            Ok(mut producer) => {
                if producer.push_timeout(LATER, scene.patience).is_err() {
                    scene.stuck("a new producer cannot push");
                }
            }
            Err(error) => scene.stuck(format!("no process can produce: {error}")),
        }
        let mut allowed = Allowed::from(State::new(&[LATER], false, &[]));
        drain(&world.ring, scene, |event, scene| allowed.see(event, scene));
    }

    /// The victim has ended with `code`, or was killed.
    fn rest(world: &World, mut seen: Seen, code: Option<u8>, scene: &mut Scene) {
        seen.allowed.end(code, scene);
        drain(&world.ring, scene, |event, scene| {
            seen.allowed.see(event, scene)
        });
        seen.allowed.outcome(scene);
        Self::works(world, scene);
    }
}

impl Operation for Ringing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let ring = base.segment.create::<Spsc<u64>>("ring", CAPACITY as u64)?;
        let wrong = |error: &dyn std::fmt::Display| Broken(format!("preparing a ring: {error}"));
        let mut producer = ring.producer().map_err(|error| wrong(&error))?;
        let mut consumer = ring.consumer().map_err(|error| wrong(&error))?;
        // Not at the beginning: slices shall cross the end.
        for _ in 0..2 {
            producer.push(0).map_err(|error| wrong(&error))?;
            consumer.pop().map_err(|error| wrong(&error))?;
        }
        let items = self.before;
        if self.role == Role::Consumer && producer.push_slice(items) != Ok(items.len()) {
            return Err(Broken("preparing a ring: it is full".into()));
        }
        drop((producer, consumer));
        Ok(World { base, ring })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        (self.act)(&world.ring, self.seeded, begin).unwrap_or(250)
    }

    fn assemble(&self, _world: &World, seen: &mut Seen) -> Rig {
        seen.allowed = Allowed::from(State::new(self.before, false, self.steps));
        Ok(())
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        match (self.role, world.ring.producer()) {
            (Role::Producer, _) => {
                drain(&world.ring, scene, |event, scene| {
                    seen.allowed.see(event, scene)
                });
            }
            (Role::Consumer, Ok(mut producer)) => {
                let sent = producer.try_push(LATER).is_ok();
                let event = if sent {
                    Event::Sent(LATER)
                } else {
                    Event::Full
                };
                seen.allowed.see(event, scene);
            }
            // And leaves again.
            (Role::Claimer, Ok(_)) => {}
            (Role::Claimer, Err(ClaimError::RoleTaken { .. })) => seen.had = true,
            (_, Err(error)) => scene.stuck(format!("the role cannot be claimed: {error}")),
        }
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        Self::rest(world, seen, None, scene);
        Ok(())
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        // It may have looked at the role while the other had it.
        let late = self.role == Role::Claimer && !seen.had && code == TAKEN;
        Self::rest(world, seen, Some(if late { 0 } else { code }), scene);
        Ok(())
    }
}

/// A producer that has pushed the first item.
fn producer(ring: &Spsc<u64>) -> Option<Producer<u64>> {
    let mut end = ring.producer().ok()?;
    end.push(1).ok()?;
    Some(end)
}

fn push(ring: &Spsc<u64>, seeded: bool, begin: &mut dyn FnMut()) -> Option<u8> {
    let mut end = producer(ring)?;
    begin();
    if seeded {
        end.push(7).ok()?;
    }
    end.push(2).ok()?;
    std::mem::forget(end);
    Some(bit(2))
}

fn push_slice(ring: &Spsc<u64>, seeded: bool, begin: &mut dyn FnMut()) -> Option<u8> {
    let mut end = producer(ring)?;
    begin();
    let items = if seeded { [2, 4, 3] } else { [2, 3, 4] };
    let pushed = end.push_slice(&items);
    std::mem::forget(end);
    (pushed == Ok(3)).then_some(bit(2) | bit(3) | bit(4))
}

fn pop(ring: &Spsc<u64>, seeded: bool, begin: &mut dyn FnMut()) -> Option<u8> {
    let mut end: Consumer<u64> = ring.consumer().ok()?;
    begin();
    let item = end.pop().ok()?;
    if seeded {
        end.pop().ok()?;
    }
    std::mem::forget(end);
    Some(bit(item))
}

fn pop_slice(ring: &Spsc<u64>, seeded: bool, begin: &mut dyn FnMut()) -> Option<u8> {
    let mut end: Consumer<u64> = ring.consumer().ok()?;
    begin();
    let mut items = [0; 3];
    let wanted = if seeded { 3 } else { 2 };
    let popped = end.pop_slice(&mut items[..wanted]);
    std::mem::forget(end);
    (popped == Ok(wanted)).then_some(bit(items[0]) | bit(items[1]))
}

fn claim(ring: &Spsc<u64>, seeded: bool, begin: &mut dyn FnMut()) -> Option<u8> {
    begin();
    let mut claimed = ring.producer().ok();
    if let (Some(end), true) = (&mut claimed, seeded) {
        end.push(7).ok()?;
    }
    let told = if claimed.is_some() { 0 } else { TAKEN };
    std::mem::forget(claimed);
    Some(told)
}

fn leave(ring: &Spsc<u64>, seeded: bool, begin: &mut dyn FnMut()) -> Option<u8> {
    let mut end = producer(ring)?;
    begin();
    if seeded {
        end.push(7).ok()?;
    }
    drop(end);
    Some(0)
}

/// The operations on rings for two.
pub(crate) const LISTED: &[Listed] = rows! {
    "spsc push" "an item that no process sent before it"
        |seeded| row(seeded, Role::Producer, push, &[1], &[Step::SendAll(&[2])]);
    "spsc push_slice" "two items change places"
        |seeded| row(seeded, Role::Producer, push_slice, &[1], &[Step::SendAll(&[2, 3, 4])]);
    "spsc pop" "two items popped for one"
        |seeded| row(seeded, Role::Consumer, pop, &[1, 2, 3], &[Step::RecvAll(1)]);
    "spsc pop_slice" "three items popped for two"
        |seeded| row(seeded, Role::Consumer, pop_slice, &[1, 2, 3], &[Step::RecvAll(2)]);
    "spsc claim" "an item pushed when claiming"
        |seeded| row(seeded, Role::Claimer, claim, &[], &[]);
    "spsc leave" "an item pushed when leaving"
        |seeded| row(seeded, Role::Producer, leave, &[1], &[]);
};

fn row(
    seeded: bool,
    role: Role,
    act: Act,
    before: &'static [u64],
    steps: &'static [Step],
) -> Ringing {
    Ringing {
        before,
        steps,
        role,
        act,
        seeded,
    }
}
