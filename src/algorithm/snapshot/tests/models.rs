//! Models of the snapshot, without a registry: the byte locks say which processes live.

use loom::sync::Arc;

use super::super::{
    ClaimError, ReaderClaim, ReaderSlot, SlotError, Snapshot, SnapshotState, WriterClaim,
};
use crate::algorithm::snapshot::layout::ReaderState;
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_one_less, explore_two_deaths, is_byte_locked,
};
use crate::facade::{AtomicU64, Deadline, Pace, Words, mutants};
use crate::format::Padded;
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};
use crate::wait::on_event::EventWaitError;

mutants! {
    model_snapshot_reader_has_a_whole_value_that_is_never_older:
        370 "a reader does not acquire the latest version",
        371 "a commit does not publish the buffer",
        372 "a reader has no barrier before it loads the latest version",
        373 "the writer has no barrier before it loads the slots",
        374 "a reader does not release the buffer it has read",
        375 "the writer does not acquire that a buffer is free",
        378 "the writer assigns no buffer to choosing readers",
        381 "the writer ignores the buffers that readers have",
        382 "the writer overwrites the latest version",
        388 "a reader does not announce that it chooses";
    model_snapshot_slow_reader_is_assigned_the_latest_version:
        377 "a reader does not acquire the buffer assigned to it",
        393 "a reader takes the version it loaded although another was assigned";
    model_snapshot_writer_dies_and_its_successor_publishes:
        379 "a successor assigns no buffer to choosing readers",
        380 "a successor has no barrier before it loads the slots";
    model_snapshot_reader_dies_and_its_slot_is_claimed:
        384 "claiming a dead reader's slot does not release its buffer";
    model_snapshot_slot_has_one_reader:
        385 "a slot is taken from a live reader";
    model_snapshot_buffer_of_a_leaving_reader_is_reused:
        386 "releasing a slot does not release its buffer";
    model_snapshot_slot_of_a_dead_reader_is_freed_by_a_reaper:
        387 "freeing a dead reader's slot does not release its buffer";
    model_snapshot_waiter_is_woken_by_a_version_while_the_writer_stays:
        389 "a sleeper does not check once more",
        390 "a commit does not notify";
    model_snapshot_waiter_sees_a_reaped_writer_as_disconnected:
        391 "recovering a dead writer's claim wakes no sleeper";
    model_snapshot_waiter_gets_each_version_and_the_end:
        392 "a waiter whose writer has left does not load the latest version once more",
        394 "a writer that leaves wakes no sleeper";
    model_two_deaths_of_snapshot_writers_leave_a_whole_value:
        757 "a second death is not detected";
}

/// A snapshot and its buffers: two numbers each, which are equal except while they are written.
pub(super) struct Fixture {
    pub(super) state: SnapshotState,
    pub(super) slots: Vec<ReaderSlot>,
    buffer_versions: Vec<AtomicU64>,
    buffers: Vec<[Words<1>; 2]>,
}

