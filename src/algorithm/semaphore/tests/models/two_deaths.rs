//! The semaphore under loom, where two of three processes die.

use super::Table;
use crate::algorithm::semaphore::layout::FREE;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{finish, start};

/// Hunts: a permit that is lost with a process that got it from a dead holder, and dies too.
#[test]
fn model_semaphore_two_deaths_leave_the_permit_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let table = Table::open([FREE]);
        finish([(1, first), (2, second)].map(|(id, death)| {
            let table = table.clone();
            start(id, death, move || table.try_visit(id))
        }));
        table.close();
    });
}
