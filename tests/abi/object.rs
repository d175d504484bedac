//! The bytes of shared objects.

use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Namespace, Set, Shared};

use crate::support::image::u64_at;
use crate::{ARENA, bytes, recorded, segment};

/// The words before the tables.
const STATE: usize = 256;

#[test]
fn objects_are_tables_links_and_blocks() {
    let options = ObjectOptions::new(4).bytes_each(32);
    // 12 blocks of 32 bytes and 32 of content, in an index of 32 slots twice, and a length each.
    let tables = (2_u64 * 33 * 8).next_multiple_of(128);
    // A word of the ring for each block.
    let index = 256 + tables + 128 + 12 * 64;
    assert_eq!(recorded::<Dict<u8, u8>>(options), (20, index, 1, 1));
    assert_eq!(recorded::<Set<u8>>(options), (23, index, 1, 1));
    assert_eq!(recorded::<Namespace>(options), (24, index, 1, 1));
    let list = 256 + (2_u64 * 13 * 8).next_multiple_of(128) + 128 + 12 * 64;
    assert_eq!(recorded::<List<u8>>(options), (22, list, 1, 1));
    let shared = SharedOptions::new(&7_u8).capacity(60);
    // 4 blocks of 32 bytes and 64 of content.
    assert_eq!(
        recorded::<Shared<u8>>(shared),
        (21, 256 + 128 + 128 + 4 * 96, 1, 1)
    );
}

#[test]
fn a_dictionary_names_a_block_by_its_slot() {
    let segment = segment();
    let options = ObjectOptions::new(4).bytes_each(32);
    let dict = segment
        .create::<Dict<String, String>>("d", options)
        .unwrap();
    dict.insert(&"key".into(), &"value".into()).unwrap();
    let words = bytes(&segment);
    let at = |offset: usize| u64_at(&words, ARENA + offset);
    assert_eq!(
        (at(0), at(128)),
        (0, 0),
        "the root, the mutex and the event count"
    );
    let counts = [136, 144, 152].map(at);
    assert_eq!(counts, [1, 1, 1], "used, the first free one, filled");
    assert_eq!((at(160), at(STATE)), (1, 1), "changes, and the length");
    let slots: Vec<u64> = (1..33).map(|slot| at(STATE + 8 * slot)).collect();
    let named = slots.iter().enumerate().filter(|(_, word)| **word != 0);
    let [(home, word)] = named.collect::<Vec<_>>()[..] else {
        panic!("{slots:?}");
    };
    assert_eq!(word & ((1 << 29) - 1), 1, "block 0");
    assert_eq!(word >> 40, 0, "the first edition");
    let block = STATE + (2_usize * 33 * 8).next_multiple_of(128) + 128;
    let [version, lengths, next, mark] = [0, 8, 16, 24].map(|word| at(block + word));
    assert_eq!(
        (version, lengths, next),
        (1 << 2 | 3, 6, 0),
        "committed, six bytes"
    );
    assert_eq!(
        (mark >> 32, mark & 31),
        (4, home as u64),
        "four bytes of key, its home"
    );
    assert_eq!(at(block + 32), u64::from_le_bytes(*b"\x03key\0\0\0\0"));
    assert_eq!(at(block + 40), u64::from_le_bytes(*b"\x05value\0\0"));
    dict.insert(&"key".into(), &"other".into()).unwrap();
    assert_eq!(dict.remove("key"), Ok(Some("other".into())));
    let words = bytes(&segment);
    let at = |offset: usize| u64_at(&words, ARENA + offset);
    assert_eq!([136, 144, 152].map(at), [0, 2, 0]);
    let ring = STATE + (2_usize * 33 * 8).next_multiple_of(128);
    let free = [0, 8, 16, 24].map(|word| at(ring + word));
    assert_eq!(free, [0; 4], "blocks are free in the order of their use");
    assert_eq!(
        u64_at(&words, ARENA + STATE + 8 + 8 * home),
        0,
        "an empty slot follows"
    );
}

#[test]
fn a_shared_value_begins_in_its_first_block() {
    let segment = segment();
    let options = SharedOptions::new(&"first".to_owned()).capacity(60);
    segment.create::<Shared<String>>("s", options).unwrap();
    let words = bytes(&segment);
    let at = |offset: usize| u64_at(&words, ARENA + offset);
    assert_eq!(
        (at(STATE), at(STATE + 8)),
        (0, 1),
        "the length is unused; the slot"
    );
    let block = [0, 8, 16, 24, 32].map(|word| at(STATE + 256 + word));
    assert_eq!(block, [7, 6, 0, 0, u64::from_le_bytes(*b"\x05first\0\0")]);
}
