//! Blocks under loom.

pub(crate) mod fixture;
mod iterate;
mod lost;
mod models;

pub(crate) use iterate::MUTANTS as ITERATION;
pub(crate) use lost::MUTANTS as LOST;
pub(crate) use models::MUTANTS;
