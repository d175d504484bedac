//! Colours, strokes and markers: told apart by people who see few colours, on light and on dark.

use svg::node::element::{Group, Path, Polyline};

use Marker::{Circle, Cross, Diamond, Plus, Square, Triangle};

/// A colour for light pages and one for dark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colour {
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

const fn colour(light: &'static str, dark: &'static str) -> Colour {
    Colour { light, dark }
}

pub(super) const PAGE: Colour = colour("#ffffff", "#0d1117");
pub(super) const SHADE: Colour = colour("#f3f4f6", "#161b22");
pub(super) const GRID: Colour = colour("#dfe3e8", "#272d36");
pub(super) const AXIS: Colour = colour("#6e7781", "#8b949e");
pub(super) const INK: Colour = colour("#1f2328", "#e6edf3");
pub(super) const QUIET: Colour = colour("#59636e", "#9198a1");

// Those of Okabe and Ito, darker or lighter where the page asks for it, and some beside them.
const BLUE: Colour = colour("#0072b2", "#56b4e9");
const ORANGE: Colour = colour("#d55e00", "#ff8f45");
const GREEN: Colour = colour("#00875f", "#2cc295");
const GREY: Colour = colour("#7d8590", "#8b949e");
const PINK: Colour = colour("#b4558f", "#e09cc6");
const YELLOW: Colour = colour("#8f7400", "#f0e442");
const TEAL: Colour = colour("#00747c", "#39c5cf");
const VIOLET: Colour = colour("#7b4fb5", "#b392f0");
const BROWN: Colour = colour("#8c4a3c", "#d9a08f");
const OLIVE: Colour = colour("#5f6b00", "#b8c43a");

/// How the points of a line look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Circle,
    Square,
    Diamond,
    Triangle,
    Cross,
    Plus,
}

/// How the line of a kind looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    class: &'static str,
    colour: Colour,
    marker: Marker,
    /// As `stroke-dasharray` has it; empty for a line without gaps.
    dashes: &'static str,
    width: f64,
}

const fn bold(class: &'static str, colour: Colour, marker: Marker) -> Look {
    Look {
        class,
        colour,
        marker,
        dashes: "",
        width: 2.8,
    }
}

/// For more kinds of our own than there are markers.
const fn bold_dashed(
    class: &'static str,
    colour: Colour,
    marker: Marker,
    dashes: &'static str,
) -> Look {
    Look {
        width: 2.8,
        ..dashed(class, colour, marker, dashes)
    }
}

const fn dashed(class: &'static str, colour: Colour, marker: Marker, dashes: &'static str) -> Look {
    Look {
        class,
        colour,
        marker,
        dashes,
        width: 1.8,
    }
}

/// Crossdock's own are bold, baselines are dashed.
const LOCKS: &[(&str, Look)] = &[
    ("mutex", bold("k0", BLUE, Circle)),
    ("counter", bold("k1", ORANGE, Diamond)),
    ("sharded", bold("k2", GREEN, Triangle)),
    ("racy", dashed("k3", GREY, Cross, "2 4")),
    ("futex", dashed("k4", PINK, Triangle, "8 4")),
    ("pthread", dashed("k5", YELLOW, Square, "8 3 2 3")),
    ("pthread-robust", dashed("k6", INK, Square, "5 3")),
    ("rwlock-read", bold("k7", TEAL, Square)),
    ("rwlock-write", bold("k8", TEAL, Plus)),
    ("pthread-rwlock-read", dashed("k9", GREY, Circle, "8 3 2 3")),
    ("pthread-rwlock-write", dashed("k10", GREY, Plus, "8 3 2 3")),
];

/// The same of queues: what is sent several at once has the colour of what is sent one by one.
const QUEUES: &[(&str, Look)] = &[
    ("spsc", bold("q0", BLUE, Circle)),
    ("spsc-batch", bold("q1", BLUE, Square)),
    ("spsc-adaptive", bold("q9", TEAL, Cross)),
    ("queue-adaptive", bold("q10", GREEN, Plus)),
    ("queue", bold("q2", ORANGE, Diamond)),
    ("queue-batch", bold("q3", ORANGE, Triangle)),
    ("work", bold_dashed("q11", VIOLET, Circle, "14 3")),
    ("work-adaptive", bold_dashed("q12", VIOLET, Plus, "14 3")),
    ("bytes", bold_dashed("q13", BROWN, Square, "14 3")),
    ("bytes-adaptive", bold_dashed("q14", BROWN, Cross, "14 3")),
    ("lamport", dashed("q4", INK, Circle, "5 3")),
    ("vyukov", dashed("q5", PINK, Diamond, "8 4")),
    ("pipe", dashed("q6", YELLOW, Square, "8 3 2 3")),
    ("pipe-batch", dashed("q7", YELLOW, Cross, "8 3 2 3")),
    ("socket", dashed("q8", GREY, Triangle, "2 4")),
];

/// For those that have no look of their own, in turn.
const SPARE: &[Look] = &[
    dashed("s0", VIOLET, Diamond, "10 4"),
    dashed("s1", BROWN, Circle, "10 3 2 3"),
    dashed("s2", TEAL, Triangle, "4 4"),
    dashed("s3", OLIVE, Cross, "10 4"),
];

