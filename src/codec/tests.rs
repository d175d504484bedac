//! Every value that serde encodes decodes to itself; what is no value's encoding is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u128,
    lines: Vec<(String, i16)>,
    note: Option<Box<str>>,
    marks: BTreeMap<char, Mark>,
    unit: (),
    sum: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Mark {
    None,
    Level(i128),
    Range(u64, u8),
    Named { name: String, flags: [bool; 3] },
    Nested(Box<Mark>),
    All(Vec<Mark>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node(Option<Box<Node>>);

fn marks() -> impl Strategy<Value = Mark> {
    let leaf = prop_oneof![
        Just(Mark::None),
        any::<i128>().prop_map(Mark::Level),
        any::<(u64, u8)>().prop_map(|(from, to)| Mark::Range(from, to)),
        any::<(String, [bool; 3])>().prop_map(|(name, flags)| Mark::Named { name, flags }),
    ];
    leaf.prop_recursive(8, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|mark| Mark::Nested(Box::new(mark))),
            vec(inner, 0..4).prop_map(Mark::All),
        ]
    })
}

fn orders() -> impl Strategy<Value = Order> {
    let marks = btree_map(any::<char>(), marks(), 0..4);
    let parts = any::<(u128, Vec<(String, i16)>, Option<String>, f64)>();
    (parts, marks).prop_map(|((id, lines, note, sum), marks)| Order {
        id,
        lines,
        note: note.map(String::into_boxed_str),
        marks,
        unit: (),
        sum: if sum.is_nan() { 0.0 } else { sum },
    })
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let bytes = encode(value).unwrap();
    assert_eq!(&decode::<T>(&bytes).unwrap(), value);
    let mut plain = b"before".to_vec();
    append_plain(&mut plain, value).unwrap();
    assert_eq!(&decode_plain::<T>(&plain[6..]).unwrap(), value);
    // All but its last byte is no value of the type, nor are more bytes.
    if plain.len() > 6 {
        assert!(decode_plain::<T>(&plain[6..plain.len() - 1]).is_err());
    }
    plain.push(0);
    assert!(decode_plain::<T>(&plain[6..]).is_err());
}

/// What [`decode`] and postcard alone make of the same bytes.
fn both<T: DeserializeOwned + PartialEq + Debug>(
    bytes: &[u8],
) -> (Result<T, ValueError>, Option<T>) {
    let alone = postcard::take_from_bytes(bytes).ok();
    let whole = alone.filter(|(_, rest): &(T, &[u8])| rest.is_empty());
    (decode(bytes), whole.map(|(value, _)| value))
}

proptest! {
    #[test]
    fn a_value_decodes_to_itself(order in orders(), plain: (u8, i8, u16, i32, u32, i64, f32, char, bool)) {
        comes_back(&order);
        prop_assume!(!plain.6.is_nan());
        comes_back(&plain);
    }

    /// Whatever the bytes are, bounds aside.
    #[test]
    fn any_bytes_decode_as_postcard_alone_decodes_them(bytes in vec(any::<u8>(), 0..64)) {
        let (bounded, alone) = both::<Vec<Option<(u32, String)>>>(&bytes);
        prop_assert_eq!(bounded.ok(), alone);
        let (bounded, alone) = both::<Mark>(&bytes);
        prop_assert_eq!(bounded.ok(), alone);
        let (bounded, alone) = both::<BTreeMap<u8, (i128, bool)>>(&bytes);
        prop_assert_eq!(bounded.ok(), alone);
    }

    #[test]
    fn a_value_is_encoded_as_postcard_alone_encodes_it(order in orders()) {
        prop_assert_eq!(encode(&order).unwrap(), postcard::to_stdvec(&order).unwrap());
        let mut behind = vec![1, 2, 3];
        behind.extend(encode(&order).unwrap());
        prop_assert_eq!(encode_behind(vec![1, 2, 3], &order).unwrap(), behind);
    }

    #[test]
    fn bytes_behind_the_value_are_refused(order in orders(), more in 1..9_usize) {
        let mut bytes = encode(&order).unwrap();
        bytes.resize(bytes.len() + more, 0);
        let refused = decode::<Order>(&bytes).unwrap_err();
        prop_assert!(refused.to_string().contains(&format!("{more} more")), "{}", refused);
    }

    #[test]
    fn a_value_that_was_cut_is_refused(order in orders(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&order).unwrap();
        prop_assert!(decode::<Order>(&bytes[..cut.index(bytes.len())]).is_err());
    }
}

/// So many options in each other, and the end: the encoding of a [`Node`].
fn nodes(levels: usize) -> Vec<u8> {
    let mut bytes = vec![1; levels];
    bytes.push(0);
    bytes
}

