//! The plot: throughput against processes, one line a kind, as an SVG that is light or dark as its
//! reader has it.

mod axis;
mod labels;
mod looks;

use crossdock_bench::contention::Row;
use crossdock_bench::machine::Machine;
use crossdock_bench::pin::Pin;
use svg::node::element::{Group, Line, Polyline, Rectangle, Style, Text, Title};
use svg::{Document, Node};

use axis::{Across, Up};
use looks::Look;

/// Size of the letters of captions, of the rest, and of the title.
const SMALL: f64 = 11.5;
const NORMAL: f64 = 13.0;
const LARGE: f64 = 18.0;
/// How wide a letter is, at most, as a share of its size.
const LETTER: f64 = 0.6;

const WIDTH: f64 = 840.0;
/// Where everything begins, and how far it stays from the right edge.
const MARGIN: f64 = 20.0;
/// Where the axes begin, for the figures on their left.
const LEFT: f64 = 70.0;
/// Where the axes begin, below the titles.
const TOP: f64 = 96.0;
/// How far the first and the last point stay from the sides.
const PADDING: f64 = 26.0;
/// How far labels stay from the axes.
const LEADER: f64 = 22.0;
/// How high a label is, with its space.
const LABEL: f64 = 19.0;

/// The line of a kind.
struct Series<'a> {
    name: &'a str,
    look: Look,
    /// In order of processes.
    points: Vec<&'a Row>,
}

impl Series<'_> {
    fn label(&self) -> String {
        let last = self.points.last().map_or(0.0, |row| row.mops);
        let wrong = if self.points.iter().any(|row| row.lost > 0) {
            " (loses updates)"
        } else {
            ""
        };
        format!("{} {}{wrong}", self.name, three_digits(last))
    }
}

/// Whether a point can be shown: nothing was added in the time of a run otherwise.
fn shown(row: &Row) -> bool {
    row.mops.is_finite() && row.mops > 0.0
}

/// Millions a second of the slowest and the fastest run, if that can be seen.
fn spread(row: &Row) -> Option<(f64, f64)> {
    let (least, most) = row.ns_per_op_range;
    let (slow, fast) = (1e3 / most, 1e3 / least);
    let seen = slow > 0.0 && fast.is_finite() && fast > slow * 1.001;
    seen.then_some((slow, fast))
}

/// What has room on the axis: the runs of a point, and their median.
fn range(row: &Row) -> (f64, f64) {
    let (slow, fast) = spread(row).unwrap_or((row.mops, row.mops));
    (slow.min(row.mops), fast.max(row.mops))
}

/// One line for each kind.
fn series(rows: &[Row]) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    for row in rows.iter().filter(|row| shown(row)) {
        match all.iter_mut().find(|series| series.name == row.kind) {
            Some(series) => series.points.push(row),
            None => all.push(Series {
                name: row.kind,
                look: looks::of(row.kind, all.len()),
                points: vec![row],
            }),
        }
    }
    for series in &mut all {
        series.points.sort_by_key(|row| row.processes);
    }
    all
}

/// The plot of `rows`, as the text of an SVG file. `caption` says how they were measured.
pub(crate) fn svg(rows: &[Row], machine: &Machine, caption: &str) -> String {
    let all = series(rows);
    let widest = all.iter().map(|series| width(&series.label(), NORMAL));
    let right = WIDTH - MARGIN - LEADER - widest.fold(60.0, f64::max);
    let height = (all.len() as f64 * LABEL).max(290.0);
    let bottom = TOP + height;
    let across = Across::new(
        rows.iter().map(|row| row.processes),
        LEFT + PADDING,
        right - PADDING,
    );
    let ranges = all
        .iter()
        .flat_map(|series| series.points.iter().map(|row| range(row)));
    let up = Up::new(ranges, TOP, bottom);

    let mut captions: Vec<String> = legend(&all).into_iter().collect();
    captions.extend(wrapped(caption, WIDTH - 2.0 * MARGIN));
    captions.extend(wrapped(&machine.to_string(), WIDTH - 2.0 * MARGIN));
    captions.extend(missing(rows));
    let captions_at = bottom + 66.0;
    let whole = captions_at + captions.len() as f64 * 16.0;

    let mut image = Document::new()
        .set("viewBox", (0, 0, WIDTH, whole))
        .set("width", WIDTH)
        .set("height", whole)
        .set("role", "img")
        .set(
            "font-family",
            "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif",
        )
        .set("font-size", NORMAL)
        .add(Title::new(
            "Throughput of additions to one shared number, against processes",
        ))
        .add(Style::new(looks::style(
            all.iter().map(|series| series.look),
        )))
        .add(
            Rectangle::new()
                .set("class", "page")
                .set("width", WIDTH)
                .set("height", whole)
                .set("fill", looks::PAGE.light),
        );
    for part in [
        titles(&up),
        shared_cores(rows, machine, &across, right, bottom),
        axes(&across, &up, right, bottom),
        lines(&all, &across, &up, right, bottom),
        lines_of_text(&captions, captions_at),
    ] {
        image.append(part);
    }
    image.to_string() + "\n"
}

