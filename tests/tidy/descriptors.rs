//! Where descriptors come from, and which files of /proc are read.

use crate::source::{code, line_of, words};
use crate::{files, hold, is_test_file};

/// The one file whose functions make owned descriptors.
const ORIGIN: &str = "src/sys/descriptor.rs";
/// What makes a descriptor whose number is the least free one.
const MAKERS: &[&str] = &[
    "from_raw_fd",
    "File::open",
    "File::create",
    "File::create_new",
    ".open(path",
    "options.open",
    "fs::read",
    "fs::read_to_string",
    "fs::read_dir",
    "fs::write",
    "fs::copy",
    "UnixStream::pair",
    "memfd_create",
    "io::pipe",
    "fcntl::open",
    "unistd::dup",
    "unistd::pipe",
    "socket::socketpair",
];

/// Rule: descriptors are made in one place, which sees to it that none is a standard one.
fn made_elsewhere(path: &str, text: &str) -> Vec<String> {
    if path == ORIGIN || is_test_file(path) {
        return Vec::new();
    }
    let code = code(text);
    let made = MAKERS
        .iter()
        .flat_map(|maker| words(&code, maker).map(move |at| (at, maker)));
    made.map(|(at, maker)| {
        let line = line_of(&code, at);
        format!("{path}:{line}: `{maker}` makes a descriptor; only {ORIGIN} may")
    })
    .collect()
}

/// What of `/proc/self` may be read: the rest is gone, or is not to be had, once the main thread
/// has ended, and is another thing of a thread than of the process.
const OF_THE_PROCESS: &[(&str, &str)] = &[
    ("src/sys/identity.rs", "/proc/self/stat\""),
    (
        "src/sys/exe.rs",
        "const CHILDS_EXE: &CStr = c\"/proc/self/exe\"",
    ),
    ("xtask/src/all.rs", "/proc/self/stat\""),
];

/// Rule: /proc is read as the calling thread, so that a main thread that has ended does no harm.
fn of_the_main_thread(path: &str, text: &str) -> Vec<String> {
    let found = text.match_indices(concat!("/proc/", "self"));
    found
        .filter(|(at, _)| {
            !OF_THE_PROCESS.iter().any(|(file, known)| {
                let mut places = text.match_indices(known);
                *file == path && places.any(|(from, _)| (from..from + known.len()).contains(at))
            })
        })
        .map(|(at, _)| {
            let line = line_of(text, at);
            format!("{path}:{line}: the main thread may have ended; use /proc/thread-self")
        })
        .collect()
}

#[test]
fn descriptors_are_made_in_one_place() {
    hold(&files(&["src"], ".rs"), made_elsewhere);
}

#[test]
fn a_descriptor_that_is_made_elsewhere_is_found() {
    let bad = "fn f() { File::open(x); unsafe { OwnedFd::from_raw_fd(3) }; fs::read_to_string(y) }";
    assert_eq!(made_elsewhere("src/segment/mod.rs", bad).len(), 3);
    assert_eq!(made_elsewhere(ORIGIN, bad).len(), 0);
    assert_eq!(made_elsewhere("src/segment/tests.rs", bad).len(), 0);
}

#[test]
fn proc_is_read_as_the_calling_thread() {
    hold(
        &files(&["src", "cli", "verify", "benches", "xtask"], ".rs"),
        of_the_main_thread,
    );
}

#[test]
fn what_is_read_as_the_main_thread_is_found() {
    let bad = concat!("a(\"/proc/", "self/exe\"); b(\"/proc/", "self/status\")");
    assert_eq!(of_the_main_thread("src/sys/exe.rs", bad).len(), 2);
    let good = concat!(
        "a(\"/proc/thread-",
        "self/exe\"); b(\"/proc/",
        "self/stat\")"
    );
    assert_eq!(of_the_main_thread("src/sys/identity.rs", good).len(), 0);
    assert_eq!(of_the_main_thread("src/sys/exe.rs", good).len(), 1);
}
