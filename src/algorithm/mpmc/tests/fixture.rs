//! A ring and the processes that use it, without a registry: the byte locks say which processes
//! live.

use std::sync::atomic::{AtomicU64 as UntrackedU64, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::wait::EventWaitError;
use super::super::{Claim, Cursor, Ring, Slots, SlotsState, TryError};
use crate::algorithm::mpmc::layout::{Geometry, Word};
use crate::facade::model::is_byte_locked;
use crate::facade::{AtomicU64, Deadline, Ordering, Pace, Words};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{WithHandles, players, tag};

/// A ring, its items, and records of what was sent and received. loom does not track the records.
pub(super) struct Fixture {
    pub(super) state: SlotsState,
    pub(super) cells: [AtomicU64; 3],
    pub(super) words: Vec<AtomicU64>,
    pub(super) items: Vec<Words<1>>,
    pub(super) geometry: Geometry,
    /// A bit for each item whose send was committed, and for each item that was received.
    pub(super) sent: UntrackedU64,
    pub(super) received: UntrackedU64,
}

/// The tag of no participant, as corruption leaves it: no process reaps it.
pub(super) fn no_participant() -> Tag {
    Tag::new(2, 2).unwrap()
}

impl Slots for &[AtomicU64] {
    fn word(&self, index: u64) -> &AtomicU64 {
        &self[usize::try_from(index).unwrap()]
    }
}

/// A process's handle of the ring.
pub(super) struct Handle<'a> {
    pub(super) fixture: &'a Fixture,
    pub(super) id: u32,
    /// The tag that it claims as.
    pub(super) me: Tag,
    pub(super) cursor: std::cell::Cell<Cursor>,
}

impl Liveness for Handle<'_> {
    fn me(&self) -> Tag {
        self.me
    }
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.id) || other != no_participant() && is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        true
    }
    fn reap(&self, urgent: bool) -> bool {
        // Process 1 is the victim. If it is not urgent, another process has reaped just now.
        let reaps = urgent && self.id != 1 && !is_byte_locked(0);
        if reaps {
            self.fixture.ring().recover(tag(1));
        }
        reaps
    }
    fn participants(&self) -> u32 {
        3
    }
}

impl Fixture {
    pub(super) fn of(capacity: usize) -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SlotsState::new(),
            cells: [0; 3].map(AtomicU64::new),
            words: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
            items: (0..capacity).map(|_| Words::new([99])).collect(),
            geometry: Geometry::new(capacity as u64),
            sent: UntrackedU64::new(0),
            received: UntrackedU64::new(0),
        })
    }

    pub(super) fn ring(&self) -> Ring<'_, &[AtomicU64]> {
        Ring {
            state: &self.state,
            cells: &self.cells,
            slots: &self.words,
            geometry: &self.geometry,
        }
    }

    pub(super) fn word(&self, index: usize) -> Word {
        // ORDERING: Acquire; as a walker.
        Word(self.words[index].load(Ordering::Acquire))
    }

    pub(super) fn set(&self, index: usize, word: Word) {
        // ORDERING: Release; as a walker.
        self.words[index].store(word.0, Ordering::Release);
    }

    pub(super) fn item(&self, claim: &Claim) -> &Words<1> {
        &self.items[usize::try_from(claim.index).unwrap()]
    }

    /// Records the receipt of an item by a process that lives.
    pub(super) fn record(&self, item: u64) {
        let before = self.received.fetch_or(1 << item, Relaxed);
        assert_eq!(before & 1 << item, 0, "item {item} is duplicated");
    }

    /// Checks after the end that every item sent was received, or still is by process 3, and that
    /// every slot can be used again. Items in `taken` may be lost: a process died while it received
    /// them.
    pub(super) fn check(&self, taken: u64) {
        if !is_byte_locked(0) {
            self.ring().recover(tag(1));
        }
        let last = self.handle(3);
        while last.poll().is_some() {}
        let (sent, received) = (self.sent.load(Relaxed), self.received.load(Relaxed));
        assert_eq!(
            sent & !received & !taken,
            0,
            "lost: sent {sent:b}, received {received:b}"
        );
        if !self.ring().endpoints().is_closed() {
            for item in 0..self.geometry.capacity() {
                assert_eq!(last.try_send(32 + item), Ok(()), "a slot is lost");
            }
        }
    }
}

