//! The texts: links that lead somewhere, examples that are the examples, a changelog that is open.

use std::fs;

use crate::source::line_of;
use crate::{File, files, hold, read, report, root};

/// Rule: a relative link leads to a file.
fn links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let text = without_code(text);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut violations = Vec::new();
    for (at, target) in targets(&text) {
        let file = target.split(['#', '?']).next().unwrap_or_default();
        if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
            continue;
        }
        if !exists(&joined(folder, file)) {
            let line = line_of(&text, at);
            violations.push(format!(
                "{path}:{line}: the link to `{target}` leads nowhere"
            ));
        }
    }
    violations
}

/// The targets of `[text](target)`, `[name]: target`, `href="target"` and `src="target"`.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (open, ends) in [
        ("](", ") "),
        ("href=\"", "\""),
        ("src=\"", "\""),
        ("]: ", " \n"),
    ] {
        for (at, _) in text.match_indices(open) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            if open == "]: " && !text[line..].starts_with('[') {
                continue;
            }
            let target = &text[at + open.len()..];
            let end = target.find(|c| ends.contains(c)).unwrap_or(target.len());
            found.push((at, target[..end].trim_matches(['<', '>'])));
        }
    }
    found
}

/// Blanks fenced blocks and code spans, line for line.
fn without_code(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !fence && !fenced {
            kept.extend(line.split('`').step_by(2));
        }
        fenced ^= fence;
        kept.push('\n');
    }
    kept
}

fn joined(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_some() => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Rule: a block of code behind the comment `<!-- examples/NAME.rs -->` is that file, without the
/// docs that the file begins with.
fn copies(path: &str, text: &str, example: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut violations = Vec::new();
    for (at, open) in text.match_indices("<!-- examples/") {
        let line = line_of(text, at);
        let name_at = at + open.len() - "examples/".len();
        let Some((name, rest)) = text[name_at..].split_once(" -->") else {
            violations.push(format!("{path}:{line}: the comment is not closed"));
            continue;
        };
        let block = rest.trim_start().strip_prefix("```rust").and_then(|block| {
            let (_, block) = block.split_once('\n')?;
            Some(block.split_once("\n```")?.0)
        });
        match (block, example(name)) {
            (None, _) => violations.push(format!("{path}:{line}: no ```rust block follows")),
            (_, None) => violations.push(format!("{path}:{line}: there is no {name}")),
            (Some(block), Some(file)) if block.trim() != body(&file) => {
                violations.push(format!("{path}:{line}: the block is not what {name} holds"));
            }
            _ => {}
        }
    }
    violations
}

/// A file without its leading docs.
fn body(file: &str) -> &str {
    let mut rest = file;
    while rest.starts_with("//!") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest.trim()
}

/// Rule: the changelog has a place for what comes next.
fn unreleased(path: &str, text: &str) -> Vec<String> {
    let open = text.lines().any(|line| line == "## [Unreleased]");
    (!open)
        .then(|| format!("{path}:1: no section `## [Unreleased]`"))
        .into_iter()
        .collect()
}

fn texts() -> Vec<File> {
    let mut texts = files(&["docs"], ".md");
    for path in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        texts.push(File {
            path: path.into(),
            text: read(path),
        });
    }
    texts
}

#[test]
fn links_lead_somewhere() {
    hold(&texts(), |path, text| {
        links(path, text, |file| root().join(file).exists())
    });
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "[a](b.md#c) [d](../e.md \"title\")\n\n[f]: g.md\n`[h](i)` [j](https://k) [l](#m)\n\
                ```\n[n](o)\n```\n<img src=\"p.svg\">\n";
    let found = links("docs/x.md", text, |_| false);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(
        links("docs/x.md", "\n[a](../e.md)", |file| file == "e.md").len(),
        0
    );
    assert!(links("x.md", "\n[a](e.md)", |_| false)[0].starts_with("x.md:2: "));
}

#[test]
fn code_in_the_readme_is_the_examples() {
    report(copies("README.md", &read("README.md"), |name| {
        fs::read_to_string(root().join(name)).ok()
    }));
}

#[test]
fn a_copy_that_differs_is_found() {
    let example = |name: &str| (name == "examples/a.rs").then(|| "//! A.\n\nfn main() {}\n".into());
    let good = "<!-- examples/a.rs -->\n```rust\nfn main() {}\n```\n";
    assert_eq!(copies("README.md", good, example).len(), 0);
    assert_eq!(
        copies("README.md", &good.replace("{}", "{ }"), example).len(),
        1
    );
    assert_eq!(
        copies("README.md", &good.replace("a.rs", "b.rs"), example).len(),
        1
    );
    assert_eq!(
        copies("README.md", "<!-- examples/a.rs -->\ntext\n", example).len(),
        1
    );
}

#[test]
fn the_changelog_is_open_for_what_comes_next() {
    report(unreleased("CHANGELOG.md", &read("CHANGELOG.md")));
}

#[test]
fn a_closed_changelog_is_found() {
    assert_eq!(
        unreleased("CHANGELOG.md", "# Changelog\n\n## [0.1.0]\n").len(),
        1
    );
    assert_eq!(unreleased("CHANGELOG.md", "## [Unreleased]\n").len(), 0);
}