/// The rules for these looks and for all else. What they override is written beside the elements,
/// for readers that know no rules.
pub(super) fn style(looks: impl Iterator<Item = Look>) -> String {
    let mut dark = Vec::new();
    for (class, property, colour) in [
        ("page", "fill", PAGE),
        ("shade", "fill", SHADE),
        ("grid", "stroke", GRID),
        ("axis", "stroke", AXIS),
        ("ink", "fill", INK),
        ("quiet", "fill", QUIET),
    ] {
        dark.push(format!(".{class} {{ {property}: {} }}", colour.dark));
    }
    for Look { class, colour, .. } in looks {
        let rule = format!(".{class} {{ color: {} }}", colour.dark);
        // A kind may have a line in each panel.
        if !dark.contains(&rule) {
            dark.push(rule);
        }
    }
    let dark = dark.join("\n");
    format!("\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n")
}

impl Look {
    /// The look of a lock or a counter: its own wherever it stands, or a spare one by its place.
    pub(crate) fn of_lock(kind: &str, place: usize) -> Self {
        Self::of(LOCKS, kind, place)
    }

    /// The same of a queue.
    pub(crate) fn of_queue(kind: &str, place: usize) -> Self {
        Self::of(QUEUES, kind, place)
    }

    fn of(known: &[(&str, Self)], kind: &str, place: usize) -> Self {
        let known = known.iter().find(|(name, _)| *name == kind);
        known.map_or(SPARE[place % SPARE.len()], |(_, look)| *look)
    }

    /// Whether this is the look of one of crossdock's own.
    pub(super) fn is_own(self) -> bool {
        self.dashes.is_empty()
    }

    /// What everything of a line is in: its colour is the current one.
    pub(super) fn group(self) -> Group {
        Group::new()
            .set("class", self.class)
            .set("color", self.colour.light)
    }

    /// The line of this look.
    pub(super) fn line(self, points: String) -> Polyline {
        let line = Polyline::new()
            .set("class", "line")
            .set("points", points)
            .set("fill", "none")
            .set("stroke", "currentColor")
            .set("stroke-width", self.width)
            .set("stroke-linejoin", "round");
        if self.is_own() {
            line
        } else {
            line.set("stroke-dasharray", self.dashes)
        }
    }

    /// A point of this look.
    pub(super) fn marker(self, x: f64, y: f64) -> Path {
        let shape = match self.marker {
            Circle => "m-4.5,0 a4.5,4.5 0 1 0 9,0 a4.5,4.5 0 1 0 -9,0 z",
            Square => "m-4,-4 h8 v8 h-8 z",
            Diamond => "m0,-5.5 l5.5,5.5 l-5.5,5.5 l-5.5,-5.5 z",
            Triangle => "m0,-5.5 l5.2,9.3 h-10.4 z",
            Cross => "m-4,-4 l8,8 m-8,0 l8,-8",
            Plus => "m-5,0 h10 m-5,-5 v10",
        };
        let point = Path::new().set("d", format!("M{x},{y} {shape}"));
        if matches!(self.marker, Cross | Plus) {
            point.set("stroke", "currentColor").set("stroke-width", 1.8)
        } else {
            point.set("fill", "currentColor")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crossdock_bench::{contention, queues};

    use super::*;

    /// All that can stand in one plot, for each sort of plot.
    fn plots() -> [Vec<Look>; 2] {
        [LOCKS, QUEUES].map(|known| {
            let known = known.iter().map(|(_, look)| *look);
            known.chain(SPARE.iter().copied()).collect()
        })
    }

    /// How much brighter the one is than the other, as WCAG has it.
    fn contrast(one: &str, other: &str) -> f64 {
        let bright = |colour: &str| {
            let part = |at: usize| {
                let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
                let share = f64::from(value) / 255.0;
                if share <= 0.04045 {
                    share / 12.92
                } else {
                    ((share + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) + 0.05
        };
        let (one, other) = (bright(one), bright(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn every_kind_has_a_look_of_its_own() {
        let locks = contention::KINDS.iter().map(|kind| (LOCKS, kind.name));
        let queues = queues::KINDS.iter().map(|kind| (QUEUES, kind.name));
        for (known, kind) in locks.chain(queues) {
            assert!(known.iter().any(|(name, _)| *name == kind), "{kind}");
        }
        for plot in plots() {
            let classes: HashSet<_> = plot.iter().map(|look| look.class).collect();
            let lines: HashSet<_> = plot
                .iter()
                .map(|look| (look.dashes, look.marker as u8))
                .collect();
            assert_eq!((classes.len(), lines.len()), (plot.len(), plot.len()));
        }
    }

    #[test]
    fn lines_stand_out_and_text_can_be_read_on_light_and_on_dark() {
        let lines = plots().into_iter().flatten().map(|look| (look.colour, 3.0));
        let text = [(INK, 7.0), (QUIET, 4.5)];
        for (colour, least) in lines.chain(text) {
            for page in [PAGE, SHADE] {
                assert!(
                    contrast(colour.light, page.light) >= least,
                    "{}",
                    colour.light
                );
                assert!(contrast(colour.dark, page.dark) >= least, "{}", colour.dark);
            }
        }
    }

    #[test]
    fn kinds_without_a_look_get_a_spare_one() {
        assert_eq!(Look::of_lock("flock", 5).class, SPARE[1].class);
        assert_eq!(Look::of_lock("mutex", 5).class, "k0");
        assert_eq!(Look::of_queue("mutex", 5).class, SPARE[1].class);
    }
}
