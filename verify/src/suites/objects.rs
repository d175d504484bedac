//! A dictionary and a list beside those of the standard library: each operation does what it does
//! there, or is refused for want of room and changes nothing.

use std::collections::HashMap;

use crossdock::object::{ObjectError, ObjectOptions};
use crossdock::{Dict, List, SegmentOptions};

use crate::place::play;

struct Objects {
    dict: Dict<u8, Vec<u8>>,
    keys: HashMap<u8, Vec<u8>>,
    list: List<Vec<u8>>,
    values: Vec<Vec<u8>>,
}

/// What an operation returned; `None` if there was no room.
fn done<T>(outcome: Result<T, ObjectError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(ObjectError::Full { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

impl Objects {
    fn new(capacity: u64) -> Option<Self> {
        let segment = SegmentOptions::new().size(1 << 15).anonymous().ok()?;
        let options = ObjectOptions::new(capacity + 1).bytes_each(32);
        Some(Self {
            dict: segment.create("dict", options).ok()?,
            keys: HashMap::new(),
            list: segment.create("list", options).ok()?,
            values: Vec::new(),
        })
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let value = vec![b; usize::from(c) % 100];
        match verb % 14 {
            0..6 => self.of_dict(verb, a % 12, value),
            _ => self.of_list(verb, usize::from(a % 10), value),
        }
        assert_eq!(self.dict.len(), self.keys.len() as u64);
        assert_eq!(done(self.list.slice(..)).as_deref(), Some(&*self.values));
    }

    fn of_dict(&mut self, verb: u8, key: u8, value: Vec<u8>) {
        let (dict, keys) = (&self.dict, &mut self.keys);
        match verb % 14 {
            0 | 1 => {
                if let Some(new) = done(dict.insert(&key, &value)) {
                    assert_eq!(new, keys.insert(key, value).is_none());
                }
            }
            2 => assert_eq!(done(dict.remove(&key)), Some(keys.remove(&key))),
            3 => {
                if let Some(len) = done(dict.update(&key, |old| {
                    old.push(7);
                    old.len()
                })) {
                    let model = keys.get_mut(&key).map(|old| {
                        old.push(7);
                        old.len()
                    });
                    assert_eq!(len, model);
                }
            }
            4 if value.len() == 99 => {
                assert_eq!(done(dict.clear()), Some(()));
                keys.clear();
            }
            4 => {
                let there = keys.get(&key).cloned();
                let expected = if value.len().is_multiple_of(2) {
                    there.clone()
                } else {
                    None
                };
                let new = (value.len() % 4 < 2).then_some(&value);
                if let Some(exchanged) = done(dict.compare_exchange(&key, expected.as_ref(), new)) {
                    if expected == there {
                        assert_eq!(exchanged, Ok(()));
                        keys.remove(&key);
                        keys.extend(new.map(|new| (key, new.clone())));
                    } else {
                        assert_eq!(exchanged, Err(there));
                    }
                }
            }
            _ => {
                let all = dict.iter().collect::<Result<HashMap<_, _>, _>>();
                assert_eq!(done(all).as_ref(), Some(&*keys));
            }
        }
        assert_eq!(done(dict.get(&key)), Some(keys.get(&key).cloned()));
    }

    fn of_list(&mut self, verb: u8, at: usize, value: Vec<u8>) {
        let (list, values) = (&self.list, &mut self.values);
        match verb % 14 {
            6 | 7 => {
                if done(list.push(&value)).is_some() {
                    values.push(value);
                }
            }
            8 => assert_eq!(done(list.pop()), Some(values.pop())),
            9 => {
                if let Some(set) = done(list.set(at, &value)) {
                    assert_eq!(set, at < values.len());
                    if let Some(old) = values.get_mut(at) {
                        *old = value;
                    }
                }
            }
            10 => {
                if let Some(inserted) = done(list.insert(at, &value)) {
                    assert_eq!(inserted, at <= values.len());
                    if inserted {
                        values.insert(at, value);
                    }
                }
            }
            11 => {
                let more = [value.clone(), vec![1], value];
                if done(list.extend(more.clone())).is_some() {
                    values.extend(more);
                }
            }
            12 => {
                let keeps = |one: &Vec<u8>| one.first() != value.first();
                assert!(done(list.retain(keeps)).is_some());
                values.retain(keeps);
            }
            _ if value.len() == 99 => {
                assert_eq!(done(list.clear()), Some(()));
                values.clear();
            }
            _ if value.len() > 80 => {
                assert_eq!(done(list.sort()), Some(()));
                values.sort();
            }
            _ => {
                let removed = (at < values.len()).then(|| values.remove(at));
                assert_eq!(done(list.remove(at)), Some(removed));
            }
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    play(data, Objects::new, Objects::step);
}
