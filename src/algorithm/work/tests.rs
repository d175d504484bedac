//! Tests of the work queue: models under loom. tests/queue has the plain ones.

#[cfg(loom)]
pub(crate) mod ends;
#[cfg(loom)]
mod fixture;
#[cfg(loom)]
mod idle;
#[cfg(loom)]
mod models;
#[cfg(loom)]
mod parts;
#[cfg(loom)]
mod returned;
#[cfg(loom)]
mod unregistered;
#[cfg(loom)]
mod wrap;

#[cfg(loom)]
pub(crate) use models::MUTANTS;
