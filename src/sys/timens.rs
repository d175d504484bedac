//! Time namespaces: how far this process's monotonic clock is ahead of the machine's.
//!
//! A process in a time namespace reads CLOCK_MONOTONIC with an offset. A time that processes of
//! several namespaces read is therefore kept on the machine's clock, which has none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::descriptor;
use super::fork::ForkPage;

/// The inode of the namespace that the machine begins with, `PROC_TIME_INIT_INO`.
const INITIAL: u64 = 0xefff_fffa;

/// The nanoseconds of the machine's monotonic clock when this process's is at `own`; `u64::MAX` if
/// they cannot be told, which is later than any time.
pub(crate) fn on_the_machine(own: Duration) -> u64 {
    let own = i64::try_from(own.as_nanos()).unwrap_or(i64::MAX);
    offset()
        .and_then(|offset| own.checked_sub(offset))
        .and_then(|nanos| u64::try_from(nanos).ok())
        .unwrap_or(u64::MAX)
}

/// The inode of this process's time namespace; 0 when /proc does not say.
pub(crate) fn inode() -> u64 {
    namespace("time").unwrap_or(0)
}

fn namespace(name: &str) -> Option<u64> {
    let path = Path::new("/proc/thread-self/ns").join(name);
    fs::metadata(path).ok().map(|meta| meta.ino())
}

/// Nanoseconds that this process's clock is ahead. It is asked for once: a forked child may be in
/// another namespace, and finds the page empty.
fn offset() -> Option<i64> {
    const UNASKED: u32 = 0;
    const UNKNOWN: u32 = 1;
    const KNOWN: u32 = 2;
    static PAGE: OnceLock<Option<ForkPage>> = OnceLock::new();
    let page = PAGE.get().unwrap_or_else(|| {
        // Not while the cell is locked, for which no fork waits.
        let page = ForkPage::new().ok();
        PAGE.get_or_init(|| page)
    });
    let Some(page) = page else {
        return ask();
    };
    let [state, low, high, _] = page.words();
    // ORDERING: Acquire, Release; the two halves are stored before the state.
    match state.load(Acquire) {
        UNASKED => {
            let offset = ask();
            let [a, b, c, d, e, f, g, h] = offset.unwrap_or(0).to_le_bytes();
            low.store(u32::from_le_bytes([a, b, c, d]), Relaxed);
            high.store(u32::from_le_bytes([e, f, g, h]), Relaxed);
            state.store(offset.map_or(UNKNOWN, |_| KNOWN), Release);
            offset
        }
        UNKNOWN => None,
        _ => {
            let half = |word: u32| u64::from(word);
            let bits = half(high.load(Relaxed)) << 32 | half(low.load(Relaxed));
            Some(bits.cast_signed())
        }
    }
}

/// Reads the offset: none in the namespace that the machine begins with, and where the kernel or
/// /proc knows no such thing. `None` if this process has made a namespace for its children and is
/// not in it: the file has the children's offset.
fn ask() -> Option<i64> {
    let own = namespace("time").filter(|own| *own != INITIAL);
    let Some(own) = own else {
        return Some(0);
    };
    if namespace("time_for_children") != Some(own) {
        return None;
    }
    // Each thread has a folder like a process; that of the main thread is empty when it has ended.
    let thread = fs::read_link("/proc/thread-self").ok()?;
    let folder = PathBuf::from("/proc").join(thread.file_name()?);
    let text = descriptor::read_text(&folder.join("timens_offsets")).ok()?;
    monotonic(&text)
}

/// The offset of the monotonic clock in time_namespaces(7)'s `timens_offsets`: seconds and
/// nanoseconds.
fn monotonic(text: &str) -> Option<i64> {
    let fields = |line: &str| -> Option<i64> {
        let mut fields = line.split_whitespace();
        let (clock, seconds, nanos) = (fields.next()?, fields.next()?, fields.next()?);
        let seconds: i64 = seconds.parse().ok()?;
        let nanos: i64 = nanos.parse().ok()?;
        matches!(clock, "monotonic" | "1")
            .then(|| seconds.checked_mul(1_000_000_000)?.checked_add(nanos))?
    };
    text.lines().find_map(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_the_monotonic_clock_is_read() {
        let text = "monotonic      864000         5\nboottime      7        0\n";
        assert_eq!(monotonic(text), Some(864_000_000_000_005));
        assert_eq!(monotonic("monotonic -1 500000000\n"), Some(-500_000_000));
        assert_eq!(monotonic("boottime 7 0\n"), None);
        assert_eq!(monotonic("monotonic 9223372036854775807 0"), None);
    }

    #[test]
    fn it_is_asked_for_once_and_stays_the_same() {
        assert_eq!(offset(), ask());
        assert_eq!(offset(), ask());
    }
}
