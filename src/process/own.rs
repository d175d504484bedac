//! What this process is among those that this module starts: its name, and its place.

use std::ffi::CString;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::facade::{AtomicU64, Ordering};
use crate::sys::fork::{Guarded, exclusive};
use crate::sys::{identity, process};

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
    /// Whether it ends with its parent.
    pub(super) daemon: bool,
    /// `None` if it was started otherwise.
    pub(super) parent: Option<Parent>,
}

/// The process that started another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parent {
    pub(super) id: u32,
    pub(super) name: String,
    /// When it started, in clock ticks since boot; 0 if that is not known, or not needed.
    pub(super) started: u64,
}

/// What the kernel said when this process took its job.
struct Start {
    /// The process that it was, unless it was forked since.
    id: u32,
    /// Its parent, or what has inherited it; 0 for a process of another PID namespace. `None` if it
    /// is a fork server's child, and no child of the process that started it.
    parent: Option<u32>,
}

static START: OnceLock<Start> = OnceLock::new();
/// Replaced in a process that a fork server forked, which has the server's.
static OWN: Guarded<Option<&'static Lineage>> = Guarded::new(None);
/// The children that this process has numbered.
static NUMBERED: AtomicU64 = AtomicU64::new(0);

/// Returns the lineage of this process.
pub(super) fn lineage() -> &'static Lineage {
    let known = *OWN.get(&mut exclusive());
    known.unwrap_or_else(|| {
        // Once in a process, so it stays in memory.
        let main: &Lineage = Box::leak(Box::new(Lineage {
            name: MAIN.to_owned(),
            ..Lineage::default()
        }));
        OWN.get(&mut exclusive()).get_or_insert(main)
    })
}

/// Gives this process the lineage that its parent has for it, and shows its name to ps(1).
/// `is_child` is whether the kernel has that for its parent, too, and not a fork server.
pub(super) fn take(lineage: Lineage, is_child: bool) {
    process::set_name(&shown(&lineage.name));
    // Once in a process, so it stays in memory.
    let lineage: &Lineage = Box::leak(Box::new(lineage));
    *OWN.get(&mut exclusive()) = Some(lineage);
    // A process takes one job, and nothing asks before.
    let _ = START.set(Start {
        id: std::process::id(),
        parent: is_child.then(process::parent),
    });
    // ORDERING: Relaxed; there is one thread.
    NUMBERED.store(0, Ordering::Relaxed);
}

/// Returns the process that started this one, if this one was not forked since.
pub(super) fn parent() -> Option<&'static Parent> {
    let start = START.get()?;
    let parent = lineage().parent.as_ref();
    parent.filter(|_| start.id == std::process::id())
}

/// Returns whether the process that started this one is running.
///
/// A process whose parent ends gets another one at once, which has another number: that of the
/// former is not free before it was waited for. So the numbers say it all, and no descriptor has to
/// stay open. A process that a fork server forked asks for the number and the time of the start.
pub(super) fn parent_is_alive() -> bool {
    let (Some(start), Some(parent)) = (START.get(), parent()) else {
        return false;
    };
    let Some(first) = start.parent else {
        return identity::is_running(parent.id, parent.started);
    };
    let is_first = first == parent.id || first == 0;
    is_first && process::parent() == first
}

/// Returns the lineage of the next child, which takes a number whatever its name is.
pub(super) fn of_next_child(name: Option<&str>, daemon: bool) -> Lineage {
    // ORDERING: Relaxed; only the numbers matter, and each is given once.
    let number = NUMBERED.fetch_add(1, Ordering::Relaxed) + 1;
    let mut path = lineage().path.clone();
    path.push(number);
    let name = name.map_or_else(|| counted(&path), str::to_owned);
    Lineage {
        name,
        path,
        daemon,
        parent: Some(Parent {
            id: std::process::id(),
            name: lineage().name.clone(),
            started: 0,
        }),
    }
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
