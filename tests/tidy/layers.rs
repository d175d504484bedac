//! Who may name whom: the table of layers, and the names that only some of them may use.

use crate::source::{code, line_of, words};
use crate::{files, hold, is_test_file};

/// Each room of `src`, and the rooms it may use besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("facade", &["sys"]),
    ("format", &[]),
    ("participant", &["facade", "format"]),
    ("wait", &["facade", "participant"]),
    ("algorithm", &["facade", "format", "participant", "wait"]),
    ("payload", &["format"]),
    ("fixed", &["payload"]),
    ("codec", &["format", "payload"]),
    ("segment", BELOW_HANDLES),
    ("sync", HANDLES),
    ("collection", ABOVE_LOCKS),
    ("queue", ABOVE_CODEC),
    ("process", EVERYTHING),
];
const BELOW_HANDLES: &[&str] = &[
    "sys",
    "facade",
    "format",
    "participant",
    "wait",
    "algorithm",
];
const HANDLES: &[&str] = &[
    "sys",
    "facade",
    "format",
    "participant",
    "wait",
    "algorithm",
    "payload",
    "segment",
];
const ABOVE_LOCKS: &[&str] = &[
    "sys",
    "facade",
    "format",
    "participant",
    "wait",
    "algorithm",
    "payload",
    "codec",
    "segment",
    "sync",
];
const ABOVE_CODEC: &[&str] = &[
    "sys",
    "facade",
    "format",
    "participant",
    "wait",
    "algorithm",
    "payload",
    "fixed",
    "codec",
    "segment",
];
const EVERYTHING: &[&str] = &[
    "sys",
    "facade",
    "format",
    "participant",
    "wait",
    "algorithm",
    "payload",
    "fixed",
    "codec",
    "segment",
    "sync",
    "collection",
    "queue",
];
/// The rooms that the models compile. They name rooms only, never what the root re-exports.
const MODELLED: &[&str] = &[
    "sys",
    "facade",
    "format",
    "participant",
    "wait",
    "algorithm",
];
/// Files beside the rooms: the tour, the umbrella over the errors of all rooms, and the table of kinds, which names
/// what each room takes from it.
const ABOVE_ALL: &[&str] = &["lib", "debug", "error", "kinds", "mutants"];

/// The modules of a file in `src`, from the root: `algorithm`, `mutex` for `src/algorithm/mutex.rs`.
fn modules(path: &str) -> Vec<&str> {
    let path = path
        .strip_prefix("src/")
        .unwrap_or(path)
        .trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod").collect()
}

fn room(path: &str) -> &str {
    modules(path)[0]
}

/// Rule: a file names only its own room and those above it in the table.
fn layers(path: &str, text: &str) -> Vec<String> {
    let modules = modules(path);
    let own = modules[0];
    if is_test_file(path) || ABOVE_ALL.contains(&own) {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(room, _)| *room == own) else {
        return vec![format!(
            "{path}:1: `{own}` has no layer; LAYERS in tests/tidy says who may use whom"
        )];
    };
    let code = code(text);
    let is_room = |name: &str| LAYERS.iter().any(|(room, _)| *room == name);
    let refused = |name: &str| {
        let known = is_room(name) || MODELLED.contains(&own);
        known && name != own && name != "self" && !allowed.contains(&name)
    };
    let mut violations = Vec::new();
    for (at, name) in from_root(&code, modules.len()) {
        if refused(name) {
            let line = line_of(&code, at);
            violations.push(format!(
                "{path}:{line}: `{own}` may not use `crate::{name}`"
            ));
        }
    }
    violations
}

/// Every name that follows the root of the crate in a path, written `crate::` or as enough
/// `super::` to reach it from a file `depth` modules deep.
fn from_root(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for at in words(code, "crate::") {
        // A macro's `$crate` is resolved where the macro is used.
        if !code[..at].ends_with('$') {
            names(code, at + "crate::".len(), &mut found);
        }
    }
    for at in words(code, "super::") {
        if code[..at].ends_with("::") {
            continue;
        }
        let mut end = at;
        while code[end..].starts_with("super::") {
            end += "super::".len();
        }
        if (end - at) / "super::".len() >= depth {
            names(code, end, &mut found);
        }
    }
    found
}

/// The first names of the paths at `at`: one, or those of a group in braces.
fn names<'a>(code: &'a str, at: usize, found: &mut Vec<(usize, &'a str)>) {
    let name = |from: usize| {
        let end = code[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &code[from..from + end.unwrap_or(code.len() - from)]
    };
    if !code[at..].starts_with('{') {
        found.push((at, name(at)));
        return;
    }
    let (mut depth, mut begins) = (0, false);
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'{' => (depth, begins) = (depth + 1, depth == 0),
            b'}' if depth == 1 => return,
            b'}' => depth -= 1,
            b',' => begins = depth == 1,
            byte if begins && !byte.is_ascii_whitespace() => {
                found.push((offset, name(offset)));
                begins = false;
            }
            _ => {}
        }
    }
}

