//! The sequential specification of a queue: the slots in their order, and what the victim has yet
//! to do.

use std::collections::VecDeque;

use Slot::{Free, Orphan, Ready, Receiving, Sending};

use crate::allowed;

/// How many slots the queues and the rings have.
pub const CAPACITY: usize = 4;

/// A part of what the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Send(u64),
    /// Or is told that the queue is full.
    TrySend(u64),
    /// All of them or none.
    SendAll(&'static [u64]),
    Recv,
    /// So many or none.
    RecvAll(usize),
    /// Takes an item if the queue is full, and is not told whether it came again.
    MakeRoom,
    Close,
    /// Is counted from now on.
    Count,
    /// Is counted no more.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    /// The victim's, before its commit.
    Sending(u64),
    Ready(u64),
    /// The victim's, before its commit; whether the item was delivered before.
    Receiving(u64, bool),
    Orphan(u64),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    slots: VecDeque<Slot>,
    pub steps: &'static [Step],
    /// What the victim can tell that it has sent and received.
    told: u8,
    pub closed: bool,
    /// The victim is the only one that is counted at its end.
    pub counted: bool,
    /// No process is counted there any more.
    left: bool,
    is_dead: bool,
}

/// What another process has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Sent(u64),
    Full,
    /// It cannot send any more.
    Refused,
    /// With the mark of an item that is delivered again.
    Received(u64, bool),
    Empty,
    /// Nothing comes any more.
    Over,
    Closed,
}

/// What a victim tells if an item was marked as delivered again; beside [`bit`]s.
pub const AGAIN: u8 = 1 << 7;

/// How a victim tells that it has received an item, or sent one.
pub fn bit(item: u64) -> u8 {
    1 << (item - 1).min(6)
}

impl State {
    /// A victim that is to do `steps`; over the first item a receiver may have died.
    pub fn new(items: &[u64], orphaned: bool, steps: &'static [Step]) -> Self {
        let mut slots: VecDeque<Slot> = items.iter().copied().map(Ready).collect();
        if orphaned && let Some(first) = items.first() {
            slots[0] = Orphan(*first);
        }
        Self {
            slots,
            steps,
            ..Self::default()
        }
    }

    /// Whether a receiver that waits must get an item.
    pub fn has_items(&self) -> bool {
        !self.receivable().is_empty()
    }

    /// The slots of the oldest item before which no process sends, and of the orphans.
    fn receivable(&self) -> Vec<usize> {
        let slots = || self.slots.iter().enumerate();
        let first = slots().find(|(_, slot)| matches!(slot, Ready(_) | Sending(_)));
        let first = first.filter(|(_, slot)| matches!(slot, Ready(_)));
        let orphans = slots().filter(|(_, slot)| matches!(slot, Orphan(_)));
        orphans.chain(first).map(|(at, _)| at).collect()
    }

    /// The slot that the victim has.
    fn claimed(&self) -> Option<usize> {
        let claimed = |slot: &Slot| matches!(slot, Sending(_) | Receiving(..));
        self.slots.iter().position(claimed)
    }

    fn has_room(&self, items: usize) -> bool {
        self.slots.len() + items <= CAPACITY
    }

    fn with(&self, at: usize, slot: Slot) -> Self {
        let mut next = self.clone();
        next.slots[at] = slot;
        while next.slots.front() == Some(&Free) {
            next.slots.pop_front();
        }
        next
    }

    fn and(&self, slot: Slot) -> Self {
        let mut next = self.clone();
        next.slots.push_back(slot);
        next
    }

    /// The victim's first part is done, and it tells so.
    fn did(mut self, told: u8) -> Self {
        self.steps = self.steps.get(1..).unwrap_or_default();
        self.told |= told;
        self
    }

    /// The victim has the oldest item, or an orphan.
    fn claims(&self) -> Vec<Self> {
        let claim = |at: &usize| match self.slots[*at] {
            Orphan(item) => Some(self.with(*at, Receiving(item, true))),
            Ready(item) => Some(self.with(*at, Receiving(item, false))),
            _ => None,
        };
        self.receivable().iter().filter_map(claim).collect()
    }

    fn commit(&self, at: usize) -> Vec<Self> {
        match self.slots[at] {
            Sending(item) => vec![self.with(at, Ready(item)).did(bit(item))],
            Receiving(item, again) => {
                let again = again && self.steps.first() != Some(&Step::MakeRoom);
                let again = if again { AGAIN } else { 0 };
                vec![self.with(at, Free).did(bit(item) | again)]
            }
            _ => Vec::new(),
        }
    }
}

impl allowed::State for State {
    type Event = Event;

