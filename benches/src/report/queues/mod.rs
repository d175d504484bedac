//! What was measured of queues.

mod verdict;

use serde::Serialize;
use std::fmt::Write;
use verdict::Lost;

use crate::peers::queues::contest::{Figure, Found, Setting, TripSetting};
use crate::peers::queues::entrants::{ENTRANTS, Entrant, Sort, entrant};
use crate::report::kept::Part;
use crate::report::occasion::Occasion;
use crate::report::table::{goals, nanos, ratios, span, table, times};
use crate::report::verdict::Goal;
use crate::study::{Call, Effort, Sections};

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    occasion: Occasion,
    effort: Effort,
    entrants: Vec<Entry>,
    #[serde(flatten)]
    found: Found,
    goals: Vec<Goal>,
}

/// An entrant, and what there is to know of it.
#[derive(Debug, Serialize)]
struct Entry {
    kind: &'static str,
    sort: Sort,
    note: String,
}

impl Report {
    pub(crate) fn new(call: Call, found: Found) -> Self {
        let entry = |one: &Entrant| Entry {
            kind: one.name,
            sort: one.sort,
            note: one.note(),
        };
        Self {
            occasion: Occasion::now(call.command),
            effort: call.effort,
            entrants: ENTRANTS.iter().map(entry).collect(),
            goals: verdict::goals(&found),
            found,
        }
    }

    fn head(&self) -> String {
        format!(
            "## Queues\n\n{}\n- **Effort**: runs of {} s, {} for each figure{}\n\n{}",
            self.occasion,
            self.effort.secs,
            self.effort.runs,
            fewer(self.effort.runs),
            include_str!("../text/queues.md").trim_end(),
        )
    }

    fn entrants(&self) -> String {
        let rows = self.entrants.iter().map(|entry| {
            let (label, between) = (label(entry.kind), entry.sort.words());
            vec![label.to_owned(), between.to_owned(), entry.note.clone()]
        });
        table(&["", "between", "note"], rows)
    }

    fn settings(&self) -> String {
        let mut text = String::new();
        for setting in &self.found.settings {
            let _ = write!(text, "### {}\n\n{}\n\n", setting.title, figures(setting));
            let bad = |figure: &&Figure| figure.lost + figure.wrong > 0;
            for figure in setting.figures.iter().filter(bad) {
                let Figure {
                    kind, lost, wrong, ..
                } = figure;
                let _ = write!(
                    text,
                    "**In `{kind}`**: {lost} items lost, {wrong} wrong.\n\n"
                );
            }
        }
        text.trim_end().to_owned()
    }

    fn round_trips(&self) -> String {
        let text = include_str!("../text/round_trips.md").trim_end();
        let mut text = format!("### Round trips\n\n{text}");
        for setting in &self.found.round_trips {
            let _ = write!(
                text,
                "\n\n#### {}\n\n{}",
                capital(setting.title),
                trips(setting)
            );
        }
        text
    }

    fn slower(&self) -> String {
        let text = include_str!("../text/queues_slower.md").trim_end();
        let settings = self.found.settings.iter().flat_map(verdict::lost);
        let trips = self.found.round_trips.iter().flat_map(verdict::lost_trips);
        let mut rows: Vec<Lost> = settings.chain(trips).collect();
        rows.sort_by(|one, other| other.ratio.ratio.total_cmp(&one.ratio.ratio));
        let rows = rows.iter().map(|row| {
            vec![
                label(row.faster).to_owned(),
                label(row.ours).to_owned(),
                row.setting.clone(),
                times(Some(row.ratio.ratio)),
                span(Some(row.ratio.ratio_range)),
            ]
        });
        let header = [
            "faster",
            "than",
            "setting",
            "ours over theirs",
            "least..most",
        ];
        let rows: Vec<Vec<String>> = rows.collect();
        let rows = if rows.is_empty() {
            "None was faster anywhere.".to_owned()
        } else {
            table(&header, rows)
        };
        format!("### Where crossdock's queues are slower\n\n{text}\n\n{rows}")
    }
}

impl Sections for Report {
    const PART: Part = Part::Queues;

