//! The plot: throughput against processes, one line a kind.

use crossdock_bench::contention::Row;
use crossdock_bench::machine::Machine;
use crossdock_bench::pin::Pin;

use crate::plot::{Look, Panel, Plot, Point, Series, bar, series, three_digits};

/// Whether a point can be shown: nothing was added in the time of a run otherwise.
fn shown(row: &Row) -> bool {
    row.mops.is_finite() && row.mops > 0.0
}

fn point(row: &Row) -> Point {
    let s = if row.processes == 1 { "" } else { "es" };
    Point {
        across: row.processes,
        value: row.mops,
        bar: bar(row.ns_per_op_range),
        said: format!(
            "{}, {} process{s}: {} Mops/s, {} ns an addition",
            row.kind,
            row.processes,
            three_digits(row.mops),
            three_digits(row.ns_per_op)
        ),
    }
}

/// One line for each kind.
fn lines(rows: &[Row]) -> Vec<Series<'_>> {
    let shown = rows.iter().filter(|row| shown(row));
    let mut all = series(shown.map(|row| (row.kind, point(row))), Look::of_lock);
    for row in rows.iter().filter(|row| row.lost > 0) {
        for line in all.iter_mut().filter(|line| line.name == row.kind) {
            line.remark = " (loses updates)";
        }
    }
    all
}

/// The plot of `rows`, as the text of an SVG file. `caption` says how they were measured.
pub(crate) fn svg(rows: &[Row], machine: &Machine, caption: &str) -> String {
    let mut captions = vec![caption.to_owned(), machine.to_string()];
    captions.extend(missing(rows));
    let plot = Plot {
        title: "Processes add to one shared number",
        about: "Throughput of additions to one shared number, against processes",
        panels: vec![Panel {
            what: "Mops/s: million additions a second, of all processes together".to_owned(),
            unit: "Mops/s",
            across: "processes that add at once",
            series: lines(rows),
            shade: shared_cores(rows, machine),
        }],
        bars: "slowest and fastest run",
        captions,
    };
    plot.svg()
}

/// From which count on there are not enough cores, if some were measured.
fn shared_cores(rows: &[Row], machine: &Machine) -> Option<(u32, String)> {
    let most = rows.iter().map(|row| row.processes).max().unwrap_or(0);
    let same = rows.iter().any(|row| row.pin == Pin::Same);
    let cores = u32::try_from(machine.cores).unwrap_or(u32::MAX);
    let s = if cores == 1 { "" } else { "s" };
    let shared = !same && most > cores;
    shared.then(|| (cores, format!("more processes than the {cores} core{s}")))
}

/// Says what could not be shown.
fn missing(rows: &[Row]) -> Option<String> {
    let missing: Vec<String> = rows
        .iter()
        .filter(|row| !shown(row))
        .map(|row| format!("{} with {}", row.kind, row.processes))
        .collect();
    let missing = missing.join(", ");
    (!missing.is_empty()).then(|| format!("Nothing was added in time: {missing}"))
}

#[cfg(test)]
mod tests;
