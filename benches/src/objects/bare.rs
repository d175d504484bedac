//! The least that a get can take: a hash table in shared memory with the places of ours, and
//! nothing that protects readers but a version.
//!
//! A get makes the same accesses as one of a dictionary: a slot of an open-addressing table of as
//! many slots, then three lines of a block, of which the version is looked at before and after the
//! value is copied. It has no encoding, no recovery and no growth, and its writer takes no lock.
//! What a dictionary's get takes beyond it is what could still be won.

#![expect(
    clippy::cast_possible_truncation,
    reason = "words have 64 bits, and so have addresses of all machines that this is for"
)]

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crossdock_cli::Failure;
use memmap2::{MmapOptions, MmapRaw};

use super::{KEYS, Key, Map, Place, VALUE};

pub(super) struct Bare(MmapRaw);

/// As many as a dictionary of so many keys has.
const SLOTS: usize = (2 * KEYS as usize).next_power_of_two();
/// Of a block, as those of a dictionary: a version, the length, two that are not used, the key, and
/// the value, up to a multiple of a line.
const BLOCK: usize = 24;
const KEY: usize = 4;
const VALUE_AT: usize = 6;
const WORDS: usize = 1 + SLOTS + BLOCK * KEYS as usize;
const WORD: usize = size_of::<u64>();
/// The bits of a slot below its fingerprint: the number of a block and 1.
const NUMBER: u64 = (1 << 29) - 1;

const _: () = assert!(VALUE <= (BLOCK - VALUE_AT) * WORD);

/// The words of a key, and its hash.
#[inline(always)]
fn hashed(key: &Key) -> ([u64; 2], u64) {
    let words = key.as_chunks::<WORD>().0;
    let words = [0, 1].map(|at: usize| u64::from_le_bytes(words[at]));
    let [one, other] = [
        words[0] ^ 0x9e37_79b9_7f4a_7c15,
        words[1] ^ 0xd6e8_feb8_6659_fd93,
    ];
    let product = u128::from(one) * u128::from(other);
    (words, product as u64 ^ (product >> 64) as u64)
}

impl Bare {
    /// The number of keys, the slots, and the blocks.
    #[inline(always)]
    fn words(&self) -> (&AtomicU64, &[AtomicU64], &[AtomicU64]) {
        // SAFETY: so many words are mapped as long as `self`, at a page, and only reached through
        // atomics.
        let words = unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), WORDS) };
        let words: &[AtomicU64] = words;
        let (slots, blocks) = words[1..].split_at(SLOTS);
        (&words[0], slots, blocks)
    }

    /// The slot of a key, and its block, if it has one.
    #[inline(always)]
    fn find<'a>(
        slots: &[AtomicU64],
        blocks: &'a [AtomicU64],
        words: [u64; 2],
        hash: u64,
    ) -> (usize, Option<&'a [AtomicU64]>) {
        let mut at = hash as usize & (SLOTS - 1);
        loop {
            let slot = slots[at].load(Ordering::Acquire);
            if slot == 0 {
                return (at, None);
            }
            if (slot ^ hash) & !NUMBER == 0 {
                let from = ((slot & NUMBER) as usize - 1) * BLOCK;
                let block = &blocks[from..from + BLOCK];
                let key = [0, 1].map(|word| block[KEY + word].load(Ordering::Relaxed));
                if key == words {
                    return (at, Some(block));
                }
            }
            at = (at + 1) & (SLOTS - 1);
        }
    }
}

impl Map for Bare {
    fn open(place: &Place) -> Result<Self, Failure> {
        let path = place.directory().join("bare");
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(Failure::worker)?;
        let len = WORDS * WORD;
        file.set_len(len as u64).map_err(Failure::worker)?;
        let map = MmapOptions::new().len(len).map_raw(&file);
        Ok(Self(map.map_err(Failure::worker)?))
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        let (count, slots, blocks) = self.words();
        let (words, hash) = hashed(key);
        let relaxed = Ordering::Relaxed;
        let (at, found) = Self::find(slots, blocks, words, hash);
        let number = count.load(relaxed);
        let block = match found {
            Some(block) => block,
            None if number < KEYS => &blocks[number as usize * BLOCK..][..BLOCK],
            None => return Err(Failure::worker("the table is full")),
        };
        let version = block[0].load(relaxed);
        block[0].store(version + 1, relaxed);
        fence(Ordering::Release);
        block[1].store(value.len() as u64, relaxed);
        for (place, word) in block[KEY..].iter().zip(words) {
            place.store(word, relaxed);
        }
        for (place, bytes) in block[VALUE_AT..].iter().zip(value.chunks(WORD)) {
            let mut word = [0; WORD];
            word[..bytes.len()].copy_from_slice(bytes);
            place.store(u64::from_le_bytes(word), relaxed);
        }
        block[0].store(version + 2, Ordering::Release);
        if found.is_none() {
            slots[at].store(hash & !NUMBER | (number + 1), Ordering::Release);
            count.store(number + 1, relaxed);
        }
        Ok(())
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let (_, slots, blocks) = self.words();
        let (words, hash) = hashed(key);
        let relaxed = Ordering::Relaxed;
        loop {
            let (_, Some(block)) = Self::find(slots, blocks, words, hash) else {
                return Ok(false);
            };
            let version = block[0].load(Ordering::Acquire);
            let len = block[1].load(relaxed) as usize;
            bytes.clear();
            bytes.reserve(BLOCK * WORD);
            let (room, _) = bytes.spare_capacity_mut().as_chunks_mut::<WORD>();
            let copied = block[VALUE_AT..].iter().take(len.div_ceil(WORD));
            for (place, word) in room.iter_mut().zip(copied) {
                let word = word.load(relaxed).to_le_bytes();
                *place = word.map(std::mem::MaybeUninit::new);
            }
            fence(Ordering::Acquire);
            if block[0].load(relaxed) == version && version % 2 == 0 {
                // SAFETY: so many bytes, of the block at most, are reserved and were written.
                unsafe { bytes.set_len(len.min((BLOCK - VALUE_AT) * WORD)) };
                return Ok(true);
            }
        }
    }
}