impl Fixture {
    pub(super) fn of(readers: usize) -> Arc<Self> {
        players();
        let number = |buffer| Words::new([if buffer == 0 { 0 } else { 99 }]);
        Arc::new(Self {
            state: SnapshotState::new(),
            slots: (0..readers).map(|_| Padded(AtomicU64::new(0))).collect(),
            buffer_versions: (0..readers + 2).map(|_| AtomicU64::new(0)).collect(),
            buffers: (0..readers + 2)
                .map(|buffer| [number(buffer), number(buffer)])
                .collect(),
        })
    }

    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            slots: &self.slots,
            buffer_versions: &self.buffer_versions,
        }
    }

    fn claim(&self, id: u32) -> Result<WriterClaim, ClaimError> {
        self.snapshot().claim_writer(&KernelLiveness(id))
    }

    fn writer_claim(&self, id: u32) -> WriterClaim {
        self.claim(id).expect("the writer is free")
    }

    fn claim_slot(&self, id: u32) -> Result<ReaderClaim, SlotError> {
        self.snapshot()
            .claim_slot(ReaderState::Idle, &KernelLiveness(id))
    }

    fn reader_claim(&self, id: u32) -> ReaderClaim {
        self.claim_slot(id).expect("a slot is free")
    }

    /// Returns a writer that has published, and a reader that has the version before, in buffer 0.
    fn between(&self, writer: u32, reader: u32) -> (WriterClaim, ReaderClaim) {
        let mut reader_claim = self.claim_slot(reader).expect("a slot is free");
        assert_eq!(self.read(&mut reader_claim), 0);
        let mut writer_claim = self.claim(writer).expect("the writer is free");
        self.publish(&mut writer_claim);
        (writer_claim, reader_claim)
    }

    /// Publishes the number of the version, twice.
    fn publish(&self, writer_claim: &mut WriterClaim) {
        let number = writer_claim.version().number() + 1;
        let index = self
            .snapshot()
            .pick(writer_claim)
            .expect("the claim is its own");
        for word in &self.buffers[index as usize] {
            word.write(&[number]);
        }
        let version = self
            .snapshot()
            .commit(writer_claim, index)
            .expect("the claim is its own");
        assert_eq!(version.number(), number);
    }

    /// Returns the number in a buffer that the caller has.
    fn value(&self, index: u32) -> u64 {
        let [first, second] = &self.buffers[index as usize];
        let ([first], [second]) = (first.read(), second.read());
        assert_eq!(first, second, "a torn value");
        first
    }

    /// Reads, and checks that the value is whole and equals its version.
    fn read(&self, reader_claim: &mut ReaderClaim) -> u64 {
        let index = self
            .snapshot()
            .read(reader_claim)
            .expect("the slot is its own");
        let number = self.value(index);
        let version = reader_claim.version().expect("a version was read");
        assert_eq!(number, version.number(), "the buffer holds another version");
        number
    }

    /// Reads `times` times, and checks that no value is older than the one before.
    fn reads(&self, reader_claim: &mut ReaderClaim, times: u32) -> u64 {
        let mut last = 0;
        for _ in 0..times {
            let version = self.read(reader_claim);
            assert!(version >= last, "{version} after {last}");
            last = version;
        }
        last
    }

    /// Checks after the end that the last version is read, and that a buffer is left to write.
    fn close(&self, least: u64) {
        let mut writer_claim = self.claim(3).expect("the writer is free");
        let last = writer_claim.version().number();
        assert!(last >= least, "{last} of {least} are published");
        for slot in &self.slots {
            slot.0.swap(0, crate::facade::Ordering::AcqRel);
        }
        let mut reader_claim = self.claim_slot(3).expect("a slot is free");
        assert_eq!(self.read(&mut reader_claim), last);
        self.publish(&mut writer_claim);
        assert_eq!(self.read(&mut reader_claim), last + 1);
    }
}

/// Hunts: a buffer that is written while it is read, or read before it is written; versions that go
/// back.
#[test]
fn model_snapshot_reader_has_a_whole_value_that_is_never_older() {
    explore_at_least(3, || {
        let fixture = Fixture::of(1);
        let (writer_claim, reader_claim) = (fixture.writer_claim(1), fixture.reader_claim(2));
        finish([
            fixture.start(1, None, move |writer| {
                let mut writer_claim = writer_claim.clone();
                (0..3).for_each(|_| writer.publish(&mut writer_claim));
                writer.snapshot().release_writer(tag(1));
            }),
            fixture.start(2, None, move |reader| {
                reader.reads(&mut { reader_claim }, 2)
            }),
        ]);
        fixture.close(3);
    });
}

/// Hunts: a reader that is assigned a buffer whose bytes it does not observe. It chooses for as
/// long as a publish takes.
#[test]
fn model_snapshot_slow_reader_is_assigned_the_latest_version() {
    explore(|| {
        let fixture = Fixture::of(1);
        let reader = fixture.clone();
        let writer_claim = fixture.writer_claim(1);
        // The reader has announced that it chooses, and has not loaded the latest version yet.
        let snapshot = fixture.snapshot();
        let choosing = snapshot
            .claim_slot(ReaderState::Choosing, &KernelLiveness(2))
            .unwrap();
        finish([
            fixture.start(1, None, move |writer| {
                let mut writer_claim = writer_claim.clone();
                (0..2).for_each(|_| writer.publish(&mut writer_claim));
                writer.snapshot().release_writer(tag(1));
            }),
            start(2, None, move || {
                let mut reader_claim = choosing;
                let index = reader
                    .snapshot()
                    .choose(&mut reader_claim)
                    .expect("the slot is its own");
                let version = reader.value(index);
                assert_eq!(
                    Some(version),
                    reader_claim.version().map(|has| has.number())
                );
                assert_eq!(reader.snapshot().release_slot(&reader_claim), Ok(()));
            }),
        ]);
        fixture.close(2);
    });
}

