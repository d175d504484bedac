//! The mutex under loom, where two of three processes die.

use super::Shop;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{finish, start};

pub(super) const THIRD: &str = "model_two_deaths_of_owners_leave_the_lock_to_the_third";

/// Hunts: a process that takes a dead owner's lock over, dies with it, and is not noticed by the
/// third, or whose half-done repair is not reported.
#[test]
fn model_two_deaths_of_owners_leave_the_lock_to_the_third() {
    explore_two_deaths("mutex: three contenders", |[first, second]| {
        let shop = Shop::open();
        let deaths = [(1, first), (2, second), (3, None)];
        finish(deaths.map(|(id, death)| {
            let shop = shop.clone();
            start(id, death, move || shop.visit(id))
        }));
        shop.close(1..=3);
    });
}
