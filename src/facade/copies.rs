//! Copies of words that another process may be writing.
//!
//! Every word is loaded or stored by itself and in no order, as relaxed atomic accesses would do
//! it. Compilers make no vectors of those, so a copy of more than a few words takes three times as
//! long as memcpy. On x86-64 such a copy is `rep movsq` instead, which is not the compiler's to
//! reorder or to repeat, and moves words whole. Its loads come before those that follow, and its
//! stores after those before and before those that follow: only among each other they have no
//! order. So the fences that order relaxed accesses order it, too.

use super::{AtomicU64, Ordering};

const WORD: usize = size_of::<u64>();

/// The least words that are copied by `rep movsq`, which takes some nanoseconds to start.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
const LEAST_STRING: usize = 64;

/// Appends words to memory of the process's own.
#[cfg(any(loom, test, feature = "process"))]
#[inline(always)]
pub(crate) fn append_words(from: &[AtomicU64], to: &mut Vec<u64>) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if from.len() >= LEAST_STRING {
        to.reserve(from.len());
        let end = to.spare_capacity_mut().as_mut_ptr();
        // SAFETY: so much is reserved there, and no other thread knows of it.
        unsafe { load_string(from, end.cast()) };
        // SAFETY: the words up to there were just written.
        unsafe { to.set_len(to.len() + from.len()) };
        return;
    }
    // ORDERING: Relaxed; the caller's words order the copy, here and below.
    to.extend(from.iter().map(|word| word.load(Ordering::Relaxed)));
}

/// Appends the bytes of words to memory of the process's own.
#[cfg(all(not(loom), any(test, feature = "process")))]
#[inline(always)]
pub(crate) fn append_bytes(from: &[AtomicU64], to: &mut Vec<u8>) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if from.len() >= LEAST_STRING {
        to.reserve(size_of_val(from));
        let end = to.spare_capacity_mut().as_mut_ptr();
        // SAFETY: so much is reserved there, and no other thread knows of it.
        unsafe { load_string(from, end.cast()) };
        // SAFETY: the bytes up to there were just written.
        unsafe { to.set_len(to.len() + size_of_val(from)) };
        return;
    }
    to.reserve(size_of_val(from));
    let (room, _) = to.spare_capacity_mut().as_chunks_mut::<WORD>();
    for (place, word) in room.iter_mut().zip(from) {
        let bytes = word.load(Ordering::Relaxed).to_le_bytes();
        *place = bytes.map(core::mem::MaybeUninit::new);
    }
    // SAFETY: so much is reserved there, and was just written.
    unsafe { to.set_len(to.len() + size_of_val(from)) };
}

/// Stores bytes to words, as many as there are places; the last word is filled with zeros.
#[inline(always)]
pub(crate) fn store_bytes(places: &[AtomicU64], from: &[u8]) {
    let whole = places.len().min(from.len() / WORD);
    let (head, tail) = places.split_at(whole);
    let (bytes, rest) = from.split_at(whole * WORD);
    store_whole(head, bytes);
    if let Some(place) = tail.first()
        && !rest.is_empty()
    {
        let mut last = [0; WORD];
        last[..rest.len()].copy_from_slice(rest);
        place.store(u64::from_le_bytes(last), Ordering::Relaxed);
    }
}

/// Stores as many words as there are places from eight times as many bytes.
#[inline(always)]
fn store_whole(places: &[AtomicU64], from: &[u8]) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if places.len() >= LEAST_STRING {
        store_string(places, from);
        return;
    }
    for (place, bytes) in places.iter().zip(from.as_chunks::<WORD>().0) {
        place.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
}

/// Copies words to `to`, at any alignment.
///
/// # Safety
///
/// - `to` points to as much memory of the caller's alone.
#[cfg(all(
    target_arch = "x86_64",
    not(any(loom, miri)),
    any(test, feature = "process")
))]
#[inline(always)]
unsafe fn load_string(from: &[AtomicU64], to: *mut u8) {
    // SAFETY: the words may be loaded at any time, since they are atomics, and the caller has the
    // memory at `to`. The direction flag is clear, as it is on entry to every asm block.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") from.len() => _,
            inout("rsi") from.as_ptr() => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Stores as many words as there are places.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline(always)]
fn store_string(places: &[AtomicU64], from: &[u8]) {
    let count = places.len().min(from.len() / WORD);
    // SAFETY: there are so many bytes, and places, which may be stored to at any time, since they
    // are atomics. The direction flag is clear, as above.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") count => _,
            inout("rsi") from.as_ptr() => _,
            inout("rdi") places.as_ptr() => _,
            options(nostack, preserves_flags)
        );
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Lengths below and above the one from which strings are copied, and no multiples of a word.
    const LENGTHS: [usize; 9] = [0, 1, 7, 8, 511, 512, 513, 4_096, 65_537];

    #[test]
    fn bytes_come_back_as_they_were_stored() {
        for len in LENGTHS {
            let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
            let places: Vec<AtomicU64> = (0..len.div_ceil(WORD) + 2)
                .map(|_| AtomicU64::new(u64::MAX))
                .collect();
            store_bytes(&places, &bytes);
            let filled = &places[..len.div_ceil(WORD)];
            let mut padded = bytes.clone();
            padded.resize(filled.len() * WORD, 0);
            // Behind what there was, at an odd address.
            let mut found = vec![9];
            append_bytes(filled, &mut found);
            assert_eq!((found[0], &found[1..]), (9, padded.as_slice()), "{len}");
            let mut words = vec![9];
            append_words(filled, &mut words);
            let words: &[u8] = bytemuck::cast_slice(&words[1..]);
            assert_eq!(words, padded, "{len}");
            let untouched = &places[filled.len()..];
            let is_untouched = |word: &AtomicU64| word.load(Ordering::Relaxed) == u64::MAX;
            assert!(untouched.iter().all(is_untouched), "{len}");
        }
    }

    #[test]
    fn no_more_is_stored_than_there_are_places() {
        for len in LENGTHS {
            let places: Vec<AtomicU64> = (0..len / 16 + 1).map(|_| AtomicU64::new(0)).collect();
            let (inside, outside) = places.split_at(len / 16);
            store_bytes(inside, &vec![1; len]);
            assert_eq!(outside[0].load(Ordering::Relaxed), 0, "{len}");
        }
    }
}
