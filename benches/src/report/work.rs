//! What was measured of large messages.

use crate::ratio::Ratio;
use serde::Serialize;

use super::occasion::Occasion;
use super::table::{goals, nanos, span, table, times};
use super::verdict::Goal;
use crate::report::kept::Part;
use crate::study::{Call, Effort, Sections};
use crate::work::{BLOCK, Figure, Found};

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

/// Untouched messages: the time of large ones over that of small ones, at most.
const LARGE_OVER_SMALL: f64 = 1.5;
/// Messages in place: our rate over that of the yardstick, at least.
const OURS_OVER_BARE: f64 = 0.8;

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
    const PART: Part = Part::Work;

    fn sections(&self) -> String {
        let Found {
            untouched,
            in_place,
        } = &self.found;
        format!(
            "## Large messages\n\n{}\n- **Effort**: runs of {} s, {} for each figure\n\n{}\n\n\
             ### A message that is not touched\n\n{}\n\n\
             ### 64 KiB, written and read in place\n\n{}\n\n\
             ### Goals of large messages\n\n{}",
            self.occasion,
            self.effort.secs,
            self.effort.runs,
            include_str!("text/work.md").trim_end(),
            times_of("x 64 bytes", untouched),
            rates_of(in_place),
            goals(&self.goals),
        )
    }
}

/// How many times as long as the first each takes.
fn times_of(title: &str, figures: &[Figure]) -> String {
    let rows = figures.iter().map(|figure| {
        let ratio = figures[0]
            .ns
            .gt(&0.0)
            .then(|| figure.time_over(&figures[0]));
        row(figure, None, ratio.flatten())
    });
    table(&["", "ns", "least..most", title, "least..most "], rows)
}

/// How many times as fast as the first each is.
fn rates_of(figures: &[Figure]) -> String {
    let rows = figures.iter().map(|figure| {
        #[expect(clippy::cast_precision_loss, reason = "bytes for a rate")]
        let gibs = BLOCK as f64 / figure.ns * 1e9 / f64::from(1 << 30);
        row(figure, Some(gibs), figures[0].time_over(figure))
    });
    let header = ["", "GiB/s", "ns", "least..most", "x bare", "least..most "];
    table(&header, rows)
}

fn row(figure: &Figure, gibs: Option<f64>, ratio: Option<Ratio>) -> Vec<String> {
    let mut row = vec![figure.label.to_owned()];
    row.extend(gibs.map(|gibs| format!("{gibs:.2}")));
    row.push(nanos(figure.ns));
    row.push(format!(
        "{}..{}",
        nanos(figure.ns_min),
        nanos(figure.ns_max)
    ));
    row.push(times(ratio.map(|ratio| ratio.ratio)));
    row.push(span(ratio.map(|ratio| ratio.ratio_range)));
    row
}

fn all_goals(found: &Found) -> Vec<Goal> {
    let goal = |what, setting: &str, at_most, goal, found: Ratio| Goal {
        what,
        setting: setting.to_owned(),
        at_most,
        goal,
        found: found.ratio,
        found_range: Some(found.ratio_range),
    };
    let mut goals = Vec::new();
    if let [small, large] = found.untouched.as_slice()
        && let Some(ratio) = large.time_over(small)
    {
        let what = format!("time of {} over {}", large.label, small.label);
        goals.push(goal(what, "untouched", true, LARGE_OVER_SMALL, ratio));
    }
    if let [bare, ours @ ..] = found.in_place.as_slice() {
        for ours in ours {
            if let Some(ratio) = bare.time_over(ours) {
                let what = format!("rate of `{}` over `{}`", ours.kind, bare.kind);
                goals.push(goal(what, "64 KiB in place", false, OURS_OVER_BARE, ratio));
            }
        }
    }
    goals
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::work::tests::found;

    pub(crate) fn report() -> Report {
        let call = Call {
            command: "cargo xtask compare work".into(),
            effort: Effort {
                secs: 0.1,
                runs: 3,
                ..Effort::default()
            },
        };
        Report::new(call, found())
    }

    #[test]
    fn a_goal_is_held_against_the_ratio_of_its_rounds() {
        let goals = report().goals;
        let found: Vec<(f64, bool)> = goals
            .iter()
            .map(|goal| (goal.found, goal.holds()))
            .collect();
        assert_eq!(found, [(1.25, true), (1.0, true), (0.5, false)]);
    }

    #[test]
    fn a_row_has_what_it_is_beside_the_first() {
        let text = report().sections();
        let row = text.lines().find(|line| line.starts_with("| bytes"));
        let cells: Vec<&str> = row.expect("a row").split('|').map(str::trim).collect();
        assert_eq!(cells[3..7], ["4.0", "2.0..16.0", "0.50", "0.50..0.50"]);
    }
}
