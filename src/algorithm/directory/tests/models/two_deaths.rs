//! The directory under loom, where two of three processes die.

use super::{NotCreated, Store};
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{finish, start};

/// Hunts: a creator that takes over the control mutex from a dead one and dies too; a record of
/// the first that the second has half overwritten.
#[test]
fn model_directory_two_deaths_leave_the_name_to_the_third() {
    explore_two_deaths(
        "directory: three creators of one name",
        |[first, second]| {
            let store = Store::open();
            let deaths = [(1, first), (2, second), (3, None)];
            finish(deaths.map(|(id, death)| {
                let store = store.clone();
                start(id, death, move || {
                    let made = store.create(id, "stock");
                    let expected = matches!(made, Ok(_) | Err(NotCreated::Exists(_)));
                    assert!(expected, "{made:?}");
                    store.find("stock").expect("a creator has made it");
                })
            }));
            assert_eq!(store.directory().records().unwrap().count(), 1);
        },
    );
}
