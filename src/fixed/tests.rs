//! Contents go in and come out, whatever bytes stand there.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use bytemuck::Zeroable;
use proptest::prelude::*;

use super::*;
use crate::payload::Payload;

/// A value with this length and these bytes.
fn raw(len: u32, bytes: [u8; 8]) -> FixedStr<8> {
    let mut value = [0; 12];
    value[..4].copy_from_slice(&len.to_le_bytes());
    value[4..].copy_from_slice(&bytes);
    bytemuck::cast(value)
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn the_layout_is_the_length_and_then_the_bytes_without_padding() {
    let text: FixedStr<7> = "apple".parse().unwrap();
    assert_eq!(bytemuck::bytes_of(&text), b"\x05\0\0\0apple\0\0");
    let bytes = FixedBytes::<3>::new(&[1, 2, 3]).unwrap();
    assert_eq!(bytemuck::bytes_of(&bytes), [3, 0, 0, 0, 1, 2, 3]);
    assert_eq!(align_of::<FixedStr<7>>(), 1);
    assert_eq!(size_of::<FixedStr<0>>(), 4);
}

#[test]
fn the_payload_name_has_the_number() {
    let names = [
        FixedStr::<0>::NAME,
        FixedStr::<16>::NAME,
        FixedBytes::<{ usize::MAX }>::NAME,
    ];
    let expected = [
        "FixedStr<0>",
        "FixedStr<16>",
        "FixedBytes<18446744073709551615>",
    ];
    assert_eq!(names, expected);
}

#[test]
fn zeroes_are_the_empty_text() {
    assert_eq!(FixedStr::<8>::zeroed(), FixedStr::EMPTY);
    assert_eq!(FixedStr::<8>::default().as_str(), Ok(""));
    assert!(FixedStr::<8>::EMPTY.is_empty() && FixedBytes::<8>::EMPTY.is_empty());
    assert!(!raw(9, [0; 8]).is_empty());
}

#[test]
fn what_does_not_fit_is_refused_with_both_lengths() {
    let error = FixedStr::<4>::try_from("größer").unwrap_err();
    assert_eq!((error.len, error.limit), (8, 4));
    assert_eq!("size".parse::<FixedStr<4>>().unwrap(), "size");
    assert_eq!(FixedBytes::<1>::try_from(&[0; 2][..]).unwrap_err().len, 2);
}

#[test]
fn a_length_beyond_the_limit_is_an_error_and_shows_all_bytes() {
    let value = raw(u32::MAX, *b"garbage!");
    let error = ContentError::Length {
        len: u32::MAX,
        limit: 8,
    };
    assert_eq!(value.as_str(), Err(error));
    assert_eq!(value.as_fixed_bytes().as_slice(), Err(error));
    assert_eq!(value.to_string(), "garbage!");
    assert_eq!(
        format!("{:?}", value.as_fixed_bytes()),
        "<the length is 4294967295 bytes where at most 8 fit>"
    );
    assert_ne!(value, raw(8, *b"garbage!"));
    assert_ne!(value, "garbage!");
}

#[test]
fn a_text_that_is_not_utf8_is_an_error_and_shows_its_bytes() {
    let value = raw(3, *b"ab\xff.....");
    assert_eq!(
        value.as_str(),
        Err(ContentError::NotUtf8 { valid_up_to: 2 })
    );
    assert_eq!(value.to_string(), "ab\u{fffd}");
    assert_eq!(format!("{:?}", value.as_fixed_bytes()), "b\"ab\\xff\"");
}

#[test]
fn bytes_behind_the_text_do_not_count() {
    assert_eq!(raw(2, *b"abcdefgh"), raw(2, *b"abzzzzzz"));
    assert_eq!(raw(2, *b"abcdefgh"), "ab");
}

#[test]
fn text_is_padded_and_quoted_as_a_str_is() {
    let text: FixedStr<8> = "a\"b".parse().unwrap();
    assert_eq!(format!("{text:>5}|{text:?}"), "  a\"b|\"a\\\"b\"");
}

/// Holds that comparisons, hashes and `Debug` agree with each other.
fn agree<T: Ord + Hash + Debug>(a: &T, b: &T) {
    assert_eq!(a == b, a.cmp(b).is_eq());
    assert_eq!(a.cmp(b), b.cmp(a).reverse());
    if a == b {
        assert_eq!(hash(a), hash(b));
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }
}

proptest! {
    #[test]
    fn text_that_fits_comes_back_and_compares_as_str(a in "\\PC{0,12}", b in "\\PC{0,12}") {
        let (Ok(x), Ok(y)) = (FixedStr::<16>::new(&a), FixedStr::<16>::new(&b)) else {
            prop_assert!(a.len().max(b.len()) > 16);
            return Ok(());
        };
        prop_assert_eq!(x.as_str(), Ok(&*a));
        prop_assert_eq!(x.to_string(), a.clone());
        prop_assert_eq!(format!("{x:?}"), format!("{a:?}"));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x == *b, a == b);
        agree(&x, &y);
    }

    #[test]
    fn bytes_come_back_if_and_only_if_they_fit(
        contents in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        match FixedBytes::<6>::new(&contents) {
            Ok(value) => prop_assert_eq!(value.as_slice(), Ok(&*contents)),
            Err(error) => prop_assert_eq!((error.len, contents.len() > 6), (contents.len(), true)),
        }
    }

    #[test]
    fn any_bytes_are_a_value(
        len in prop_oneof![0_u32..10, any::<u32>()],
        a in any::<[u8; 8]>(),
        b in any::<[u8; 8]>(),
    ) {
        let (x, y) = (raw(len, a), raw(len, b));
        agree(&x, &y);
        agree(x.as_fixed_bytes(), y.as_fixed_bytes());
        let contents = a.get(..len as usize);
        let text = contents.and_then(|contents| str::from_utf8(contents).ok());
        prop_assert_eq!(x.as_str().ok(), text);
        prop_assert_eq!(x.as_fixed_bytes().as_slice().ok(), contents);
        let _ = format!("{x} {x:?}");
    }
}

