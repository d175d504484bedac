//! The snapshot, over bytes that no snapshot has written: whatever they are, every operation ends, and works or
//! says what is wrong.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::segment::{ClaimError, Kind};
use crossdock::snapshot::{Reader, ReaderError, Writer};
use crossdock::{Fault, Segment, SegmentOptions, Snapshot, SnapshotOptions};

use crate::support::image::Window;
use crate::support::watch;

/// How long garbage may keep an operation waiting.
const SHORT: Duration = Duration::from_micros(100);
const SEATS: u64 = 2;
/// The state, two seats, and the stamps of four buffers.
const WORDS: usize = 256 + 2 * 128 + 4 * 8;
const ROLE: usize = 128;
const SEAT: usize = 256;

/// A segment with one snapshot in it, and its bytes.
struct Place {
    segment: Segment,
    window: Window,
    begin: usize,
}

impl Place {
    fn new() -> Self {
        let options = SegmentOptions::new()
            .size(1 << 14)
            .participants(4)
            .entries(2);
        let segment = options.anonymous().unwrap();
        let options = SnapshotOptions::new(5).readers(SEATS);
        segment.create::<Snapshot<u64>>("s", options).unwrap();
        let begin = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
        Self {
            window: Window::of(&segment),
            begin,
            segment,
        }
    }

    fn bytes(&self) -> Range<usize> {
        self.begin..self.begin + WORDS
    }

    /// A handle of a snapshot that nobody was ever at.
    fn fresh(&self) -> Snapshot<u64> {
        self.bytes()
            .step_by(8)
            .for_each(|at| self.window.long(at).store(0, Relaxed));
        self.segment.open("s").unwrap()
    }

    fn write(&self, offset: usize, value: u64) {
        self.window.long(self.begin + offset).store(value, Relaxed);
    }
}

/// Handles from before the garbage came.
struct Users(Writer<u64>, Reader<u64>);

/// All operations; how many of them have worked.
fn everything(snapshot: &Snapshot<u64>, Users(writer, reader): &mut Users) -> usize {
    let worked = [
        reader.load().is_ok(),
        writer.publish(1).is_ok(),
        reader.wait_newer_timeout(SHORT).is_ok(),
        reader.has_newer() || reader.version().is_some(),
        writer.update(|value| *value += 1).is_ok(),
        reader.load().is_ok(),
        snapshot.load().is_ok(),
        snapshot.writer().is_ok(),
        snapshot.reader().is_ok_and(|mut reader| {
            reader.load().is_ok() && reader.wait_newer_timeout(SHORT).is_err()
        }),
        snapshot.version() < 1 << 52,
    ];
    worked.iter().filter(|worked| **worked).count()
}

#[test]
fn any_bit_of_the_words_flipped_is_an_error_or_works() {
    let _watch = watch();
    let place = Place::new();
    let (mut worked, mut refused) = (0, 0);
    for at in place.bytes() {
        for bit in 0..8 {
            let snapshot = place.fresh();
            let mut users = Users(snapshot.writer().unwrap(), snapshot.reader().unwrap());
            users.0.publish(6).unwrap();
            assert_eq!(users.1.load(), Ok(6));
            place.window.byte(at).fetch_xor(1 << bit, Relaxed);
            let count = everything(&snapshot, &mut users);
            (worked, refused) = (worked + count, refused + 10 - count);
        }
    }
    assert!(worked > 0 && refused > 0, "{worked} {refused}");
    let snapshot = place.fresh();
    snapshot.writer().unwrap().publish(7).unwrap();
    assert_eq!(snapshot.load().unwrap(), 7);
}

/// What an operation says of a word that no snapshot has.
fn corrupt(word: u64) -> Result<u64, Fault> {
    let kind = Kind::Snapshot;
    Err(Fault::Corrupt { kind, word })
}

#[test]
fn what_is_wrong_is_told_with_the_word_that_was_found() {
    const WRONG: u64 = 0x0fff_ffff_0000_0001;
    let place = Place::new();

    // A buffer that there is not.
    let snapshot = place.fresh();
    let (mut writer, mut reader) = (snapshot.writer().unwrap(), snapshot.reader().unwrap());
    place.write(0, 9);
    assert_eq!(reader.load(), corrupt(9));
    assert_eq!(writer.publish(1), corrupt(9));
    let refused = snapshot.load();
    assert!(matches!(
        refused,
        Err(ReaderError::Fault(Fault::Corrupt { word: 9, .. }))
    ));
    drop(writer);
    let refused = snapshot.writer();
    assert!(matches!(
        refused,
        Err(ClaimError::Fault(Fault::Corrupt { word: 9, .. }))
    ));
    place.write(0, 0);
    assert_eq!(snapshot.writer().unwrap().publish(1), Ok(1));
    assert_eq!(reader.load(), Ok(1), "a reader gets over it");

    // A seat that is nobody's, and holds what there is not.
    let snapshot = place.fresh();
    let mut writer = snapshot.writer().unwrap();
    place.write(SEAT, WRONG);
    assert_eq!(writer.publish(1), corrupt(WRONG));

    // One's own seat.
    let snapshot = place.fresh();
    let mut reader = snapshot.reader().unwrap();
    assert!(reader.load().is_ok());
    snapshot.writer().unwrap().publish(1).unwrap();
    place.write(SEAT, WRONG);
    place.write(SEAT + 128, WRONG);
    assert_eq!(reader.load(), corrupt(WRONG));

    // A role that cannot be.
    let snapshot = place.fresh();
    place.write(ROLE, u64::from(u32::MAX));
    let refused = snapshot.writer();
    let word = u64::from(u32::MAX);
    assert!(
        matches!(refused, Err(ClaimError::Fault(Fault::Corrupt { word: found, .. })) if found == word)
    );
    let text = "expected the state of a Snapshot, found 0xffffffff";
    assert_eq!(refused.unwrap_err().to_string(), text);
}

#[test]
fn a_seat_of_one_that_never_was_is_free() {
    let place = Place::new();
    let snapshot = place.fresh();
    // Generation 77 of the last participant.
    for seat in [SEAT, SEAT + 128] {
        place.write(seat, 3 << 32 | 77 << 10 | 3);
    }
    let readers = [(); 2].map(|()| snapshot.reader().unwrap());
    assert!(matches!(
        snapshot.reader(),
        Err(ReaderError::NoFreeSlot { .. })
    ));
    drop(readers);
}
