//! A segment with one entry, over which any bytes are written while it is used.
//!
//! Their input is a capacity and a list of steps; a step is an operation, or a write somewhere in
//! the entry.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::{Placeable, Segment, SegmentOptions};

/// How long garbage may keep an operation waiting.
pub(crate) const SHORT: Duration = Duration::from_micros(100);
/// Longer than any slice that is passed.
pub(crate) const MOST: usize = 12;
/// The entry's name.
pub(crate) const NAME: &str = "entry";
/// How many steps are made at most.
const STEPS: usize = 64;

/// A segment with one entry, and what writes over that.
pub(crate) struct Place {
    pub(crate) segment: Segment,
    file: File,
    offset: u64,
    len: u64,
}

impl Place {
    /// With a handle of the entry, which is made with that capacity; `None` if it cannot be.
    pub(crate) fn new<P: Placeable<Config = u64>>(capacity: u64) -> Option<(Self, P)> {
        Self::with(capacity)
    }

    /// With a handle of the entry, which is made so; `None` if it cannot be.
    pub(crate) fn with<P: Placeable>(config: P::Config) -> Option<(Self, P)> {
        let options = SegmentOptions::new()
            .size(1 << 14)
            .participants(4)
            .entries(2);
        let segment: Segment = options.anonymous().ok()?;
        let handle = segment.create(NAME, config).ok()?;
        let entry = segment.entries().ok()?.pop()?;
        let place = Self {
            file: File::from(segment.as_fd().try_clone_to_owned().ok()?),
            offset: entry.offset,
            len: entry.len,
            segment,
        };
        Some((place, handle))
    }

    /// Writes bytes over the entry: from `at` on, counted round, as many as there is room for.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        let at = at % self.len;
        let room = usize::try_from(self.len - at).unwrap_or(0);
        let bytes = &bytes[..bytes.len().min(room)];
        let _ = self.file.write_all_at(bytes, self.offset + at);
    }

    /// Writes anything anywhere: a word, or a byte.
    pub(crate) fn write_anywhere(&self, [verb, a, b, c]: [u8; 4], is_word: bool) {
        let at = u64::from(a) * 4;
        if is_word {
            self.write(at, &[a, b, c, verb]);
        } else {
            self.write(at | u64::from(c & 3), &[b]);
        }
    }
}

/// The tag of a participant, which may be this process, another, or none.
pub(crate) fn tag(index: u8, generation: u8) -> u32 {
    u32::from(generation % 3) << 10 | u32::from(index % 5)
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
