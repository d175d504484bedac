//! Plots as SVG, light or dark as their reader has it: panels of lines, one below the other.

mod axis;
mod labels;
mod looks;
mod text;

use svg::node::element::{Group, Line, Polyline, Rectangle, Style, Title};
use svg::{Document, Node};

use axis::{Across, Up};
pub(crate) use looks::Look;
pub(crate) use text::three_digits;
use text::{LARGE, NORMAL, SMALL, quiet, tenth, text, width, wrapped};

const WIDTH: f64 = 840.0;
/// Where everything begins, and how far it stays from the right edge.
const MARGIN: f64 = 20.0;
/// Where the axes begin, for the figures on their left.
const LEFT: f64 = 70.0;
/// Where the axes of the first panel begin, below the titles.
const TOP: f64 = 96.0;
/// What is between the axes of a panel and what follows, and then to the axes of the next panel.
const BELOW: f64 = 66.0;
const ABOVE: f64 = 58.0;
/// How far the first and the last point stay from the sides.
const PADDING: f64 = 26.0;
/// How far labels stay from the axes.
const LEADER: f64 = 22.0;
/// How high a label is, with its space.
const LABEL: f64 = 19.0;

/// A plot.
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    /// The description of the plot, for readers that cannot see it.
    pub(crate) about: &'a str,
    pub(crate) panels: Vec<Panel<'a>>,
    /// What bars stand for.
    pub(crate) bars: &'a str,
    /// What stands below, each in lines of its own.
    pub(crate) captions: Vec<String>,
}

/// Lines over one pair of axes.
pub(crate) struct Panel<'a> {
    /// What is upwards, in a sentence.
    pub(crate) what: String,
    /// The same in a word or two.
    pub(crate) unit: &'a str,
    /// What is across.
    pub(crate) across: &'a str,
    pub(crate) series: Vec<Series<'a>>,
    /// From where on the panel is shaded, and why.
    pub(crate) shade: Option<(u32, String)>,
}

/// A line.
pub(crate) struct Series<'a> {
    pub(crate) name: &'a str,
    pub(crate) look: Look,
    /// What is to be said of it behind its label.
    pub(crate) remark: &'a str,
    /// From left to right, at least one.
    pub(crate) points: Vec<Point>,
}

/// A point of a line. All values are above 0.
pub(crate) struct Point {
    pub(crate) across: u32,
    pub(crate) value: f64,
    /// The ends of its bar.
    pub(crate) bar: Option<(f64, f64)>,
    /// What is said of it.
    pub(crate) said: String,
}

/// One line for each name, with its points from left to right.
pub(crate) fn series<'a>(
    points: impl Iterator<Item = (&'a str, Point)>,
    look: impl Fn(&str, usize) -> Look,
) -> Vec<Series<'a>> {
    let mut all: Vec<Series<'a>> = Vec::new();
    for (name, point) in points {
        match all.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => all.push(Series {
                name,
                look: look(name, all.len()),
                remark: "",
                points: vec![point],
            }),
        }
    }
    for series in &mut all {
        series.points.sort_by_key(|point| point.across);
    }
    all
}

/// The bar of a rate, in millions a second, from the least and the most nanoseconds; none if it
/// could not be seen.
pub(crate) fn bar((least, most): (f64, f64)) -> Option<(f64, f64)> {
    let (slow, fast) = (1e3 / most, 1e3 / least);
    let seen = slow > 0.0 && fast.is_finite() && fast > slow * 1.001;
    seen.then_some((slow, fast))
}

impl Series<'_> {
    fn label(&self) -> String {
        let last = self.points.last().map_or(0.0, |point| point.value);
        format!("{} {}{}", self.name, three_digits(last), self.remark)
    }
}

impl Point {
    /// What has room on the axis: the bar and the point.
    fn range(&self) -> (f64, f64) {
        let (low, high) = self.bar.unwrap_or((self.value, self.value));
        (low.min(self.value), high.max(self.value))
    }
}

