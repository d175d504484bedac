//! Operations on a queue: what was committed arrives once, and a process that goes on finds it
//! working.

mod place;
mod rows;

use std::cell::Cell;
use std::time::{Duration, Instant};

use crossdock::queue::{RecvTimeoutError, SendTimeoutError};
use crossdock_spec::allowed::State as _;
use crossdock_spec::queue::{Event, State, Step};

use crate::crash::allowed::{Allowed, Judged};
use crate::crash::operation::{Base, Fate, Harm, Operation, Owned, Scene};
use crate::crash::victim::Death;
use crate::process::{Child, End, Rig};
use place::{CAPACITY, Dead, Place, TOLD};
pub(crate) use rows::LISTED;
use rows::{Act, Bug};

/// An operation on a queue.
struct Queueing {
    /// The items that are there before the victim's first step, in their order.
    before: &'static [u64],
    /// What the victim does, as the specification has it.
    steps: &'static [Step],
    act: Act,
    bug: Bug,
    seeded: bool,
    /// It is the victim's first operation, and joins.
    joins: bool,
    /// The process that died at the queue before the victim came.
    dead: Option<Dead>,
    /// A receiver sleeps.
    sleeper: bool,
    /// The queue is closed before the victim's first step.
    closed: bool,
    /// The victim is the only one that is counted there, from its first step on or after its last.
    counted: Option<Counted>,
    death: Death,
    drained: Cell<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Sender,
    Receiver,
}

/// What others saw.
#[derive(Default)]
struct Seen {
    allowed: Allowed<State>,
    /// A process that receives one item.
    sleeper: Option<Child>,
}

/// What others send meanwhile.
const OTHER: u64 = 5;
/// How long others may take for an item that is there, or is not: some slices.
const SLICES: Duration = Duration::from_millis(25);

impl Queueing {
    fn closes(&self) -> bool {
        self.closed || self.steps == [Step::Close]
    }

    /// How many items the victim waits for.
    fn takes(&self) -> usize {
        let takes = |step: &&Step| matches!(step, Step::Recv | Step::MakeRoom);
        self.steps.iter().filter(takes).count()
    }

    /// Whether its last change of the segment is the commit of all that it sends and receives.
    fn ends_with_its_commit(&self) -> bool {
        matches!(self.steps, [Step::Send(_) | Step::Recv]) && !self.sleeper
    }

    /// True every few times: waiting for what does not come takes long.
    fn is_chosen(&self) -> bool {
        self.drained.set(self.drained.get() + 1);
        self.drained.get() % 4 == 1
    }

    /// A sleeper wakes for an item that is there, and for the end.
    fn wake(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let Some(mut sleeper) = seen.sleeper.take() else {
            return Ok(());
        };
        // It wakes by itself for an item, and if that is never sent, sees to it that the slot is
        // empty.
        let deadline = Instant::now() + scene.patience;
        while sleeper.end_within(Duration::ZERO)?.is_none()
            && !place.queue.is_empty()
            && Instant::now() < deadline
        {
            std::thread::yield_now();
        }
        if sleeper.end_within(Duration::ZERO)?.is_none()
            && place.queue.is_empty()
            && !place.queue.is_closed()
        {
            if self.closes() {
                place.queue.close();
                seen.allowed.see(Event::Closed, scene);
            } else {
                place.offer(OTHER + 1, &mut seen.allowed, scene);
            }
        }
        match sleeper.end_within(scene.patience)? {
            None => scene.stuck("a receiver sleeps on"),
            Some(End::Exited(TOLD)) => {
                scene.outcome("told");
                seen.allowed.see(Event::Over, scene);
            }
            Some(End::Exited(item)) if u64::from(item) < CAPACITY * 2 => {
                seen.allowed.see(Event::Received(item.into(), false), scene);
            }
            Some(other) => scene.lost(format!("a receiver ended with {other:?}")),
        }
        Ok(())
    }

    /// Receives the rest beside no other process: first what must come by itself, then all.
    fn drain(&self, place: &Place, allowed: &mut Allowed<State>, scene: &mut Scene) {
        while allowed.all(State::has_items) {
            if !place.wait_for_one(scene.patience, allowed, scene) {
                scene.stuck("an item that is there does not come");
                break;
            }
        }
        place.take(usize::MAX, allowed, scene);
        // An item that the victim was killed over comes again; one that it has taken does not.
        let looked = scene.fate == Fate::KilledAlone && self.is_chosen();
        if looked && !allowed.all(|state| !state.has_items()) {
            place.wait_for_one(SLICES, allowed, scene);
        }
        // A process that waits for the other side finds out by itself.
        if self.counted.is_none() || self.takes() > 0 {
            place.base.segment.reap();
            let late = place.take(usize::MAX, allowed, scene);
            if looked && late > 0 {
                scene.stuck(format!("{late} come when a process reaps, and not before"));
            }
        }
        allowed.keep("all came that is there", |state| !state.has_items(), scene);
        allowed.outcome(scene);
    }

