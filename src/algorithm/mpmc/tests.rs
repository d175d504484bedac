//! Tests of the ring for many senders and receivers: models under loom. tests/queue has the plain
//! ones.

#[cfg(loom)]
pub(crate) mod abandoned;
#[cfg(loom)]
pub(crate) mod ends;
#[cfg(loom)]
mod fixture;
#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(loom)]
mod orphans;

#[cfg(loom)]
pub(crate) use lost::MUTANTS as LOST;
#[cfg(loom)]
pub(crate) use models::MUTANTS;
