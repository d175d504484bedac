//! Random operations, against those of the standard library.

use std::collections::HashMap;

use crossdock::object::{ObjectError, ObjectOptions};
use crossdock::{Dict, List};
use proptest::prelude::*;

use crate::segment;

#[derive(Clone, Debug)]
enum OnDict {
    Insert(u8, Vec<u8>),
    Remove(u8),
    Update(u8),
    Exchange(u8, bool),
    Clear,
}

fn on_dict() -> impl Strategy<Value = OnDict> {
    let key = 0_u8..12;
    prop_oneof![
        6 => (key.clone(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(k, v)| OnDict::Insert(k, v)),
        4 => key.clone().prop_map(OnDict::Remove),
        2 => key.clone().prop_map(OnDict::Update),
        2 => (key, any::<bool>()).prop_map(|(k, right)| OnDict::Exchange(k, right)),
        1 => Just(OnDict::Clear),
    ]
}

#[derive(Clone, Debug)]
enum OnList {
    Push(Vec<u8>),
    Extend(Vec<Vec<u8>>),
    Pop,
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize),
    Sort,
    Retain(u8),
    Clear,
}

fn on_list() -> impl Strategy<Value = OnList> {
    let value = || prop::collection::vec(any::<u8>(), 0..200);
    let at = 0_usize..8;
    prop_oneof![
        4 => value().prop_map(OnList::Push),
        1 => prop::collection::vec(value(), 0..4).prop_map(OnList::Extend),
        2 => Just(OnList::Pop),
        2 => (at.clone(), value()).prop_map(|(at, v)| OnList::Set(at, v)),
        2 => (at.clone(), value()).prop_map(|(at, v)| OnList::Insert(at, v)),
        2 => at.prop_map(OnList::Remove),
        1 => Just(OnList::Sort),
        1 => any::<u8>().prop_map(OnList::Retain),
        1 => Just(OnList::Clear),
    ]
}

/// Whether it worked; a full object is no error here, and changes nothing.
fn worked<T>(result: Result<T, ObjectError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(ObjectError::Full { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_dictionary_does_what_a_hash_map_does(operations in prop::collection::vec(on_dict(), 0..120)) {
        let options = ObjectOptions::new(20).bytes_each(32);
        let dict = segment().create::<Dict<u8, Vec<u8>>>("d", options).unwrap();
        let mut model = HashMap::new();
        for operation in operations {
            match operation {
                OnDict::Insert(key, value) => {
                    if let Some(new) = worked(dict.insert(&key, &value)) {
                        prop_assert_eq!(new, model.insert(key, value).is_none());
                    }
                }
                OnDict::Remove(key) => prop_assert_eq!(worked(dict.remove(&key)).unwrap(), model.remove(&key)),
                OnDict::Update(key) => {
                    let updated = worked(dict.update(&key, |value| value.reverse()));
                    if updated.is_some() {
                        prop_assert_eq!(updated.unwrap(), model.get_mut(&key).map(|value| value.reverse()));
                    }
                }
                OnDict::Exchange(key, right) => {
                    let there = model.get(&key).cloned();
                    let expected = if right { there.clone() } else { Some(vec![1; 9]) };
                    let exchanged = worked(dict.compare_exchange(&key, expected.as_ref(), None)).unwrap();
                    if expected == there {
                        prop_assert_eq!(exchanged, Ok(()));
                        model.remove(&key);
                    } else {
                        prop_assert_eq!(exchanged, Err(there));
                    }
                }
                OnDict::Clear => {
                    worked(dict.clear()).unwrap();
                    model.clear();
                }
            }
            prop_assert_eq!(dict.len(), model.len() as u64);
            for key in 0..12 {
                prop_assert_eq!(dict.get(&key).unwrap(), model.get(&key).cloned());
            }
        }
        let found: HashMap<_, _> = dict.iter().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found, model);
    }

    #[test]
    fn a_list_does_what_a_vec_does(operations in prop::collection::vec(on_list(), 0..120)) {
        let options = ObjectOptions::new(20).bytes_each(32);
        let list = segment().create::<List<Vec<u8>>>("l", options).unwrap();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for operation in operations {
            match operation {
                OnList::Push(value) => {
                    if worked(list.push(&value)).is_some() {
                        model.push(value);
                    }
                }
                OnList::Extend(values) => {
                    if worked(list.extend(values.clone())).is_some() {
                        model.extend(values);
                    }
                }
                OnList::Pop => prop_assert_eq!(worked(list.pop()).unwrap(), model.pop()),
                OnList::Set(at, value) => {
                    if let Some(set) = worked(list.set(at, &value)) {
                        prop_assert_eq!(set, at < model.len());
                        if set {
                            model[at] = value;
                        }
                    }
                }
                OnList::Insert(at, value) => {
                    if let Some(inserted) = worked(list.insert(at, &value)) {
                        prop_assert_eq!(inserted, at <= model.len());
                        if inserted {
                            model.insert(at, value);
                        }
                    }
                }
                OnList::Remove(at) => {
                    let expected = (at < model.len()).then(|| model.remove(at));
                    prop_assert_eq!(worked(list.remove(at)).unwrap(), expected);
                }
                OnList::Sort => {
                    worked(list.sort()).unwrap();
                    model.sort();
                }
                OnList::Retain(most) => {
                    let keeps = |value: &Vec<u8>| value.first().is_none_or(|first| *first < most);
                    worked(list.retain(keeps)).unwrap();
                    model.retain(keeps);
                }
                OnList::Clear => {
                    worked(list.clear()).unwrap();
                    model.clear();
                }
            }
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(list.snapshot().unwrap(), &*model);
            prop_assert_eq!(list.slice(..).unwrap(), &*model);
        }
    }
}
