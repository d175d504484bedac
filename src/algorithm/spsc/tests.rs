//! Tests of the single-producer, single-consumer ring: models under loom, plain tests otherwise.

#[cfg(loom)]
pub(crate) mod hand_over;
#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use lost::MUTANTS as LOST;
#[cfg(loom)]
pub(crate) use models::MUTANTS;
