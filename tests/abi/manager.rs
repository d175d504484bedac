//! The bytes of a manager and of its objects.

use crossdock::manager::ManagerOptions;
use crossdock::{Counter, Manager};

use crate::support::image::u64_at;
use crate::{ARENA, DIRECTORY, bytes, recorded, segment};

/// Two objects, and a pool of two blocks.
fn options() -> ManagerOptions {
    ManagerOptions::new(600).objects(2)
}

const RECORDS: usize = 256;
const CELLS: usize = RECORDS + 2 * 256;
const POOL: usize = CELLS + 128;

#[test]
fn a_manager_is_heads_records_cells_and_a_pool() {
    let len = POOL as u64 + 2 * 512;
    assert_eq!(recorded::<Manager>(options()), (25, len, 0, 1));
}

#[test]
fn an_object_has_a_record_and_the_cells_of_its_holders() {
    let segment = segment();
    let manager = segment.create::<Manager>("m", options()).unwrap();
    let first = manager.create::<Counter>("a", 3).unwrap();
    let second = manager.create::<Counter>("b", 7).unwrap();
    let again = manager.open::<Counter>("b").unwrap();
    let image = bytes(&segment);
    let at = |offset: usize| u64_at(&image, ARENA + offset);
    assert_eq!(u64_at(&image, DIRECTORY + 32), 600, "the bytes of its room");
    assert_eq!(u64_at(&image, DIRECTORY + 40), 2, "its objects");
    let live = 1 << 19 | 1;
    assert_eq!(
        (at(128), at(160)),
        (live, live),
        "LIVE, of the first edition"
    );
    assert_ne!(at(136), at(168), "the hashes of the names");
    assert_eq!([at(144), at(152)], [0, 0], "it has not grown");
    for (number, (value, name)) in [(3, "a"), (7, "b")].into_iter().enumerate() {
        let record = RECORDS + number * 256;
        let place = ARENA + POOL + number * 512;
        assert_eq!((at(record), at(record + 8)), (3, place as u64));
        assert_eq!(
            (at(record + 128), at(POOL + number * 512)),
            (u64::from(name.as_bytes()[0]), value)
        );
    }
    // Four cells each; this process is participant 0 in its first generation.
    let tag = 1 << 10;
    let cells = [0, 1, 4].map(|cell| at(CELLS + cell * 8));
    assert_eq!(cells, [tag | 1 << 29, 0, tag | 2 << 29]);
    manager.remove("b").unwrap();
    drop((second, again));
    let image = bytes(&segment);
    let at = |offset: usize| u64_at(&image, ARENA + offset);
    assert_eq!(at(160), 1 << 19 | 2, "REMOVED");
    assert_eq!(at(CELLS + 32), tag);
    manager.create::<Counter>("c", 0).unwrap();
    let image = bytes(&segment);
    assert_eq!(
        u64_at(&image, ARENA + 160),
        2 << 19 | 1,
        "LIVE, of the second edition"
    );
    drop(first);
}

#[cfg(feature = "process")]
#[test]
fn an_object_that_has_grown_has_another_record_of_the_same_number() {
    let options = ManagerOptions::new(8_192).objects(2);
    let segment = segment();
    let manager = segment.create::<Manager>("m", options).unwrap();
    let list = manager.list::<u64>("l", 1).unwrap();
    (0..8).for_each(|number| list.push(&number).unwrap());
    let image = bytes(&segment);
    let at = |offset: usize| u64_at(&image, ARENA + offset);
    assert_eq!(at(8), 1, "growths");
    assert_eq!(at(128), 1 << 19 | 5, "MOVED");
    assert_eq!(at(160), 1 << 19 | 1, "LIVE, in the second record");
    let number = 1 << 16;
    assert_eq!([at(176), at(184)], [number, number], "the first record's");
    let config = |record: usize| [32, 40, 48, 56].map(|word| at(RECORDS + record * 256 + word));
    assert_eq!((config(0), config(1)), ([1, 96, 0, 0], [2, 96, 1, 0]));
}
