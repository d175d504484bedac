//! A manager under loom.

mod fixture;
mod growth;
mod models;

pub(crate) use growth::MUTANTS as GROWTH;
pub(crate) use models::MUTANTS;
