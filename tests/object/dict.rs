//! What a dictionary, a set and a namespace do, in one process.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossdock::object::{AttributeError, ObjectError, ObjectOptions, ObjectTimeoutError};
use crossdock::{Dict, Namespace, SegmentOptions, Set};

use crate::support::watch;
use crate::{dict, segment};

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn a_key_has_the_value_that_was_inserted_last() {
    let (_segment, dict) = dict(10);
    assert_eq!(dict.get("a"), Ok(None));
    assert_eq!(dict.insert(&"a".into(), &vec![1]), Ok(true));
    assert_eq!(dict.insert(&"a".into(), &vec![2, 3]), Ok(false));
    assert_eq!(dict.get("a"), Ok(Some(vec![2, 3])));
    assert_eq!(dict.get(&"a".to_owned()), Ok(Some(vec![2, 3])));
    assert_eq!((dict.len(), dict.contains_key("a")), (1, Ok(true)));
    let mut bytes = vec![9; 3];
    assert_eq!(dict.get_into("b", &mut bytes), Ok(false));
    assert_eq!(bytes, []);
    assert_eq!(dict.get_into("a", &mut bytes), Ok(true));
    assert_eq!(bytes, [2, 2, 3]);
    assert_eq!(dict.remove("a"), Ok(Some(vec![2, 3])));
    assert_eq!(dict.remove("a"), Ok(None));
    assert_eq!((dict.get("a"), dict.is_empty()), (Ok(None), true));
}

/// Also of keys that do not fit in a block, and behind longer ones, whose memory is used again.
#[test]
fn keys_of_any_length_are_told_apart() {
    const LONGEST: usize = 300;
    let segment = SegmentOptions::new().size(16 << 20).anonymous().unwrap();
    let dict = segment
        .create::<Dict<String, Vec<u8>>>("dict", 5_000)
        .unwrap();
    let key = |len: usize, last: &str| "k".repeat(len) + last;
    for len in 0..LONGEST {
        for (last, mark) in [("a", 1), ("b", 2)] {
            assert_eq!(dict.insert(&key(len, last), &vec![mark; len]), Ok(true));
        }
    }
    let mut bytes = Vec::new();
    for len in (0..LONGEST).chain((0..LONGEST).rev()) {
        for (last, mark) in [("a", 1), ("b", 2)] {
            let (key, value) = (key(len, last), vec![mark; len]);
            assert_eq!(dict.get_into(key.as_str(), &mut bytes), Ok(true));
            assert!(bytes.ends_with(&value), "{len}");
            assert_eq!(dict.get(key.as_str()), Ok(Some(value)), "{len}");
        }
        assert_eq!(dict.get_into(key(len, "c").as_str(), &mut bytes), Ok(false));
        assert_eq!((bytes.len(), dict.contains_key("")), (0, Ok(false)));
    }
}

#[test]
fn a_value_longer_than_a_block_goes_on_in_others() {
    let (_segment, dict) = dict(50);
    let long: Vec<u64> = (0..150).map(|at| at << 40).collect();
    let key = "k".repeat(500);
    for _ in 0..40 {
        dict.insert(&key, &long).unwrap();
        assert_eq!(dict.get(&key), Ok(Some(long.clone())));
        dict.insert(&key, &vec![1]).unwrap();
        assert_eq!(dict.get(&key), Ok(Some(vec![1])));
    }
    assert_eq!(dict.remove(&key), Ok(Some(vec![1])));
}

#[test]
fn a_full_dictionary_says_what_was_asked_and_still_changes() {
    let (_segment, dict) = dict(10);
    let fill = (0..).take_while(|number| {
        let inserted = dict.insert(&number.to_string(), &vec![*number]);
        if let Err(error) = &inserted {
            assert_eq!(*error, ObjectError::Full { asked: 96, free: 0 });
            let text = error.to_string();
            assert!(
                text.starts_with("expected 96 free bytes, found 0"),
                "{text}"
            );
        }
        inserted.is_ok()
    });
    let filled = fill.count();
    assert!(filled >= 10, "{filled}");
    for _ in 0..100 {
        dict.insert(&"3".into(), &vec![7]).unwrap();
    }
    assert_eq!(dict.remove("4"), Ok(Some(vec![4])));
    assert_eq!(dict.insert(&"x".into(), &vec![5]), Ok(true));
    let huge = dict.insert(&"3".into(), &vec![u64::MAX; 500]);
    assert!(
        matches!(huge, Err(ObjectError::Full { asked: 4_500.., .. })),
        "{huge:?}"
    );
    assert_eq!(dict.get("3"), Ok(Some(vec![7])), "it stays");
    dict.clear().unwrap();
    assert_eq!((dict.len(), dict.get("3")), (0, Ok(None)));
    let again = (0..filled).all(|number| dict.insert(&number.to_string(), &vec![]) == Ok(true));
    assert!(again, "clearing gives all room back");
}

