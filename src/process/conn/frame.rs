//! Messages of any length in a ring of words, in one direction.
//!
//! # State
//!
//! A [ring](crate::algorithm::spsc) of 64-bit words. What lies between the positions of its ends is
//! a sequence of frames: a header, then contents, padded to whole words.
//!
//! ```text
//! 63         56 55                                   0
//! |    kind    |                length                |
//! ```
//!
//! | kind | contents | length |
//! |---|---|---|
//! | 1 WHOLE | a message | of the message, in bytes |
//! | 2 LARGE | none; the parts of a message follow | of the message |
//! | 3 PART | the next bytes of a large message | of the part |
//! | 4 ABORT | none: the sender gave the large message up | 0 |
//!
//! # Protocol
//!
//! - A message that fits the ring is one frame, written into free words and committed by one store
//!   of the position.
//! - A larger one is streamed: LARGE and the first PART in one commit, then a PART for whatever is
//!   free. The last PART completes the length that LARGE names, and commits the message.
//! - Every commit leaves one word free, in which a sender whose deadline passes in the middle of a
//!   message says ABORT without waiting.
//! - A receiver moves the parts of a large message into memory of its own, so the ring stays free
//!   for the next ones. What it has of the message stays with the handle over timeouts.
//! - A sender looks at its peer's claim before each message, which is a load, and asks the kernel
//!   once in some milliseconds.
//!
//! # Crash
//!
//! | killed | what is left | the other side |
//! |---|---|---|
//! | sender, before a commit | bytes in uncommitted words | gets what was committed, then the end |
//! | sender, between parts | a part of a message | `Truncated`, then the end |
//! | receiver, anywhere | messages without a receiver | the end, at its next message |
//!
//! A stopped receiver delays a sender as soon as the ring is full; a stopped sender delays its
//! receiver.
//!
//! # Ordering
//!
//! That of the [ring](crate::algorithm::spsc).

use crate::facade::{Deadline, clock_coarse};
use crate::fixed::TooLongError;
use crate::payload::ValueError;
use crate::segment::Fault;

pub(super) const WORD: usize = 8;
pub(super) const WHOLE: u8 = 1;
pub(super) const LARGE: u8 = 2;
pub(super) const PART: u8 = 3;
pub(super) const ABORT: u8 = 4;
/// The bits of a length.
pub(super) const LENGTH: u64 = (1 << 56) - 1;
/// The length of the longest message: what can be counted in a machine's memory.
pub(super) const MAX_LEN: usize = 1 << 40;
/// The memory that is allocated for a message before its bytes arrive, at most.
pub(super) const TRUSTED: usize = 1 << 20;

/// How often an end that does not wait asks whether its peer lives: nanoseconds.
const ASK_EVERY: u64 = 10_000_000;

/// How long an operation waits.
#[derive(Clone, Copy)]
pub(super) enum Blocking<'a> {
    /// Not at all.
    Never,
    /// Until the deadline.
    Until(&'a Deadline),
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendStop {
    Full,
    TimedOut,
    Disconnected,
    TooLong(TooLongError),
    Invalid(ValueError),
    Fault(Fault),
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecvStop {
    Empty,
    TimedOut,
    Disconnected,
    Truncated,
    Fault(Fault),
}

/// When an end last asked the kernel about its peer: nanoseconds of the coarse clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastAsked(u64);

impl LastAsked {
    /// Returns whether it is time to ask again.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        let now = clock_coarse();
        let is_due = now.wrapping_sub(self.0) >= ASK_EVERY;
        if is_due {
            self.0 = now;
        }
        is_due
    }
}

pub(super) const fn header(kind: u8, len: usize) -> u64 {
    ((kind as u64) << 56) | (len as u64 & LENGTH)
}

/// Returns the words that `len` bytes take.
pub(super) const fn words(len: usize) -> usize {
    len.div_ceil(WORD)
}
