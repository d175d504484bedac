//! The list of seeded bugs and the model that each must break, for `cargo xtask models`.

use crate::{raw, ring};

#[test]
fn list_mutants() {
    let rooms = [
        raw::mutex::tests::MUTANTS,
        raw::registry::tests::MUTANTS,
        raw::directory::tests::MUTANTS,
        raw::directory::tests::LOST,
        raw::counter::tests::MUTANTS,
        raw::leases::tests::MUTANTS,
        raw::leases::tests::LOST,
        raw::element::tests::MUTANTS,
        raw::rwlock::tests::MUTANTS,
        raw::rwlock::tests::LOST,
        ring::bell::tests::MUTANTS,
        ring::spsc::tests::MUTANTS,
        ring::spsc::tests::LOST,
        ring::ends::tests::MUTANTS,
        ring::ends::tests::LOST,
        ring::slots::tests::MUTANTS,
        ring::slots::tests::LOST,
        ring::slots::tests::abandoned::MUTANTS,
        ring::slots::tests::ends::MUTANTS,
        ring::any::tests::MUTANTS,
        ring::snapshot::tests::MUTANTS,
        ring::snapshot::tests::LOST,
        ring::work::tests::MUTANTS,
        ring::work::tests::ends::MUTANTS,
    ];
    for (number, model, what) in rooms.into_iter().flatten() {
        println!("mutant {number} {model} {what}");
    }
}
