//! The output for users and programs.

use crate::queues::{Idle, Measured, Row, TripRow};
use comfy_table::Table;
use crossdock_cli::machine::Machine;
use crossdock_cli::terminal::tables;
use serde::Serialize;

use super::Found;
use crate::command::print_ignoring_closed_pipes as print_text;

/// The one object of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    setting: String,
    #[serde(flatten)]
    measured: &'a Measured,
    notes: &'a [String],
}

pub(super) fn print(found: &Found<'_>) -> Result<(), String> {
    let text = if found.options.json {
        json(found)?
    } else {
        people(found)
    };
    print_text(&text);
    Ok(())
}

fn json(found: &Found<'_>) -> Result<String, String> {
    let document = Document {
        machine: &found.machine,
        setting: found.setting(),
        measured: &found.measured,
        notes: &found.notes,
    };
    let text = serde_json::to_string(&document).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// The explanation of the ratios.
const RATIOS: &str = "of first, least..most: median and range of the ratios within each round, as the \
    machine may be faster in one round than in the next";

fn people(found: &Found<'_>) -> String {
    let Measured {
        throughput,
        round_trips,
    } = &found.measured;
    let mut text = format!("{}\n{}\n{RATIOS}\n", found.machine, found.setting());
    if !throughput.is_empty() {
        text += &format!("\nthroughput\n{}\n", throughput_table(throughput));
    }
    if !round_trips.is_empty() {
        text += &format!(
            "\nround trips of two processes\n{}\n",
            trip_table(round_trips)
        );
    }
    for note in &found.notes {
        text += &format!("note: {note}\n");
    }
    text
}

fn throughput_table(rows: &[Row]) -> Table {
    let mut table = tables::grouped(&[
        "P x C",
        "bytes",
        "kind",
        "ns per item",
        "Mitems/s",
        "of first",
        "least..most",
        "lost",
        "wrong",
    ]);
    for row in rows {
        let group = [
            format!("{}x{}", row.producers, row.consumers),
            row.size.to_string(),
        ];
        let cells = [
            row.kind.to_owned(),
            tables::number(row.ns_per_item),
            tables::number(row.mitems),
            ratio(row.ratio),
            ratios(row.ratio_range),
            row.lost.to_string(),
            row.wrong.to_string(),
        ];
        table.add(&group, &cells);
    }
    table.done(2)
}

fn trip_table(rows: &[TripRow]) -> Table {
    let mut table = tables::grouped(&[
        "waiting",
        "bytes",
        "kind",
        "p50 ns",
        "p99 ns",
        "p99.9 ns",
        "of first",
        "least..most",
    ]);
    for row in rows {
        let idle = match row.idle {
            Idle::Spin => "spinning",
            Idle::Park => "parked",
        };
        let time = |time: Option<u64>| time.map_or("-".to_owned(), |time| time.to_string());
        let cells = [
            row.kind.to_owned(),
            time(row.p50_ns),
            time(row.p99_ns),
            time(row.p999_ns),
            ratio(row.ratio),
            ratios(row.ratio_range),
        ];
        table.add(&[idle.to_owned(), row.size.to_string()], &cells);
    }
    table.done(2)
}

fn ratio(ratio: Option<f64>) -> String {
    let finite = ratio.filter(|ratio| ratio.is_finite());
    finite.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn ratios(range: Option<(f64, f64)>) -> String {
    let said = |(least, most)| format!("{}..{}", ratio(Some(least)), ratio(Some(most)));
    range.map_or("-".to_owned(), said)
}
