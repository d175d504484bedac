//! The slot ring under loom: a world without a registry, where the byte locks say who lives.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::wait::Ended;
use super::super::{Claim, Cursor, Geometry, Refused, Ring, Slots, SlotsState};
use crate::facade::model::{explore, explore_deaths, explore_deaths_at_least, is_byte_locked};
use crate::facade::{AtomicU64, Deadline, Pace, Words};
use crate::layout::Tag;
use crate::raw::Peers;
use crate::raw::stage::{finish, players, start, tag};
use crate::ring::ends::Side;

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[];

/// A slot: its word, and an item.
struct Slot {
    word: AtomicU64,
    item: Words<1>,
}

impl Slots for &[Slot] {
    fn word(&self, index: u64) -> &AtomicU64 {
        &self[usize::try_from(index).unwrap()].word
    }
}

/// A ring, its slots, and what was received.
struct Belt {
    state: SlotsState,
    cells: [AtomicU64; 3],
    slots: Vec<Slot>,
    geometry: Geometry,
    /// Everything that was received, by whoever lives to tell; a bit for each item.
    got: Ledger,
    /// The items whose send was committed.
    sent: Ledger,
    order: Mutex<Vec<u64>>,
}

/// A process at the ring.
struct Player<'a> {
    belt: &'a Belt,
    id: u32,
    cursor: Cursor,
}

impl Peers for Player<'_> {
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.id) || is_byte_locked(other.index())
    }
    fn am_alive(&self) -> bool {
        true
    }
    fn reap(&self, _last: &AtomicU64, _urgent: bool) -> bool {
        for id in (1..=3).filter(|id| *id != self.id) {
            if !is_byte_locked(id - 1) {
                self.belt.ring().recover(tag(id));
            }
        }
        true
    }
    fn participants(&self) -> u32 {
        3
    }
}

impl Belt {
    fn of(capacity: usize) -> Arc<Self> {
        players();
        let slot = || Slot {
            word: AtomicU64::new(0),
            item: Words::new([99]),
        };
        Arc::new(Self {
            state: SlotsState::new(),
            cells: [0; 3].map(AtomicU64::new),
            slots: (0..capacity).map(|_| slot()).collect(),
            geometry: Geometry::new(capacity as u64),
            got: Ledger::new(0),
            sent: Ledger::new(0),
            order: Mutex::new(Vec::new()),
        })
    }

    fn ring(&self) -> Ring<'_, &[Slot]> {
        Ring {
            state: &self.state,
            cells: &self.cells,
            slots: &self.slots,
            geometry: &self.geometry,
        }
    }

    fn player(&self, id: u32) -> Player<'_> {
        Player {
            belt: self,
            id,
            cursor: Cursor::default(),
        }
    }

    /// After all: drains the ring as process `id`, and holds what came against what was sent. `doubtful` may
    /// have come or not: somebody died at it.
    fn balance(&self, id: u32) {
        let mut last = self.player(id);
        while let Some(item) = last.try_recv() {
            last.note(item);
        }
        let (got, sent) = (self.got.load(Relaxed), self.sent.load(Relaxed));
        assert_eq!(
            sent & !got,
            0,
            "an item was lost: sent {sent:b}, got {got:b}"
        );
    }
}

impl Player<'_> {
    fn write(&self, claim: &Claim, item: u64) {
        self.belt.slots[usize::try_from(claim.index).unwrap()]
            .item
            .write(&[item]);
    }

    fn read(&self, claim: &Claim) -> u64 {
        let [item] = self.belt.slots[usize::try_from(claim.index).unwrap()]
            .item
            .read();
        item
    }

    fn put(&self, claim: &Claim, item: u64) {
        self.write(claim, item);
        self.belt.ring().commit_send(claim);
        self.belt.sent.fetch_or(1 << item, Relaxed);
        self.belt.ring().ring(Side::Sender);
    }

    fn take(&self, claim: &Claim) -> u64 {
        let item = self.read(claim);
        self.belt.ring().commit_recv(claim);
        self.note(item);
        self.belt.ring().ring(Side::Receiver);
        item
    }

    /// This process has the item.
    fn note(&self, item: u64) {
        let before = self.belt.got.fetch_or(1 << item, Relaxed);
        assert_eq!(before & 1 << item, 0, "item {item} came twice");
        self.belt.order.lock().unwrap().push(item);
    }

    fn try_send(&mut self, item: u64) -> Result<(), Refused> {
        let mut cursor = self.cursor;
        let claim = self.belt.ring().claim_send(&mut cursor, tag(self.id), self);
        self.cursor = cursor;
        claim.map(|claim| self.put(&claim, item))
    }

    fn send(&mut self, item: u64) -> Result<(), Ended> {
        let mut cursor = self.cursor;
        let claim = self.belt.ring().wait_send(
            &mut cursor,
            tag(self.id),
            self,
            &Deadline::never(),
            Pace::Adaptive,
        );
        self.cursor = cursor;
        claim.map(|claim| self.put(&claim, item))
    }

    /// Without a note of what came.
    fn try_recv(&mut self) -> Option<u64> {
        let mut cursor = self.cursor;
        let mut claim = self.belt.ring().claim_recv(&mut cursor, tag(self.id), self);
        if claim == Err(Refused::Nothing) {
            claim = self.belt.ring().nothing(&mut cursor, tag(self.id), self);
        }
        self.cursor = cursor;
        assert_ne!(claim, Err(Refused::Corrupt));
        let claim = claim.ok()?;
        let item = self.read(&claim);
        self.belt.ring().commit_recv(&claim);
        self.belt.ring().ring(Side::Receiver);
        Some(item)
    }

    fn recv(&mut self) -> Result<u64, Ended> {
        let mut cursor = self.cursor;
        let claim = self.belt.ring().wait_recv(
            &mut cursor,
            tag(self.id),
            self,
            &Deadline::never(),
            Pace::Adaptive,
        );
        self.cursor = cursor;
        claim.map(|claim| self.take(&claim))
    }
}

const N: u64 = 4;
const LAPS: &str = "model_slots_items_arrive_once_in_order_and_nobody_oversleeps";
/// Hunts: items that are lost, doubled, torn or out of order; sleepers that nobody wakes; over laps.
#[test]
fn model_slots_items_arrive_once_in_order_and_nobody_oversleeps() {
    explore("slots: a sender and a receiver, two places", || {
        let belt = Belt::of(2);
        let (sender, receiver) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                let mut sender = sender.player(1);
                for item in 0..N {
                    assert_eq!(sender.send(item), Ok(()));
                }
            }),
            start(2, None, move || {
                let mut receiver = receiver.player(2);
                for item in 0..N {
                    assert_eq!(receiver.recv(), Ok(item));
                }
            }),
        ]);
        belt.balance(3);
    });
}

/// Hunts: an item of a killed sender that arrives in part, one whose commit is not found; a slot that
/// stays shut.
#[test]
fn model_slots_two_senders_one_killed() {
    explore_deaths("slots: two senders, one killed, a receiver", |death| {
        let belt = Belt::of(2);
        let (victim, other, receiver) = (belt.clone(), belt.clone(), belt.clone());
        finish([
            start(1, death, move || {
                let mut victim = victim.player(1);
                let _ = victim.try_send(1);
            }),
            start(2, None, move || {
                let mut other = other.player(2);
                assert_eq!(other.send(2), Ok(()));
            }),
            start(3, None, move || {
                let mut receiver = receiver.player(3);
                while receiver.recv() != Ok(2) {}
            }),
        ]);
        belt.balance(3);
    });
}
