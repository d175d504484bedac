//! A slot ring and the processes at it, in a world without a registry: the byte locks say who lives.

use std::sync::atomic::{AtomicU64 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::wait::EventWaitError;
use super::super::{Claim, Cursor, Ring, Slots, SlotsState, TryError};
use crate::algorithm::mpmc::layout::{Geometry, Word};
use crate::facade::model::is_byte_locked;
use crate::facade::{AtomicU64, Deadline, Ordering, Pace, Words};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{players, tag};

/// A ring, its items, and what was received.
pub(super) struct Belt {
    pub(super) state: SlotsState,
    pub(super) cells: [AtomicU64; 3],
    pub(super) words: Vec<AtomicU64>,
    pub(super) items: Vec<Words<1>>,
    pub(super) geometry: Geometry,
    /// A bit for each item whose send was committed, and for each that was received.
    pub(super) sent: Ledger,
    pub(super) got: Ledger,
}

/// A tag that nobody ever had: garbage, which nobody will reap.
pub(super) fn nobody() -> Tag {
    Tag::new(2, 2).unwrap()
}

impl Slots for &[AtomicU64] {
    fn word(&self, index: u64) -> &AtomicU64 {
        &self[usize::try_from(index).unwrap()]
    }
}

/// A process at the ring.
pub(super) struct Player<'a> {
    pub(super) belt: &'a Belt,
    pub(super) id: u32,
    pub(super) cursor: std::cell::Cell<Cursor>,
}

impl Liveness for Player<'_> {
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.id) || other != nobody() && is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        true
    }
    fn reap(&self, urgent: bool) -> bool {
        // Process 1 is the one that dies. If it is not urgent, somebody else did it just now.
        let reaps = urgent && self.id != 1 && !is_byte_locked(0);
        if reaps {
            self.belt.ring().recover(tag(1));
        }
        reaps
    }
    fn participants(&self) -> u32 {
        3
    }
}

impl Belt {
    pub(super) fn of(capacity: usize) -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SlotsState::new(),
            cells: [0; 3].map(AtomicU64::new),
            words: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
            items: (0..capacity).map(|_| Words::new([99])).collect(),
            geometry: Geometry::new(capacity as u64),
            sent: Ledger::new(0),
            got: Ledger::new(0),
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

    /// An item was received, by somebody who lives to tell.
    pub(super) fn note(&self, item: u64) {
        let before = self.got.fetch_or(1 << item, Relaxed);
        assert_eq!(before & 1 << item, 0, "item {item} came twice");
    }

    /// When all is done: what was sent has come, or still comes to process 3, and every slot can be
    /// used again. Items in `taken` may be gone: somebody died with them in its hands.
    pub(super) fn balance(&self, taken: u64) {
        if !is_byte_locked(0) {
            self.ring().recover(tag(1));
        }
        let last = player(self, 3);
        while last.pick().is_some() {}
        let (sent, got) = (self.sent.load(Relaxed), self.got.load(Relaxed));
        assert_eq!(sent & !got & !taken, 0, "lost: sent {sent:b}, got {got:b}");
        if !self.ring().endpoints().is_closed() {
            for item in 0..self.geometry.capacity() {
                assert_eq!(last.try_send(32 + item), Ok(()), "a slot is lost");
            }
        }
    }
}

pub(super) fn player(belt: &Belt, id: u32) -> Player<'_> {
    Player {
        belt,
        id,
        cursor: std::cell::Cell::default(),
    }
}

impl Player<'_> {
    /// Does something with what this process knows of the ring.
    pub(super) fn with<R>(
        &self,
        act: impl FnOnce(Ring<'_, &[AtomicU64]>, &mut Cursor, Tag) -> R,
    ) -> R {
        let mut cursor = self.cursor.get();
        let done = act(self.belt.ring(), &mut cursor, tag(self.id));
        self.cursor.set(cursor);
        done
    }

    pub(super) fn claim(&self) -> Result<Claim, TryError> {
        self.with(|ring, cursor, me| ring.claim_send(cursor, me, self))
    }

    pub(super) fn commit(&self, claim: &Claim, item: u64) {
        self.belt.item(claim).write(&[item]);
        self.belt.ring().commit_send(*claim);
        self.belt.sent.fetch_or(1 << item, Relaxed);
        self.belt.ring().notify(Endpoint::Sender);
    }

    pub(super) fn try_send(&self, item: u64) -> Result<(), TryError> {
        self.claim().map(|claim| self.commit(&claim, item))
    }

    pub(super) fn send(&self, item: u64) -> Result<(), EventWaitError> {
        let never = Deadline::never();
        let wait = |ring: Ring<'_, &[AtomicU64]>, cursor: &mut Cursor, me| {
            ring.wait_send(cursor, me, self, &never, Pace::Adaptive)
        };
        self.with(wait).map(|claim| self.commit(&claim, item))
    }

    /// Sends an item, in the place of the oldest one if there is no room.
    pub(super) fn force(&self, item: u64) -> Result<(), EventWaitError> {
        let wait = |ring: Ring<'_, &[AtomicU64]>, cursor: &mut Cursor, me| {
            ring.wait_replace(cursor, me, self, Pace::Adaptive)
        };
        self.with(wait)
            .map(|claimed| self.commit(&self.vacate(claimed), item))
    }

    /// Takes the item, if there is one, out of a slot that was claimed to replace it.
    pub(super) fn vacate(&self, (claim, has_item): (Claim, bool)) -> Claim {
        if !has_item {
            return claim;
        }
        let [oldest] = self.belt.item(&claim).read();
        let next = self.with(|ring, cursor, me| ring.replace(claim, cursor, me));
        self.belt.note(oldest);
        next
    }

    /// Takes a claimed item. No step is between the commit and the note.
    pub(super) fn take(&self, claim: &Claim) -> u64 {
        let [item] = self.belt.item(claim).read();
        self.belt.ring().commit_recv(*claim);
        self.belt.note(item);
        self.belt.ring().notify(Endpoint::Receiver);
        item
    }

    /// Takes an item if there is one.
    pub(super) fn pick(&self) -> Option<u64> {
        self.try_pick().ok()
    }

    /// The same, or why there is none.
    pub(super) fn try_pick(&self) -> Result<u64, TryError> {
        let claim = self.with(|ring, cursor, me| match ring.claim_recv(cursor, me, self) {
            Err(TryError::WouldBlock) => ring.nothing(cursor, me, self),
            other => other,
        });
        assert_ne!(claim, Err(TryError::Corrupt));
        claim.map(|claim| self.take(&claim))
    }

    pub(super) fn recv(&self) -> Result<u64, EventWaitError> {
        let never = Deadline::never();
        let wait = |ring: Ring<'_, &[AtomicU64]>, cursor: &mut Cursor, me| {
            ring.wait_recv(cursor, me, self, &never, Pace::Adaptive)
        };
        self.with(wait).map(|claim| self.take(&claim))
    }
}

impl Player<'_> {
    pub(super) fn len(&self) -> u64 {
        self.with(|ring, cursor, _| ring.len(cursor)).unwrap()
    }
}
