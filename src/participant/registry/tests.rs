//! Tests of the registry: models under loom, plain tests otherwise.

#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use models::MUTANTS;

use super::RegistryEntry;
use crate::facade::{AtomicU32, AtomicU64};

/// An entry without its informative part.
pub(crate) struct Word(AtomicU32, AtomicU64);

impl Word {
    pub(crate) fn new(word: u32) -> Self {
        Self(AtomicU32::new(word), AtomicU64::new(0))
    }
}

impl RegistryEntry for Word {
    fn word(&self) -> &AtomicU32 {
        &self.0
    }

    fn joined(&self) -> &AtomicU64 {
        &self.1
    }
}
