//! Tests of the reader-writer lock: models under loom, plain tests otherwise.

#[cfg(loom)]
mod deaths;
#[cfg(loom)]
mod fairness;
#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(loom)]
mod specified;
#[cfg(loom)]
mod stage;
#[cfg(loom)]
mod two_deaths;
#[cfg(not(loom))]
mod units;
#[cfg(loom)]
mod unread;

#[cfg(loom)]
pub(crate) use fairness::MUTANTS as FAIRNESS;
#[cfg(loom)]
pub(crate) use lost::MUTANTS as LOST;
#[cfg(loom)]
pub(crate) use models::MUTANTS;
#[cfg(loom)]
pub(crate) use specified::MUTANTS as SPECIFIED;
#[cfg(loom)]
pub(crate) use unread::MUTANTS as UNREAD;
