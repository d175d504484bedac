//! The messages between a pool and its workers.
//!
//! ```text
//! 0    8      16     20      24      28        32         40           48
//! | id | word | slot | items | first | flags | function | trampoline | frames   a task
//! | id | kind | place | first | items | frames                                    a reply
//! ```
//! Behind the items of a task is the frame of the [segments](super::passed) that they refer to, if
//! a flag says so. A frame is an item of a task, or what became of it: a `u32` of a kind and a
//! length, and the bytes, which are those of [`append_plain`](crate::codec::append_plain).

use crate::codec::{Output, OutputFull};

/// What a worker is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TaskHeader {
    /// The number of this sending of the task: its slot is in the low half.
    pub(super) id: u64,
    /// The word that the task has while it is queued.
    pub(super) word: u64,
    pub(super) slot: u32,
    /// The number of items in the message.
    pub(super) items: u32,
    /// The first item that is to be run.
    pub(super) first: u32,
    /// [`LIMITED`](Self::LIMITED), [`PASSES`](Self::PASSES).
    pub(super) flags: u32,
    /// The offset of the function, and of the code that calls it, in the program.
    pub(super) function: u64,
    pub(super) trampoline: u64,
}

impl TaskHeader {
    pub(super) const LEN: usize = 48;
    /// Each item has a limit.
    const LIMITED: u32 = 1;
    /// A frame of segments is behind the items.
    const PASSES: u32 = 2;

    pub(super) fn set_limited(&mut self, limited: bool) {
        self.flags |= if limited { Self::LIMITED } else { 0 };
    }

    pub(super) fn is_limited(&self) -> bool {
        self.flags & Self::LIMITED != 0
    }

    pub(super) fn set_passing(&mut self) {
        self.flags |= Self::PASSES;
    }

    pub(super) fn is_passing(&self) -> bool {
        self.flags & Self::PASSES != 0
    }

    pub(super) fn write(&self, message: &mut [u8]) {
        message[..8].copy_from_slice(&self.id.to_le_bytes());
        message[8..16].copy_from_slice(&self.word.to_le_bytes());
        message[16..20].copy_from_slice(&self.slot.to_le_bytes());
        message[20..24].copy_from_slice(&self.items.to_le_bytes());
        message[24..28].copy_from_slice(&self.first.to_le_bytes());
        message[28..32].copy_from_slice(&self.flags.to_le_bytes());
        message[32..40].copy_from_slice(&self.function.to_le_bytes());
        message[40..48].copy_from_slice(&self.trampoline.to_le_bytes());
    }

    pub(super) fn read(message: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(message, 0)?,
            word: u64_at(message, 8)?,
            slot: u32_at(message, 16)?,
            items: u32_at(message, 20)?,
            first: u32_at(message, 24)?,
            flags: u32_at(message, 28)?,
            function: u64_at(message, 32)?,
            trampoline: u64_at(message, 40)?,
        })
    }
}

/// What a reply says. The numbers are those of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum ReplyKind {
    /// The last items of a task.
    End = 1,
    /// Items of a task, of which more come.
    Part = 2,
    /// The task was cancelled; it did not run.
    Skipped = 3,
    /// The worker at the place has begun.
    Ready = 4,
    /// The initializer failed, with this text.
    Failed = 5,
}

const KINDS: [ReplyKind; 5] = [
    ReplyKind::End,
    ReplyKind::Part,
    ReplyKind::Skipped,
    ReplyKind::Ready,
    ReplyKind::Failed,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyHeader {
    pub(super) id: u64,
    pub(super) kind: ReplyKind,
    pub(super) place: u32,
    /// The first item whose outcome is in the message, and how many outcomes there are.
    pub(super) first: u32,
    pub(super) items: u32,
}

impl ReplyHeader {
    pub(super) const LEN: usize = 24;

    pub(super) fn write(&self, message: &mut [u8]) {
        message[..8].copy_from_slice(&self.id.to_le_bytes());
        message[8..12].copy_from_slice(&(self.kind as u32).to_le_bytes());
        message[12..16].copy_from_slice(&self.place.to_le_bytes());
        message[16..20].copy_from_slice(&self.first.to_le_bytes());
        message[20..24].copy_from_slice(&self.items.to_le_bytes());
    }

    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let kind = u32_at(message, 8)?;
        Some(Self {
            id: u64_at(message, 0)?,
            kind: KINDS.into_iter().find(|known| *known as u32 == kind)?,
            place: u32_at(message, 12)?,
            first: u32_at(message, 16)?,
            items: u32_at(message, 20)?,
        })
    }
}

