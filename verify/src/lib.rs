//! What crossdock's primitives are held to, whatever is done to them: sequential specifications of
//! what one process does (`spec`), and uses of a primitive while any bytes are written over it
//! (`garbage`).
//!
//! Each is a function of some bytes, which say what is done. `cargo xtask fuzz` looks for bytes
//! with which it panics, hangs or leaves its memory, and `tests/suites.rs` draws some at random.
//! Some can be run with a seeded bug, which they must notice.

mod garbage;
mod place;
mod spec;

type Suite = fn(&[u8]);

/// All suites, by the names of their fuzz targets.
const SUITES: [(&str, Suite); 21] = [
    ("array", garbage::array::run),
    ("atomic_array", spec::atomic_array::run),
    ("barrier", |data| spec::barrier::run(data, false)),
    ("channel", garbage::channel::run),
    ("condvar", |data| spec::condvar::run(data, false)),
    ("event", |data| spec::event::run(data, false)),
    ("header", garbage::header::run),
    ("inspect", garbage::inspect::run),
    ("managers", garbage::managers::run),
    ("objects", garbage::objects::run),
    ("objects_model", spec::objects::run),
    ("promise", |data| spec::promise::run(data, false)),
    ("queue", garbage::queue::run),
    ("reentrant", |data| spec::reentrant::run(data, false)),
    ("ring", garbage::ring::run),
    ("rwlock", garbage::rwlock::run),
    ("semaphore", |data| spec::semaphore::run(data, false)),
    ("snapshot", garbage::snapshot::run),
    ("sync", garbage::sync::run),
    ("work", garbage::work::run),
    ("work_model", |data| spec::work::run(data, false)),
];

/// The same with a seeded bug, where there is one.
const SEEDED: [(&str, Suite); 7] = [
    ("barrier", |data| spec::barrier::run(data, true)),
    ("condvar", |data| spec::condvar::run(data, true)),
    ("event", |data| spec::event::run(data, true)),
    ("promise", |data| spec::promise::run(data, true)),
    ("reentrant", |data| spec::reentrant::run(data, true)),
    ("semaphore", |data| spec::semaphore::run(data, true)),
    ("work_model", |data| spec::work::run(data, true)),
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
