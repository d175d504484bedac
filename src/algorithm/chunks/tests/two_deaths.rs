//! Leases under loom, where two of three processes die.

use super::stage::Fixture;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{StartWith, finish};

/// Hunts: a chunk that stays with the second of two dead holders, or whose half-done work is not
/// reported.
#[test]
fn model_leases_two_deaths_leave_the_chunk_to_the_third() {
    explore_two_deaths(
        "leases: two holders of one chunk, a third",
        |[first, second]| {
            let fixture = Fixture::<1>::opened();
            let deaths = [(1, first), (2, second), (3, None)];
            finish(
                deaths.map(|(id, death)| fixture.start(id, death, move |fixture| fixture.work(id))),
            );
            assert_eq!(fixture.close(), 0);
            assert!(
                fixture.deaths_seen() <= fixture.cut_off(),
                "each death is reported once"
            );
        },
    );
}