#[test]
fn nesting_is_bounded() {
    // A node is a newtype and an option: two levels.
    let most = MAX_DEPTH as usize / 2 - 1;
    let mut levels = 0;
    let mut node = &decode::<Node>(&nodes(most)).unwrap();
    while let Some(inner) = &node.0 {
        (node, levels) = (inner, levels + 1);
    }
    assert_eq!(levels, most);
    for levels in [most + 1, 100_000, 10_000_000] {
        let refused = decode::<Node>(&nodes(levels)).unwrap_err();
        assert!(refused.to_string().contains("128 levels"), "{refused}");
    }
}

#[test]
fn what_nests_too_deep_to_be_decoded_is_not_encoded() {
    let most = MAX_DEPTH as usize / 2 - 1;
    let mut node = Node(None);
    for _ in 0..most {
        node = Node(Some(Box::new(node)));
    }
    assert_eq!(encode(&node).unwrap(), nodes(most));
    let refused = encode(&Node(Some(Box::new(node)))).unwrap_err();
    assert!(refused.to_string().contains("128 levels"), "{refused}");
}

/// Each kind of level takes as many of them to write as to read.
#[test]
fn the_deepest_value_of_each_kind_comes_back_and_a_deeper_one_is_not_encoded() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Level {
        End,
        New(Box<Level>),
        Tuple(u8, Box<Level>),
        Struct { inner: Box<Level> },
        Some(Option<Box<Level>>),
        All(Vec<Level>),
        Map(BTreeMap<u8, Level>),
        Pair((Box<Level>, u8)),
        Empty(Vec<()>, BTreeMap<(), ()>, Option<()>),
    }
    type Around = fn(Level) -> Level;
    let kinds: [(u32, Around); 7] = [
        (1, |inner| Level::New(inner.into())),
        (1, |inner| Level::Tuple(1, inner.into())),
        (1, |inner| Level::Struct {
            inner: inner.into(),
        }),
        (2, |inner| Level::Some(Some(inner.into()))),
        (2, |inner| Level::All(vec![Level::End, inner])),
        (2, |inner| Level::Map(BTreeMap::from([(1, inner)]))),
        (2, |inner| Level::Pair((inner.into(), 1))),
    ];
    let ends = [
        (1, Level::End),
        (2, Level::Empty(vec![()], BTreeMap::from([((), ())]), None)),
    ];
    for (levels, around) in kinds {
        for (end, value) in &ends {
            let mut value = value.clone();
            for _ in 0..(MAX_DEPTH - end) / levels {
                value = around(value);
            }
            comes_back(&value);
            assert!(encode(&around(value)).is_err());
        }
    }
}

#[test]
fn levels_are_counted_in_each_other_and_not_beside_each_other() {
    comes_back(&vec![Mark::Nested(Box::new(Mark::None)); 1000]);
    comes_back(&vec![Some(Some(vec![(1, 2)])); 1000]);
}

#[test]
fn a_length_that_the_bytes_cannot_hold_is_refused_before_it_is_counted_to() {
    // 2^63 elements of nothing: without a bound this would never end.
    let bytes = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    let said = |refused: ValueError| refused.to_string();
    let refused = said(decode::<Vec<()>>(&bytes).unwrap_err());
    assert!(refused.contains("the 0 bytes"), "{refused}");
    let refused = said(decode::<Vec<[[(); 32]; 32]>>(&bytes).unwrap_err());
    assert!(refused.contains("the 0 bytes"), "{refused}");
    let refused = said(decode::<BTreeMap<(), ()>>(&bytes).unwrap_err());
    assert!(refused.contains("the 0 bytes"), "{refused}");
    let refused = said(decode::<Vec<u8>>(&bytes).unwrap_err());
    assert!(refused.contains("the 0 bytes"), "{refused}");
    assert!(decode::<String>(&bytes).is_err());
}

#[test]
fn elements_that_take_no_bytes_are_bounded_in_all_sequences_together() {
    comes_back(&vec![(); MAX_EMPTY as usize]);
    comes_back(&vec![vec![(); 1 << 8]; 1 << 8]);
    comes_back(&BTreeMap::from([((), ())]));
    comes_back(&BTreeSet::from([[(), ()]]));
    let many = postcard::to_stdvec(&(vec![(); (1 << 16) + 1], [0_u8; 9])).unwrap();
    let refused = decode::<(Vec<()>, [u8; 9])>(&many).unwrap_err();
    assert!(refused.to_string().contains("65536 elements"), "{refused}");
    let many = vec![vec![(); 1 << 8]; (1 << 8) + 1];
    assert!(decode::<Vec<Vec<()>>>(&postcard::to_stdvec(&many).unwrap()).is_err());
    let refused = encode(&many).unwrap_err();
    assert!(refused.to_string().contains("65536 elements"), "{refused}");
}

#[test]
fn a_type_that_asks_what_comes_next_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
        Text(String),
    }
    for value in [Either::Number(1), Either::Text("a".to_owned())] {
        let bytes = encode(&value).unwrap();
        let refused = decode::<Either>(&bytes).unwrap_err();
        assert!(refused.to_string().contains("self-describing"), "{refused}");
    }
}