/// Rule: the crates that make system calls are named in `sys` only.
fn system_calls(path: &str, text: &str) -> Vec<String> {
    if room(path) == "sys" || is_test_file(path) {
        return Vec::new();
    }
    let code = code(text);
    let mut violations = Vec::new();
    for name in ["libc", "nix", "memmap2"] {
        for at in words(&code, name) {
            let after = code[at + name.len()..].trim_start();
            if ["::", ";", "as "]
                .iter()
                .any(|next| after.starts_with(next))
            {
                let line = line_of(&code, at);
                violations.push(format!("{path}:{line}: `{name}` is named in src/sys only"));
            }
        }
    }
    violations
}

/// Rule: atomics come through the facade, so that loom sees them.
fn atomics(path: &str, text: &str) -> Vec<String> {
    if matches!(room(path), "sys" | "facade") || is_test_file(path) {
        return Vec::new();
    }
    let code = code(text);
    let refused = |at| {
        format!(
            "{path}:{}: atomics come from the facade, not from std",
            line_of(&code, at)
        )
    };
    let mut violations: Vec<String> = words(&code, "sync::atomic").map(refused).collect();
    for at in words(&code, "atomic") {
        let group = code[..at].rfind("::{").map(|group| &code[..at][group..]);
        let of_sync = group.is_some_and(|group| !group.contains([';', '}']))
            && code[..at]
                .rfind("::{")
                .is_some_and(|group| code[..group].ends_with("sync"));
        if of_sync {
            violations.push(refused(at));
        }
    }
    violations
}

/// What is of one process, and so has no place in an algorithm over shared state.
const OF_ONE_PROCESS: &[&str] = &[
    "std::thread",
    "std::sync",
    "Box",
    "Vec",
    "cell::UnsafeCell",
    "core::sync",
    "std::{",
    "Arc",
    "Guarded",
    "Exclusive",
];
/// What a thread has, or the threads of one process share, and no other process sees.
const PRIVATE: &[&str] = &[
    "src/participant/attachment/",
    "src/participant/own_tag.rs",
    "src/algorithm/reentrant/",
];

/// Rule: the algorithms use nothing that is of one process.
fn of_one_process(path: &str, text: &str) -> Vec<String> {
    let is_modelled = matches!(room(path), "participant" | "wait" | "algorithm");
    // What is seen of an entry is of the process that looks, and so are the bytes that it reads.
    let is_view = path.ends_with("/view.rs") || path == "src/algorithm/look.rs";
    let is_private = is_view || PRIVATE.iter().any(|private| path.starts_with(private));
    if !is_modelled || is_private || is_test_file(path) {
        return Vec::new();
    }
    let code = code(text);
    let mut violations = Vec::new();
    for name in OF_ONE_PROCESS {
        for at in words(&code, name) {
            let line = line_of(&code, at);
            violations.push(format!(
                "{path}:{line}: `{name}` is of one process, not of shared state"
            ));
        }
    }
    violations
}

#[test]
fn rooms_use_only_the_rooms_above_them() {
    hold(&files(&["src"], ".rs"), layers);
}

#[test]
fn a_room_that_uses_one_below_it_is_found() {
    let bad = "//! x\nuse crate::{\n    facade::a::{b, segment},\n    segment::c,\n};\nfn f() { crate::sync::d(); }";
    let found = layers("src/algorithm/mutex.rs", bad);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("src/algorithm/mutex.rs:4: "),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("src/algorithm/mutex.rs:6: "),
        "{found:?}"
    );
    assert_eq!(
        layers("src/algorithm/mutex.rs", "use super::super::segment::x;").len(),
        1
    );
    assert_eq!(
        layers("src/algorithm/mod.rs", "use super::segment::x;").len(),
        1
    );
    assert_eq!(
        layers(
            "src/algorithm/mutex.rs",
            "use super::registry::x; use crate::algorithm;"
        )
        .len(),
        0
    );
    assert_eq!(
        layers("src/algorithm/mutex.rs", "use crate::Error;").len(),
        1
    );
    assert_eq!(
        layers("src/sync/mutex.rs", "use crate::Error; use crate::segment;").len(),
        0
    );
    assert_eq!(layers("src/sync/mutex.rs", "use crate::process;").len(), 1);
    assert_eq!(
        layers(
            "src/algorithm/mutex.rs",
            "#[cfg(test)]\nuse crate::segment;"
        )
        .len(),
        0
    );
    assert_eq!(
        layers("src/algorithm/tests.rs", "use crate::segment;").len(),
        0
    );
    assert_eq!(layers("src/cellar.rs", "").len(), 1);
}

#[test]
fn system_calls_are_made_in_sys_only() {
    hold(&files(&["src"], ".rs"), system_calls);
}

