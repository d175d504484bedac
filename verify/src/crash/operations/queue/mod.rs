//! Operations on a queue: what was committed arrives once, and a process that goes on finds it
//! working.

mod judge;
mod place;
mod verb;

use std::cell::{Cell, OnceCell};
use std::time::{Duration, Instant};

use crossdock::queue::{RecvTimeoutError, SendTimeoutError};

use crate::crash::operation::{Base, Fate, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Child, End};
use place::{CAPACITY, Got, Place, TOLD};
use verb::{OTHER, Verb, act, act_wrongly};

struct Queueing {
    verb: Verb,
    seeded: bool,
    /// How many steps it takes a process that dies before the victim to claim a slot.
    steps_to_claim: OnceCell<usize>,
    drained: Cell<u32>,
}

/// What others did, and got.
#[derive(Default)]
struct Seen {
    /// What they sent.
    sent: Vec<u64>,
    /// What they received, in this order.
    got: Vec<Got>,
    /// Who receives one item.
    sleeper: Option<Child>,
    /// What it ended with, if that was an item.
    woken: Option<u64>,
    /// Whether a third party was told that nothing comes any more.
    over: bool,
}

/// How long others may take for an item that is there, or is not: some slices.
const SLICES: Duration = Duration::from_millis(25);

impl Queueing {
    fn new(verb: Verb, seeded: bool) -> Self {
        Self {
            verb,
            seeded,
            steps_to_claim: OnceCell::new(),
            drained: Cell::new(0),
        }
    }

    /// True every few times: waiting for what does not come takes long.
    fn is_chosen(&self) -> bool {
        self.drained.set(self.drained.get() + 1);
        self.drained.get() % 4 == 1
    }

    /// All items that are in the queue, or were, but for the victim's.
    fn all(&self, seen: &Seen) -> Vec<u64> {
        let mut all = self.verb.before().to_vec();
        all.extend(&seen.sent);
        all
    }

    /// A third party sends one item beside a stopped victim, as far as there must be room.
    fn offer(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) {
        let dead = usize::from(self.verb == Verb::RecvSkip || self.verb == Verb::ReapSender);
        let used = (self.verb.before().len() + self.verb.sends().len() + dead) as u64;
        // Where the other side may be gone, or the victim closes, no process needs to take it.
        let may_refuse = self.verb.closes() || self.verb == Verb::DropReceiver;
        if place.offer(OTHER, scene) {
            seen.sent.push(OTHER);
        } else if !may_refuse && used < CAPACITY {
            scene.stuck("there is no room beside a stopped victim");
        }
    }

    /// A third party receives all that the victim does not wait for.
    fn receive(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) {
        let most = match self.verb {
            // It stays as good as full.
            Verb::TrySendFull => 1,
            verb => self.all(seen).len() - verb.takes(),
        };
        // A sender hides what comes after it; a receiver hides nothing.
        let least = match self.verb.takes() {
            0 => self.verb.before().len().min(most),
            _ => most,
        };
        let taken = place.take(most, scene);
        if taken.got.len() < least {
            let len = taken.got.len();
            scene.stuck(format!(
                "{len} of {least} items come beside a stopped victim"
            ));
        }
        if taken.over && matches!(self.verb, Verb::SenderSend | Verb::CountSender) {
            scene.duplicated("the only sender is taken for dead, and is stopped");
        }
        seen.got.extend(taken.got);
    }