/// A panel with its place.
struct Laid<'a> {
    panel: &'a Panel<'a>,
    across: Across,
    up: Up,
    top: f64,
    bottom: f64,
    right: f64,
}

impl<'a> Laid<'a> {
    fn new(panel: &'a Panel<'a>, top: f64, right: f64) -> Self {
        let height = (panel.series.len() as f64 * LABEL).max(290.0);
        let bottom = top + height;
        let points = || panel.series.iter().flat_map(|series| &series.points);
        Self {
            panel,
            across: Across::new(
                points().map(|point| point.across),
                LEFT + PADDING,
                right - PADDING,
            ),
            up: Up::new(points().map(Point::range), top, bottom),
            top,
            bottom,
            right,
        }
    }
}

impl Plot<'_> {
    /// The text of an SVG file.
    pub(crate) fn svg(&self) -> String {
        let all = || self.panels.iter().flat_map(|panel| &panel.series);
        let widest = all().map(|series| width(&series.label(), NORMAL));
        let right = WIDTH - MARGIN - LEADER - widest.fold(60.0, f64::max);
        let mut laid: Vec<Laid<'_>> = Vec::new();
        for panel in &self.panels {
            let top = laid
                .last()
                .map_or(TOP, |above| above.bottom + BELOW + ABOVE);
            laid.push(Laid::new(panel, top, right));
        }
        let captions: Vec<String> = self
            .legend()
            .into_iter()
            .chain(self.captions.iter().cloned())
            .flat_map(|caption| wrapped(&caption, WIDTH - 2.0 * MARGIN))
            .collect();
        let captions_at = laid.last().map_or(TOP, |last| last.bottom) + BELOW;
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
            .add(Title::new(self.about))
            .add(Style::new(looks::style(all().map(|series| series.look))))
            .add(
                Rectangle::new()
                    .set("class", "page")
                    .set("width", WIDTH)
                    .set("height", whole)
                    .set("fill", looks::PAGE.light),
            );
        let title = text(self.title, MARGIN, 32.0)
            .set("font-size", LARGE)
            .set("font-weight", 600);
        image.append(Group::new().add(title));
        for laid in &laid {
            for part in [laid.what(), laid.shade(), laid.axes(), laid.lines()] {
                image.append(part);
            }
        }
        image.append(lines_of_text(&captions, captions_at));
        image.to_string() + "\n"
    }

    /// What lines and bars mean, as far as there are any.
    fn legend(&self) -> Option<String> {
        let all = || self.panels.iter().flat_map(|panel| &panel.series);
        let bars = format!("bars: {}", self.bars);
        let parts: Vec<&str> = [
            (
                all().any(|series| series.look.is_own()),
                "bold lines: crossdock",
            ),
            (
                all().any(|series| !series.look.is_own()),
                "thin: for comparison",
            ),
            (
                all()
                    .flat_map(|series| &series.points)
                    .any(|point| point.bar.is_some()),
                &bars,
            ),
        ]
        .into_iter()
        .filter_map(|(holds, part)| holds.then_some(part))
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Laid<'_> {
    fn what(&self) -> Group {
        let scale = if self.up.is_logarithmic() {
            ", log scale"
        } else {
            ""
        };
        let what = format!("{}{scale}", self.panel.what);
        Group::new().add(quiet(text(&what, MARGIN, self.top - 42.0)))
    }

    fn shade(&self) -> Group {
        let group = Group::new();
        let Some((from, why)) = &self.panel.shade else {
            return group;
        };
        let from = self.across.at(*from).clamp(LEFT, self.right);
        let note = text(why, self.right - 8.0, self.top - 7.0)
            .set("text-anchor", "end")
            .set("font-size", SMALL);
        group
            .add(
                Rectangle::new()
                    .set("class", "shade")
                    .set("fill", looks::SHADE.light)
                    .set("x", tenth(from))
                    .set("y", self.top - 22.0)
                    .set("width", tenth(self.right - from))
                    .set("height", tenth(self.bottom - self.top + 22.0)),
            )
            .add(quiet(note))
    }

    fn axes(&self) -> Group {
        let Self { bottom, right, .. } = *self;
        let mut group = Group::new();
        for tick in self.up.ticks() {
            let y = tenth(self.up.at(tick.value));
            group.append(
                straight((LEFT, y), (right, y))
                    .set("class", "grid")
                    .set("stroke", looks::GRID.light),
            );
            group.append(text(&tick.label, LEFT - 9.0, y + 4.5).set("text-anchor", "end"));
        }
        for count in self.across.ticks() {
            let x = tenth(self.across.at(count));
            group.append(axis_line((x, bottom), (x, bottom + 5.0)));
            group.append(text(&count.to_string(), x, bottom + 20.0).set("text-anchor", "middle"));
        }
        let middle = (LEFT + right) / 2.0;
        group
            .add(axis_line((LEFT, bottom), (right, bottom)))
            .add(text(self.panel.across, middle, bottom + 40.0).set("text-anchor", "middle"))
            .add(quiet(
                text(self.panel.unit, LEFT - 9.0, self.top - 12.0).set("text-anchor", "end"),
            ))
    }

    /// The lines with their points, and a label for each at its end.
    fn lines(&self) -> Group {
        let all = &self.panel.series;
        let end = |series: &Series<'_>| {
            let last = series.points.last();
            last.map_or((self.right, self.bottom), |point| self.at(point))
        };
        let ends: Vec<(f64, f64)> = all.iter().map(end).collect();
        let heights: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
        let places = labels::spread(&heights, LABEL, self.top, self.bottom);
        // What stands first in the list is drawn last, over the others.
        let mut group = Group::new();
        for ((series, end), place) in all.iter().zip(ends).zip(places).rev() {
            group.append(
                series
                    .look
                    .group()
                    .set("data-kind", series.name)
                    .add(self.curve(series))
                    .add(leader(end, (self.right + LEADER - 6.0, place)))
                    .add(
                        text(&series.label(), self.right + LEADER, place + 4.5)
                            .set("font-weight", if series.look.is_own() { 600 } else { 400 }),
                    ),
            );
        }
        group
    }

    fn at(&self, point: &Point) -> (f64, f64) {
        (self.across.at(point.across), self.up.at(point.value))
    }

    fn curve(&self, series: &Series<'_>) -> Group {
        let mut group = Group::new();
        let at = |point: &Point| {
            let (x, y) = self.at(point);
            (tenth(x), tenth(y))
        };
        let place = |point: &Point| {
            let (x, y) = at(point);
            format!("{x},{y}")
        };
        let places: Vec<String> = series.points.iter().map(place).collect();
        group.append(series.look.line(places.join(" ")));
        for point in &series.points {
            let (x, y) = at(point);
            if let Some((low, high)) = point.bar {
                group.append(
                    straight((x, self.up.at(low)), (x, self.up.at(high)))
                        .set("stroke", "currentColor")
                        .set("stroke-opacity", 0.6)
                        .set("stroke-width", 1.2),
                );
            }
            group.append(series.look.marker(x, y).add(Title::new(&point.said)));
        }
        group
    }
}

fn straight((from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64)) -> Line {
    Line::new()
        .set("x1", tenth(from_x))
        .set("x2", tenth(to_x))
        .set("y1", tenth(from_y))
        .set("y2", tenth(to_y))
}

fn axis_line(from: (f64, f64), to: (f64, f64)) -> Line {
    straight(from, to)
        .set("class", "axis")
        .set("stroke", looks::AXIS.light)
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

fn lines_of_text(lines: &[String], top: f64) -> Group {
    let mut group = Group::new();
    for (at, line) in lines.iter().enumerate() {
        let line = text(line, MARGIN, top + at as f64 * 16.0);
        group.append(quiet(line.set("font-size", SMALL)));
    }
    group
}
