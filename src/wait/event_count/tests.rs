//! Tests of the event count alone: models under loom. The models of the queues cover it, too.

mod models;

pub(crate) use models::MUTANTS;