    /// A sleeper wakes for an item that is there, and for the end.
    fn wake(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) -> Result<(), Broken> {
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
            if self.verb.closes() {
                place.queue.close();
            } else if place.offer(OTHER + 1, scene) {
                seen.sent.push(OTHER + 1);
            }
        }
        match sleeper.end_within(scene.patience)? {
            None => scene.stuck("a receiver sleeps on"),
            Some(End::Exited(TOLD)) if place.queue.is_closed() => scene.outcome("told"),
            Some(End::Exited(item)) if u64::from(item) < CAPACITY * 2 => {
                seen.woken = Some(item.into());
            }
            Some(other) => scene.lost(format!("a receiver ended with {other:?}")),
        }
        Ok(())
    }

    /// Receives the rest beside no other process: first what must come by itself, then all.
    fn drain(&self, place: &Place, seen: &mut Seen, missing: usize, scene: &mut Scene) {
        let all = self.all(seen).len();
        let gone = seen.got.len() + usize::from(seen.woken.is_some()) + missing;
        seen.got
            .extend(place.wait_for(all.saturating_sub(gone), scene));
        seen.got.extend(place.take(usize::MAX, scene).got);
        // An item that the victim was killed over comes again; one that it has taken does not.
        let is_in_doubt = self.verb.takes() > 0 && seen.got.len() < all;
        let looked = scene.fate == Fate::KilledAlone && self.is_chosen();
        if is_in_doubt && looked {
            let got = place.queue.recv_marked_timeout(SLICES);
            seen.got.extend(got.ok().map(Got::new));
        }
        let is_only_counted = self.verb.is_sender() || self.verb.is_receiver();
        if is_only_counted && self.verb.takes() == 0 {
            // A process that waits for the other side finds out by itself.
            return;
        }
        place.base.segment.reap();
        let late = place.take(usize::MAX, scene).got;
        if looked && !late.is_empty() {
            scene.stuck(format!(
                "{late:?} comes when a process reaps, and not before"
            ));
        }
        seen.got.extend(late);
    }

    /// Once the last that was counted is gone, the other side is told. One that was killed before
    /// it was counted never was there.
    fn ends(&self, place: &Place, seen: &mut Seen, counted: bool, scene: &mut Scene) {
        let is_told = |told| if told { "told" } else { "not counted" };
        if !counted && self.verb == Verb::CountSender {
            let over = place.take(1, scene).over;
            scene.outcome(is_told(over));
        } else if !counted && self.verb == Verb::CountReceiver {
            let refused = !place.offer(OTHER + 1, scene);
            scene.outcome(is_told(refused));
            place.take(1, scene);
        } else if self.verb.is_sender() {
            match place.queue.recv_timeout(scene.patience) {
                Err(RecvTimeoutError::Disconnected) => scene.outcome("told"),
                other => scene.stuck(format!("the last sender is gone, and recv gives {other:?}")),
            }
        } else if self.verb.is_receiver() {
            loop {
                match place.queue.send_timeout(OTHER + 1, scene.patience) {
                    // It was not known yet.
                    Ok(()) if seen.sent.len() < 8 => seen.sent.push(OTHER + 1),
                    Err(SendTimeoutError::Disconnected(_)) => break scene.outcome("told"),
                    other => {
                        scene.stuck(format!("the last receiver is gone, and send: {other:?}"));
                        break;
                    }
                }
            }
        }
    }
}

impl Operation for Queueing {
    type World = Place;
    type Seen = Seen;

    fn world(&self) -> Result<Place, Broken> {
        let place = Place::new(self.verb.before(), self.verb.dead(), &self.steps_to_claim)?;
        if self.verb.is_closed() {
            place.queue.close();
        }
        Ok(place)
    }

