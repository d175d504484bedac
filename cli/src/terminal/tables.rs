//! Tables of groups of rows.

use comfy_table::{CellAlignment, Table, TableComponent, presets};

/// A table whose rows come in groups: the first columns say which, once each.
pub struct Grouped {
    table: Table,
    width: usize,
    group: Option<Vec<String>>,
}

/// A table without rows.
pub fn grouped(header: &[&str]) -> Grouped {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_header(header);
    Grouped {
        table,
        width: header.len(),
        group: None,
    }
}

impl Grouped {
    /// Adds a row, behind an empty one if it begins another group.
    pub fn add(&mut self, group: &[String], cells: &[String]) {
        let same = self.group.as_deref() == Some(group);
        if !same && self.group.is_some() {
            self.table.add_row(vec![""; self.width]);
        }
        let text = group.iter().map(|name| if same { "" } else { name });
        self.table
            .add_row(text.chain(cells.iter().map(String::as_str)));
        self.group = Some(group.to_vec());
    }

    /// The table, figures on the right; the column `names` has none.
    pub fn done(mut self, names: usize) -> Table {
        for (at, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if at != names {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.table
    }
}

/// At least three digits of a figure, if there is one.
pub fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() || value == 0.0 => "-".to_owned(),
        value if value < 1.0 => format!("{value:.3}"),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_digits_and_nothing_is_no_number() {
        assert_eq!(number(0.3456), "0.346");
        assert_eq!(number(3.456), "3.46");
        assert_eq!(number(1234.56), "1234.6");
        assert_eq!(number(f64::INFINITY), "-");
        assert_eq!(number(0.0), "-");
    }

    #[test]
    fn a_group_is_named_once() {
        let mut table = grouped(&["group", "name"]);
        for (group, name) in [("a", "x"), ("a", "y"), ("b", "z")] {
            table.add(&[group.to_owned()], &[name.to_owned()]);
        }
        let text = table.done(1).to_string();
        let lines: Vec<&str> = text.lines().skip(2).map(str::trim).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with('a') && lines[1] == "y" && lines[2].is_empty());
        assert!(lines[3].starts_with('b'), "{text}");
    }
}
