//! `measure plot`: the throughput of `crossdock contention --json` against processes, a line a
//! kind, as two SVG files: one for light pages and one for dark ones. Drawn by plotters, which is
//! maintained, and needs no library of fonts or images for SVG alone.

mod looks;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs;
use std::io::read_to_string;
use std::path::{Path, PathBuf};

use clap::Args;
use crossdock_cli::machine::Machine;
use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, Circle, DashedLineSeries, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries,
    PathElement, Rectangle, SVGBackend, ShapeStyle, Text,
};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle};
use serde::Deserialize;

use looks::{DARK, LIGHT, Look, Theme, look};

const SIZE: (u32, u32) = (840, 560);
/// The room for the labels on the right.
const LABELS: u32 = 200;
/// The height of a label, with its space.
const LABEL: i32 = 18;
const FONT: &str = "sans-serif";

/// Draws what `crossdock contention --json` printed: NAME.svg, and NAME-dark.svg for dark pages.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file of the JSON object; `-` is standard input.
    #[arg(value_name = "FILE.json")]
    from: PathBuf,
    /// The names of the pictures, without `.svg`.
    #[arg(value_name = "NAME")]
    to: PathBuf,
}

/// What is drawn of the object.
#[derive(Deserialize)]
struct Measured {
    machine: Machine,
    setting: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    kind: String,
    processes: u32,
    /// Million additions a second.
    mops: f64,
    lost: u64,
    /// `same` if all processes ran on one core.
    pin: String,
}

/// A line, from the fewest processes to the most.
struct Line<'a> {
    kind: &'a str,
    look: Look,
    points: Vec<(f64, f64)>,
    loses: bool,
}

pub(super) fn run(options: &Options) -> Result<(), String> {
    let text = if options.from == Path::new("-") {
        read_to_string(std::io::stdin())
    } else {
        fs::read_to_string(&options.from)
    };
    let from = options.from.display();
    let text = text.map_err(|error| format!("cannot read {from}: {error}"))?;
    let measured: Measured = serde_json::from_str(&text).map_err(|error| {
        format!("{from}: expected the object of `crossdock contention --json`: {error}")
    })?;
    if lines(&measured.rows).is_empty() {
        return Err(format!("{from}: expected a row with a figure, found none"));
    }
    for (theme, end) in [(&LIGHT, ".svg"), (&DARK, "-dark.svg")] {
        let mut name = options.to.clone().into_os_string();
        name.push(end);
        let path = PathBuf::from(name);
        let image = image(&measured, theme).map_err(|error| error.to_string())?;
        fs::write(&path, image)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// One line for each kind that has a figure.
fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let mut all: Vec<Line<'_>> = Vec::new();
    for row in rows.iter().filter(|row| row.mops > 0.0) {
        let point = (f64::from(row.processes), row.mops);
        let at = all.iter().position(|line| line.kind == row.kind);
        let at = at.unwrap_or_else(|| {
            all.push(Line {
                kind: &row.kind,
                look: look(&row.kind, all.len()),
                points: Vec::new(),
                loses: false,
            });
            all.len() - 1
        });
        all[at].points.push(point);
        all[at].loses |= row.lost > 0;
    }
    for line in &mut all {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    all
}

fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour)
}

/// The picture, as the text of an SVG file.
fn image(measured: &Measured, theme: &Theme) -> Result<String, Box<dyn Error>> {
    let mut image = String::new();
    {
        let root = SVGBackend::with_string(&mut image, SIZE).into_drawing_area();
        root.fill(&theme.page)?;
        draw(&root, measured, theme)?;
        root.present()?;
    }
    Ok(image)
}