/// Hunts: too few buffers for two readers, or a reader whose choice hides the other's.
#[test]
fn model_snapshot_two_readers_and_a_writer_do_not_interfere() {
    explore_one_less(|| {
        let fixture = Fixture::of(2);
        let writer_claim = fixture.writer_claim(1);
        let readers = [2, 3].map(|id| {
            let (reader, reader_claim) = (fixture.clone(), fixture.reader_claim(id));
            start(id, None, move || reader.reads(&mut { reader_claim }, 2))
        });
        let writer = fixture.start(1, None, move |writer| {
            let mut writer_claim = writer_claim.clone();
            (0..2).for_each(|_| writer.publish(&mut writer_claim));
            writer.snapshot().release_writer(tag(1));
        });
        finish(readers.into_iter().chain([writer]));
        fixture.close(2);
    });
}

/// Hunts: a read of a value that a writer left half written; a reader that chose before the writer
/// died, and whose choice the successor overwrites.
#[test]
fn model_snapshot_writer_dies_and_its_successor_publishes() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1);
        let (writer_claim, reader_claim) = (fixture.writer_claim(1), fixture.reader_claim(2));
        finish([
            fixture.start(1, death, move |victim| {
                victim.publish(&mut writer_claim.clone());
                victim.snapshot().release_writer(tag(1));
            }),
            fixture.start(3, None, move |successor| {
                if let Ok(mut writer_claim) = successor.claim(3) {
                    (0..2).for_each(|_| successor.publish(&mut writer_claim));
                }
            }),
            fixture.start(2, None, move |reader| {
                reader.reads(&mut { reader_claim }, 1)
            }),
        ]);
        fixture.state.writer().claim.leave(tag(3));
        fixture.close(0);
    });
}

/// Hunts: a successor of a dead reader that is disturbed by the buffer the dead one had read or
/// would have been assigned; a slot that stays taken.
#[test]
fn model_snapshot_reader_dies_and_its_slot_is_claimed() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1);
        let (writer_claim, reader_claim) = fixture.between(3, 1);
        finish([
            fixture.start(1, death, move |victim| {
                victim.value(0);
                let read = victim.snapshot().read(&mut { reader_claim });
                assert!(read.is_ok());
            }),
            fixture.start(2, None, move |successor| {
                if let Ok(mut reader_claim) = successor.claim_slot(2) {
                    successor.read(&mut reader_claim);
                }
            }),
            fixture.start(3, None, move |writer| {
                writer.publish(&mut writer_claim.clone());
                writer.snapshot().release_writer(tag(3));
            }),
        ]);
        fixture.close(2);
    });
}

/// Hunts: a dead reader's buffer that is overwritten before the writer observes the end of its
/// reads.
#[test]
fn model_snapshot_slot_of_a_dead_reader_is_freed_by_a_reaper() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1);
        let (writer_claim, reader_claim) = fixture.between(3, 1);
        finish([
            fixture.start(1, death, move |victim| {
                victim.value(0);
                victim.read(&mut { reader_claim });
            }),
            fixture.start(2, None, move |reaper| {
                if !is_byte_locked(0) {
                    reaper.snapshot().recover(tag(1));
                }
            }),
            fixture.start(3, None, move |writer| {
                writer.publish(&mut writer_claim.clone());
                writer.snapshot().release_writer(tag(3));
            }),
        ]);
        fixture.close(2);
    });
}

/// Hunts: a slot with two owners, and a slot that stays taken.
#[test]
fn model_snapshot_slot_has_one_reader() {
    explore(|| {
        let fixture = Fixture::of(1);
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| match fixture.claim_slot(id) {
                Ok(mut reader_claim) => {
                    fixture.read(&mut reader_claim);
                    assert_eq!(fixture.snapshot().release_slot(&reader_claim), Ok(()));
                }
                Err(error) => assert_eq!(error, SlotError::Full),
            })
        }));
        assert!(fixture.claim_slot(3).is_ok(), "a slot is lost");
        fixture.close(0);
    });
}

/// Hunts: a buffer that is overwritten before the reads of a reader that left are complete.
#[test]
fn model_snapshot_buffer_of_a_leaving_reader_is_reused() {
    explore_at_least(3, || {
        let fixture = Fixture::of(1);
        let (writer_claim, reader_claim) = (fixture.writer_claim(1), fixture.reader_claim(2));
        finish([
            fixture.start(1, None, move |writer| {
                let mut writer_claim = writer_claim.clone();
                (0..2).for_each(|_| writer.publish(&mut writer_claim));
                writer.snapshot().release_writer(tag(1));
            }),
            fixture.start(2, None, move |reader| {
                let mut reader_claim = reader_claim;
                reader.read(&mut reader_claim);
                assert_eq!(reader.snapshot().release_slot(&reader_claim), Ok(()));
            }),
        ]);
        fixture.close(2);
    });
}

