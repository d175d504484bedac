//! Iteration over an index under loom.

use super::super::Shape;
use super::fixture::{FIRST, Fixture, OTHER};
use crate::facade::model::explore;
use crate::facade::mutants;
use crate::participant::stage::{finish, start};

mutants! {
    model_blocks_a_key_that_stays_comes_once_while_the_table_is_rebuilt:
        658 "an iteration does not look at the root again";
    model_blocks_a_key_that_is_inserted_again_comes_once_of_a_home:
        900 "a key that is found twice comes twice";
}

/// Hunts: a key that is there all the while and does not come, or comes twice, since it moved in a
/// table that is filled anew, behind the reader or before it.
#[test]
fn model_blocks_a_key_that_stays_comes_once_while_the_table_is_rebuilt() {
    explore(|| {
        let fixture = Fixture::open(Shape::Index);
        // What stays is behind another key of its home, until that is removed.
        fixture.put(1, &OTHER, 9);
        fixture.remove(1, &FIRST);
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                let rebuild = || writer.write(1, &writer.peers(1), |writer| writer.rebuild());
                rebuild().unwrap();
                rebuild().unwrap();
            }),
            start(2, None, move || assert_eq!(reader.keys(), [OTHER[0]])),
        ]);
    });
}

/// Hunts: a key that comes twice, since it was removed and is inserted again, behind another one,
/// while its home is read.
#[test]
fn model_blocks_a_key_that_is_inserted_again_comes_once_of_a_home() {
    explore(|| {
        let fixture = Fixture::open(Shape::Index);
        let (writer, reader) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                writer.remove(1, &FIRST);
                writer.put(1, &OTHER, 9);
                writer.put(1, &FIRST, 2);
            }),
            start(2, None, move || {
                let keys = reader.keys();
                let times = |key: u64| keys.iter().filter(|found| **found == key).count();
                assert!(times(FIRST[0]) <= 1 && times(OTHER[0]) <= 1, "{keys:?}");
            }),
        ]);
    });
}
