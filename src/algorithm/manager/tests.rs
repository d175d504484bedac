//! A manager under loom.

mod fixture;
mod growth;
mod iterate;
mod models;

pub(crate) use growth::MUTANTS as GROWTH;
pub(crate) use iterate::MUTANTS as ITERATION;
pub(crate) use models::MUTANTS;
