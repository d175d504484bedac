//! The snapshot, over words that no snapshot has written, and what it says of them.

use crossdock::segment::{ClaimError, Kind};
use crossdock::snapshot::ReaderError;
use crossdock::{Fault, Snapshot, SnapshotOptions};

use crate::support::garbage::Garbage;

const SEATS: u64 = 2;
const ROLE: usize = 128;
const SEAT: usize = 256;

fn entry() -> Garbage<Snapshot<u64>> {
    Garbage::of(SnapshotOptions::new(5).readers(SEATS))
}

/// What an operation says of a word that no snapshot has.
fn corrupt(word: u64) -> Result<u64, Fault> {
    let kind = Kind::Snapshot;
    Err(Fault::Corrupt { kind, word })
}

#[test]
fn what_is_wrong_is_told_with_the_word_that_was_found() {
    const WRONG: u64 = 0x0fff_ffff_0000_0001;
    let place = entry();

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
    let place = entry();
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
