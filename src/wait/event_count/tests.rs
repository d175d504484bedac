//! What an event count is held to by itself: models under loom. Those of the rings have it, too.

mod models;

pub(crate) use models::MUTANTS;
