//! Shared objects while any bytes are written over their words and their values: every operation is
//! an error or works; no panic, no hang, no access outside.

use crate::place::{NAME, Place, SHORT, play};
use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Shared};

/// Where the tables begin.
const TABLES: u64 = 256;

/// The object of a run.
enum Object {
    Dict(Dict<u8, Vec<u8>>),
    List(List<Vec<u8>>),
    Shared(Shared<Vec<u8>>),
}

struct Users {
    place: Place,
    object: Object,
}

impl Users {
    fn new(capacity: u64) -> Option<Self> {
        let options = ObjectOptions::new(capacity + 1).bytes_each(32);
        let (place, object) = match capacity % 3 {
            0 => {
                let (place, dict) = Place::with(options)?;
                (place, Object::Dict(dict))
            }
            1 => {
                let (place, list) = Place::with(options)?;
                (place, Object::List(list))
            }
            _ => {
                let first = SharedOptions::new(&vec![1_u8; 9]).capacity(80);
                let (place, shared) = Place::with(first)?;
                (place, Object::Shared(shared))
            }
        };
        Some(Self { place, object })
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        match verb % 16 {
            // Anywhere, and where a wild value does most.
            0 => self.place.write(u64::from(a) * 8, &[a, b, c, verb]),
            1 => self.place.write_anywhere([verb, a, b, c], false),
            // The root, what writers have, and a slot.
            2 => self.place.write(0, &[b]),
            3 => self
                .place
                .write(128 + u64::from(a % 10) * 4, &[b % 20, 0, 0, c & 0xc0]),
            4 => self
                .place
                .write(TABLES + u64::from(a % 80) * 8, &[b % 20, 0, 0, 0, c]),
            15 if a & 1 == 0 => drop(self.place.segment.reap()),
            _ => self.operate(verb, a, &vec![b; usize::from(c) % 90]),
        }
    }

    fn operate(&mut self, verb: u8, a: u8, value: &Vec<u8>) {
        let place = &self.place.segment;
        match &mut self.object {
            Object::Dict(dict) => match verb % 16 {
                5 | 6 => drop(dict.insert(&a, value)),
                7 => drop(dict.get(&a)),
                8 => drop(dict.remove(&a)),
                9 => drop(dict.update_or(&a, Vec::new, |value| value.push(1))),
                10 => dict.iter().take(200).for_each(drop),
                11 => drop(dict.snapshot()),
                12 => drop(dict.wait_changed(SHORT)),
                13 => drop(dict.clear()),
                14 => drop((dict.compare_exchange(&a, None, Some(value)), dict.len())),
                _ => drop(place.open(NAME).map(|fresh| *dict = fresh)),
            },
            Object::List(list) => match verb % 16 {
                5 | 6 => drop(list.push(value)),
                7 => drop(list.get(a.into())),
                8 => drop(list.pop()),
                9 => drop(list.update(a.into(), |value| value.push(1))),
                10 => list.iter().take(200).for_each(drop),
                11 => drop((list.sort(), list.retain(|value| value.len() < 9))),
                12 => drop(list.wait_changed(SHORT)),
                13 => drop((list.insert(a.into(), value), list.remove(a.into()))),
                14 => drop((list.set(a.into(), value), list.len())),
                _ => drop(place.open(NAME).map(|fresh| *list = fresh)),
            },
            Object::Shared(shared) => match verb % 16 {
                5..8 => drop(shared.store(value)),
                8..10 => drop(shared.load()),
                10 => drop(shared.update(|value| value.push(1))),
                11 => drop(shared.version()),
                12 => drop(shared.wait_newer_timeout(a.into(), SHORT)),
                13 | 14 => drop(shared.store_if(a.into(), value)),
                _ => drop(place.open(NAME).map(|fresh| *shared = fresh)),
            },
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    play(data, Users::new, Users::step);
}
