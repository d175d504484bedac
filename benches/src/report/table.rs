//! Tables, and the figures in them.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::ratio::Ratio;

use super::verdict::Goal;

/// A table; columns of figures are aligned to the right.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    for (at, column) in table.column_iter_mut().enumerate() {
        let is_number = |row: &Vec<String>| {
            let cell = row.get(at).map_or("", String::as_str);
            let digit = cell.starts_with(|c: char| c.is_ascii_digit());
            // A setting begins with a number, too.
            cell == "-" || (digit && !cell.contains(':'))
        };
        if at > 0 && rows.iter().all(is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    let padded = table.to_string();
    let lines: Vec<&str> = padded.lines().map(str::trim_end).collect();
    lines.join("\n")
}

pub(super) fn nanos(ns: f64) -> String {
    if !ns.is_finite() {
        "-".into()
    } else if ns < 100.0 {
        format!("{ns:.1}")
    } else {
        format!("{ns:.0}")
    }
}

pub(super) fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"))
}

/// The least and the most of a ratio.
pub(super) fn span(range: Option<(f64, f64)>) -> String {
    let times = |ratio: f64| times(Some(ratio).filter(|ratio| ratio.is_finite()));
    range.map_or_else(
        || "-".into(),
        |(least, most)| format!("{}..{}", times(least), times(most)),
    )
}

/// The column of a ratio, if any row has one: the median and the range.
pub(super) fn ratios<'a, T>(
    title: &'static str,
    rows: &'a [T],
    of: impl Fn(&'a T) -> Option<Ratio>,
) -> Option<(&'static str, Vec<String>)> {
    let ratios: Vec<Option<Ratio>> = rows.iter().map(of).collect();
    let cell = |ratio: &Option<Ratio>| {
        let said = |one: Ratio| format!("{:.2} ({})", one.ratio, span(Some(one.ratio_range)));
        ratio.map_or_else(|| "-".into(), said)
    };
    let some = ratios.iter().any(Option::is_some);
    some.then(|| (title, ratios.iter().map(cell).collect()))
}

/// What is aimed at, and what was found.
pub(super) fn goals(goals: &[Goal]) -> String {
    let ranges = goals.iter().any(|goal| goal.found_range.is_some());
    let rows = goals.iter().map(|goal| {
        let sign = if goal.at_most { "at most" } else { "at least" };
        let holds = if goal.holds() { "yes" } else { "**no**" };
        let mut row = vec![
            goal.what.clone(),
            goal.setting.clone(),
            format!("{sign} {:.2}", goal.goal),
            format!("{:.2}", goal.found),
            holds.into(),
        ];
        if ranges {
            row.insert(4, span(goal.found_range));
        }
        row
    });
    let missed = goals.iter().filter(|goal| !goal.holds()).count();
    let verdict = match (goals.len(), missed) {
        (0, _) => return "None was measured.".into(),
        (all, 0) => format!("All {all} hold in this run."),
        (all, missed) => format!("{missed} of {all} missed in this run."),
    };
    let mut header = vec!["", "setting", "goal", "found", "holds"];
    if ranges {
        header.insert(4, "least..most");
    }
    format!("{verdict}\n\n{}", table(&header, rows))
}
