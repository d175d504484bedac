//! Tests of the work queue: models under loom. tests/queue has the plain ones.

pub(crate) mod ends;
mod fixture;
mod idle;
mod models;
mod parts;
mod returned;
mod unregistered;
mod wrap;

pub(crate) use models::MUTANTS;
