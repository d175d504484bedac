//! Tests of the barrier: models under loom, plain tests otherwise.

#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use models::MUTANTS;
