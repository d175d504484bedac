//! The plot: throughput and round trips against the size of an item, one line a kind.

use crossdock_bench::queues::{Idle, Row, TripRow};

use super::Found;
use crate::plot::{Look, Panel, Plot, Point, bar, series, three_digits};

/// The text of an SVG file.
pub(super) fn svg(found: &Found<'_>) -> String {
    let measured = &found.measured;
    let throughput = groups(&measured.throughput, |row| (row.producers, row.consumers));
    let round_trips = groups(&measured.round_trips, |row| row.idle);
    let panels = throughput
        .iter()
        .map(|rows| throughput_panel(rows))
        .chain(round_trips.iter().map(|rows| trip_panel(rows)));
    let plot = Plot {
        title: "Processes pass items to each other",
        about: "Throughput and round trips of queues between processes, against the size of an item",
        panels: panels.collect(),
        bars: "slowest and fastest run; of a round trip p50 to p99",
        captions: vec![found.setting(), found.machine.to_string()],
    };
    plot.svg()
}

/// Rows of the same setting, in the order of settings.
fn groups<T, K: PartialEq>(rows: &[T], setting: impl Fn(&T) -> K) -> Vec<Vec<&T>> {
    let mut groups: Vec<Vec<&T>> = Vec::new();
    for row in rows {
        let same = |group: &&mut Vec<&T>| setting(group[0]) == setting(row);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

fn throughput_panel<'a>(rows: &[&'a Row]) -> Panel<'a> {
    let first = rows.first();
    let (producers, consumers) = first.map_or((0, 0), |row| (row.producers, row.consumers));
    let points = rows
        .iter()
        .filter_map(|row| Some((row.kind, throughput_point(row)?)));
    Panel {
        what: format!(
            "M/s: million items a second; producers: {producers}, consumers: {consumers}"
        ),
        unit: "M/s",
        across: "bytes of an item",
        series: series(points, Look::of_queue),
        shade: None,
    }
}

/// The point of a row, unless nothing was received in the time of a run.
fn throughput_point(row: &Row) -> Option<Point> {
    let shown = row.mitems.is_finite() && row.mitems > 0.0;
    shown.then(|| Point {
        across: row.size,
        value: row.mitems,
        bar: bar(row.ns_per_item_range),
        said: format!(
            "{}, {} bytes: {} M/s, {} ns an item",
            row.kind,
            row.size,
            three_digits(row.mitems),
            three_digits(row.ns_per_item)
        ),
    })
}

fn trip_panel<'a>(rows: &[&'a TripRow]) -> Panel<'a> {
    let how = match rows.first().map(|row| row.idle) {
        Some(Idle::Park) => "waiters are parked, or spin before",
        _ => "waiters spin",
    };
    let points = rows
        .iter()
        .filter_map(|row| Some((row.kind, trip_point(row)?)));
    Panel {
        what: format!("ns: nanoseconds of a round trip between two processes, p50; {how}"),
        unit: "ns",
        across: "bytes of an item",
        series: series(points, Look::of_queue),
        shade: None,
    }
}

/// The point of a row, unless there was no trip in the time of a run.
#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds; 52 bits are plenty"
)]
fn trip_point(row: &TripRow) -> Option<Point> {
    let (p50, p99) = (row.p50_ns? as f64, row.p99_ns? as f64);
    (p50 > 0.0).then(|| Point {
        across: row.size,
        value: p50,
        bar: (p99 > p50 * 1.001).then_some((p50, p99)),
        said: format!(
            "{}, {} bytes: p50 {p50} ns, p99 {p99} ns",
            row.kind, row.size
        ),
    })
}
