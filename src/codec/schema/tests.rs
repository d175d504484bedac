//! What types are called: the same where they mean the same, and else not.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::*;

/// All that is seen of a type.
fn text<T: DeserializeOwned>() -> String {
    let notes = seen::<T>();
    assert_eq!(notes.undecodable, None);
    assert!(notes.is_whole());
    let mut text = String::new();
    notes.tree.write(ROOT, &mut text);
    text
}

fn name<T: DeserializeOwned + 'static>() -> String {
    name_of::<T>().unwrap().to_string()
}

fn short<T: DeserializeOwned + 'static>() -> String {
    let name = name::<T>();
    assert_eq!(name.len() - name.rfind('#').unwrap(), 33, "{name}");
    name[..name.rfind('#').unwrap()].to_owned()
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "its fields are looked at by serde")]
struct Order {
    id: u64,
    boxes: Option<u32>,
    notes: Vec<(String, char)>,
    state: State,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "its fields are looked at by serde")]
enum State {
    Open,
    Sent(i64),
    Paid(u8, f32),
    Lost { by: String, when: Box<State> },
}

#[test]
fn fields_variants_and_their_kinds_are_seen() {
    assert_eq!(text::<(u8, i128, bool)>(), "(u8,i128,bool,)");
    assert_eq!(text::<Vec<Option<String>>>(), "[Option<string,>,]");
    assert_eq!(text::<BTreeMap<String, ()>>(), "{string,(),}");
    assert_eq!(text::<Duration>(), "Duration{secs:u64,nanos:u32,}");
    assert_eq!(
        text::<Result<u8, String>>(),
        "enum Result{Ok:(u8,),Err:(string,),}"
    );
    let state = "enum State{Open:;,Sent:(i64,),Paid:(u8,f32,),Lost:{by:string,when:^State,},}";
    let lost = state.replace("^State", state);
    let mut tree = String::new();
    record::<State>(2).tree.write(ROOT, &mut tree);
    assert_eq!(tree, lost);
    let mut tree = String::new();
    record::<Order>(1).tree.write(ROOT, &mut tree);
    assert_eq!(
        tree,
        format!("Order{{id:u64,boxes:Option<u32,>,notes:[(string,char,),],state:{state},}}")
    );
}

/// A change of these makes programs of different builds refuse each other's channels.
#[test]
fn names_stay_what_they_are() {
    assert_eq!(name::<u32>(), "u32#a68d9975f98b5822836dbc798e858089");
    assert_eq!(name::<String>(), "string#a9ed4d160c3c64bf6f501d53ae4aff10");
    assert_eq!(name::<Vec<u8>>(), "[u8]#37c776d37383d94f708106ee00cfc99c");
    assert_eq!(name::<Order>(), "Order#d1f30d145efb9dbc4f5c999da0c4fd2c");
}

#[test]
fn names_are_readable_and_fit() {
    assert_eq!(short::<u32>(), "u32");
    assert_eq!(short::<Order>(), "Order");
    assert_eq!(
        short::<Vec<Option<(String, Order)>>>(),
        "[Option<(string, Order)>]"
    );
    assert_eq!(short::<BTreeMap<u8, State>>(), "{u8: State}");
    let long = name::<(Order, Order, Order, Order, Order, Order)>();
    assert!(long.starts_with("(Order, Order, Order, Order,"), "{long}");
    assert_eq!(long.len(), Name::MAX);
}

#[test]
fn what_is_encoded_alike_and_called_alike_has_one_name() {
    assert_eq!(name::<Vec<u8>>(), name::<VecDeque<u8>>());
    assert_eq!(name::<Vec<u8>>(), name::<BTreeSet<u8>>());
    assert_eq!(name::<BTreeMap<u8, bool>>(), name::<HashMap<u8, bool>>());
    assert_eq!(name::<Box<Order>>(), name::<Order>());
    assert_eq!(name::<Box<str>>(), name::<String>());
    assert_eq!(name::<NonZeroU32>(), name::<u32>());
    assert_eq!(name::<[u16; 2]>(), name::<(u16, u16)>());
}

/// Of every two types of a list that their names differ.
macro_rules! all_differ {
    ($($type:ty,)+) => {
        let names = [$(name::<$type>()),+];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
        }
    };
}