    fn next(&self) -> Vec<Self> {
        if self.is_dead {
            return Vec::new();
        }
        if let Some(at) = self.claimed() {
            return self.commit(at);
        }
        let Some(first) = self.steps.first() else {
            return Vec::new();
        };
        match *first {
            Step::Send(item) | Step::TrySend(item) if self.has_room(1) && !self.closed => {
                vec![self.and(Sending(item))]
            }
            Step::TrySend(_) => vec![self.clone().did(0)],
            Step::MakeRoom if self.has_room(1) => vec![self.clone().did(0)],
            Step::Recv | Step::MakeRoom => self.claims(),
            Step::SendAll(items) if self.has_room(items.len()) => {
                let told = items.iter().fold(0, |told, item| told | bit(*item));
                let sent = |state: Self, item: &u64| state.and(Ready(*item));
                vec![items.iter().fold(self.clone(), sent).did(told)]
            }
            Step::RecvAll(count) if self.slots.len() >= count => {
                let mut next = self.clone();
                let received = next.slots.drain(..count).fold(0, |told, slot| match slot {
                    Ready(item) => told | bit(item),
                    _ => told,
                });
                vec![next.did(received)]
            }
            Step::Close | Step::Count | Step::Leave => {
                let mut next = self.clone().did(0);
                next.closed |= *first == Step::Close;
                next.counted |= *first == Step::Count;
                next.left |= *first == Step::Leave;
                vec![next]
            }
            Step::Send(_) | Step::SendAll(_) | Step::RecvAll(_) => Vec::new(),
        }
    }

    fn after(&self, event: Event) -> impl IntoIterator<Item = Self> {
        let receivable = self.receivable();
        let may_end = self.closed || self.left;
        let same = |can_be: bool| can_be.then(|| self.clone());
        match event {
            Event::Sent(item) => (self.has_room(1) && !self.closed).then(|| self.and(Ready(item))),
            Event::Full => same(!self.has_room(1) && !self.closed),
            Event::Refused => same(may_end),
            Event::Received(item, again) => {
                let slot = if again { Orphan(item) } else { Ready(item) };
                let at = receivable.into_iter().find(|at| self.slots[*at] == slot)?;
                Some(self.with(at, Free))
            }
            // Orphans are looked for by processes that wait.
            Event::Empty => {
                let is_ready = |at: &usize| matches!(self.slots[*at], Ready(_));
                let must_end = self.closed && receivable.is_empty() && self.claimed().is_none();
                same(!receivable.iter().any(is_ready) && !must_end)
            }
            Event::Over => same(may_end && receivable.is_empty() && self.claimed().is_none()),
            Event::Closed => Some(Self {
                closed: true,
                ..self.clone()
            }),
        }
    }

    fn dead(&self) -> Self {
        let mut left = self.clone();
        left.is_dead = true;
        left.left |= self.counted;
        left.slots = (self.slots.iter())
            .filter(|slot| !matches!(slot, Sending(_)))
            .map(|slot| match *slot {
                Receiving(item, _) => Orphan(item),
                slot => slot,
            })
            .collect();
        left
    }

    fn code(&self) -> Option<u8> {
        self.steps.is_empty().then_some(self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowed::Allowed;

    /// How many complaints there are of a victim that does `steps` beside items 1 and 2, if others
    /// see all this once it has ended.
    fn complaints(steps: &'static [Step], code: Option<u8>, seen: &[Event]) -> usize {
        let mut allowed = Allowed::from(State::new(&[1, 2], false, steps));
        let ended = allowed.end(code);
        let seen = seen.iter().map(|event| allowed.see(*event));
        [ended]
            .into_iter()
            .chain(seen)
            .filter(Result::is_err)
            .count()
    }

    #[test]
    fn a_killed_victim_has_done_it_or_not() {
        use Event::{Empty, Received};
        let [one, two, seven] = [1, 2, 7].map(|item| Received(item, false));
        let sends = |seen: &[Event]| complaints(&[Step::Send(7)], None, seen);
        assert_eq!(sends(&[one, two, Empty]), 0);
        assert_eq!(sends(&[one, two, seven, Empty]), 0);
        assert_eq!(sends(&[two]), 1, "not the oldest");
        assert_eq!(sends(&[one, seven]), 1, "out of order");
        assert_eq!(sends(&[one, Empty]), 1, "lost");
        assert_eq!(sends(&[one, two, two]), 1, "twice");
        assert_eq!(
            sends(&[Received(1, true)]),
            1,
            "marked, and no receiver has died"
        );
        let receives = |seen: &[Event]| complaints(&[Step::Recv], None, seen);
        assert_eq!(receives(&[Received(1, true), two, Empty]), 0);
        assert_eq!(receives(&[two, Received(1, true), Empty]), 0);
        assert_eq!(receives(&[two, one]), 1, "out of order, and not marked");
        assert_eq!(receives(&[two, Empty, Event::Over]), 1, "not closed");
    }

    #[test]
    fn a_victim_that_ended_has_done_what_it_tells() {
        use Event::{Empty, Received};
        let two = Received(2, false);
        let ended = |code, seen: &[Event]| complaints(&[Step::Recv], Some(code), seen);
        assert_eq!(ended(bit(1), &[two, Empty]), 0);
        assert_eq!(ended(bit(2), &[]), 1, "not the oldest");
        assert_eq!(ended(0, &[]), 1, "nothing received");
        assert_eq!(ended(bit(1), &[Received(1, true)]), 1, "it comes again");
    }
}
