//! A manager under loom.

mod fixture;
mod growth;
mod iterate;
mod models;
mod two_deaths;

pub(crate) use growth::MUTANTS as GROWTH;
pub(crate) use iterate::MUTANTS as ITERATION;
pub(crate) use models::MUTANTS;
pub(crate) use two_deaths::MUTANTS as TWO_DEATHS;
