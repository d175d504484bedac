//! The bytes of the directory's index.

use crossdock::Counter;

use crate::INDEX;
use crate::support::image::{self, u32_at};

#[test]
fn a_slot_of_the_index_is_where_its_name_says_or_behind() {
    let segment = crate::segment();
    let names = ["a", "b", "c", "a longer name", "total"];
    for name in names {
        segment.create::<Counter>(name, 1).unwrap();
    }
    let bytes = crate::bytes(&segment);
    let word = |slot: usize| u32_at(&bytes, INDEX + slot % 16 * 4);
    let mut homes = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let (home, slot) = image::slot(name, number, 8);
        let at = (home..home + 16).find(|at| word(*at) == slot).expect(name);
        assert!((home..at).all(|before| word(before) != 0), "a gap");
        homes.push(home);
    }
    assert_eq!((0..16).filter(|slot| word(*slot) != 0).count(), 5);
    // The golden value: "total", at number 4.
    assert_eq!((homes[4], image::slot("total", 4, 8).1), (15, 0xe936_0005));
}
