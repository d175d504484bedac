//! Tests of leases: models under loom, plain tests otherwise.

#[cfg(loom)]
mod deaths;
#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(loom)]
mod stage;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use lost::MUTANTS as LOST;
#[cfg(loom)]
pub(crate) use stage::MUTANTS;