/// Waits and reads until the writer has left or died; returns the version read last.
fn follow(fixture: &Fixture, reader_claim: &mut ReaderClaim, id: u32) -> u64 {
    let mut last = 0;
    loop {
        let (peers, deadline) = (KernelLiveness(id), Deadline::never());
        match fixture
            .snapshot()
            .wait(reader_claim, &peers, &deadline, Pace::Adaptive)
        {
            Ok(()) => {
                let version = fixture.read(reader_claim);
                assert!(version > last, "{version} is not newer than {last}");
                last = version;
            }
            Err(EventWaitError::Disconnected) => return last,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Hunts: a waiter that sleeps indefinitely, or misses a version published before the writer left.
#[test]
fn model_snapshot_waiter_gets_each_version_and_the_end() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1);
        let writer_claim = fixture.writer_claim(1);
        let mut reader_claim = fixture.claim_slot(2).expect("a slot is free");
        assert_eq!(fixture.read(&mut reader_claim), 0);

        finish([
            fixture.start(1, death, move |writer| {
                writer.publish(&mut writer_claim.clone());
                writer.snapshot().release_writer(tag(1));
            }),
            fixture.start(2, None, move |reader| {
                let last = follow(reader, &mut { reader_claim }, 2);
                let published = reader
                    .snapshot()
                    .latest()
                    .expect("a valid version")
                    .number();
                assert_eq!(last, published, "a version is missed");
            }),
        ]);
        fixture.close(0);
    });
}

/// Hunts: a waiter that sleeps on although a version is published. No process leaves or dies, so no
/// slice ends.
#[test]
fn model_snapshot_waiter_is_woken_by_a_version_while_the_writer_stays() {
    explore(|| {
        let fixture = Fixture::of(1);
        let writer_claim = fixture.writer_claim(1);
        let mut reader_claim = fixture.claim_slot(2).expect("a slot is free");
        assert_eq!(fixture.read(&mut reader_claim), 0);

        finish([
            fixture.start(1, None, move |writer| {
                writer.publish(&mut writer_claim.clone())
            }),
            fixture.start(2, None, move |reader| {
                let mut reader_claim = reader_claim;
                let (peers, deadline) = (KernelLiveness(2), Deadline::never());
                let waited =
                    reader
                        .snapshot()
                        .wait(&reader_claim, &peers, &deadline, Pace::Adaptive);
                assert_eq!(waited, Ok(()));
                assert_eq!(reader.read(&mut reader_claim), 1);
            }),
        ]);
    });
}

/// Hunts: a waiter that waits indefinitely for a writer whose claim was recovered by another
/// process.
#[test]
fn model_snapshot_waiter_sees_a_reaped_writer_as_disconnected() {
    explore_one_less(|| {
        let fixture = Fixture::of(1);
        let _writer_claim = fixture.writer_claim(1);
        let mut reader_claim = fixture.claim_slot(2).expect("a slot is free");
        assert_eq!(fixture.read(&mut reader_claim), 0);

        finish([
            // The writer leaves the segment without releasing its claim, and lives: no slice ends.
            fixture.start(1, None, move |reaper| reaper.snapshot().recover(tag(1))),
            fixture.start(2, None, move |reader| {
                assert_eq!(follow(reader, &mut { reader_claim }, 2), 0)
            }),
        ]);
        fixture.close(0);
    });
}

/// Hunts: a value that is torn or goes back after a writer and its successor have died: the first
/// had claimed buffers that the second has not assigned to choosing readers.
#[test]
fn model_two_deaths_of_snapshot_writers_leave_a_whole_value() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::of(1);
        let (writer_claim, reader_claim) = (fixture.writer_claim(1), fixture.reader_claim(3));
        finish([
            fixture.start(1, first, move |writer| {
                writer.publish(&mut writer_claim.clone());
                writer.snapshot().release_writer(tag(1));
            }),
            fixture.start(2, second, move |successor| {
                if let Ok(mut writer_claim) = successor.claim(2) {
                    successor.publish(&mut writer_claim);
                    successor.snapshot().release_writer(tag(2));
                }
            }),
            fixture.start(3, None, move |reader| {
                reader.reads(&mut { reader_claim }, 2)
            }),
        ]);
        fixture.close(0);
    });
}