fn titles(up: &Up) -> Group {
    let scale = if up.is_logarithmic() {
        ", log scale"
    } else {
        ""
    };
    let what = format!("Mops/s: million additions a second, of all processes together{scale}");
    let title = text("Processes add to one shared number", MARGIN, 32.0)
        .set("font-size", LARGE)
        .set("font-weight", 600);
    Group::new()
        .add(title)
        .add(quiet(text(&what, MARGIN, 54.0)))
}

/// What lines and bars mean, as far as there are any.
fn legend(all: &[Series<'_>]) -> Option<String> {
    let parts: Vec<&str> = [
        (
            all.iter().any(|series| series.look.is_own()),
            "bold lines: crossdock",
        ),
        (
            all.iter().any(|series| !series.look.is_own()),
            "thin: for comparison",
        ),
        (
            all.iter()
                .flat_map(|series| &series.points)
                .any(|row| spread(row).is_some()),
            "bars: slowest and fastest run",
        ),
    ]
    .into_iter()
    .filter_map(|(holds, part)| holds.then_some(part))
    .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// A shade over the counts for which there are not enough cores.
fn shared_cores(
    rows: &[Row],
    machine: &Machine,
    across: &Across,
    right: f64,
    bottom: f64,
) -> Group {
    let group = Group::new();
    let most = rows.iter().map(|row| row.processes).max().unwrap_or(0);
    let same = rows.iter().any(|row| row.pin == Pin::Same);
    let cores = u32::try_from(machine.cores).unwrap_or(u32::MAX);
    if same || most <= cores {
        return group;
    }
    let from = across.at(cores).clamp(LEFT, right);
    let s = if cores == 1 { "" } else { "s" };
    let note = text(
        &format!("more processes than the {cores} core{s}"),
        right - 8.0,
        TOP - 7.0,
    )
    .set("text-anchor", "end")
    .set("font-size", SMALL);
    group
        .add(
            Rectangle::new()
                .set("class", "shade")
                .set("fill", looks::SHADE.light)
                .set("x", tenth(from))
                .set("y", TOP - 22.0)
                .set("width", tenth(right - from))
                .set("height", tenth(bottom - TOP + 22.0)),
        )
        .add(quiet(note))
}

fn axes(across: &Across, up: &Up, right: f64, bottom: f64) -> Group {
    let mut group = Group::new();
    for tick in up.ticks() {
        let y = tenth(up.at(tick.value));
        group.append(
            Line::new()
                .set("class", "grid")
                .set("stroke", looks::GRID.light)
                .set("x1", LEFT)
                .set("x2", tenth(right))
                .set("y1", y)
                .set("y2", y),
        );
        group.append(text(&tick.label, LEFT - 9.0, y + 4.5).set("text-anchor", "end"));
    }
    for processes in across.ticks() {
        let x = tenth(across.at(processes));
        group.append(
            Line::new()
                .set("class", "axis")
                .set("stroke", looks::AXIS.light)
                .set("x1", x)
                .set("x2", x)
                .set("y1", bottom)
                .set("y2", bottom + 5.0),
        );
        group.append(text(&processes.to_string(), x, bottom + 20.0).set("text-anchor", "middle"));
    }
    let middle = (LEFT + right) / 2.0;
    group
        .add(
            Line::new()
                .set("class", "axis")
                .set("stroke", looks::AXIS.light)
                .set("x1", LEFT)
                .set("x2", tenth(right))
                .set("y1", bottom)
                .set("y2", bottom),
        )
        .add(text("processes that add at once", middle, bottom + 40.0).set("text-anchor", "middle"))
        .add(quiet(
            text("Mops/s", LEFT - 9.0, TOP - 12.0).set("text-anchor", "end"),
        ))
}

/// The lines with their points, and a label for each at its end.
fn lines(all: &[Series<'_>], across: &Across, up: &Up, right: f64, bottom: f64) -> Group {
    let ends: Vec<f64> = all
        .iter()
        .map(|series| series.points.last().map_or(bottom, |row| up.at(row.mops)))
        .collect();
    let places = labels::spread(&ends, LABEL, TOP, bottom);
    // What stands first in the list is drawn last, over the others.
    let mut group = Group::new();
    for ((series, end), place) in all.iter().zip(ends).zip(places).rev() {
        let last = series
            .points
            .last()
            .map_or(right, |row| across.at(row.processes));
        group.append(
            series
                .look
                .group()
                .set("data-kind", series.name)
                .add(curve(series, across, up))
                .add(leader((last, end), (right + LEADER - 6.0, place)))
                .add(
                    text(&series.label(), right + LEADER, place + 4.5)
                        .set("font-weight", if series.look.is_own() { 600 } else { 400 }),
                ),
        );
    }
    group
}

fn curve(series: &Series<'_>, across: &Across, up: &Up) -> Group {
    let mut group = Group::new();
    let at = |row: &Row| (tenth(across.at(row.processes)), tenth(up.at(row.mops)));
    let places: Vec<String> = series
        .points
        .iter()
        .map(|row| {
            let (x, y) = at(row);
            format!("{x},{y}")
        })
        .collect();
    group.append(series.look.line(places.join(" ")));
    for row in &series.points {
        let (x, y) = at(row);
        if let Some((slow, fast)) = spread(row) {
            group.append(
                Line::new()
                    .set("stroke", "currentColor")
                    .set("stroke-opacity", 0.6)
                    .set("stroke-width", 1.2)
                    .set("x1", x)
                    .set("x2", x)
                    .set("y1", tenth(up.at(slow)))
                    .set("y2", tenth(up.at(fast))),
            );
        }
        let s = if row.processes == 1 { "" } else { "es" };
        let said = format!(
            "{}, {} process{s}: {} Mops/s, {} ns an addition",
            row.kind,
            row.processes,
            three_digits(row.mops),
            three_digits(row.ns_per_op)
        );
        group.append(series.look.marker(x, y).add(Title::new(said)));
    }
    group
}

/// From the end of a line to its label.
fn leader((x, y): (f64, f64), (to_x, to_y): (f64, f64)) -> Polyline {
    let [x, y, to_x, to_y] = [x + 9.0, y, to_x, to_y].map(tenth);
    Polyline::new()
        .set("points", format!("{x},{y} {to_x},{to_y}"))
        .set("fill", "none")
        .set("stroke", "currentColor")
        .set("stroke-width", 1)
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

fn lines_of_text(lines: &[String], top: f64) -> Group {
    let mut group = Group::new();
    for (at, line) in lines.iter().enumerate() {
        let line = text(line, MARGIN, top + at as f64 * 16.0);
        group.append(quiet(line.set("font-size", SMALL)));
    }
    group
}

/// Breaks a text into lines of so many units.
fn wrapped(text: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, SMALL) + width(word, SMALL) < room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How much room a text needs, at most.
fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * LETTER
}

fn text(content: &str, x: f64, y: f64) -> Text {
    // What is no letter is no XML either.
    let content: String = content
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    Text::new(content)
        .set("class", "ink")
        .set("fill", looks::INK.light)
        .set("x", tenth(x))
        .set("y", tenth(y))
}

fn quiet(text: Text) -> Text {
    text.set("class", "quiet").set("fill", looks::QUIET.light)
}

/// A place, as exact as anyone sees.
fn tenth(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

fn three_digits(value: f64) -> String {
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests;
