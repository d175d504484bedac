//! The arena: where the next entry's bytes go.
//!
//! There is no free list and no mark to keep: entries are never removed and lie in the order of
//! their records, so the space in use ends where the last entry ends. A creator that dies leaves
//! nothing to repair; its bytes are simply given to the next.

use crate::format::PADDING;

/// Where `len` bytes fit behind the byte `used`, or how many bytes are left before `end`.
pub(crate) fn place(used: u64, end: u64, len: u64) -> Result<u64, u64> {
    let offset = used
        .checked_next_multiple_of(PADDING as u64)
        .unwrap_or(end)
        .min(end);
    let free = end - offset;
    if len <= free { Ok(offset) } else { Err(free) }
}
