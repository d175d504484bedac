//! The list of seeded bugs and the model that each must break, for `cargo xtask models`.

use crate::{algorithm, participant, wait};

#[test]
fn list_mutants() {
    let rooms = [
        algorithm::mutex::tests::MUTANTS,
        participant::registry::tests::MUTANTS,
        participant::attachment::tests::MUTANTS,
        algorithm::directory::tests::MUTANTS,
        algorithm::directory::tests::LOST,
        algorithm::counter::tests::MUTANTS,
        algorithm::barrier::tests::MUTANTS,
        algorithm::blocks::tests::MUTANTS,
        algorithm::blocks::tests::ITERATION,
        algorithm::blocks::tests::LOST,
        algorithm::chunks::tests::MUTANTS,
        algorithm::chunks::tests::LOST,
        algorithm::condvar::tests::MUTANTS,
        algorithm::element::tests::MUTANTS,
        algorithm::element::tests::wait::MUTANTS,
        algorithm::event::tests::MUTANTS,
        algorithm::manager::tests::MUTANTS,
        algorithm::manager::tests::GROWTH,
        algorithm::manager::tests::ITERATION,
        algorithm::manager::tests::TWO_DEATHS,
        algorithm::promise::tests::MUTANTS,
        algorithm::promise::tests::LOST,
        algorithm::reentrant::tests::MUTANTS,
        algorithm::rwlock::tests::MUTANTS,
        algorithm::rwlock::tests::FAIRNESS,
        algorithm::rwlock::tests::LOST,
        algorithm::rwlock::tests::UNREAD,
        algorithm::rwlock::tests::SPECIFIED,
        algorithm::semaphore::tests::MUTANTS,
        wait::event_count::tests::MUTANTS,
        algorithm::spsc::tests::MUTANTS,
        algorithm::spsc::tests::LOST,
        algorithm::tasks::tests::MUTANTS,
        algorithm::spsc::tests::hand_over::MUTANTS,
        participant::endpoints::tests::MUTANTS,
        participant::endpoints::tests::LOST,
        algorithm::mpmc::tests::MUTANTS,
        algorithm::mpmc::tests::LOST,
        algorithm::mpmc::tests::abandoned::MUTANTS,
        algorithm::mpmc::tests::ends::MUTANTS,
        wait::select::tests::MUTANTS,
        algorithm::snapshot::tests::MUTANTS,
        algorithm::snapshot::tests::LOST,
        algorithm::snapshot::tests::SPECIFIED,
        algorithm::work::tests::MUTANTS,
        algorithm::work::tests::ends::MUTANTS,
    ];
    for (number, model, what) in rooms.into_iter().flatten() {
        println!("mutant {number} {model} {what}");
    }
}