fn u64_at(message: &[u8], at: usize) -> Option<u64> {
    let bytes = message.get(at..at + 8)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

fn u32_at(message: &[u8], at: usize) -> Option<u32> {
    let bytes = message.get(at..at + 4)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// What a frame is. The numbers are those of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum FrameKind {
    /// An argument, or a result.
    Value = 0,
    /// The function panicked: the message and the place in the program.
    Panicked = 1,
    /// The argument did not decode: why.
    Arguments = 2,
    /// The result did not encode: why.
    Encode = 3,
    /// The result is too long for the pool's segment: its length.
    TooLarge = 4,
    /// No worker answered: the error is the parent's.
    Error = 5,
    /// The function returned an error.
    Failed = 6,
}

const FRAMES: [FrameKind; 7] = [
    FrameKind::Value,
    FrameKind::Panicked,
    FrameKind::Arguments,
    FrameKind::Encode,
    FrameKind::TooLarge,
    FrameKind::Error,
    FrameKind::Failed,
];
const LENGTH_BITS: u32 = 29;
/// The longest frame, in bytes.
pub(super) const MAX_FRAME: usize = (1 << LENGTH_BITS) - 1;
/// What a frame takes beside its bytes.
pub(super) const FRAME_HEAD: usize = 4;

/// Begins a frame behind the bytes of a message; [`end_frame`] completes it.
#[inline(always)]
pub(super) fn begin_frame(message: &mut impl Output) -> Result<usize, OutputFull> {
    let at = message.len();
    message.append(&[0; FRAME_HEAD])?;
    Ok(at)
}

/// Completes the frame that begins at `at` and has the rest of the message.
#[inline(always)]
pub(super) fn end_frame(message: &mut impl Output, at: usize, kind: FrameKind) {
    let len = (message.len() - at - FRAME_HEAD).min(MAX_FRAME);
    #[expect(clippy::cast_possible_truncation, reason = "29 bits")]
    let word = (kind as u32) << LENGTH_BITS | len as u32;
    message.put_at(at, word.to_le_bytes());
}

/// Appends a whole frame, or nothing if it does not fit.
pub(super) fn push_frame(
    message: &mut impl Output,
    kind: FrameKind,
    bytes: &[u8],
) -> Result<(), OutputFull> {
    let at = begin_frame(message)?;
    message
        .append(bytes)
        .inspect_err(|OutputFull| message.truncate(at))?;
    end_frame(message, at, kind);
    Ok(())
}

/// Takes the first frame off `bytes`.
#[inline(always)]
pub(super) fn next_frame<'a>(bytes: &mut &'a [u8]) -> Option<(FrameKind, &'a [u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    let word = u32::from_le_bytes(*word);
    let kind = match word >> LENGTH_BITS {
        0 => FrameKind::Value,
        other => FRAMES.into_iter().find(|kind| *kind as u32 == other)?,
    };
    let len = usize::try_from(word & ((1 << LENGTH_BITS) - 1)).ok()?;
    let (frame, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some((kind, frame))
}

/// The bytes of the first `count` frames.
pub(super) fn frames_len(bytes: &[u8], count: u32) -> Option<usize> {
    let mut rest = bytes;
    for _ in 0..count {
        next_frame(&mut rest)?;
    }
    Some(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_kept() {
        let task = TaskHeader {
            id: 1 << 40 | 3,
            word: 7,
            slot: 3,
            items: 9,
            first: 2,
            flags: 1,
            function: 11,
            trampoline: 12,
        };
        let mut bytes = [0; TaskHeader::LEN];
        task.write(&mut bytes);
        assert_eq!(TaskHeader::read(&bytes), Some(task));
        assert_eq!(TaskHeader::read(&bytes[..40]), None);

        let reply = ReplyHeader {
            id: 5,
            kind: ReplyKind::Part,
            place: 6,
            first: 7,
            items: 8,
        };
        let mut bytes = [0; ReplyHeader::LEN];
        reply.write(&mut bytes);
        assert_eq!(ReplyHeader::read(&bytes), Some(reply));
        bytes[8] = 99;
        assert_eq!(ReplyHeader::read(&bytes), None);
    }

    #[test]
    fn frames_come_back_in_order_and_a_cut_one_does_not() {
        let mut message = Vec::new();
        push_frame(&mut message, FrameKind::Value, b"one").unwrap();
        push_frame(&mut message, FrameKind::Panicked, b"").unwrap();
        assert_eq!(frames_len(&message, 2), Some(message.len()));
        assert_eq!(frames_len(&message, 3), None);
        let mut rest = message.as_slice();
        assert_eq!(next_frame(&mut rest), Some((FrameKind::Value, &b"one"[..])));
        assert_eq!(next_frame(&mut rest), Some((FrameKind::Panicked, &[][..])));
        assert_eq!(next_frame(&mut rest), None);
        assert_eq!(next_frame(&mut &message[..6]), None);
    }
}
