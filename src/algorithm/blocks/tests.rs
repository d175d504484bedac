//! Blocks under loom.

mod fixture;
mod lost;
mod models;

pub(crate) use lost::MUTANTS as LOST;
pub(crate) use models::MUTANTS;
