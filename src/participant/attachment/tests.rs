//! What attachments and own tags are held to, under loom.

mod models;

pub(crate) use models::MUTANTS;
