//! Iteration over an index, which may grow meanwhile.
//!
//! # State
//!
//! That of [`blocks`](super). The process that iterates has the number of homes that there were
//! when it began, and which of them is next.
//!
//! # Protocol
//!
//! The keys of one home come after those of another. Tables are powers of two, and a home is the
//! low bits of a hash, so a home of the table in which the iteration began is each home of a larger
//! table that has the same low bits: all of them are read together, from one generation of the
//! object. If that has moved meanwhile, all of them are read anew, from the next one. So a key that
//! is there all the while has come or comes still, wherever it is, and comes once.
//!
//! # Crash
//!
//! An iteration leaves nothing.
//!
//! # Ordering
//!
//! That of [`index`](super::index), and (G5) of [`manager`](crate::algorithm::manager).

use super::read::{Content, WordBuffer};
use super::{Blocks, Corrupt};
use crate::facade::mutation;

/// The memory of a process in which the keys of a home are put.
pub(crate) trait KeyBuffer {
    fn len(&self) -> usize;
    /// Keeps the first `len` keys.
    fn truncate(&mut self, len: usize);
    /// Whether there is such a key from the one at `from` on.
    fn has(&self, from: usize, key: Option<&[u64]>) -> bool;
    /// Adds a key with its value.
    fn push(&mut self, content: &Content, words: &[u64]);
}

/// The homes that are not iterated over yet, of those that there were at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Homes {
    next: usize,
    all: usize,
}

/// One of the homes that there were at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    at: usize,
    homes: usize,
}

impl Homes {
    /// All homes of an index.
    pub(crate) fn of(blocks: Blocks<'_>) -> Self {
        Self {
            next: 0,
            all: blocks.slots,
        }
    }

    /// No home is left.
    pub(crate) fn end(&mut self) {
        self.next = self.all;
    }
}

impl Iterator for Homes {
    type Item = Home;

    fn next(&mut self) -> Option<Home> {
        let (at, homes) = (self.next, self.all);
        if at >= homes {
            return None;
        }
        self.next += 1;
        Some(Home { at, homes })
    }
}

impl Blocks<'_> {
    /// Puts the keys of a home into `found`, in place of what is there. The index may be a larger
    /// one than that of which it was a home at first.
    pub(crate) fn keys_of(
        self,
        home: Home,
        out: &mut impl WordBuffer,
        found: &mut impl KeyBuffer,
    ) -> Result<(), Corrupt> {
        if !mutation(904) {
            found.truncate(0);
        }
        let mut each = |home| {
            let first = found.len();
            self.bucket(home, out, |one| match one {
                None => found.truncate(first),
                Some((content, words)) => {
                    if mutation(900) || !found.has(first, words.get(..content.key_words)) {
                        found.push(content, words);
                    }
                }
            })
        };
        if mutation(902) {
            // A seeded bug: the home of a larger table that has the same number.
            return each(home.at);
        }
        if mutation(903) {
            // A seeded bug: the homes of a larger table by their high bits.
            let times = self.slots / home.homes;
            return (home.at * times..(home.at + 1) * times).try_for_each(each);
        }
        (home.at..self.slots).step_by(home.homes).try_for_each(each)
    }
}
