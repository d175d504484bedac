//! What a process keeps beside an entry for itself: words that all its handles of the entry share.
//!
//! Forked children have copies. Nothing is allocated or freed while the process's exclusion is held.

use std::ptr::NonNull;

use crate::facade::AtomicU64;
use crate::sys::fork::{Guarded, exclusive};

/// Lists of entries, by their offsets: a segment has up to some ten thousand.
const LISTS: usize = 256;
/// Entries are at multiples of this.
const GRAIN: u64 = 128;

/// The private words of all entries of a mapping.
#[derive(Debug)]
pub(crate) struct PrivateWords {
    lists: Box<[Guarded<List>]>,
}

type List = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    /// Where the entry is.
    offset: u64,
    words: Box<[AtomicU64]>,
    next: List,
}

impl PrivateWords {
    pub(crate) fn new() -> Self {
        Self {
            lists: (0..LISTS).map(|_| Guarded::new(None)).collect(),
        }
    }

    /// The words of the entry at `offset`: zeroed if nobody has asked before; `None` if there are not so many.
    /// They stay where they are as long as `self`.
    pub(crate) fn words(&self, offset: u64, count: usize) -> Option<NonNull<[AtomicU64]>> {
        let list = &self.lists[(offset / GRAIN % LISTS as u64) as usize];
        // It ends here: to add them takes the exclusion once more.
        let found = find(list.get(&mut exclusive()), offset);
        let words = found.or_else(|| Self::add(list, offset, count))?;
        (words.len() == count).then_some(words)
    }

    #[cold]
    fn add(list: &Guarded<List>, offset: u64, count: usize) -> Option<NonNull<[AtomicU64]>> {
        let mut fresh = Some(Box::new(Node {
            offset,
            words: zeroed(count),
            next: None,
        }));
        let mut exclusive = exclusive();
        let list = list.get(&mut exclusive);
        // Another thread may have been faster.
        let words = find(list, offset).or_else(|| {
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

/// Zeroed words, of which the system makes no page before it is written to.
fn zeroed(count: usize) -> Box<[AtomicU64]> {
    let words = Box::into_raw(vec![0_u64; count].into_boxed_slice());
    // SAFETY: of the same size and alignment, all bits are valid for both, and nobody else has them.
    unsafe { Box::from_raw(words as *mut [AtomicU64]) }
}

fn find(list: &List, offset: u64) -> Option<NonNull<[AtomicU64]>> {
    let mut next = list;
    while let Some(node) = next {
        if node.offset == offset {
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
    fn all_who_ask_for_an_entry_get_the_same_words_and_others_get_others() {
        let private = PrivateWords::new();
        // Of the same list.
        let far = GRAIN * LISTS as u64;
        let threads: Vec<_> = std::thread::scope(|scope| {
            let ask = || private.words(far, 3).unwrap().addr();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(threads.iter().all(|words| *words == threads[0]));
        let other = private.words(2 * far, 3).unwrap();
        assert_ne!(other.addr(), threads[0]);
        // SAFETY: they stay as long as `private`.
        let other = unsafe { other.as_ref() };
        assert!(other.iter().all(|word| word.load(Relaxed) == 0));
        assert!(private.words(far, 4).is_none());
    }
}
