//! What was measured of arrays.

use serde::Serialize;

use super::occasion::Occasion;
use super::table::{goals, nanos, span, table, times};
use super::verdict::Goal;
use crate::arrays::Found;
use crate::report::kept::Part;
use crate::study::{Call, Effort, Sections};
use crate::work::Figure;

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    occasion: Occasion,
    effort: Effort,
    #[serde(flatten)]
    found: Found,
    goals: Vec<Goal>,
}

/// Copies: our rate over that of the yardstick, at least.
const OURS_OVER_PLAIN: f64 = 0.9;
/// Leased chunks: the speed-up of two processes, at least.
const TWO_OVER_ONE: f64 = 1.8;

/// A way and its yardstick.
type Pair<'a> = (&'a Figure, &'a Figure);

impl Report {
    pub(crate) fn new(call: Call, found: Found) -> Self {
        Self {
            occasion: Occasion::now(call.command),
            effort: call.effort,
            goals: all_goals(&found),
            found,
        }
    }
}

impl Sections for Report {
    const PART: Part = Part::Arrays;

    fn sections(&self) -> String {
        let Found {
            copies: [small, large],
            atomics,
            kernel,
        } = &self.found;
        format!(
            "## Arrays\n\n{}\n- **Effort**: runs of {} s, {} for each figure\n\n{}\n\n\
             ### Copies of 64 KiB\n\n{}\n\n### Copies of 1 MiB\n\n{}\n\n\
             ### Copies of 8,192 atomics\n\n{}\n\n### Leased chunks\n\n{}\n\n\
             ### Goals of arrays\n\n{}",
            self.occasion,
            self.effort.secs,
            self.effort.runs,
            include_str!("text/arrays.md").trim_end(),
            rates("x memcpy", &pairs(small)),
            rates("x memcpy", &pairs(large)),
            rates("x a loop", &pairs(atomics)),
            rates("x 1 process", &beside_the_first(kernel)),
            goals(&self.goals),
        )
    }
}

/// Each second way has the one before it as its yardstick.
fn pairs(figures: &[Figure]) -> Vec<Pair<'_>> {
    let pairs = figures.as_chunks::<2>().0.iter();
    pairs
        .flat_map(|[plain, ours]| [(plain, plain), (ours, plain)])
        .collect()
}

fn beside_the_first(figures: &[Figure]) -> Vec<Pair<'_>> {
    figures.iter().map(|figure| (figure, &figures[0])).collect()
}

/// How many times as fast as its yardstick each is.
fn rates(title: &str, pairs: &[Pair<'_>]) -> String {
    let rows = pairs.iter().map(|(figure, plain)| {
        let ratio = plain.time_over(figure);
        vec![
            figure.label.to_owned(),
            nanos(figure.ns),
            format!("{}..{}", nanos(figure.ns_min), nanos(figure.ns_max)),
            times(ratio.map(|ratio| ratio.ratio)),
            span(ratio.map(|ratio| ratio.ratio_range)),
        ]
    });
    table(&["", "ns", "least..most", title, "least..most "], rows)
}

fn all_goals(found: &Found) -> Vec<Goal> {
    let goal = |(ours, plain): Pair<'_>, setting: &str, least| {
        let ratio = plain.time_over(ours)?;
        Some(Goal {
            what: format!("rate of {} over {}", ours.label, plain.label),
            setting: setting.to_owned(),
            at_most: false,
            goal: least,
            found: ratio.ratio,
            found_range: Some(ratio.ratio_range),
        })
    };
    let is_ours = |pair: &Pair<'_>| !std::ptr::eq(pair.0, pair.1);
    let [small, large] = &found.copies;
    let settings = [
        ("64 KiB", small),
        ("1 MiB", large),
        ("8,192 atomics", &found.atomics),
    ];
    let copies = settings.into_iter().flat_map(|(setting, figures)| {
        let ours = pairs(figures).into_iter().filter(is_ours);
        ours.filter_map(move |pair| goal(pair, setting, OURS_OVER_PLAIN))
    });
    let kernel = beside_the_first(&found.kernel).into_iter().filter(is_ours);
    let kernel = kernel.filter_map(|pair| goal(pair, "leased chunks", TWO_OVER_ONE));
    copies.chain(kernel).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn report() -> Report {
        let figures = |kinds: &[(&'static str, f64)]| -> Vec<Figure> {
            let figure = |(kind, by): &(&'static str, f64)| {
                crate::work::tests::figure(kind, [2.0, 8.0, 1.0].map(|ns| ns * by))
            };
            kinds.iter().map(figure).collect()
        };
        let copies = || {
            figures(&[
                ("out", 1.0),
                ("copy_to", 1.0),
                ("in", 1.0),
                ("copy_from", 2.0),
            ])
        };
        let found = Found {
            copies: [copies(), copies()],
            atomics: copies(),
            kernel: figures(&[("1", 2.0), ("2", 1.0)]),
        };
        let call = Call {
            command: "cargo xtask compare arrays".into(),
            effort: Effort {
                secs: 0.1,
                runs: 3,
                ..Effort::default()
            },
        };
        Report::new(call, found)
    }

    #[test]
    fn a_goal_is_held_against_the_ratio_of_its_rounds() {
        let goals = report().goals;
        let found: Vec<(f64, bool)> = goals
            .iter()
            .map(|goal| (goal.found, goal.holds()))
            .collect();
        let copies = [(1.0, true), (0.5, false)];
        assert_eq!(
            found,
            [&copies[..], &copies, &copies, &[(2.0, true)]].concat()
        );
    }

    #[test]
    fn a_row_has_what_it_is_beside_its_yardstick() {
        let text = report().sections();
        let row = text.lines().find(|line| line.starts_with("| copy_from"));
        let cells: Vec<&str> = row.expect("a row").split('|').map(str::trim).collect();
        assert_eq!(cells[2..6], ["4.0", "2.0..16.0", "0.50", "0.50..0.50"]);
    }
}
