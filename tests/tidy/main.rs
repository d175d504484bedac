//! The house rules, read off the tree: layers, names, docs, links, dependencies.
//!
//! Each rule is a function from a file's text to its violations, tested twice: on a sample that
//! breaks it, so that a rule which can never fail is noticed, and on the tree.

mod dependencies;
mod descriptors;
mod layers;
mod mentions;
mod prose;
mod python;
mod source;
mod texts;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the project, by its path from the root with `/` between its parts.
struct File {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{path}: cannot be read: {error}"))
}

/// The files below `folders`, or named there, whose names end with `suffix`, in order.
fn files(folders: &[&str], suffix: &str) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut |path| {
            if path.to_string_lossy().ends_with(suffix) {
                let relative = path.strip_prefix(root()).expect("walked from the root");
                let relative = relative.to_string_lossy().into_owned();
                found.push(File {
                    text: read(&relative),
                    path: relative,
                });
            }
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(at: &Path, visit: &mut dyn FnMut(&Path)) {
    if at.is_file() {
        return visit(at);
    }
    let Ok(entries) = fs::read_dir(at) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .expect("an entry has a name")
            .to_string_lossy();
        if path.is_symlink() || name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit)
        } else {
            visit(&path)
        }
    }
}

/// Every folder that has Rust in it.
const RUST: &[&str] = &[
    "src", "cli", "verify", "benches", "xtask", "tests", "examples", "fuzz",
];

/// Applies a rule to files, and fails with all that it finds.
fn hold(files: &[File], rule: impl Fn(&str, &str) -> Vec<String>) {
    assert!(!files.is_empty(), "the rule found no file to read");
    report(
        files
            .iter()
            .flat_map(|file| rule(&file.path, &file.text))
            .collect(),
    );
}

fn report(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n  {}\n", violations.join("\n  "));
}

/// Whether `path` is a file of tests or models: those may use what the code itself may not.
fn is_test_file(path: &str) -> bool {
    path.split(['/', '.'])
        .any(|part| matches!(part, "tests" | "model" | "models"))
}
