//! What was measured, as a document for people and as one for machines.

pub(crate) mod arrays;
pub(crate) mod chaos;
pub(crate) mod kept;
mod markdown;
pub(crate) mod objects;
mod occasion;
pub(crate) mod pools;
pub(crate) mod queues;
mod table;
mod verdict;
mod versions;
pub(crate) mod work;

use std::path::Path;

use crossdock_cli::Failure;
use crossdock_cli::machine::Machine;
use serde::Serialize;

use crate::contest::Setting;
use crate::creation::Made;
use crate::kills::Toll;
use crate::study::{self, Call, Effort, refused};

#[cfg(test)]
pub(crate) use verdict::tests::setting as sample_setting;
pub(crate) use verdict::{Duel, Goal};
use versions::Versions;

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The day, as UTC has it.
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) versions: Versions,
    pub(crate) effort: Effort,
    pub(crate) settings: Vec<Setting>,
    pub(crate) goals: Vec<Goal>,
    /// crossdock's mutex against each other lock.
    pub(crate) duels: Vec<Duel>,
    pub(crate) creation: Vec<Made>,
    /// A survivor without progress for so long counts as stuck.
    pub(crate) stuck_after_ms: u128,
    pub(crate) kills: Vec<Toll>,
}

impl Report {
    pub(crate) fn new(
        call: Call,
        settings: Vec<Setting>,
        creation: Vec<Made>,
        kills: Vec<Toll>,
    ) -> Self {
        Self {
            date: today(),
            command: call.command,
            machine: Machine::this(),
            versions: Versions::here(),
            effort: call.effort,
            goals: verdict::goals(&settings),
            duels: verdict::duels(&settings),
            settings,
            creation,
            stuck_after_ms: crate::kills::PATIENCE.as_millis(),
            kills,
        }
    }
}

impl study::Report for Report {
    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The whole document, with what people wrote in the one that stands at `path`, if one does.
    fn document(&self, path: &Path) -> Result<String, Failure> {
        let kept = kept::of(path).map_err(refused)?;
        Ok(markdown::document(self, &kept))
    }
}

/// The day, as UTC has it.
fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// Says what is wrong with the document at `path`, before anything is measured for it.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    kept::of(path).map(drop)
}
