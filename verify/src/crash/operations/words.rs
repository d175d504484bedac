//! Two words that processes count up, under a lock.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The words of an entry, which stays mapped as long as they are used.
pub(crate) struct Words(NonNull<[AtomicU64; 2]>);

impl Words {
    pub(crate) fn of(words: &mut [u64; 2]) -> Self {
        Self(NonNull::from(words).cast())
    }

    fn both(&self) -> &[AtomicU64; 2] {
        // SAFETY: they stay mapped, and are used as atomics alone but for a repair.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn load(&self) -> [u64; 2] {
        let [first, second] = self.both();
        [first.load(Relaxed), second.load(Relaxed)]
    }

    /// Stores the first word, and then the second.
    pub(crate) fn change(&self, to: impl FnOnce(u64, u64) -> [u64; 2]) {
        let [first, second] = self.load();
        let [first, second] = to(first, second);
        let words = self.both();
        words[0].store(first, Relaxed);
        words[1].store(second, Relaxed);
    }
}
