//! A segment with one entry, over which any bytes are written while it is used.
//!
//! The input of a suite is a capacity and a list of steps; a step is an operation, or a write
//! somewhere in the entry.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::{Placeable, Segment, SegmentOptions};

/// How long garbage may keep an operation waiting.
pub(crate) const SHORT: Duration = Duration::from_micros(20);
/// Longer than any slice that is passed.
pub(crate) const MOST: usize = 12;
/// The entry's name.
pub(crate) const NAME: &str = "entry";
/// How long the segment is.
const SIZE: u64 = 1 << 14;
/// How many steps are made at most.
pub(crate) const STEPS: usize = 64;

/// A segment with one entry, and what writes over that.
pub(crate) struct Place {
    pub(crate) segment: Segment,
    file: File,
    offset: u64,
    len: u64,
    /// The tag of this process.
    me: u32,
}

impl Place {
    /// With a handle of the entry, which is made so; `None` if it cannot be.
    pub(crate) fn with<P: Placeable>(config: P::Config) -> Option<(Self, P)> {
        let options = SegmentOptions::new().size(SIZE).participants(4).entries(2);
        let segment: Segment = options.anonymous().ok()?;
        let handle = segment.create(NAME, config).ok()?;
        let entry = segment.entries().ok()?.pop()?;
        let all = segment.participants();
        let me = all.iter().find(|participant| participant.is_self)?;
        let place = Self {
            file: File::from(segment.as_fd().try_clone_to_owned().ok()?),
            offset: entry.offset,
            len: entry.len,
            me: me.generation << 10 | me.index,
            segment,
        };
        Some((place, handle))
    }

    /// An offset in the entry, counted round.
    pub(crate) fn offset_in(&self, at: u64) -> u64 {
        at % self.len
    }

    /// Writes bytes over the entry: from `at` on, counted round, as many as there is room for.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        let at = self.offset_in(at);
        let room = usize::try_from(self.len - at).unwrap_or(0);
        let bytes = &bytes[..bytes.len().min(room)];
        let _ = self.file.write_all_at(bytes, self.offset + at);
    }

    /// All bytes of the entry.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(0)];
        let read = self.file.read_exact_at(&mut bytes, self.offset);
        read.map(|()| bytes).unwrap_or_default()
    }

    /// All bytes of the segment.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let len = usize::try_from(SIZE).unwrap_or(0);
        let mut bytes = vec![0; len];
        let read = self.file.read_exact_at(&mut bytes, 0);
        read.map(|()| bytes).unwrap_or_default()
    }

    /// Flips a bit of the entry, counted from its first byte on.
    pub(crate) fn flip(&self, bit: u64) {
        let mut byte = [0];
        let at = self.offset + bit / 8;
        let _ = self.file.read_exact_at(&mut byte, at);
        let _ = self.file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], at);
    }

    /// Whether the word at an offset has the tag of this process.
    pub(crate) fn names_me(&self, at: u64) -> bool {
        /// The bits of a tag: a generation and an index.
        const TAG: u32 = (1 << 29) - 1;
        let mut word = [0; 4];
        let read = self.file.read_exact_at(&mut word, self.offset + at);
        read.is_ok() && u32::from_le_bytes(word) & TAG == self.me
    }
}

/// Makes the users of an entry, and has them do the steps that an input says.
pub(crate) fn play<U>(
    data: &[u8],
    new: impl FnOnce(u64) -> Option<U>,
    mut step: impl FnMut(&mut U, [u8; 4]),
) {
    if let Some((capacity, steps)) = input(data)
        && let Some(mut users) = new(capacity)
    {
        steps.for_each(|bytes| step(&mut users, bytes));
    }
}

/// What an input says: a number below 8 for the capacity, and the steps.
pub(crate) fn input(data: &[u8]) -> Option<(u64, impl Iterator<Item = [u8; 4]>)> {
    let (capacity, steps) = data.split_first()?;
    let (steps, _) = steps.as_chunks();
    Some((u64::from(capacity % 8), steps.iter().copied().take(STEPS)))
}