#[test]
fn keys_come_and_go_for_ever() {
    let (_segment, dict) = dict(8);
    for number in 0..20_000_u64 {
        dict.insert(&number.to_string(), &vec![number]).unwrap();
        if let Some(before) = number.checked_sub(5) {
            assert_eq!(dict.remove(&before.to_string()), Ok(Some(vec![before])));
            assert_eq!(
                dict.get(&(before + 1).to_string()),
                Ok(Some(vec![before + 1]))
            );
        }
    }
    assert_eq!(dict.len(), 5);
}

#[test]
fn an_update_is_made_whole_or_not_at_all() {
    let (_segment, dict) = dict(10);
    assert_eq!(dict.update("a", |_| ()), Ok(None));
    dict.update_or("a", Vec::new, |value| value.push(1))
        .unwrap();
    assert_eq!(
        dict.update("a", |value| {
            value.push(2);
            value.len()
        }),
        Ok(Some(2))
    );
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        dict.update("a", |value| {
            value.clear();
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(dict.get("a"), Ok(Some(vec![1, 2])));
    let full = dict.update("a", |value| value.resize(10_000, u64::MAX));
    assert!(matches!(full, Err(ObjectError::Full { .. })), "{full:?}");
    assert_eq!(dict.get("a"), Ok(Some(vec![1, 2])));
}

#[test]
fn a_closure_may_use_the_same_object() {
    let _watch = watch();
    let (_segment, dict) = dict(10);
    dict.insert(&"a".into(), &vec![1]).unwrap();
    let mut calls = 0;
    let updated = dict.update("a", |value| {
        calls += 1;
        if calls == 1 {
            dict.insert(&"a".into(), &vec![5]).unwrap();
        }
        value.push(calls);
    });
    assert_eq!((updated, calls), (Ok(Some(())), 2));
    assert_eq!(dict.get("a"), Ok(Some(vec![5, 2])));
    let got = dict.get_or_insert_with("b", || {
        dict.insert(&"b".into(), &vec![6]).unwrap();
        vec![7]
    });
    assert_eq!(got, Ok(vec![6]), "the one that was there first");
    assert_eq!(dict.get_or_insert_with("c", || vec![8]), Ok(vec![8]));
}

#[test]
fn a_value_is_exchanged_only_if_it_is_the_one_expected() {
    let (_segment, dict) = dict(10);
    let (one, two) = (vec![1], vec![2]);
    assert_eq!(
        dict.compare_exchange("a", Some(&one), Some(&two)),
        Ok(Err(None))
    );
    assert_eq!(dict.compare_exchange("a", None, Some(&one)), Ok(Ok(())));
    assert_eq!(
        dict.compare_exchange("a", None, Some(&two)),
        Ok(Err(Some(vec![1])))
    );
    assert_eq!(
        dict.compare_exchange("a", Some(&two), None),
        Ok(Err(Some(vec![1])))
    );
    assert_eq!(dict.compare_exchange("a", Some(&one), None), Ok(Ok(())));
    assert_eq!(dict.compare_exchange("a", None, None), Ok(Ok(())));
    assert!(dict.is_empty());
}

#[test]
fn keys_are_equal_by_their_bytes() {
    let dict = segment().create::<Dict<f64, u8>>("d", 10).unwrap();
    dict.insert(&0.0, &1).unwrap();
    dict.insert(&-0.0, &2).unwrap();
    dict.insert(&f64::NAN, &3).unwrap();
    assert_eq!(
        (dict.get(&0.0), dict.get(&-0.0)),
        (Ok(Some(1)), Ok(Some(2)))
    );
    assert_eq!((dict.get(&f64::NAN), dict.len()), (Ok(Some(3)), 3));
    let unit = segment().create::<Dict<(), ()>>("u", 1).unwrap();
    assert_eq!(
        (unit.insert(&(), &()), unit.get(&())),
        (Ok(true), Ok(Some(())))
    );
}

#[test]
fn an_iterator_has_every_key_once() {
    let (_segment, dict) = dict(200);
    let expected: BTreeMap<String, Vec<u64>> =
        (0..150).map(|at| (at.to_string(), vec![at])).collect();
    expected.iter().for_each(|(key, value)| {
        dict.insert(key, value).unwrap();
    });
    let found: Vec<_> = dict.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(found.len(), 150);
    assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let snapshot = dict.snapshot().unwrap();
    assert_eq!(snapshot.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let mut keys: Vec<String> = dict.keys().collect::<Result<_, _>>().unwrap();
    keys.sort();
    assert!(keys.iter().eq(expected.keys()));
    let sum: u64 = dict.values().map(|value| value.unwrap()[0]).sum();
    assert_eq!(sum, (0..150).sum());
}

#[test]
fn a_wait_ends_by_a_change() {
    let _watch = watch();
    let (_segment, dict) = dict(10);
    assert_eq!(dict.wait_changed(SHORT), Err(ObjectTimeoutError::Timeout));
    let changes = dict.changes();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| dict.wait_changed_since(changes, crate::support::PATIENCE));
        dict.insert(&"a".into(), &vec![]).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    assert!(dict.changes() > changes);
}

#[test]
fn a_wait_for_a_set_or_a_namespace_ends_by_a_change() {
    let _watch = watch();
    let segment = segment();
    let set = segment.create::<Set<u32>>("s", 5).unwrap();
    let state = segment.create::<Namespace>("n", 5).unwrap();
    let before = (set.changes(), state.changes());
    assert_eq!(set.wait_changed(SHORT), Err(ObjectTimeoutError::Timeout));
    assert_eq!(state.wait_changed(SHORT), Err(ObjectTimeoutError::Timeout));
    set.insert(&1).unwrap();
    state.set("phase", &1_u8).unwrap();
    assert_eq!(
        set.wait_changed_since(before.0, crate::support::PATIENCE),
        Ok(())
    );
    assert_eq!(
        state.wait_changed_since(before.1, crate::support::PATIENCE),
        Ok(())
    );
}

#[test]
fn a_set_has_each_value_once() {
    let set = segment().create::<Set<u32>>("s", 5).unwrap();
    assert_eq!(
        (set.insert(&1), set.insert(&1), set.insert(&2)),
        (Ok(true), Ok(false), Ok(true))
    );
    assert_eq!(
        (set.len(), set.contains(&2), set.contains(&3)),
        (2, Ok(true), Ok(false))
    );
    let mut all = set.snapshot().unwrap();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
    assert_eq!((set.remove(&1), set.remove(&1)), (Ok(true), Ok(false)));
    assert_eq!(format!("{set:?}"), "{2}");
    set.clear().unwrap();
    assert!(set.is_empty() && set.iter().next().is_none());
}

#[test]
fn an_attribute_is_read_as_the_type_that_it_has() {
    let options = ObjectOptions::new(4).bytes_each(200);
    let namespace = segment().create::<Namespace>("n", options).unwrap();
    namespace.set("name", &"rye".to_owned()).unwrap();
    namespace.set("sizes", &vec![1_u8, 2]).unwrap();
    assert_eq!(namespace.get::<String>("name"), Ok(Some("rye".into())));
    assert_eq!(namespace.get::<Vec<u8>>("sizes"), Ok(Some(vec![1, 2])));
    assert_eq!(namespace.get::<u32>("other"), Ok(None));
    let other = namespace.get::<u32>("name").unwrap_err();
    assert!(matches!(other, AttributeError::OtherType { .. }), "{other}");
    assert!(
        other
            .to_string()
            .starts_with("expected an attribute of type u32"),
        "{other}"
    );
    namespace.set("name", &7_u32).unwrap();
    assert_eq!(namespace.get::<u32>("name"), Ok(Some(7)));
    assert_eq!(
        (namespace.remove("name"), namespace.remove("name")),
        (Ok(true), Ok(false))
    );
    assert_eq!(namespace.names(), Ok(vec!["sizes".to_owned()]));
    assert_eq!(format!("{namespace:?}"), r#"{"sizes": [u8]}"#);
}
