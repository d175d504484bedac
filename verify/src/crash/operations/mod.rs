//! The operations that are swept: for each a world, a victim, a third party, a judge, and a bug.

/// A table: how an operation is made of a `Verb` and whether its bug is seeded; then for each its
/// name, its verb, and what the bug is.
macro_rules! listed {
    ($new:expr; $($name:literal $verb:ident $seed:literal)*) => {
        &[$($crate::crash::sweep::Listed {
            name: $name,
            seed: $seed,
            sweep: |listed, full| {
                $crate::crash::sweep::sweep(listed, full, &|seeded| $new(Verb::$verb, seeded))
            },
        }),*]
    };
}

/// A table of operations that are made each in a way of its own: for each its name, what its bug
/// is, and how it is made, with the bug if `seeded`.
macro_rules! rows {
    ($($name:literal $seed:literal |$seeded:ident| $new:expr;)*) => {
        &[$($crate::crash::sweep::Listed {
            name: $name,
            seed: $seed,
            sweep: |listed, full| $crate::crash::sweep::sweep(listed, full, &|$seeded| $new),
        }),*]
    };
}

mod barrier;
mod clean;
mod count;
mod create;
mod elements;
mod event;
mod growing;
pub(super) mod hand;
mod hand_over;
mod leases;
mod lock;
mod locks;
mod managed;
mod naive;
mod named;
mod objects;
mod permits;
mod pipe;
mod promise;
mod queue;
mod ring;
mod rwlock;
mod shelf;
mod snapshot;
mod words;
mod work;

use crate::crash::sweep::Listed;
use crate::crash::walk;

pub(crate) use named::{left_behind, sweep_away};

/// Every operation, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Listed> {
    [
        locks::LISTED_REGISTRY,
        create::LISTED,
        named::LISTED,
        clean::LISTED,
        locks::LISTED,
        rwlock::LISTED,
        permits::LISTED,
        event::LISTED,
        promise::LISTED,
        locks::LISTED_CONDVARS,
        barrier::LISTED,
        count::LISTED,
        count::LISTED_ELEMENTS,
        elements::LISTED,
        ring::LISTED,
        queue::LISTED,
        hand_over::LISTED,
        pipe::LISTED,
        walk::LISTED,
        walk::LISTED_POOLS,
        work::LISTED,
        leases::LISTED,
        work::LISTED_BYTES,
        work::LISTED_CHANNELS,
        snapshot::LISTED,
        objects::LISTED,
        objects::REAPED,
        managed::LISTED,
        growing::LISTED,
    ]
    .into_iter()
    .flatten()
}
