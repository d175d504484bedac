//! Tests of the ring for many senders and receivers: models under loom. tests/queue has the plain
//! ones.

pub(crate) mod abandoned;
pub(crate) mod ends;
mod fixture;
mod lost;
mod models;
mod orphans;

pub(crate) use lost::MUTANTS as LOST;
pub(crate) use models::MUTANTS;
