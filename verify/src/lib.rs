//! What crossdock's primitives are held to, whatever is done to them: what one process, its threads
//! and its children do, beside a sequential specification (`suites`), and uses of a primitive while
//! any bytes are written over it (`garbage`), which has all operations of each kind once.
//!
//! A suite is a function of some bytes, which say what is done. `cargo xtask fuzz` looks for bytes
//! with which it panics, hangs or leaves its memory, and `tests/suites.rs` draws some at random.
//! Some can be run with a seeded bug, which they must notice.
#![cfg(feature = "suites")]

mod garbage;
mod place;
mod suites;

type Suite = fn(&[u8]);

/// All suites, by the names of their fuzz targets.
const SUITES: [(&str, Suite); 21] = [
    ("array", |data| garbage::run("array", data)),
    ("atomic_array", |data| {
        suites::atomic_array::run(data, false)
    }),
    ("barrier", |data| suites::barrier::run(data, false)),
    ("channel", garbage::channel::run),
    ("condvar", |data| suites::condvar::run(data, false)),
    ("event", |data| suites::event::run(data, false)),
    ("header", garbage::header::run),
    ("inspect", garbage::inspect::run),
    ("managers", |data| garbage::run("managers", data)),
    ("objects", |data| garbage::run("objects", data)),
    ("objects_model", |data| suites::objects::run(data, false)),
    ("promise", |data| suites::promise::run(data, false)),
    ("queue", |data| garbage::run("queue", data)),
    ("reentrant", |data| suites::reentrant::run(data, false)),
    ("ring", |data| garbage::run("ring", data)),
    ("rwlock", |data| garbage::run("rwlock", data)),
    ("semaphore", |data| suites::semaphore::run(data, false)),
    ("snapshot", |data| garbage::run("snapshot", data)),
    ("sync", |data| garbage::run("sync", data)),
    ("work", |data| garbage::run("work", data)),
    ("work_model", |data| suites::work::run(data, false)),
];

/// The same with a seeded bug, where there is one.
const SEEDED: [(&str, Suite); 9] = [
    ("atomic_array", |data| suites::atomic_array::run(data, true)),
    ("barrier", |data| suites::barrier::run(data, true)),
    ("condvar", |data| suites::condvar::run(data, true)),
    ("event", |data| suites::event::run(data, true)),
    ("objects_model", |data| suites::objects::run(data, true)),
    ("promise", |data| suites::promise::run(data, true)),
    ("reentrant", |data| suites::reentrant::run(data, true)),
    ("semaphore", |data| suites::semaphore::run(data, true)),
    ("work_model", |data| suites::work::run(data, true)),
];

/// The names of all suites.
pub fn names() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(name, _)| *name)
}

/// The names of the suites that have a seeded bug.
pub fn seeded() -> impl Iterator<Item = &'static str> {
    SEEDED.iter().map(|(name, _)| *name)
}

/// Does what `data` says.
///
/// # Panics
///
/// If something does not hold, or there is no such suite.
pub fn run(name: &str, data: &[u8]) {
    let suite = SUITES.iter().find(|(suite, _)| *suite == name);
    let (_, run) = suite.expect("it is listed");
    run(data);
}

/// Does what `data` says, with the seeded bug of the suite.
///
/// # Panics
///
/// If the bug is noticed, or there is no such suite.
pub fn run_with_bug(name: &str, data: &[u8]) {
    let suite = SEEDED.iter().find(|(suite, _)| *suite == name);
    let (_, run) = suite.expect("it is listed");
    run(data);
}

/// The names of all kinds of entries that a program can create.
pub fn kinds() -> impl Iterator<Item = String> {
    garbage::SUBJECTS
        .iter()
        .map(|subject| subject.kind.to_string())
}

/// Flips each bit of the words of a kind's entry, one at a time, and does everything with it then.
///
/// # Panics
///
/// If that panics, if nothing works or nothing is refused, or if something that is refused
/// then is refused once the bit is as it was; or if there is no such kind.
pub fn flip_each_bit(kind: &str) {
    (subject(kind).flip_each_bit)();
}

/// Opens a kind's entry whose record has other numbers, under a right checksum.
///
/// # Panics
///
/// If it is opened though no entry of so many bytes has that number, or there is no such kind.
pub fn refuse_forged_records(kind: &str) {
    (subject(kind).refuse_forged_records)();
}

/// Has a process die while it holds what a kind can be held by, and recovers that while any word of
/// the entry is garbage.
///
/// # Panics
///
/// If that panics, if nothing works then, or if something does not work once the bytes are as they
/// were; or if there is no such kind.
pub fn recover_garbage(kind: &str) {
    (subject(kind).recover_garbage)();
}

fn subject(kind: &str) -> &'static garbage::Subject {
    let mut subjects = garbage::SUBJECTS.iter();
    let subject = subjects.find(|subject| subject.kind.to_string() == kind);
    subject.expect("it is listed")
}
