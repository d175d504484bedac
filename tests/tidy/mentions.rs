//! Names in the texts for users: what they mention exists.

use std::collections::BTreeSet;

use crate::source::code;
use crate::{RUST, files, read, report};

/// The texts that name items of the library.
const TEXTS: &[&str] = &["README.md", "docs/limits.md"];
/// Names in them that belong to other programs.
const FOREIGN: &[&str] = &["multiprocessing", "xtask", "RemoveIPC"];

/// Rule: a name in a code span is one that the code has. The first column of a table may name what
/// others call it.
fn mentions(path: &str, text: &str, known: impl Fn(&str) -> bool) -> Vec<String> {
    let (mut violations, mut fenced) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        fenced ^= line.starts_with("```");
        if fenced {
            continue;
        }
        let line = match line.strip_prefix("| ") {
            Some(row) => row.split_once(" | ").map_or("", |(_, rest)| rest),
            None => line,
        };
        for name in line.split('`').skip(1).step_by(2).flat_map(names) {
            if !known(name) {
                let number = number + 1;
                violations.push(format!("{path}:{number}: the code has no `{name}`"));
            }
        }
    }
    violations
}

/// Returns the names in a span, without those of one or two letters and the affixes of names, such
/// as `try_`.
fn names(span: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = span.split(move |c| !is_name(c));
    let is_whole = |name: &&str| {
        name.len() > 2
            && !name.starts_with(|c: char| c.is_ascii_digit() || c == '_')
            && !name.ends_with('_')
    };
    names.filter(is_whole)
}

#[test]
fn what_the_texts_mention_exists() {
    let sources = files(RUST, ".rs");
    let code: Vec<String> = sources.iter().map(|file| code(&file.text)).collect();
    let mut known: BTreeSet<&str> = code.iter().flat_map(|code| names(code)).collect();
    let stems = sources
        .iter()
        .filter_map(|file| file.path.rsplit(['/', '.']).nth(1));
    known.extend(stems);
    known.extend(FOREIGN);
    let violations = TEXTS
        .iter()
        .flat_map(|path| mentions(path, &read(path), |name| known.contains(name)));
    report(violations.collect());
}

#[test]
fn a_name_that_the_code_does_not_have_is_found() {
    let known = |name: &str| name == "Mutex" || name == "lock";
    let text =
        "`Mutex::lock` and\n`Mutex::seize`\n| `Lock` | `Mutex<T>` `Lock` |\n```\n`Lock`\n```\n";
    let found = mentions("a.md", text, known);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.md:2: "), "{found:?}");
    assert!(found[1].starts_with("a.md:3: "), "{found:?}");
}
