//! Private words: a process's own words beside an entry, which all its handles of the entry
//! share.
//!
//! Forked children have copies. Nothing is allocated or freed while the process's exclusion is
//! held.

use std::ptr::NonNull;

use crate::facade::AtomicU64;
use crate::sys::fork::{Guarded, exclusive};

/// The number of lists, to which entries are assigned by offset: a segment has up to 65,536.
const LISTS: usize = 256;
/// The alignment of entries.
const GRAIN: u64 = 128;

/// The private words of all entries of a mapping.
#[derive(Debug)]
pub(crate) struct PrivateWords {
    lists: Box<[Guarded<List>]>,
}

type List = Option<Box<ListNode>>;

#[derive(Debug)]
struct ListNode {
    /// The offset of the entry, and 0; or of an object of a manager, and its number.
    place: (u64, u64),
    words: Box<[AtomicU64]>,
    next: List,
}

impl PrivateWords {
    pub(crate) fn new() -> Self {
        Self {
            lists: (0..LISTS).map(|_| Guarded::new(None)).collect(),
        }
    }

    /// Returns the words of the entry at `place`, zeroed at the first call; `None` if their number
    /// is not `count`. They do not move as long as `self` lives.
    pub(crate) fn words(&self, place: (u64, u64), count: usize) -> Option<NonNull<[AtomicU64]>> {
        let list = &self.lists[(place.0 / GRAIN % LISTS as u64) as usize];
        // The exclusion is released here: adding acquires it once more.
        let found = find(list.get(&mut exclusive()), place);
        let words = found.or_else(|| Self::add(list, place, count))?;
        (words.len() == count).then_some(words)
    }

    #[cold]
    fn add(list: &Guarded<List>, place: (u64, u64), count: usize) -> Option<NonNull<[AtomicU64]>> {
        let mut fresh = Some(Box::new(ListNode {
            place,
            words: zeroed(count),
            next: None,
        }));
        let mut exclusive = exclusive();
        let list = list.get(&mut exclusive);
        // Another thread may have been faster.
        let words = find(list, place).or_else(|| {
            let mut node = fresh.take()?;
            let words = NonNull::from(&*node.words);
            node.next = list.take();
            *list = Some(node);
            Some(words)
        });
        drop(exclusive);
        words
    }
}

/// Returns zeroed words. The system makes a page of them at the first write.
fn zeroed(count: usize) -> Box<[AtomicU64]> {
    let words = Box::into_raw(vec![0_u64; count].into_boxed_slice());
    // SAFETY: of the same size and alignment, all bits are valid for both, and this is the only
    // pointer.
    unsafe { Box::from_raw(words as *mut [AtomicU64]) }
}

fn find(list: &List, place: (u64, u64)) -> Option<NonNull<[AtomicU64]>> {
    let mut next = list;
    while let Some(node) = next {
        if node.place == place {
            return Some(NonNull::from(&*node.words));
        }
        next = &node.next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::Ordering::Relaxed;

    #[test]
    fn threads_share_the_words_of_an_entry_and_entries_do_not() {
        let private = PrivateWords::new();
        // A place of the same list.
        let far = (GRAIN * LISTS as u64, 0);
        let threads: Vec<_> = std::thread::scope(|scope| {
            let ask = || private.words(far, 3).unwrap().addr();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(threads.iter().all(|words| *words == threads[0]));
        let other = private.words((2 * far.0, 0), 3).unwrap();
        assert_ne!(other.addr(), threads[0]);
        // SAFETY: they stay as long as `private`.
        let other = unsafe { other.as_ref() };
        assert!(other.iter().all(|word| word.load(Relaxed) == 0));
        assert!(private.words(far, 4).is_none());
        // Another object of a manager, where one was before.
        let later = private.words((far.0, 1 << 16), 3).unwrap();
        assert_ne!(later.addr(), threads[0]);
    }
}
