//! `crossdock repair`: recovers what dead participants hold.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::find::{self, held_by};
use super::{Outcome, print_json};

/// Recovers what dead participants of a segment hold, and frees their
/// places.
///
/// Never needed for progress: processes that wait do the same. A stopped
/// process is alive, and keeps what it holds.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The name of the segment, as `crossdock ls --all` shows it.
    name: String,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let found = find::one(&options.name)?;
    let entries = found.entries();
    let segment = found.open()?;
    let before = segment.participants();
    let reaping = segment.reap();
    let after = segment.participants();
    // Another process may have reaped one of them as well: freed all the same.
    let is_gone = |index, generation| {
        !after
            .iter()
            .any(|one| (one.index, one.generation) == (index, generation))
    };
    let freed: Vec<_> = before
        .iter()
        .filter(|one| !one.alive && is_gone(one.index, one.generation))
        .collect();
    if options.json {
        let freed: Vec<_> = freed
            .iter()
            .map(|one| {
                json!({
                    "index": one.index,
                    "generation": one.generation,
                    "pid": one.pid,
                    "held": held_by(one.id(), &entries),
                })
            })
            .collect();
        print_json(&json!({ "segment": found.name, "freed": freed, "stuck": reaping.stuck }));
    } else {
        let mut printed: String = freed
            .iter()
            .map(|one| {
                let (id, pid) = (one.id(), one.pid);
                let held = held_by(id, &entries);
                let held = held.map_or_else(String::new, |held| format!(", which held {held}"));
                format!("freed participant {id} (pid {pid}){held}\n")
            })
            .collect();
        if freed.is_empty() && reaping.stuck == 0 {
            printed.push_str("nothing to repair: no participant is dead\n");
        }
        crate::print_ignoring_closed_pipes(&printed);
    }
    if reaping.stuck > 0 {
        return Err(format!(
            "segment {:?}: {} dead participants may hold something in an entry of a kind that this \
             version does not know, or that is corrupt",
            found.name, reaping.stuck
        ));
    }
    Ok(ExitCode::SUCCESS)
}
