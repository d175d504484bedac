//! Tests of the snapshot: models under loom, plain tests otherwise.

#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(loom)]
mod specified;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use lost::MUTANTS as LOST;
#[cfg(loom)]
pub(crate) use models::MUTANTS;
#[cfg(loom)]
pub(crate) use specified::MUTANTS as SPECIFIED;
