//! What a work queue is held to: models under loom. tests/queue has the plain ones.

#[cfg(loom)]
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[];
