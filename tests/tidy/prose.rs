//! The prose: terms that were retired, actors that have no role, lines that are too wide.

use std::collections::BTreeMap;

use crate::source::{code, line_of, without_literals, words};
use crate::{File, RUST, files, hold, is_test_file, report};

/// The rooms that are written in the house's words, and in which a type's name has one definition.
const DISTINCT: &[&str] = &[
    "src/participant/",
    "src/wait/",
    "src/facade/",
    "src/format/",
    "src/sys/",
    "src/algorithm/mutex/",
    "src/algorithm/rwlock/",
    "src/algorithm/chunks/",
    "src/algorithm/element/",
    "src/algorithm/counter/",
    "src/algorithm/directory/",
    "src/segment/",
    "src/process/",
    "src/codec/",
    "src/payload/",
    "src/fixed/",
    "src/error/",
    "src/error.rs",
    "src/kinds.rs",
    "src/payload.rs",
    "src/lib.rs",
];
/// The other rooms that are written in the house's words; a handle may have the name of its
/// algorithm. A room that is rewritten is added here.
const WRITTEN: &[&str] = &[
    "src/sync/",
    "src/collection/",
    "src/algorithm/mpmc/",
    "src/algorithm/spsc/",
    "src/algorithm/barrier/",
    "src/algorithm/blocks/",
    "src/algorithm/condvar/",
    "src/algorithm/event/",
    "src/algorithm/promise/",
    "src/algorithm/reentrant/",
    "src/algorithm/semaphore/",
    "src/algorithm/tasks/",
    "src/algorithm/snapshot/",
    "src/algorithm/work/",
    "src/queue/",
];
/// What stands around the library: there the same words are said, but that a thing may be one that
/// does something, and no comment is too wide.
const AROUND: &[&str] = &["benches", "cli", "examples", "verify", "xtask"];
const WIDTH: usize = 100;
/// Identifiers that were given up, and what is said instead.
const RETIRED: &[(&str, &str)] = &[
    ("Annex", "LockHook"),
    ("Bell", "EventCount"),
    ("ByBell", "OnEvent"),
    ("Crew", "Workers"),
    ("Glance", "MutexStatus or RwLockStatus"),
    ("Grid", "LeaseTable"),
    ("Oracle", "KernelLiveness"),
    ("Patience", "ShortSpin"),
    ("Peers", "Liveness"),
    ("Quest", "EventOp"),
    ("RoleWord", "HolderWord"),
    ("am_alive", "is_member"),
    ("is_barred", "is_blocked"),
    ("is_stranger", "is_unregistered"),
    ("look_after_the_dead", "reap_dead"),
    ("ring_all", "notify_all"),
];
/// Words and phrases that comments and texts do not use, and what they say instead.
const PLAIN: &[(&str, &str)] = &[
    ("annex", "hook"),
    ("anybody", "the actor's role"),
    ("barred", "blocked"),
    ("bell", "event count"),
    ("bells", "event counts"),
    ("everybody", "the actor's role"),
    ("expelled", "membership lost"),
    ("for ever", "indefinitely, or forever"),
    ("glance", "may be stale"),
    ("look after the dead", "reap the dead"),
    ("nobody", "no process, or the actor's role"),
    ("one that", "the actor's role"),
    ("one who", "the actor's role"),
    ("outsider", "nonmember"),
    ("quest", "operation"),
    ("somebody", "the actor's role"),
    ("someone", "the actor's role"),
    ("stranger", "unregistered"),
    ("strangers", "unregistered"),
    ("who", "the actor's role"),
    ("whoever", "the actor's role"),
    ("whom", "the actor's role"),
];

/// A word of a comment or a text.
struct Word {
    lower: String,
    line: usize,
    /// Whether punctuation follows it, so that no phrase goes on.
    is_last: bool,
}

/// The words of all comments and literals of a file, in order.
fn prose(text: &str) -> Vec<Word> {
    let code = without_literals(text);
    // What is blank in the code and not in the text is prose.
    let blanked = text.bytes().zip(code.bytes()).map(|(byte, code)| {
        let is_prose = code == b' ' || byte == b'\n';
        if is_prose && byte.is_ascii() {
            byte
        } else {
            b' '
        }
    });
    let prose = String::from_utf8(blanked.collect()).expect("only ASCII was kept");
    let lines = prose.lines().enumerate();
    let tokens = lines.flat_map(|(at, line)| line.split(' ').map(move |token| (at + 1, token)));
    let mut all = Vec::new();
    for (line, token) in tokens {
        let lower = token.trim_matches(|c: char| !c.is_alphanumeric());
        // The marks of a comment do not end a phrase.
        if lower.is_empty() && token.bytes().all(|byte| matches!(byte, b'/' | b'!')) {
            continue;
        }
        all.push(Word {
            lower: lower.to_lowercase(),
            line,
            is_last: !token.ends_with(char::is_alphanumeric),
        });
    }
    all
}

/// Rule: an identifier that was given up does not return.
fn retired(path: &str, text: &str) -> Vec<String> {
    let code = without_literals(text);
    let found = RETIRED
        .iter()
        .flat_map(|name| words(&code, name.0).map(move |at| (at, name)));
    found
        .map(|(at, (name, instead))| format!("{path}:{}: `{name}` is {instead}", line_of(text, at)))
        .collect()
}

