//! The mutex under loom, where two of three processes die.

use super::Fixture;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{StartWith, finish};

/// Hunts: a process that takes over a dead owner's lock, dies with it, and is not noticed by the
/// third, or whose half-done repair is not reported.
#[test]
fn model_mutex_two_deaths_leave_the_lock_to_the_third() {
    explore_two_deaths("mutex: three contenders", |[first, second]| {
        let fixture = Fixture::open();
        let deaths = [(1, first), (2, second), (3, None)];
        finish(
            deaths.map(|(id, death)| fixture.start(id, death, move |fixture| fixture.visit(id))),
        );
        fixture.close(1..=3);
    });
}
