//! The frames of a task's outcomes: most tasks have one, of a few bytes.

use std::ops::Deref;

use crate::codec::{Output, OutputFull};

const INLINE: usize = 31;

/// The frames of outcomes, which need no memory of their own while they are short.
#[derive(Debug, Default)]
pub(super) struct OutcomeFrames {
    /// The first `len` bytes; none of them once there are more than fit.
    short: [u8; INLINE],
    len: u8,
    /// All bytes, if they are more.
    long: Vec<u8>,
}

impl OutcomeFrames {
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let at = usize::from(self.len);
        if self.long.is_empty()
            && let Some(place) = self.short[at..].get_mut(..bytes.len())
        {
            place.copy_from_slice(bytes);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "at most the bytes of `short`"
            )]
            let len = (at + bytes.len()) as u8;
            self.len = len;
            return;
        }
        self.extend_long(bytes);
    }

    fn extend_long(&mut self, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long.extend_from_slice(&self.short[..self.len.into()]);
        }
        self.long.extend_from_slice(bytes);
    }
}

impl Deref for OutcomeFrames {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self.long.is_empty() {
            true => &self.short[..self.len.into()],
            false => &self.long,
        }
    }
}

impl Output for OutcomeFrames {
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        self.extend(bytes);
        Ok(())
    }

    fn len(&self) -> usize {
        self.deref().len()
    }

    fn truncate(&mut self, len: usize) {
        match u8::try_from(len) {
            Ok(len) if self.long.is_empty() => self.len = self.len.min(len),
            _ => self.long.truncate(len.max(1)),
        }
    }

    fn put_at(&mut self, at: usize, bytes: [u8; 4]) {
        let all = match self.long.is_empty() {
            true => &mut self.short[..self.len.into()],
            false => &mut self.long[..],
        };
        all[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_any_length_are_what_was_appended() {
        for step in [1, 7, 30, 31, 32, 100] {
            let (mut frames, mut all) = (OutcomeFrames::default(), Vec::new());
            for round in 0..5_u8 {
                let bytes = vec![round; step];
                frames.extend(&bytes);
                all.extend(bytes);
                assert_eq!((&*frames, Output::len(&frames)), (&all[..], all.len()));
            }
            if all.len() > 4 {
                frames.put_at(1, [9; 4]);
                all[1..5].fill(9);
            }
            assert_eq!(*frames, *all);
        }
    }
}
