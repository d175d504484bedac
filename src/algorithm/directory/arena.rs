//! The arena: the position of the next entry's bytes.
//!
//! There is no free list and no mark to keep: entries are never removed and lie in the order of
//! their records, so the used space ends where the last entry ends. A creator that dies leaves
//! nothing to repair; its bytes are given to the next.

use crate::format::PADDING;

/// Returns the offset at which `len` bytes fit behind the byte `used`, or else the number of bytes
/// left before `end`.
pub(crate) fn place(used: u64, end: u64, len: u64) -> Result<u64, u64> {
    let offset = used
        .checked_next_multiple_of(PADDING as u64)
        .unwrap_or(end)
        .min(end);
    let free = end - offset;
    if len <= free { Ok(offset) } else { Err(free) }
}