#[test]
fn a_system_call_outside_of_sys_is_found() {
    let bad = "// libc::a\nuse nix::x;\nfn f() { libc::close(0) } use memmap2 as m;";
    assert_eq!(system_calls("src/segment/mod.rs", bad).len(), 3);
    assert_eq!(system_calls("src/sys/shm.rs", bad).len(), 0);
    assert_eq!(system_calls("src/segment/tests.rs", bad).len(), 0);
}

#[test]
fn atomics_come_from_the_facade() {
    hold(&files(&["src"], ".rs"), atomics);
}

#[test]
fn an_atomic_that_is_not_the_facades_is_found() {
    assert_eq!(
        atomics("src/sync/a.rs", "use core::sync::atomic::AtomicU32;").len(),
        1
    );
    assert_eq!(
        atomics("src/sync/a.rs", "use std::sync::{Arc, atomic::AtomicU32};").len(),
        1
    );
    assert_eq!(
        atomics("src/sync/a.rs", "use crate::facade::AtomicU32;").len(),
        0
    );
    assert_eq!(
        atomics("src/facade/real.rs", "use core::sync::atomic::AtomicU32;").len(),
        0
    );
}

#[test]
fn algorithms_use_nothing_that_is_of_one_process() {
    hold(&files(&["src"], ".rs"), of_one_process);
}

#[test]
fn what_is_of_one_process_is_found_in_an_algorithm() {
    let bad =
        "use std::sync::Arc;\nfn f() { std::thread::yield_now(); Box::new(Vec::<u8>::new()); }";
    assert_eq!(of_one_process("src/algorithm/spsc.rs", bad).len(), 5);
    assert_eq!(of_one_process("src/participant/own_tag.rs", bad).len(), 0);
    assert_eq!(of_one_process("src/participant/tag.rs", bad).len(), 5);
    assert_eq!(of_one_process("src/algorithm/tests.rs", bad).len(), 0);
    assert_eq!(
        of_one_process("src/algorithm/a.rs", "mod tests { use std::thread; }").len(),
        0
    );
    assert_eq!(of_one_process("src/segment/a.rs", bad).len(), 0);
}

/// Rule: only `wait` sleeps on a word.
fn sleeping(path: &str, text: &str) -> Vec<String> {
    if matches!(room(path), "sys" | "facade" | "wait") || is_test_file(path) {
        return Vec::new();
    }
    let code = code(text);
    let mut violations = Vec::new();
    for name in ["futex_wait", "futex_wait_any", "sys::futex"] {
        for at in words(&code, name) {
            let line = line_of(&code, at);
            violations.push(format!(
                "{path}:{line}: `{name}`: src/wait is the one place that sleeps"
            ));
        }
    }
    violations
}

#[test]
fn only_the_room_that_waits_sleeps() {
    hold(&files(&["src"], ".rs"), sleeping);
}

#[test]
fn a_sleep_outside_of_the_room_that_waits_is_found() {
    let bad = "fn f() { futex_wait(&word, 1, slice); facade::futex_wait_any(&words, slice); }";
    assert_eq!(sleeping("src/algorithm/spsc.rs", bad).len(), 2);
    assert_eq!(sleeping("src/wait/mod.rs", bad).len(), 0);
    assert_eq!(sleeping("src/algorithm/tests.rs", bad).len(), 0);
}

#[test]
fn other_targets_do_not_compile() {
    let text = crate::read("src/sys/mod.rs");
    let dense: String = text.split_whitespace().collect();
    let gate = "#[cfg(not(all(target_os=\"linux\",target_pointer_width=\"64\",\
                target_endian=\"little\")))]compile_error!(";
    assert!(dense.contains(gate));
}

/// Rule: only event counts rely on membarrier(2), which a process may be refused. What must not be missed has
/// `barrier_after_rmw`, or `fence(SeqCst)`, at both sides.
fn asymmetric_barriers(path: &str, text: &str) -> Vec<String> {
    if is_test_file(path)
        || path.starts_with("src/facade/")
        || path == "src/wait/event_count/mod.rs"
    {
        return Vec::new();
    }
    let code = code(text);
    let mut violations = Vec::new();
    for name in ["light_barrier", "heavy_barrier"] {
        violations.extend(words(&code, name).map(|at| {
            format!(
                "{path}:{}: `{name}` is for event counts: use `barrier_after_rmw` or `fence`",
                line_of(text, at)
            )
        }));
    }
    violations
}

#[test]
fn only_event_counts_rely_on_membarrier() {
    hold(&files(&["src"], ".rs"), asymmetric_barriers);
}

#[test]
fn another_that_relies_on_membarrier_is_found() {
    let bad = "fn f() { light_barrier(); facade::heavy_barrier(); }";
    assert_eq!(asymmetric_barriers("src/algorithm/a.rs", bad).len(), 2);
    assert_eq!(
        asymmetric_barriers("src/wait/event_count/mod.rs", bad),
        <[String; 0]>::default()
    );
}