fn draw(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    measured: &Measured,
    theme: &Theme,
) -> Result<(), Box<dyn Error>> {
    let lines = lines(&measured.rows);
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let least = points().map(of).fold(f64::INFINITY, f64::min);
        (least, points().map(of).fold(0.0, f64::max))
    };
    let ((fewest, most), (slowest, fastest)) = (range(|point| point.0), range(|point| point.1));
    let (quiet, ink) = (text(16, theme.quiet), text(16, theme.ink));

    root.draw(&Text::new(
        "Processes add to one shared number",
        (20, 16),
        (FONT, 24, FontStyle::Bold).into_font().color(&theme.ink),
    ))?;
    root.draw(&Text::new(
        "Mops/s: million additions a second, of all processes together; bold: crossdock",
        (20, 44),
        quiet.clone(),
    ))?;
    let (_, bottom) = SIZE;
    for (line, up) in [(&measured.setting, 46), (&measured.machine.to_string(), 26)] {
        let at = (20, i32::try_from(bottom)? - up);
        root.draw(&Text::new(line.clone(), at, quiet.clone()))?;
    }

    let across = (fewest / 1.15..most * 1.15).log_scale().base(2.0);
    let up = (slowest / 1.3..fastest * 1.3).log_scale();
    let mut chart = ChartBuilder::on(root)
        .margin_top(72)
        .margin_bottom(56)
        .margin_left(8)
        .margin_right(LABELS)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(across, up)?;
    if let Some(cores) = shared_cores(measured, most) {
        let from = (cores + (cores + 1.0)) / 2.0;
        let corners = [(from, slowest / 1.3), (most * 1.15, fastest * 1.3)];
        chart.draw_series([Rectangle::new(corners, theme.shade.filled())])?;
        let said = format!("more processes than the {cores} cores");
        let at = (from * 1.03, fastest * 1.22);
        chart.draw_series([Text::new(said, at, text(15, theme.quiet))])?;
    }
    chart
        .configure_mesh()
        .light_line_style(theme.page.mix(0.0))
        .bold_line_style(theme.grid)
        .axis_style(theme.quiet)
        .label_style(quiet)
        .axis_desc_style(ink)
        .x_desc("processes that add at once")
        .x_label_formatter(&|count| format!("{count:.0}"))
        .y_desc("Mops/s")
        .y_label_formatter(&|rate| format!("{rate}"))
        .draw()?;

    let mut ends = Vec::new();
    for line in &lines {
        let colour = theme.colour(line.look);
        let style = ShapeStyle::from(colour).stroke_width(if line.look.ours { 3 } else { 2 });
        let points = line.points.iter().copied();
        if line.look.ours {
            chart.draw_series(LineSeries::new(points.clone(), style))?;
        } else {
            let (dash, gap) = line.look.dashes;
            chart.draw_series(DashedLineSeries::new(points.clone(), dash, gap, style))?;
        }
        let size = if line.look.ours { 4 } else { 3 };
        chart.draw_series(points.map(|point| Circle::new(point, size, colour.filled())))?;
        let last = line.points.last().copied().unwrap_or_default();
        ends.push((chart.backend_coord(&last), line, last.1));
    }
    label(root, ends, theme)
}

/// Writes the names of the lines beside their last points, none over another.
fn label(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    mut ends: Vec<((i32, i32), &Line<'_>, f64)>,
    theme: &Theme,
) -> Result<(), Box<dyn Error>> {
    ends.sort_by_key(|((_, y), ..)| *y);
    let heights: Vec<i32> = ends.iter().map(|((_, y), ..)| *y).collect();
    let right = i32::try_from(SIZE.0 - LABELS)? + 12;
    for (((x, y), line, rate), place) in ends.iter().zip(spread(&heights)) {
        let colour = theme.colour(line.look);
        let style = ShapeStyle::from(colour.mix(0.5)).stroke_width(1);
        root.draw(&PathElement::new([(*x + 6, *y), (right - 4, place)], style))?;
        let weight = if line.look.ours {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let loses = if line.loses { " (loses updates)" } else { "" };
        root.draw(&Text::new(
            format!("{} {}{loses}", line.kind, digits(*rate)),
            (right, place - 8),
            (FONT, 16, weight).into_font().color(&colour),
        ))?;
    }
    Ok(())
}

/// Moves heights apart, from the top down, and up again where they would leave the picture.
fn spread(heights: &[i32]) -> Vec<i32> {
    let mut places = Vec::new();
    for height in heights {
        let least = places.last().map_or(i32::MIN, |last| last + LABEL);
        places.push(least.max(*height));
    }
    let mut most = i32::try_from(SIZE.1).unwrap_or(i32::MAX) - 70;
    for place in places.iter_mut().rev() {
        *place = (*place).min(most);
        most = *place - LABEL;
    }
    places
}

/// Three digits, or more before the point.
fn digits(rate: f64) -> String {
    match rate {
        rate if rate < 10.0 => format!("{rate:.2}"),
        rate if rate < 100.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

/// The number of cores, if more processes than that were measured on cores of their own.
fn shared_cores(measured: &Measured, most: f64) -> Option<f64> {
    let same = measured.rows.iter().any(|row| row.pin == "same");
    let cores = f64::from(u32::try_from(measured.machine.cores).unwrap_or(u32::MAX));
    (!same && most > cores).then_some(cores)
}