impl WithHandles for Fixture {
    type Handle<'a> = Handle<'a>;

    fn handle(&self, id: u32) -> Handle<'_> {
        Handle {
            fixture: self,
            id,
            me: tag(id),
            cursor: std::cell::Cell::default(),
        }
    }
}

impl Handle<'_> {
    /// Calls `act` with the handle's cursor.
    pub(super) fn with<R>(&self, act: impl FnOnce(Ring<'_, &[AtomicU64]>, &mut Cursor) -> R) -> R {
        let mut cursor = self.cursor.get();
        let done = act(self.fixture.ring(), &mut cursor);
        self.cursor.set(cursor);
        done
    }

    pub(super) fn claim(&self) -> Result<Claim, TryError> {
        self.with(|ring, cursor| ring.claim_send(cursor, self))
    }

    pub(super) fn commit(&self, claim: &Claim, item: u64) {
        self.fixture.item(claim).write(&[item]);
        self.fixture.ring().commit_send(*claim);
        self.fixture.sent.fetch_or(1 << item, Relaxed);
        self.fixture.ring().notify(Endpoint::Sender);
    }

    pub(super) fn try_send(&self, item: u64) -> Result<(), TryError> {
        self.claim().map(|claim| self.commit(&claim, item))
    }

    pub(super) fn send(&self, item: u64) -> Result<(), EventWaitError> {
        let never = Deadline::never();
        let wait = |ring: Ring<'_, &[AtomicU64]>, cursor: &mut Cursor| {
            ring.wait_send(cursor, self, &never, Pace::Adaptive)
        };
        self.with(wait).map(|claim| self.commit(&claim, item))
    }

    /// Sends an item, and replaces the oldest one if the ring is full.
    pub(super) fn send_replacing(&self, item: u64) -> Result<(), EventWaitError> {
        let wait = |ring: Ring<'_, &[AtomicU64]>, cursor: &mut Cursor| {
            ring.wait_replace(cursor, self, Pace::Adaptive)
        };
        self.with(wait)
            .map(|claimed| self.commit(&self.take_oldest(claimed), item))
    }

    /// Receives the item, if there is one, of a slot that was claimed to replace it.
    pub(super) fn take_oldest(&self, (claim, has_item): (Claim, bool)) -> Claim {
        if !has_item {
            return claim;
        }
        let [oldest] = self.fixture.item(&claim).read();
        let next = self.with(|ring, cursor| ring.replace(claim, cursor, self.me()));
        self.fixture.record(oldest);
        next
    }

    /// Receives a claimed item. No step is between the commit and the record.
    pub(super) fn take(&self, claim: &Claim) -> u64 {
        let [item] = self.fixture.item(claim).read();
        self.fixture.ring().commit_recv(*claim);
        self.fixture.record(item);
        self.fixture.ring().notify(Endpoint::Receiver);
        item
    }

    /// Receives an item if there is one.
    pub(super) fn poll(&self) -> Option<u64> {
        self.try_recv().ok()
    }

    /// Claims the slot of an item, or returns why there is none.
    pub(super) fn try_claim(&self) -> Result<Claim, TryError> {
        let claim = self.with(|ring, cursor| match ring.claim_recv(cursor, self) {
            Err(TryError::WouldBlock) => ring.on_empty(cursor, self),
            other => other,
        });
        assert_ne!(claim, Err(TryError::Corrupt));
        claim
    }

    /// Receives an item, or returns why there is none.
    pub(super) fn try_recv(&self) -> Result<u64, TryError> {
        self.try_claim().map(|claim| self.take(&claim))
    }

    /// Claims the slot of an item; waits for one.
    pub(super) fn wait_claim(&self) -> Result<Claim, EventWaitError> {
        let never = Deadline::never();
        let wait = |ring: Ring<'_, &[AtomicU64]>, cursor: &mut Cursor| {
            ring.wait_recv(cursor, self, &never, Pace::Adaptive)
        };
        self.with(wait)
    }

    pub(super) fn recv(&self) -> Result<u64, EventWaitError> {
        self.wait_claim().map(|claim| self.take(&claim))
    }
}

impl Handle<'_> {
    pub(super) fn len(&self) -> u64 {
        self.with(|ring, cursor| ring.len(cursor)).unwrap()
    }
}