#[cfg(feature = "process")]
mod serde {
    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn text_and_bytes_are_strings_and_bytes_to_serde() {
        let text: FixedStr<16> = "apple".parse().unwrap();
        assert_eq!(encode(&text).unwrap(), encode(&"apple").unwrap());
        assert_eq!(
            decode::<FixedStr<8>>(&encode(&text).unwrap()).unwrap(),
            "apple"
        );
        let bytes = FixedBytes::<4>::new(&[1, 2, 3]).unwrap();
        let encoded = encode(&bytes).unwrap();
        assert_eq!(encoded, encode(&vec![1_u8, 2, 3]).unwrap());
        assert_eq!(decode::<FixedBytes<3>>(&encoded).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn what_does_not_fit_does_not_decode_and_what_is_no_text_does_not_encode() {
        let long = encode(&"too long").unwrap();
        assert!(decode::<FixedStr<7>>(&long).is_err());
        assert!(decode::<FixedBytes<7>>(&long).is_err());
        assert!(encode(&raw(9, [0; 8])).is_err());
        assert!(encode(&raw(1, [0xff; 8])).is_err());
        assert!(encode(raw(9, [0; 8]).as_fixed_bytes()).is_err());
    }

    #[test]
    fn bytes_come_from_a_sequence_too() {
        use ::serde::Deserialize;
        use ::serde::de::IntoDeserializer;
        use ::serde::de::value::{Error, SeqDeserializer};

        let read = |bytes: Vec<u8>| {
            let bytes: SeqDeserializer<_, Error> = SeqDeserializer::new(bytes.into_iter());
            FixedBytes::<3>::deserialize(bytes.into_deserializer())
        };
        assert_eq!(read(vec![1, 2, 3]).unwrap(), [1, 2, 3]);
        assert!(read(vec![1, 2, 3, 4]).is_err());
    }
}
