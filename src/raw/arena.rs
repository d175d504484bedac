//! The arena: where the next entry's bytes go.
//!
//! There is no free list and no mark to keep: entries are never removed, so the space in use ends
//! where the last entry ends, and that is computed from the records. A creator that dies leaves
//! nothing to repair; its bytes are simply given to the next.

use crate::layout::{PADDING, Record};

/// Where `len` bytes fit behind all of `records`, or how many bytes are left.
pub(crate) fn place(
    records: impl IntoIterator<Item = Record>,
    arena: u64,
    end: u64,
    len: u64,
) -> Result<u64, u64> {
    let used = records
        .into_iter()
        .filter_map(|record| record.end())
        .fold(arena, u64::max);
    let offset = used
        .checked_next_multiple_of(PADDING as u64)
        .unwrap_or(end)
        .min(end);
    let free = end - offset;
    if len <= free { Ok(offset) } else { Err(free) }
}
