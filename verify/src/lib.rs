//! What crossdock's primitives are held to, whatever is done to them: sequential specifications of
//! what one process does (`spec`), and uses of a primitive while any bytes are written over it
//! (`garbage`).
//!
//! Each is a function of some bytes, which say what is done. `cargo xtask fuzz` looks for bytes
//! with which it panics, hangs or leaves its memory, and `tests/suites.rs` draws some at random.

mod garbage;
mod place;
mod spec;

type Suite = fn(&[u8]);

/// All suites, by the names of their fuzz targets.
const SUITES: [(&str, Suite); 14] = [
    ("array", garbage::array::run),
    ("atomic_array", spec::atomic_array::run),
    ("channel", garbage::channel::run),
    ("header", garbage::header::run),
    ("inspect", garbage::inspect::run),
    ("objects", garbage::objects::run),
    ("objects_model", spec::objects::run),
    ("queue", garbage::queue::run),
    ("ring", garbage::ring::run),
    ("rwlock", garbage::rwlock::run),
    ("snapshot", garbage::snapshot::run),
    ("sync", garbage::sync::run),
    ("work", garbage::work::run),
    ("work_model", spec::work::run),
];

/// The names of all suites.
pub fn names() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(name, _)| *name)
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
