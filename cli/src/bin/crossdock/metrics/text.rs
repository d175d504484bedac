//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// What samples of one name say.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    /// One sentence without backslashes.
    pub(super) help: &'static str,
    pub(super) kind: Type,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Gauge,
    /// It only grows while its entry is there.
    Counter,
}

/// Samples, those of a family together.
#[derive(Debug, Default)]
pub(super) struct Text {
    families: BTreeMap<&'static str, String>,
}

impl Text {
    /// Adds a sample.
    pub(super) fn add(&mut self, family: &Family, labels: &[(&str, &str)], value: impl Display) {
        let Family { name, help, kind } = family;
        let lines = self.families.entry(name).or_insert_with(|| {
            let kind = match kind {
                Type::Gauge => "gauge",
                Type::Counter => "counter",
            };
            format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
        });
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{name}{{{}}} {value}", labels.join(","));
    }

    pub(super) fn into_string(self) -> String {
        self.families.into_values().collect()
    }
}

/// The value of a label.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_family_are_together_and_labels_are_escaped() {
        const B: Family = Family {
            name: "b_total",
            help: "Bs.",
            kind: Type::Counter,
        };
        const A: Family = Family {
            name: "a",
            help: "As.",
            kind: Type::Gauge,
        };
        let mut text = Text::default();
        text.add(&B, &[("x", "1"), ("y", "a\\b\"c\nd")], 1);
        text.add(&A, &[("x", "")], -2);
        text.add(&B, &[("x", "2")], u64::MAX);
        let expected = "# HELP a As.\n\
                        # TYPE a gauge\n\
                        a{x=\"\"} -2\n\
                        # HELP b_total Bs.\n\
                        # TYPE b_total counter\n\
                        b_total{x=\"1\",y=\"a\\\\b\\\"c\\nd\"} 1\n\
                        b_total{x=\"2\"} 18446744073709551615\n";
        assert_eq!(text.into_string(), expected);
    }
}