/// Rule: comments and texts name actors by their role, and things by their term.
fn plain(path: &str, text: &str) -> Vec<String> {
    let all = prose(text);
    let mut violations = Vec::new();
    for (at, first) in all.iter().enumerate() {
        for (phrase, instead) in PLAIN {
            let phrase_words: Vec<&str> = phrase.split(' ').collect();
            let here = all.get(at..at + phrase_words.len()).unwrap_or_default();
            let same = !here.is_empty()
                && here.iter().zip(&phrase_words).all(|(a, b)| a.lower == *b)
                && !here[..here.len() - 1].iter().any(|word| word.is_last);
            if same {
                violations.push(format!("{path}:{}: `{phrase}`: say {instead}", first.line));
            }
        }
    }
    violations
}

/// Rule: a comment is at most 100 columns wide. A table's row cannot be wrapped.
fn width(path: &str, text: &str) -> Vec<String> {
    let is_wide = |line: &str| {
        let comment = line.trim_start();
        let body = comment.trim_start_matches(['/', '!']).trim_start();
        comment.starts_with("//") && !body.starts_with('|') && line.chars().count() > WIDTH
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_wide(line));
    lines
        .map(|(at, _)| format!("{path}:{}: a comment wider than {WIDTH}", at + 1))
        .collect()
}

/// Rule: a type has one meaning, and so one definition.
fn definitions(files: &[File]) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| !is_test_file(&file.path)) {
        let plain = code(&file.text);
        for keyword in ["struct ", "enum ", "trait "] {
            for at in words(&plain, keyword) {
                let rest = &plain[at + keyword.len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &rest[..end.unwrap_or(rest.len())];
                // A macro's definition has a variable for a name.
                if name.is_empty() {
                    continue;
                }
                let place = format!("{}:{}", file.path, line_of(&plain, at));
                places.entry(name.into()).or_default().push(place);
            }
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    twice
        .map(|(name, places)| format!("`{name}` is defined {} times: {places:?}", places.len()))
        .collect()
}

fn rooms() -> Vec<File> {
    files(&[DISTINCT, WRITTEN].concat(), ".rs")
}

#[test]
fn retired_identifiers_do_not_return() {
    hold(&rooms(), retired);
}

#[test]
fn a_retired_identifier_is_found() {
    let text = "struct Bell;\nfn f(x: &Peers) { x.am_alive() }\n// Bell\nstruct BellTower;";
    let found = retired("a.rs", text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "a.rs:1: `Bell` is EventCount");
}

#[test]
fn prose_names_actors_by_role_and_things_by_term() {
    hold(&rooms(), plain);
}

/// Rule: the words of the library around it.
fn plain_around(path: &str, text: &str) -> Vec<String> {
    let mut found = plain(path, text);
    found.retain(|violation| !violation.contains("`one that`"));
    found
}

#[test]
fn prose_around_the_library_names_actors_by_role() {
    hold(&files(AROUND, ".rs"), plain_around);
    hold(&files(AROUND, ".rs"), width);
}

#[test]
fn prose_around_the_library_that_does_not_is_found() {
    let text = "// Nobody is a stranger, for\n// ever; one that says who.\nlet nobody = 1;";
    let found = plain_around("a.rs", text);
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn prose_without_roles_or_terms_is_found() {
    let text = "/// Whoever has it. One\n/// that waits, for\n/// ever: \nfn f() { \"nobody\" }";
    let found = plain("a.rs", text);
    let lines: Vec<&str> = found.iter().map(|found| &found[..7]).collect();
    assert_eq!(lines, ["a.rs:1:", "a.rs:1:", "a.rs:2:", "a.rs:4:"]);
    let good = "// The other one. That is whose? A door bellows.\nlet who = bell(nobody);";
    assert_eq!(plain("a.rs", good).len(), 0);
}

#[test]
fn comments_are_at_most_100_columns_wide() {
    hold(&rooms(), width);
}

#[test]
fn a_wide_comment_is_found() {
    let wide = format!("    // {}", "a".repeat(WIDTH - 6));
    assert_eq!(width("a.rs", &wide).len(), 1);
    assert_eq!(width("a.rs", &wide[1..]).len(), 0);
    assert_eq!(
        width("a.rs", &format!("//! | {}", "a".repeat(WIDTH))).len(),
        0
    );
    assert_eq!(
        width("a.rs", &format!("let a = \"{}\";", "a".repeat(WIDTH))).len(),
        0
    );
}

#[test]
fn a_type_is_defined_once() {
    report(definitions(&files(DISTINCT, ".rs")));
}

#[test]
fn a_type_that_is_defined_twice_is_found() {
    let file = |path: &str, text: &str| File {
        path: path.into(),
        text: text.into(),
    };
    let found = definitions(&[
        file("a.rs", "struct A;\nstruct B;"),
        file("b.rs", "enum A {}\n// enum B"),
        file("c/tests.rs", "struct B;"),
    ]);
    assert_eq!(found, ["`A` is defined 2 times: [\"a.rs:1\", \"b.rs:1\"]"]);
}

#[test]
fn every_room_exists() {
    assert!(RUST.contains(&"src"));
    for room in [DISTINCT, WRITTEN].concat() {
        assert!(!files(&[room], ".rs").is_empty(), "{room}");
    }
}