    /// Once the last that was counted is gone, the other side is told. One that was killed before
    /// it was counted never was there.
    fn ends(&self, place: &Place, allowed: &mut Allowed<State>, scene: &mut Scene) {
        let is_told = |told| if told { "told" } else { "not counted" };
        let was_counted = allowed.all(|state| state.counted);
        match self.counted {
            None => {}
            Some(Counted::Sender) if !was_counted => {
                let over = place.receive(allowed, scene) == Event::Over;
                scene.outcome(is_told(over));
            }
            Some(Counted::Receiver) if !was_counted => {
                let refused = place.offer(OTHER + 1, allowed, scene) == Event::Refused;
                scene.outcome(is_told(refused));
                place.take(1, allowed, scene);
            }
            Some(Counted::Sender) => match place.queue.recv_timeout(scene.patience) {
                Err(RecvTimeoutError::Disconnected) => scene.outcome("told"),
                other => scene.stuck(format!("the last sender is gone, and recv gives {other:?}")),
            },
            Some(Counted::Receiver) => {
                // It may take a full queue to be known.
                for _ in 0..CAPACITY {
                    match place.queue.send_timeout(OTHER + 1, scene.patience) {
                        Ok(()) => {}
                        Err(SendTimeoutError::Disconnected(_)) => return scene.outcome("told"),
                        Err(error) => {
                            scene.stuck(format!("the last receiver is gone, and send: {error}"));
                            return;
                        }
                    }
                }
                scene.stuck("the last receiver is gone, and a whole queue is sent");
            }
        }
    }

    /// All works on, unless it was closed.
    fn reuse(&self, place: &Place, allowed: &mut Allowed<State>, scene: &mut Scene) {
        let closed = place.queue.is_closed();
        let is_so = |state: &State| state.closed == closed;
        allowed.keep(if closed { "closed" } else { "open" }, is_so, scene);
        if self.closes() {
            scene.outcome(if closed { "closed" } else { "open" });
        }
        if closed {
            place.offer(OTHER, allowed, scene);
            if place.receive(allowed, scene) != Event::Over {
                scene.stuck("the closed queue is empty, and does not say that it is over");
            }
            return;
        }
        // What was sent before it was known that no process receives.
        while place.queue.try_recv().is_ok() {}
        place.works(scene);
    }

    /// The victim has ended with `code`, or was killed.
    fn rest(&self, place: &Place, mut seen: Seen, code: Option<u8>, scene: &mut Scene) -> Rig {
        seen.allowed.end(code, scene);
        self.wake(place, &mut seen, scene)?;
        self.drain(place, &mut seen.allowed, scene);
        self.ends(place, &mut seen.allowed, scene);
        self.reuse(place, &mut seen.allowed, scene);
        Ok(())
    }
}

impl Operation for Queueing {
    type World = Place;
    type Seen = Seen;

    fn world(&self) -> Rig<Place> {
        let place = Place::new(self.before, self.dead, &self.death)?;
        if self.closed {
            place.queue.close();
        }
        Ok(place)
    }

    fn base<'a>(&self, place: &'a Place) -> &'a Base {
        &place.base
    }

    fn victim(&self, place: Owned<Place>, begin: &mut dyn FnMut()) -> u8 {
        if !self.joins {
            place::rehearse(&place.spare);
        }
        match self.seeded {
            true => self.bug.act(self.act, &place, begin),
            false => (self.act)(&place, &place.queue, begin),
        }
    }

    fn assemble(&self, place: &Place, seen: &mut Seen) -> Rig {
        let orphaned = self.dead == Some(Dead::Receiving);
        let mut first = State::new(self.before, orphaned, self.steps);
        first.closed = self.closed;
        first.counted = self.counted.is_some() && self.steps != [Step::Count];
        seen.allowed = Allowed::from(first);
        if self.sleeper {
            seen.sleeper = Some(place.sleeper(Duration::from_secs(10))?);
        }
        Ok(())
    }

    /// A third party sends one item, and receives all that the victim does not wait for.
    fn meanwhile(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let sent = place.offer(OTHER, &mut seen.allowed, scene) == Event::Sent(OTHER);
        if self.closed && place.queue.is_empty() {
            place.is_over(&mut seen.allowed, scene);
        }
        let most = match self.steps {
            // It stays as good as full.
            [Step::TrySend(_)] => 1,
            _ => self.before.len() + usize::from(sent) - self.takes(),
        };
        if !self.sleeper {
            place.take(most, &mut seen.allowed, scene);
        }
        Ok(())
    }

    fn after_kill(&self, place: &Place, mut seen: Seen, scene: &mut Scene) -> Rig {
        if let (Some(left), true) = (scene.left, self.ends_with_its_commit()) {
            let committed = left == 0;
            let what = ["killed before its commit", "killed after its commit"];
            let is_so = |state: &State| state.code().is_some() == committed;
            seen.allowed
                .keep(what[usize::from(committed)], is_so, scene);
        }
        self.rest(place, seen, None, scene)
    }

    fn after_end(&self, place: &Place, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        self.rest(place, seen, Some(code), scene)
    }
}

impl Judged for State {
    fn harm(event: &Event) -> Harm {
        match event {
            Event::Received(..) | Event::Sent(_) | Event::Closed => Harm::Duplicated,
            Event::Full => Harm::Stuck,
            Event::Refused | Event::Empty | Event::Over => Harm::Lost,
        }
    }
}
