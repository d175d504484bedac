//! The bytes of text and bytes of bounded length.

use crossdock::{FixedBytes, FixedStr, Mutex};

use crate::{ARENA, DIRECTORY, bytes, recorded, segment};

#[test]
fn text_is_its_length_and_its_bytes_behind_a_lock() {
    assert_eq!(
        recorded::<Mutex<FixedStr<12>>>(FixedStr::EMPTY),
        (1, 20, 16, 1)
    );
    assert_eq!(
        recorded::<Mutex<FixedBytes<7>>>(FixedBytes::EMPTY),
        (1, 15, 11, 1)
    );
    let segment = segment();
    let fruit = FixedStr::new("äpple").unwrap();
    segment.create::<Mutex<FixedStr<12>>>("m", fruit).unwrap();
    let bytes = bytes(&segment);
    // Behind the word of the lock.
    assert_eq!(
        bytes[ARENA + 4..][..16],
        *b"\x06\0\0\0\xc3\xa4pple\0\0\0\0\0\0"
    );
    // The record's second name.
    assert_eq!(bytes[DIRECTORY + 192..][..13], *b"FixedStr<12>\0");
}
