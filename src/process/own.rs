//! What this process is among those that this module starts: its name, and its place.

use std::ffi::CString;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::facade::{AtomicU64, Ordering};
use crate::sys::process;

/// The name of a process that was started otherwise, as in Python.
const MAIN: &str = "MainProcess";
/// The bytes of a name that the kernel keeps, without the zero behind them.
const SHOWN: usize = 15;

/// A process, as its parent describes it to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lineage {
    pub(super) name: String,
    /// Its number among the children of its parent, behind the numbers of those above it: `[2]` for
    /// the second child of the main process, `[2, 1]` for the first child of that.
    pub(super) path: Vec<u64>,
}

static OWN: OnceLock<Lineage> = OnceLock::new();
/// The children that this process has numbered.
static NUMBERED: AtomicU64 = AtomicU64::new(0);

/// Returns the lineage of this process.
pub(super) fn lineage() -> &'static Lineage {
    OWN.get_or_init(|| Lineage {
        name: MAIN.to_owned(),
        path: Vec::new(),
    })
}

/// Gives this process the lineage that its parent has for it, and shows its name to ps(1).
pub(super) fn take(lineage: Lineage) {
    process::set_name(&shown(&lineage.name));
    // A process takes one job, and nothing asks before.
    let _ = OWN.set(lineage);
}

/// Returns the lineage of the next child, which takes a number whatever its name is.
pub(super) fn of_next_child(name: Option<&str>) -> Lineage {
    // ORDERING: Relaxed; only the numbers matter, and each is given once.
    let number = NUMBERED.fetch_add(1, Ordering::Relaxed) + 1;
    let mut path = lineage().path.clone();
    path.push(number);
    let name = name.map_or_else(|| counted(&path), str::to_owned);
    Lineage { name, path }
}

/// Returns the name of a child that was given none.
fn counted(path: &[u64]) -> String {
    let numbers: Vec<_> = path.iter().map(u64::to_string).collect();
    format!("Process-{}", numbers.join(":"))
}

/// Returns what the kernel keeps of a name: whole characters, up to a NUL.
fn shown(name: &str) -> CString {
    let mut end = name.len().min(SHOWN);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = name.as_bytes().iter().copied();
    let bytes: Vec<u8> = bytes.take(end).take_while(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_ends_at_a_character() {
        assert_eq!(shown("baker").to_bytes(), b"baker");
        assert_eq!(shown("123456789012345").to_bytes(), b"123456789012345");
        assert_eq!(shown("1234567890123456").to_bytes(), b"123456789012345");
        // Its eighth character has the bytes 14 and 15, which do not both fit.
        assert_eq!(
            shown("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}").to_bytes(),
            "\u{e9}".repeat(7).as_bytes()
        );
    }

    #[test]
    fn counted_names_are_as_pythons() {
        assert_eq!(counted(&[3]), "Process-3");
        assert_eq!(counted(&[1, 2, 7]), "Process-1:2:7");
    }
}
