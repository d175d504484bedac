//! Words that do not stay, lengths, and the docs that every file begins with.

use crate::source::{code, line_of, without_literals, words};
use crate::{RUST, files, hold, is_test_file};

const LONGEST: usize = 600;
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
];
/// Refused in code; strings and comments may name them.
const SILENCED: &[&str] = &["#[ignore", "allow("];
/// The sections that the docs of an algorithm must have.
const SECTIONS: &[&str] = &["State", "Protocol", "Crash", "Ordering"];
/// The rooms whose files are algorithms over shared state.
const ALGORITHMS: &[&str] = &["src/participant/", "src/wait/", "src/algorithm/"];
/// Files in those rooms that hold no algorithm: they compute, describe bytes, or set up models.
const NO_ALGORITHM: &[&str] = &[
    "arena.rs",
    "entry.rs",
    "layout.rs",
    "look.rs",
    "owner.rs",
    "region.rs",
    "stage.rs",
    "tag.rs",
    "view.rs",
];
/// The files that list the modules of those rooms.
const ROOMS: &[&str] = &["src/participant/mod.rs", "src/algorithm/mod.rs"];

/// Rule: a file holds one concept.
fn length(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let long = lines > LONGEST;
    long.then(|| format!("{path}:{lines}: longer than {LONGEST} lines; one concept per file"))
        .into_iter()
        .collect()
}

/// Rule: nothing is left unfinished, and no lint or test is silenced.
fn unfinished(path: &str, text: &str) -> Vec<String> {
    let code = without_literals(text);
    let left = UNFINISHED
        .iter()
        .flat_map(|word| words(text, word).map(move |at| (at, word)));
    let silenced = SILENCED
        .iter()
        .flat_map(|word| words(&code, word).map(move |at| (at, word)));
    left.chain(silenced)
        .map(|(at, word)| format!("{path}:{}: `{word}` does not stay", line_of(text, at)))
        .collect()
}

/// Rule: `SeqCst` is for fences; loom takes an access of that order for a weaker one.
fn sequential(path: &str, text: &str) -> Vec<String> {
    if is_test_file(path) {
        return Vec::new();
    }
    let code = code(text);
    let mut violations = Vec::new();
    for at in words(&code, "SeqCst") {
        let before = code[..at].trim_end_matches("Ordering::").trim_end();
        let after = code[at + "SeqCst".len()..].trim_start();
        let fence = ["fence(", "compiler_fence("].iter().any(|call| {
            words(before, call)
                .last()
                .is_some_and(|at| before[at..] == **call)
        });
        let compared = before.ends_with("!=") || before.ends_with("==") || after.starts_with("=>");
        let line = line_of(&code, at);
        let imported = code
            .lines()
            .nth(line - 1)
            .is_some_and(|line| line.trim().starts_with("use "));
        if !fence && !compared && !imported {
            violations.push(format!("{path}:{line}: SeqCst is for fence(SeqCst) only"));
        }
    }
    violations
}

/// Rule: a file begins with docs that say what it is.
fn docs(path: &str, text: &str) -> Vec<String> {
    let begins = text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("//! "));
    (!begins)
        .then(|| format!("{path}:1: does not begin with `//!` docs"))
        .into_iter()
        .collect()
}

/// Rule: the docs of an algorithm say what its state is, how it runs, what a crash leaves and
/// which orderings pair.
fn sections(path: &str, text: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let algorithm = ALGORITHMS.iter().any(|room| path.starts_with(room)) && !ROOMS.contains(&path);
    if !algorithm || NO_ALGORITHM.contains(&name) || is_test_file(path) {
        return Vec::new();
    }
    let headings: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! #"))
        .map(|heading| heading.trim_start_matches('#').trim())
        .collect();
    SECTIONS
        .iter()
        .filter(|section| !headings.contains(section))
        .map(|section| format!("{path}:1: its docs have no section `# {section}`"))
        .collect()
}

#[test]
fn files_hold_one_concept() {
    hold(
        &files(
            &["src", "cli", "verify", "benches", "xtask", "tests"],
            ".rs",
        ),
        length,
    );
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(length("a.rs", &"\n".repeat(LONGEST + 1)).len(), 1);
    assert_eq!(length("a.rs", &"\n".repeat(LONGEST)).len(), 0);
}

#[test]
fn nothing_is_left_unfinished_or_silenced() {
    hold(&files(RUST, ".rs"), unfinished);
}

#[test]
fn what_is_unfinished_or_silenced_is_found() {
    for word in UNFINISHED {
        assert_eq!(
            unfinished("a.rs", &format!("\n// {word}: x")).len(),
            1,
            "{word}"
        );
    }
    assert_eq!(
        unfinished("a.rs", "#[ignore = \"slow\"]\nfn f() {}").len(),
        1
    );
    assert_eq!(unfinished("a.rs", "#![allow(dead_code)]").len(), 1);
    assert_eq!(
        unfinished("a.rs", "// allow(x)\nlet a = \"allow(x)\"; disallow(a);").len(),
        0
    );
}

#[test]
fn sequential_consistency_is_for_fences() {
    hold(&files(&["src"], ".rs"), sequential);
}

#[test]
fn a_sequentially_consistent_access_is_found() {
    assert_eq!(
        sequential("src/a.rs", "a.load(Ordering::SeqCst);\nb.swap(1, SeqCst);").len(),
        2
    );
    assert_eq!(
        sequential(
            "src/a.rs",
            "fence(Ordering::SeqCst); fence(SeqCst); compiler_fence(Ordering::SeqCst);"
        )
        .len(),
        0
    );
    assert_eq!(
        sequential("src/a.rs", "use crate::facade::Ordering::SeqCst;").len(),
        0
    );
    assert_eq!(
        sequential("src/a.rs", "assert!(order != Ordering::SeqCst)").len(),
        0
    );
}

#[test]
fn every_file_says_what_it_is() {
    hold(&files(&["src"], ".rs"), docs);
}

#[test]
fn a_file_without_docs_is_found() {
    assert_eq!(docs("a.rs", "use x;\n//! late").len(), 1);
    assert_eq!(docs("a.rs", "").len(), 1);
    assert_eq!(docs("a.rs", "//! What it is.").len(), 0);
}

#[test]
fn algorithms_say_what_a_crash_leaves() {
    hold(&files(&["src"], ".rs"), sections);
}

#[test]
fn an_algorithm_without_a_section_is_found() {
    let docs = "//! A lock.\n//!\n//! # State\n//! ## Protocol\n//! # Ordering\n";
    assert_eq!(sections("src/algorithm/mutex.rs", docs).len(), 1);
    assert_eq!(sections("src/algorithm/mutex/tests.rs", docs).len(), 0);
    assert_eq!(sections("src/algorithm/mod.rs", docs).len(), 0);
    assert_eq!(sections("src/algorithm/mutex/layout.rs", docs).len(), 0);
    assert_eq!(sections("src/sync/mutex.rs", docs).len(), 0);
    assert_eq!(
        sections("src/algorithm/mutex.rs", &format!("{docs}//! # Crash\n")).len(),
        0
    );
}
