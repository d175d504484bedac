//! The last sender of a queue on its way from a parent to its child: receivers are told when
//! neither has it any more, and not before; and if they were told, that is final.

use std::cell::RefCell;
use std::time::Duration;

use crossdock::process::take_over_sender;
use crossdock::queue::{Queue, RecvTimeoutError, SenderOf, TryRecvError, wait_any_timeout};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Rig, forked};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// The child takes over, while the parent, which is the rig, has the sender.
    Take,
    /// The parent was killed before, and receivers were told: the child finds it over.
    TakeLate,
    /// The parent drops its sender, which its child, the rig, has taken over.
    Leave,
}

struct HandingOver {
    verb: Verb,
    seeded: bool,
}

struct Place {
    base: Base,
    queue: Queue<u64>,
    /// An empty one, for victims to go through their motions with.
    spare: Queue<u64>,
    /// The rig's sender: the parent's, or the child's.
    sender: RefCell<Option<SenderOf<Queue<u64>>>>,
}

/// What others were told while the victim was stopped.
#[derive(Default)]
struct Seen {
    told: bool,
}

const TAKEN: u8 = 1;
const OVER: u8 = 2;
const LEFT: u8 = 3;
const FAILED: u8 = 250;

impl HandingOver {
    fn new(verb: Verb, seeded: bool) -> Self {
        Self { verb, seeded }
    }
}

impl Place {
    fn new() -> Rig<Self> {
        let base = Base::new(6)?;
        let queue = base.segment.create::<Queue<u64>>("queue", 4)?;
        let spare = base.segment.create::<Queue<u64>>("spare", 4)?;
        Ok(Self {
            base,
            queue,
            spare,
            sender: RefCell::new(None),
        })
    }

    /// Whether a receiver is told that nothing comes any more, without waiting.
    fn is_over(&self, scene: &mut Scene) -> bool {
        let is_ready = wait_any_timeout(&[&self.queue], Duration::ZERO).is_ok();
        match self.queue.try_recv() {
            Err(TryRecvError::Disconnected) => true,
            Err(TryRecvError::Empty) => {
                if is_ready {
                    scene.lost("an empty queue is ready");
                }
                false
            }
            other => {
                scene.duplicated(format!("an empty queue gives {other:?}"));
                false
            }
        }
    }

    /// No process has a sender any more.
    fn ends(&self, scene: &mut Scene) {
        match self.queue.recv_timeout(scene.patience) {
            Err(RecvTimeoutError::Disconnected) => scene.outcome("told"),
            other => scene.stuck(format!("no sender is left, and recv gives {other:?}")),
        }
    }

    /// A newcomer begins anew, and ends it.
    fn works(&self, scene: &mut Scene) {
        let Ok(sender) = self.queue.sender() else {
            return scene.stuck("no process can be counted");
        };
        if sender.send(5).is_err() || self.queue.try_recv() != Ok(5) {
            scene.lost("an item of a newcomer does not arrive");
        }
        if self.is_over(scene) {
            scene.duplicated("a newcomer is counted, and receivers are told of the end");
        }
        drop(sender);
        self.ends(scene);
    }
}

impl Operation for HandingOver {
    type World = Place;
    type Seen = Seen;

    fn world(&self) -> Rig<Place> {
        let place = Place::new()?;
        match self.verb {
            // The seeded parent does not wait for its child.
            Verb::Take if self.seeded => drop(place.queue.sender()?),
            Verb::Take => drop(place.sender.replace(Some(place.queue.sender()?))),
            Verb::Leave => {}
            Verb::TakeLate => {
                let mut parent = forked(|| {
                    let sender = place.queue.sender();
                    let counted = sender.is_ok();
                    std::mem::forget(sender);
                    u8::from(counted)
                })?;
                parent.end_within(Duration::from_secs(10))?;
                match place.queue.recv_timeout(Duration::from_secs(10)) {
                    Err(RecvTimeoutError::Disconnected) => {}
                    other => return Err(Broken(format!("a dead parent still counts: {other:?}"))),
                }
            }
        }
        Ok(place)
    }

    fn base<'a>(&self, place: &'a Place) -> &'a Base {
        &place.base
    }

    fn victim(&self, place: Owned<Place>, begin: &mut dyn FnMut()) -> u8 {
        drop(place.spare.sender());
        match self.verb {
            Verb::Take | Verb::TakeLate => {
                begin();
                let taken = match self.seeded && self.verb == Verb::TakeLate {
                    // It is counted as a newcomer, and revives the queue.
                    true => place.queue.sender().ok(),
                    false => take_over_sender(&place.queue),
                };
                let told = if taken.is_some() { TAKEN } else { OVER };
                std::mem::forget(taken);
                told
            }
            Verb::Leave => {
                let Ok(sender) = place.queue.sender() else {
                    return FAILED;
                };
                begin();
                drop(sender);
                if self.seeded {
                    place.queue.close();
                }
                LEFT
            }
        }
    }

    fn meanwhile(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let child = match self.verb {
            Verb::Leave => take_over_sender(&place.queue),
            Verb::Take | Verb::TakeLate => None,
        };
        seen.told = place.is_over(scene);
        match self.verb {
            Verb::Take if seen.told => {
                scene.duplicated("receivers are told of the end, and the parent has the sender");
            }
            Verb::TakeLate if !seen.told => {
                scene.lost("receivers were told of the end, and it is revived");
            }
            Verb::Leave if child.is_some() == seen.told => {
                let has = child.is_some();
                scene.lost(format!(
                    "the child has it: {has}, receivers are told: {}",
                    seen.told
                ));
            }
            _ => {}
        }
        drop(child);
        Ok(())
    }

    fn after_kill(&self, place: &Place, _seen: Seen, scene: &mut Scene) -> Rig {
        self.judge(place, scene);
        Ok(())
    }

    fn after_end(&self, place: &Place, _seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let expected = match self.verb {
            Verb::Take => TAKEN,
            Verb::TakeLate => OVER,
            Verb::Leave => LEFT,
        };
        if code != expected {
            scene.lost(format!("the victim says {code}, expected {expected}"));
        }
        self.judge(place, scene);
        Ok(())
    }
}

impl HandingOver {
    /// The victim is gone.
    fn judge(&self, place: &Place, scene: &mut Scene) {
        match self.verb {
            Verb::Take => {
                place.base.segment.reap();
                if place.is_over(scene) {
                    scene.duplicated("the child is dead, and the parent has the sender");
                }
                // The parent learns of it, and drops the arguments.
                drop(place.sender.take());
                place.ends(scene);
                place.works(scene);
            }
            Verb::TakeLate => {
                place.ends(scene);
                place.works(scene);
            }
            Verb::Leave => {
                place.ends(scene);
                if place.queue.is_closed() {
                    return scene.lost("the queue is closed, and no process has closed it");
                }
                place.works(scene);
            }
        }
    }
}

/// The operations on ends that are handed over.
pub(crate) const LISTED: &[Listed] = listed! {
    HandingOver::new;
    "Sender: taken over" Take "a parent that does not wait for its child"
    "Sender: taken over too late" TakeLate "a child that revives the queue"
    "Sender: dropped after it was handed over" Leave "the queue closed"
};
