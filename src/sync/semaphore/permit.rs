//! Permits that are held.

use super::Semaphore;
use crate::algorithm::semaphore::{SemaphoreState, forget};
use crate::facade::AtomicU32;
use crate::participant::Tag;
use crate::segment::OwnTag;

/// A permit of a [`Semaphore`]; dropping it releases it and wakes a waiter.
///
/// Any thread of the process may drop it. It belongs to the process: if it is leaked, the permit
/// stays held until the process ends. In a forked child, dropping an inherited permit does nothing.
#[must_use = "the permit is released when it is dropped"]
pub struct Permit<'a> {
    word: &'a AtomicU32,
    state: &'a SemaphoreState,
    own: OwnTag<'a>,
    owner: Tag,
}

impl<'a> Permit<'a> {
    #[inline(always)]
    pub(super) fn new(
        word: &'a AtomicU32,
        state: &'a SemaphoreState,
        own: OwnTag<'a>,
        owner: Tag,
    ) -> Self {
        Self {
            word,
            state,
            own,
            owner,
        }
    }

    /// Takes the permit out of the semaphore, which has one less then:
    /// [`add_permits`](Semaphore::add_permits) adds it again.
    ///
    /// So a signal is consumed. A process that is killed between acquiring and forgetting has not
    /// consumed it, and another one does.
    pub fn forget(self) {
        if self.is_own() {
            forget(self.word, self.owner);
        }
        // What its drop does: nothing, since the word has no owner any more.
    }

    /// False in a forked child, to which this is its parent's permit.
    #[inline(always)]
    fn is_own(&self) -> bool {
        self.own.current() == Some(self.owner)
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_own() {
            self.state.release(self.word, self.owner);
        }
    }
}

debug!(Permit<'_>);

/// Several permits of a [`Semaphore`] that were acquired together; dropping them releases all.
///
/// As for a [`Permit`], they belong to the process, and in a forked child dropping them does
/// nothing.
#[must_use = "the permits are released when they are dropped"]
pub struct Permits<'a> {
    semaphore: &'a Semaphore,
    indexes: Vec<u32>,
    owner: Tag,
}

impl<'a> Permits<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, indexes: Vec<u32>, owner: Tag) -> Self {
        Self {
            semaphore,
            indexes,
            owner,
        }
    }

    /// Returns the number of permits, which is 1 at least.
    #[expect(clippy::len_without_is_empty, reason = "there is one at least")]
    pub fn len(&self) -> usize {
        self.indexes.len()
    }

    /// Takes the permits out of the semaphore: see [`Permit::forget`].
    pub fn forget(mut self) {
        for permit in self.take() {
            permit.forget();
        }
    }

    /// Returns the permits one by one, so that each can be released by itself.
    pub fn into_permits(mut self) -> Vec<Permit<'a>> {
        self.take().collect()
    }

    /// The permits, which these are no more.
    fn take(&mut self) -> impl Iterator<Item = Permit<'a>> + use<'a> {
        let (semaphore, owner) = (self.semaphore, self.owner);
        let own = semaphore.state.own();
        let words = semaphore.words();
        let indexes = std::mem::take(&mut self.indexes).into_iter();
        indexes.map(move |index| {
            let word = &words[index as usize];
            Permit::new(word, semaphore.state.state(), own, owner)
        })
    }
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        self.take().for_each(drop);
    }
}

debug!(Permits<'_>, |this| { len: this.len(), .. });
