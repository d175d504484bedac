//! When something of queues was measured, where and with what.

use std::fmt;

use crossdock_cli::machine::Machine;
use serde::Serialize;

use super::today;
use super::versions::{self, Version};

/// What stands at the head of a part.
#[derive(Debug, Serialize)]
pub(super) struct Occasion {
    /// The day, as UTC has it.
    date: String,
    command: String,
    machine: Machine,
    versions: Vec<Version>,
}

impl Occasion {
    /// Today, here, by that command.
    pub(super) fn now(command: String) -> Self {
        Self {
            date: today(),
            command,
            machine: Machine::this(),
            versions: versions::of_queues(),
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<String> = self.versions.iter().map(Version::to_string).collect();
        write!(
            f,
            "Written by `{}`.\n\n- **Date**: {}\n- **Machine**: {}\n- **Versions**: {}",
            self.command,
            self.date,
            self.machine,
            versions.join(", "),
        )
    }
}
