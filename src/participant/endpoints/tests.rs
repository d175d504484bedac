//! Tests of the endpoint counts: models under loom, plain tests otherwise.

#[cfg(loom)]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod units;

#[cfg(loom)]
pub(crate) use lost::MUTANTS as LOST;
#[cfg(loom)]
pub(crate) use models::MUTANTS;

use super::EndpointCounts;
use crate::facade::AtomicU64;

/// The words of a queue of three participants.
pub(super) struct EndpointWords {
    pub(super) word: AtomicU64,
    renewed: [AtomicU64; 2],
    pub(super) cells: [AtomicU64; 3],
}

impl EndpointWords {
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            renewed: [0; 2].map(AtomicU64::new),
            cells: [0; 3].map(AtomicU64::new),
        }
    }

    pub(super) fn endpoints(&self) -> EndpointCounts<'_> {
        EndpointCounts {
            word: &self.word,
            renewed: &self.renewed,
            cells: &self.cells,
        }
    }
}
