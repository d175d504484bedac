//! Tests of the promise: models under loom, plain tests otherwise.

#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use {lost::MUTANTS as LOST, models::MUTANTS};