#[test]
fn other_types_have_other_names() {
    mod other {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "its fields are looked at by serde")]
        pub(super) struct Order {
            pub(super) boxes: Option<u32>,
            pub(super) id: u64,
        }
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "its fields are looked at by serde")]
        pub(super) enum State {
            Open,
            Sent(i64),
            Paid(u8, f32),
            Lost { by: String, when: u8 },
        }
    }
    #[derive(Deserialize)]
    struct Wrapped<T>(T);
    all_differ! {
        u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64, bool, char, (), String,
        Option<u8>, Vec<u8>, Vec<i8>, Vec<Vec<u8>>, (u8,), (u8, u8), (u8, (u8,)), [u8; 3],
        [u8; 4], BTreeMap<u8, u8>, BTreeMap<u8, i8>, Option<Option<u8>>,
        Order, other::Order, State, other::State, Vec<State>, Vec<other::State>,
        Wrapped<u8>, Wrapped<i8>, Wrapped<Wrapped<u8>>, Wrapped<Wrapped<i8>>,
        Wrapped<Wrapped<Wrapped<u8>>>, Wrapped<Wrapped<Wrapped<i8>>>,
        Result<u8, u8>, Result<u8, i8>, Duration, IpAddr,
    }
}

#[test]
fn types_that_contain_themselves_have_names() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its fields are looked at by serde")]
    struct Node<T> {
        value: T,
        next: Option<Box<Node<T>>>,
        all: Vec<Node<T>>,
        named: BTreeMap<String, Node<T>>,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    enum Term<T> {
        Sum(Box<Term<T>>, Box<Term<T>>, T),
        Product(Box<Factor<T>>, T),
        Zero,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    enum Factor<T> {
        Term(Box<Term<T>>),
        Last { value: T },
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    struct Endless(Box<Endless>);
    all_differ! { Node<u8>, Node<i8>, Term<u8>, Term<i8>, Factor<u8>, Factor<i8>, Endless, }
    assert_eq!(short::<Node<u8>>(), "Node");
    assert_eq!(short::<Term<u8>>(), "Term");
}

#[test]
fn a_type_that_refuses_some_samples_is_seen_whole() {
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Date(#[expect(dead_code, reason = "only made")] String);
    impl TryFrom<String> for Date {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            (text.len() == 10)
                .then_some(Self(text))
                .ok_or("no date".to_owned())
        }
    }
    struct Id;
    impl<'de> Deserialize<'de> for Id {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Bytes;
            impl serde::de::Visitor<'_> for Bytes {
                type Value = Id;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("16 bytes")
                }
                fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Id, E> {
                    let right = bytes.len() == 16;
                    right
                        .then_some(Id)
                        .ok_or_else(|| E::invalid_length(bytes.len(), &self))
                }
            }
            deserializer.deserialize_bytes(Bytes)
        }
    }
    assert_eq!(
        text::<(Date, Id, NonZeroU32, u8)>(),
        "(string,bytes,u32,u8,)"
    );
    assert_eq!(text::<IpAddr>().matches("u8").count(), 4 + 16);
}

/// Refuses every string.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Never;

impl TryFrom<String> for Never {
    type Error = String;
    fn try_from(_: String) -> Result<Self, String> {
        Err("never".to_owned())
    }
}

#[test]
fn where_every_sample_is_refused_a_mark_says_that_the_rest_was_not_seen() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    enum Part {
        Never(Never, u8),
        Seen(u16),
        Last,
    }
    assert_eq!(text::<(u8, Never, u16)>(), "(u8,string?,)*3");
    assert_eq!(short::<Never>(), "string?");
    assert_ne!(name::<(u8, Never)>(), name::<(i8, Never)>());
    assert_eq!(
        text::<(Part, u32)>(),
        "(enum Part{Never:(string?,)*2,Seen:(u16,),Last:;,},u32,)"
    );
    struct Panics;
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let number = u8::deserialize(deserializer)?;
            assert!(number > 200, "a sample");
            Ok(Self)
        }
    }
    assert_eq!(text::<(Panics, u16)>(), "(u8?,)*2");
}

#[test]
fn a_type_that_asks_what_comes_next_has_no_name() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    enum Either {
        Number(u8),
        Text(String),
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    enum Deep {
        Plain,
        Part { either: Vec<Either> },
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    for refused in [name_of::<Either>(), name_of::<Deep>(), name_of::<Flat>()] {
        assert_eq!(refused, Err(Undecodable::SelfDescribing));
    }
    assert_eq!(name_of::<Vec<crate::Segment>>(), Err(Undecodable::Handle));
    assert_eq!(name_of::<crate::Mutex<u64>>(), Err(Undecodable::Handle));
}

#[test]
fn much_is_cut_and_named_the_same_each_time() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "its content is looked at by serde")]
    enum Wide {
        A(Box<[Wide; 8]>),
        B(Box<[Wide; 8]>, u8),
        C {
            a: Box<Wide>,
            b: Box<Wide>,
            c: Vec<Wide>,
        },
        D(u8),
    }
    let first = look_at::<Wide>().unwrap().to_string();
    assert_eq!(look_at::<Wide>().unwrap().to_string(), first);
    assert!(first.starts_with("Wide#"), "{first}");
}