    fn sections(&self) -> String {
        let parts = [
            self.head(),
            format!("### Participants\n\n{}", self.entrants()),
            self.settings(),
            self.round_trips(),
            format!("### Goals of the queues\n\n{}", goals(&self.goals)),
            self.slower(),
            format!(
                "### What is not comparable among queues\n\n{}",
                include_str!("../text/queues_limits.md").trim_end()
            ),
        ];
        parts.join("\n\n")
    }
}

/// Which have fewer runs.
fn fewer(runs: u32) -> String {
    let mut text = String::new();
    for entrant in ENTRANTS {
        let most = entrant.kind().map_or(runs, |kind| kind.most_runs);
        if most < runs {
            let _ = write!(text, ", {most} of {}", entrant.label);
        }
    }
    text
}

fn label(kind: &str) -> &str {
    entrant(kind).map_or(kind, |entrant| entrant.label)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn figures(setting: &Setting) -> String {
    let all = &setting.figures;
    let rows = all.iter().map(|figure| {
        vec![
            label(figure.kind).to_owned(),
            format!("{:.2}", figure.mitems),
            nanos(figure.ns_per_item),
            format!("{}..{}", nanos(figure.ns_min), nanos(figure.ns_max)),
        ]
    });
    let ratios = [
        ratios("x minimal", all, |figure| figure.to_minimal),
        ratios("x naive", all, |figure| figure.to_naive),
        ratios("x pipe", all, |figure| figure.to_pipe),
    ];
    with_ratios(vec!["", "M/s", "ns", "least..most"], rows.collect(), ratios)
}

/// A table with those columns of ratios that there are.
fn with_ratios(
    mut header: Vec<&str>,
    mut rows: Vec<Vec<String>>,
    ratios: impl IntoIterator<Item = Option<(&'static str, Vec<String>)>>,
) -> String {
    for (title, column) in ratios.into_iter().flatten() {
        header.push(title);
        for (row, cell) in rows.iter_mut().zip(column) {
            row.push(cell);
        }
    }
    table(&header, rows)
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds for people")]
fn micros(nanos: u64) -> String {
    format!("{:.2}", nanos as f64 / 1e3)
}

fn trips(setting: &TripSetting) -> String {
    let all = &setting.trips;
    let rows = all.iter().map(|trip| {
        vec![
            label(trip.kind).to_owned(),
            micros(trip.p50_ns),
            micros(trip.p99_ns),
            micros(trip.p999_ns),
        ]
    });
    let ratios = [
        ratios("x naive", all, |trip| trip.to_naive),
        ratios("x pipe", all, |trip| trip.to_pipe),
    ];
    with_ratios(
        vec!["", "p50 us", "p99 us", "p99.9 us"],
        rows.collect(),
        ratios,
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::verdict::tests::found;
    use super::*;

    pub(crate) fn report() -> Report {
        let call = Call {
            command: "cargo xtask compare queues".into(),
            effort: Effort {
                secs: 0.1,
                runs: 1,
                ..Effort::default()
            },
        };
        Report::new(call, found())
    }

    #[test]
    fn what_is_faster_than_ours_is_listed() {
        let text = report().sections();
        let (_, slower) = text.split_once("are slower").expect("a section");
        assert!(slower.contains("| rtrb, threads "), "{slower}");
        assert!(slower.contains("1.50"), "{slower}");
        assert!(!slower.contains("| pipe "), "{slower}");
    }

    #[test]
    fn a_table_has_the_ratios_that_there_are_with_their_ranges() {
        let text = report().sections();
        let headers: Vec<&str> = text.lines().filter(|line| line.contains("M/s |")).collect();
        assert_eq!(headers.len(), 1, "{text}");
        assert!(headers[0].contains(" x minimal |"), "{headers:?}");
        assert!(!headers[0].contains(" x naive |"), "{headers:?}");
        assert!(text.contains("| 2.50 (2.50..5.00) |"), "{text}");
    }

    #[test]
    fn a_goal_is_shown_with_its_range() {
        let text = report().sections();
        let (_, goals) = text.split_once("### Goals").expect("a section");
        let row = goals.lines().find(|line| line.contains("`spsc-batch`"));
        let row = row.expect("a goal");
        assert!(row.contains("|  2.50 |  2.50..5.00 |"), "{row}");
    }
}
