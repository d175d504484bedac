//! A manager under loom.

mod fixture;
mod models;

pub(crate) use models::MUTANTS;
