//! Tests of the snapshot on one thread: buffers, slots, garbage.

use super::super::{
    ClaimError, Corrupt, ReaderClaim, ReaderSlot, SlotError, Snapshot, SnapshotState, WriterClaim,
};
use crate::algorithm::snapshot::layout::{ReaderState, ReaderWord, SnapshotLayout};
use crate::facade::{AtomicU64, Ordering::Relaxed};
use crate::format::Padded;
use crate::participant::tests::{ALIVE, DEAD, me, other};

struct Fixture {
    state: SnapshotState,
    slots: Vec<ReaderSlot>,
    buffer_versions: Vec<AtomicU64>,
}

impl Fixture {
    fn of(readers: usize) -> Self {
        Self {
            state: SnapshotState::new(),
            slots: (0..readers).map(|_| Padded(AtomicU64::new(0))).collect(),
            buffer_versions: (0..readers + 2).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            slots: &self.slots,
            buffer_versions: &self.buffer_versions,
        }
    }

    fn claim_slot(&self) -> Result<ReaderClaim, SlotError> {
        self.snapshot().claim_slot(ReaderState::Idle, &ALIVE)
    }

    fn publish(&self, writer: &mut WriterClaim) -> u32 {
        let index = self.snapshot().pick(writer).unwrap();
        self.snapshot().commit(writer, index).unwrap();
        index
    }
}

#[test]
fn writer_always_finds_a_buffer() {
    for readers in [1, 2, 61, 62, 63, 64, 126, 127, 4094] {
        let fixture = Fixture::of(readers);
        let snapshot = fixture.snapshot();
        let mut writer = snapshot.claim_writer(&ALIVE).unwrap();
        let mut taken = vec![0];
        // Each reader has a different version.
        for _ in 0..readers {
            let mut reader = fixture.claim_slot().unwrap();
            taken.push(fixture.publish(&mut writer));
            assert_eq!(snapshot.read(&mut reader), Ok(*taken.last().unwrap()));
        }
        assert_eq!(fixture.claim_slot().unwrap_err(), SlotError::Full);
        taken.push(fixture.publish(&mut writer));
        let next = snapshot.pick(&mut writer).unwrap();
        assert!(!taken[1..].contains(&next), "{readers}: {next}");
        assert!((next as usize) < readers + 2);
    }
}

#[test]
fn repeated_read_changes_nothing() {
    let fixture = Fixture::of(1);
    let snapshot = fixture.snapshot();
    let mut reader = fixture.claim_slot().unwrap();
    assert_eq!(snapshot.read(&mut reader), Ok(0));
    let before = reader;
    assert_eq!(snapshot.read(&mut reader), Ok(0));
    assert_eq!(reader, before);
    // As if the slot had passed to another reader.
    fixture.slots[0]
        .0
        .store(ReaderWord::new(other(), ReaderState::Idle).0, Relaxed);
    assert!(snapshot.read(&mut reader).is_err());
}

#[test]
fn reaped_writer_is_replaced_and_its_operations_fail() {
    let fixture = Fixture::of(1);
    let snapshot = fixture.snapshot();
    let mut first = snapshot.claim_writer(&ALIVE).unwrap();
    let index = snapshot.pick(&mut first).unwrap();
    let taken = snapshot.claim_writer(&ALIVE.of(other())).unwrap_err();
    assert_eq!(taken, ClaimError::Taken(me()));
    let mut second = snapshot.claim_writer(&DEAD.of(other())).unwrap();
    fixture.publish(&mut second);
    // The first writer is reaped while it writes.
    assert!(snapshot.commit(&mut first, index).is_err());
    assert!(snapshot.pick(&mut first).is_err());
    snapshot.release_writer(me());
    assert_eq!(fixture.publish(&mut second), 0);
    snapshot.recover(other());
    assert!(snapshot.claim_writer(&ALIVE).is_ok());
}

#[test]
fn slots_of_dead_readers_are_claimed_or_freed_and_live_ones_are_not() {
    let fixture = Fixture::of(2);
    let snapshot = fixture.snapshot();
    for state in [
        ReaderState::Idle,
        ReaderState::Choosing,
        ReaderState::Buffer(1),
    ] {
        for slot in &fixture.slots {
            slot.0.store(ReaderWord::new(other(), state).0, Relaxed);
        }
        assert_eq!(fixture.claim_slot().unwrap_err(), SlotError::Full);
        let reader = snapshot.claim_slot(ReaderState::Idle, &DEAD).unwrap();
        snapshot.recover(other());
        let free = fixture.claim_slot().unwrap();
        assert_ne!(free, reader);
        assert_eq!(fixture.claim_slot().unwrap_err(), SlotError::Full);
        assert_eq!(snapshot.release_slot(&free), Ok(()));
        assert_eq!(snapshot.release_slot(&reader), Ok(()));
        assert_eq!(snapshot.release_slot(&reader), Err(Corrupt { word: 0 }));
    }
}

#[test]
fn garbage_is_reported_as_corrupt() {
    let fixture = Fixture::of(1);
    let snapshot = fixture.snapshot();
    let mut writer = snapshot.claim_writer(&ALIVE).unwrap();
    let mut reader = fixture.claim_slot().unwrap();
    let most = SnapshotLayout::READERS.1;
    for word in [3, 9, most, u64::MAX] {
        fixture.state.latest.0.store(word, Relaxed);
        assert_eq!(snapshot.latest(), Err(Corrupt { word }));
        assert_eq!(snapshot.read(&mut reader), Err(Corrupt { word }));
        let index = snapshot.pick(&mut writer).unwrap();
        assert_eq!(snapshot.commit(&mut writer, index), Err(Corrupt { word }));
        assert_eq!(snapshot.corrupt_word(&ALIVE), word);
        fixture.state.latest.0.store(0, Relaxed);
        assert_eq!(snapshot.corrupt_word(&ALIVE), 0);
        assert_eq!(snapshot.read(&mut reader), Ok(0));
    }
    for word in [5 << 32 | u64::from(me().bits()), u64::MAX] {
        fixture.slots[0].0.store(word, Relaxed);
        assert_eq!(snapshot.pick(&mut writer), Err(Corrupt { word }));
    }
    assert_eq!(
        fixture.claim_slot(),
        Err(SlotError::Corrupt(Corrupt { word: u64::MAX }))
    );
}
