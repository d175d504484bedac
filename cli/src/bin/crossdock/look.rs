//! `crossdock inspect` and `crossdock peek`: one segment, or one entry, looked at from outside.
//!
//! Nothing here knows a kind of entry: fields and values are shown as the library names them.

mod json;
mod people;
mod text;
mod values;

use clap::Args;
use crossdock::segment::{EntryView, Inspection, Overview};

use crate::operate::find::{looked_at, opened};
use crate::{print_ignoring_closed_pipes, with_causes};
use people::People;

/// The most entries and objects that are shown.
const MOST_ENTRIES: usize = 4096;

/// Shows a segment: its participants, its entries, and what they hold.
///
/// Reads only: it joins nothing, changes nothing, and waits for nothing, so it
/// may be used beside a system that works, or that is stuck. Words are of
/// slightly different times. At most 4096 entries are shown, the objects of
/// managers included.
///
/// With --json: an object on one line, whose names stay as they are; an
/// entry's "fields" have the names of its kind, a participant is "INDEX.COUNT",
/// no participant is null, and a table is an array of objects.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InspectOptions {
    /// The segment: its name as `crossdock ls --all` shows it, or a path with
    /// a slash, as /proc/PID/fd/N is.
    #[arg(verbatim_doc_comment)]
    segment: String,
    /// The entry, or MANAGER/OBJECT; all of them, without their tables, if
    /// none is given.
    #[arg(verbatim_doc_comment)]
    entry: Option<String>,
    /// Prints an object on one line.
    #[arg(long)]
    json: bool,
}

/// Shows the values of an entry, as hex, and as text of known types.
///
/// Reads only, and takes no lock: a value that is written meanwhile may be half
/// old and half new. Known types are numbers, bool, FixedStr, and arrays of
/// them. At most 64 values are shown.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PeekOptions {
    /// The segment: its name as `crossdock ls --all` shows it, or a path with
    /// a slash, as /proc/PID/fd/N is.
    #[arg(verbatim_doc_comment)]
    segment: String,
    /// The entry, or MANAGER/OBJECT.
    entry: String,
    /// The number of bytes of a value that are shown.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    bytes: u32,
    /// Prints an object on one line.
    #[arg(long)]
    json: bool,
}

fn overview(inspection: &Inspection) -> Result<Overview, String> {
    inspection.overview().map_err(|error| with_causes(&error))
}

fn view(inspection: &Inspection, entry: &str) -> Result<EntryView, String> {
    inspection
        .open_dyn(entry)
        .map_err(|error| with_causes(&error))
}

pub(crate) fn inspect(options: &InspectOptions) -> Result<(), String> {
    let inspection = opened(&options.segment)?;
    let seen = overview(&inspection)?;
    let people = People::of(&seen.participants);
    let printed = match &options.entry {
        Some(entry) => {
            let view = view(&inspection, entry)?;
            if options.json {
                json::line(&json::entry(&view))
            } else {
                text::entry(&view, &people, true)
            }
        }
        None => {
            let (views, left) = looked_at(&inspection, &seen, MOST_ENTRIES);
            if options.json {
                json::line(&json::segment(
                    &options.segment,
                    &inspection,
                    &seen,
                    (&views, left),
                ))
            } else {
                text::segment(&options.segment, &seen, (&views, left), &people)
            }
        }
    };
    print_ignoring_closed_pipes(&printed);
    Ok(())
}

pub(crate) fn peek(options: &PeekOptions) -> Result<(), String> {
    let inspection = opened(&options.segment)?;
    let view = view(&inspection, &options.entry)?;
    let values = values::read(&inspection, &view, options.bytes as usize)?;
    print_ignoring_closed_pipes(&if options.json {
        json::line(&json::values(&view, &values))
    } else {
        text::values(&view, &values)
    });
    Ok(())
}
