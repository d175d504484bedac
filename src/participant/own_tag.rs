//! The membership of this process: the tag that all its threads and handles of a segment share.
//!
//! # State
//!
//! One word, private to the process, which reads 0 in a forked child.
//!
//! ```text
//! 0 --a thread joins--> tag --the last handle goes, or the membership is lost--> 0
//! ```
//!
//! # Protocol
//!
//! - The word is written under the process's own exclusion, together with what it stands for:
//!   joining the [registry](super::registry) and leaving it.
//! - A thread that finds 0 takes the exclusion, and looks again before it joins: another thread may
//!   have joined meanwhile.
//! - A thread that was told that its tag is dead forgets that tag, and no other: another thread may
//!   have forgotten it and joined anew. Under the exclusion it asks the registry once more: what it
//!   was told may be of a time before the tag, or of a descriptor that could not ask.
//!
//! # Crash
//!
//! The word dies with its process. What it stood for is the registry's to repair.
//!
//! # Ordering
//!
//! (B1) the store of a tag (Release) pairs with its loads (Acquire): a thread may put a tag that
//! another thread joined as into a shared word, and a reader of that word finds the tag in the
//! registry.

use crate::facade::Ordering::{self, Relaxed};
use crate::facade::{AtomicU32, Exclusive, mutation, ordering};
use crate::participant::Tag;
use crate::participant::registry::Joined;

/// Where the tag of this process is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnTag<'a>(&'a AtomicU32);

impl<'a> OwnTag<'a> {
    #[inline(always)]
    pub(crate) fn new(word: &'a AtomicU32) -> Self {
        Self(word)
    }

    /// The tag of this process, if it is a participant.
    #[inline(always)]
    pub(crate) fn current(self) -> Option<Tag> {
        // ORDERING: Acquire; (B1).
        Tag::from_bits(self.0.load(ordering(Ordering::Acquire, 736)))
    }

    /// Joins by `join`, unless this process is a participant already.
    pub(crate) fn join<E>(
        self,
        _: &Exclusive,
        join: impl FnOnce() -> Result<Joined, E>,
    ) -> Result<Joined, E> {
        if let Some(tag) = self.current().filter(|_| !mutation(735)) {
            return Ok(Joined::As(tag));
        }
        let joined = join()?;
        if let Joined::As(tag) = joined {
            // ORDERING: Release; (B1) publishes to the other threads that this process has joined.
            self.0.store(tag.bits(), ordering(Ordering::Release, 737));
        }
        Ok(joined)
    }

    /// Leaves by `leave`, if this process is a participant.
    pub(crate) fn leave<T>(self, _: &Exclusive, leave: impl FnOnce(Tag) -> T) -> Option<T> {
        let left = leave(self.current()?);
        self.0.store(0, Relaxed);
        Some(left)
    }

    /// Forgets the lost membership `tag`, and what held it by `release`, unless another thread has,
    /// or the registry has it still by `is_member`. Returns whether this process goes on as `tag`.
    pub(crate) fn forget(
        self,
        _: &Exclusive,
        tag: Tag,
        is_member: impl FnOnce() -> bool,
        release: impl FnOnce(),
    ) -> bool {
        if self.current() != Some(tag) && !mutation(738) {
            return false;
        }
        if is_member() && !mutation(647) {
            return true;
        }
        self.0.store(0, Relaxed);
        release();
        false
    }
}
