//! `crossdock ls`: the segments of this machine.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::find::{self, Found, Kind};
use super::{Outcome, print_json, text};

/// Lists the named segments of this machine.
///
/// USED is how far the entries reach; DEAD participants were not reaped yet.
/// Looking changes nothing.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Also list segments without a name that processes have open, as
    /// memfd:INODE.
    #[arg(verbatim_doc_comment, long)]
    all: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let mut found = find::named()?;
    if options.all {
        found.extend(find::nameless()?);
    }
    if options.json {
        print_json(&json!({ "segments": found.iter().map(object).collect::<Vec<_>>() }));
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        crate::say("there are no segments");
        return Ok(ExitCode::SUCCESS);
    }
    const HEADER: [&str; 9] = [
        "NAME", "SIZE", "USED", "ENTRIES", "ALIVE", "DEAD", "OWNER", "AGE", "NOTE",
    ];
    let terminal = console::Term::stdout();
    let width = terminal
        .size_checked()
        .map(|(_, columns)| usize::from(columns));
    let width = width.filter(|_| terminal.is_term());
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let mut printed = text::table(&HEADER, &rows, &[0, 6, 8], width);
    if found.iter().any(Found::is_unused) {
        printed.push_str("\nunused ones are removed by: crossdock clean --dead\n");
    }
    let has_dead = |found: &Found| found.participants().is_some_and(|(_, dead)| dead > 0);
    if found.iter().any(|found| found.in_use && has_dead(found)) {
        printed.push_str("\ndead participants are explained by: crossdock doctor\n");
    }
    crate::print_ignoring_closed_pipes(&printed);
    Ok(ExitCode::SUCCESS)
}

fn row(found: &Found) -> Vec<String> {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let look = found.look.as_ref().ok();
    let participants = found.participants();
    let note = match found.problem() {
        _ if found.kind == Kind::Removed => "name removed",
        Some(problem) => problem,
        None if found.is_unused() => "unused",
        None => "",
    };
    vec![
        found.name.clone(),
        text::size(found.bytes()),
        shown(found.used_percent().map(|used| format!("{used}%"))),
        shown(look.map(|look| look.entries.len().to_string())),
        shown(participants.map(|(alive, _)| alive.to_string())),
        shown(participants.map(|(_, dead)| dead.to_string())),
        found.owner_name(),
        shown(found.age().map(text::age)),
        note.to_owned(),
    ]
}

fn object(found: &Found) -> Value {
    let look = found.look.as_ref().ok();
    let participants = found.participants();
    json!({
        "name": found.name,
        "kind": found.kind.name(),
        "bytes": found.bytes(),
        "used": look.map(|look| look.used),
        "entries": look.map(|look| look.entries.len()),
        "alive": participants.map(|(alive, _)| alive),
        "dead": participants.map(|(_, dead)| dead),
        "in_use": found.file.as_ref().map(|_| found.in_use),
        "owner": found.owner(),
        "age_seconds": found.age().map(|age| age.as_secs()),
        "problem": found.problem(),
        "pids": found.pids,
    })
}
