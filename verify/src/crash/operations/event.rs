//! Operations on an event: it is set or clear, and no waiter sleeps through a set that was made.
//! And on numbers that processes wait for: no waiter sleeps through a change.

use crossdock::sync::Event;
use crossdock::{AtomicArray, Counter};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Child, Rig, forked_asleep};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Counts up and sets the event, beside a waiter that reads the count.
    Set,
    /// The same, and clears the event at once.
    Pulse,
    /// Clears an event that is set.
    Clear,
    /// Counts up and notifies, beside a waiter for the count.
    Count,
    /// Counts up, stores into an element and notifies, beside a waiter for the element.
    Element,
}

struct Flagging {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    event: Event,
    written: Counter,
    elements: AtomicArray<u8>,
}

impl World {
    /// Blocks until the victim's operation has come to its commit.
    fn wait(&self, verb: Verb) -> bool {
        match verb {
            Verb::Set | Verb::Pulse | Verb::Clear => self.event.wait().is_ok(),
            Verb::Count => self.written.wait_until(|written| written > 0).is_ok(),
            Verb::Element => self.elements.wait_while_eq(1, 0).is_ok(),
        }
    }

    /// Makes the commit.
    fn set(&self, verb: Verb) {
        match verb {
            Verb::Set | Verb::Pulse | Verb::Clear => {
                self.event.set();
            }
            Verb::Count => {
                self.written.add_and_notify(1);
            }
            Verb::Element => {
                self.elements[1].store(1);
                self.elements.notify(1);
            }
        }
    }

    fn is_set(&self, verb: Verb) -> bool {
        match verb {
            Verb::Set | Verb::Pulse | Verb::Clear => self.event.is_set(),
            Verb::Count => self.written.load() > 0,
            Verb::Element => self.elements[1].load() > 0,
        }
    }
}

#[derive(Default)]
struct Seen {
    waiter: Option<Child>,
}

/// What a waiter ends with that does not see what was written before the set.
const UNSEEN: u8 = 7;

impl Operation for Flagging {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let event = base.segment.create("event", self.verb == Verb::Clear)?;
        let written = base.segment.create("written", 0)?;
        let elements = base.segment.create("elements", [0, 0])?;
        Ok(World {
            base,
            event,
            written,
            elements,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        begin();
        match self.verb {
            Verb::Set if self.seeded => {
                world.event.set();
                world.written.add(1);
            }
            Verb::Set => {
                world.written.add(1);
                world.event.set();
            }
            Verb::Pulse if self.seeded => {
                world.written.add(1);
            }
            Verb::Pulse => {
                world.written.add(1);
                world.event.set();
                world.event.clear();
            }
            Verb::Clear if self.seeded => {}
            Verb::Clear => {
                world.event.clear();
            }
            Verb::Count if self.seeded => world.written.notify(),
            Verb::Count => {
                world.written.add_and_notify(1);
            }
            Verb::Element if self.seeded => {
                world.elements[1].store(1);
                world.elements.notify(1);
                world.written.add(1);
            }
            Verb::Element => {
                world.written.add(1);
                world.elements[1].store(1);
                world.elements.notify(1);
            }
        }
        0
    }

    fn assemble(&self, world: &World, seen: &mut Seen) -> Rig {
        if self.verb == Verb::Clear {
            return Ok(());
        }
        let waiter = forked_asleep(|| match world.wait(self.verb) {
            true if world.written.load() > 0 => 0,
            true => UNSEEN,
            false => 1,
        })?;
        seen.waiter = Some(waiter);
        Ok(())
    }

    fn meanwhile(&self, world: &World, _: &mut Seen, scene: &mut Scene) -> Rig {
        if world.is_set(self.verb) && self.verb != Verb::Clear && world.written.load() == 0 {
            scene.lost("it is set before what comes first");
        }
        Ok(())
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let is_set = world.is_set(self.verb);
        let expected = !matches!(self.verb, Verb::Pulse | Verb::Clear);
        if done && is_set != expected {
            scene.lost(format!("it is left set: {is_set}"));
        }
        scene.outcome(if is_set { "set" } else { "clear" });
        if let Some(waiter) = seen.waiter {
            if !done && world.written.load() == 0 {
                // The victim has not come to its set: this one is for the waiter's sake.
                world.written.add(1);
            }
            if !done {
                world.set(self.verb);
            }
            match scene.code_of(waiter)? {
                Some(0) | None => {}
                Some(UNSEEN) => scene.lost("what was written before the set"),
                Some(other) => scene.lost(format!("the waiter ended with {other}")),
            }
        }
        world.base.segment.reap();
        world.event.clear();
        if world.event.is_set() || !world.event.set() || world.event.wait().is_err() {
            scene.stuck("the event cannot be cleared, set and waited for");
        }
        world.set(self.verb);
        if !world.wait(self.verb) {
            scene.stuck("there is no waiting any more");
        }
        Ok(())
    }
}

/// The operations on events.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Flagging { verb, seeded };
    "Event::set beside a waiter" Set "a set before what it publishes"
    "Event::set and clear beside a waiter" Pulse "a set that is not made"
    "Event::clear" Clear "a clear that is not made"
    "Counter::add_and_notify beside a waiter" Count "a notification without an addition"
    "AtomicArray::notify beside a waiter" Element "a change before what it publishes"
};
