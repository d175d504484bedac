//! A checker of the text format of Prometheus, version 0.0.4, and of its conventions for names.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a text: by the name, with the labels in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Samples(BTreeMap<(String, BTreeMap<String, String>), f64>);

impl Samples {
    /// Fails if the text is not in the format, or its names are not as they should be.
    #[track_caller]
    pub(crate) fn of(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let (mut samples, mut families) = (Self::default(), BTreeSet::new());
        let mut family: Option<(&str, Option<&str>)> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(!help.is_empty() && is_name(name), "{line}");
                assert!(families.insert(name.to_owned()), "again: {line}");
                family = Some((name, None));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(family, Some((name, None)), "{line}");
                assert!(matches!(kind, "gauge" | "counter"), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                family = Some((name, Some(kind)));
            } else {
                let (name, labels, value) = sample(line);
                let of = family.expect("a family before it");
                assert!(of.0 == name && of.1.is_some(), "{line}");
                let value: f64 = value.parse().expect("a number");
                let before = samples.0.insert((name.to_owned(), labels), value);
                assert_eq!(before, None, "twice: {line}");
            }
        }
        samples
    }

    /// The value of the sample with exactly these labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let labels = labels.iter().map(owned).collect();
        self.0.get(&(name.to_owned(), labels)).copied()
    }

    /// The number of samples with that value of a label.
    pub(crate) fn count(&self, label: &str, value: &str) -> usize {
        let has = |labels: &BTreeMap<_, _>| labels.get(label).is_some_and(|of| of == value);
        self.0.keys().filter(|(_, labels)| has(labels)).count()
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
    name.starts_with("crossdock_") && name.bytes().all(is_part)
}

/// The name, the labels, and the value of a line.
#[track_caller]
fn sample(line: &str) -> (&str, BTreeMap<String, String>, &str) {
    let (name, mut rest) = line.split_once('{').expect("labels");
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    loop {
        let (label, after) = rest.split_once("=\"").expect("a label");
        assert!(
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase()),
            "{line}"
        );
        let (value, after) = unescaped(after).expect("a value that ends");
        let before = labels.insert(label.to_owned(), value);
        assert_eq!(before, None, "{line}");
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                let value = after.strip_prefix("} ").expect("the end of the labels");
                return (name, labels, value);
            }
        }
    }
}

/// A value up to its quotation mark, and what follows.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escape) = (String::new(), false);
    for (at, one) in text.char_indices() {
        match (escape, one) {
            (true, 'n') => value.push('\n'),
            (true, '\\' | '"') => value.push(one),
            (true, _) => return None,
            (false, '"') => return Some((value, &text[at + 1..])),
            (false, '\\') => {}
            (false, _) => value.push(one),
        }
        escape = !escape && one == '\\';
    }
    None
}

#[test]
fn the_checker_takes_the_format_and_nothing_else() {
    let good = "# HELP crossdock_a_total As.\n# TYPE crossdock_a_total counter\n\
                crossdock_a_total{x=\"a\\\"\\\\\\n\",y=\"\"} 3\n";
    let samples = Samples::of(good);
    let labels = [("x", "a\"\\\n"), ("y", "")];
    assert_eq!(samples.get("crossdock_a_total", &labels), Some(3.0));
    for (from, to) in [
        ("a_total", "a"),
        ("counter", "gauge"),
        ("} 3", "} three"),
        ("y=", "x="),
        ("\\\\\\n", "\\q"),
        ("3\n", "3"),
        ("# TYPE crossdock_a_total counter\n", ""),
        ("3\n", "3\ncrossdock_a_total{x=\"a\\\"\\\\\\n\",y=\"\"} 3\n"),
    ] {
        let bad = good.replacen(from, to, if from == "a_total" { 1 } else { 9 });
        assert_ne!(bad, good, "{from}");
        let taken = std::panic::catch_unwind(|| Samples::of(&bad));
        assert!(taken.is_err(), "{bad}");
    }
}