    fn base<'a>(&self, place: &'a Place) -> &'a Base {
        &place.base
    }

    fn victim(&self, place: Owned<Place>, begin: &mut dyn FnMut()) -> u8 {
        if self.seeded {
            act_wrongly(self.verb, &place, begin)
        } else {
            act(self.verb, &place, begin)
        }
    }

    fn assemble(&self, place: &Place, seen: &mut Seen) -> Result<(), Broken> {
        if self.verb.has_sleeper() {
            seen.sleeper = Some(place.sleeper(Duration::from_secs(10))?);
        }
        Ok(())
    }

    fn meanwhile(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) -> Result<(), Broken> {
        self.offer(place, seen, scene);
        if self.verb.is_closed() {
            seen.over = place.is_over(scene);
        }
        if !self.verb.has_sleeper() {
            self.receive(place, seen, scene);
        }
        Ok(())
    }

    fn after_kill(&self, place: &Place, mut seen: Seen, scene: &mut Scene) -> Result<(), Broken> {
        self.wake(place, &mut seen, scene)?;
        self.drain(place, &mut seen, self.verb.takes(), scene);
        if seen.over && !seen.got.is_empty() {
            // A receiver that was told has gone: none is left to receive it.
            let late = &seen.got;
            scene.lost(format!("others were told of the end, and {late:?} comes"));
        }
        self.judge(&seen, None, scene);
        self.ends(place, &mut seen, false, scene);
        self.reuse(place, scene);
        Ok(())
    }

    fn after_end(
        &self,
        place: &Place,
        mut seen: Seen,
        code: u8,
        scene: &mut Scene,
    ) -> Result<(), Broken> {
        self.wake(place, &mut seen, scene)?;
        self.drain(place, &mut seen, self.verb.takes(), scene);
        self.judge(&seen, Some(code), scene);
        self.ends(place, &mut seen, true, scene);
        if self.verb.closes() && !place.queue.is_closed() {
            scene.lost("the queue was closed, and is open");
        }
        self.reuse(place, scene);
        Ok(())
    }
}

impl Queueing {
    /// All works on, unless it was closed.
    fn reuse(&self, place: &Place, scene: &mut Scene) {
        match self.verb {
            verb if verb.closes() => {
                scene.outcome(if place.queue.is_closed() {
                    "closed"
                } else {
                    "open"
                });
            }
            Verb::ReapSender | Verb::ReapReceiver => scene.outcome("works on"),
            _ => {}
        }
        if place.queue.is_closed() {
            if !self.verb.closes() {
                scene.lost("the queue is closed, and no process has closed it");
            }
            if place.offer(OTHER, scene) {
                scene.duplicated("an item was sent after the queue was closed");
            }
            if !place.take(1, scene).over {
                scene.stuck("the closed queue is empty, and does not say that it is over");
            }
            return;
        }
        // What was sent before it was known that no process receives.
        place.take(usize::MAX, scene);
        place.works(scene);
    }
}

/// The operations on queues.
pub(crate) const LISTED: &[Listed] = listed! {
    Queueing::new;
    "Queue::send" Send "an item that no process sent before it"
    "Queue::send, joining" SendFirst "an item that no process sent before it"
    "Queue::send to a sleeper" SendWake "an item sent to another queue"
    "Queue::try_send when full" TrySendFull "an item thrown away to make room"
    "Queue::force_send when full" ForceSend "two items dropped for one"
    "Queue::force_send past a dead receiver" ForceSendDead "two items dropped for one"
    "Queue::send_slice" SendSlice "two items change places"
    "Queue::recv" Recv "an item received and sent again"
    "Queue::recv of an orphan" RecvAgain "an item received and sent again"
    "Queue::recv past a dead sender" RecvSkip "an item received and sent again"
    "Queue::recv_slice" RecvSlice "an item received and sent again"
    "Queue::recv of the last item of a closed queue" RecvLast "an item left there and told of"
    "Queue::close" Close "an item sent when closing"
    "Queue::close beside a sleeper" CloseWake "another queue closed"
    "Queue::sender" CountSender "an item sent when counting"
    "Sender::send" SenderSend "an item that no process sent before it"
    "Sender: drop" DropSender "an item sent when leaving"
    "Queue::receiver" CountReceiver "an item sent when counting"
    "Receiver::recv" ReceiverRecv "an item received and sent again"
    "Receiver: drop" DropReceiver "an item sent when leaving"
    "Queue: reap a dead sender" ReapSender "an item sent for the dead"
    "Queue: reap a dead receiver" ReapReceiver "an item sent by the reaper"
};
