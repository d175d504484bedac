//! A manager while any bytes are written over its words, its records and its objects: every
//! operation is an error or works; no panic, no hang, no access outside.

use crate::place::{Place, SHORT, play};
use crossdock::manager::{self, ManagerOptions};
use crossdock::object::SharedOptions;
use crossdock::{Counter, Dict, List, Manager, Shared};

const RECORDS: u64 = 4;
/// Where records, cells and the pool begin: of four records and four participants.
const DIRECTORY: u64 = 256;
const CELLS: u64 = DIRECTORY + RECORDS * 256;
const POOL: u64 = CELLS + 128;
const ROOM: u64 = 8 << 10;

struct Users {
    place: Place,
    manager: Manager,
    list: Option<List<Vec<u8>>>,
    dict: Option<Dict<u8, u8>>,
    shared: Option<Shared<Vec<u8>>>,
}

impl Users {
    fn new() -> Option<Self> {
        let options = ManagerOptions::new(ROOM).objects(RECORDS);
        let (place, manager) = Place::with::<Manager>(options)?;
        let first = SharedOptions::new(&vec![1_u8; 9]).capacity(16);
        Some(Self {
            list: manager.list("list", 1).ok(),
            dict: manager.dict("dict", 1).ok(),
            shared: manager.create("shared", first).ok(),
            place,
            manager,
        })
    }

    /// Writes a word, but for that of a mutex: one that names this process is waited for.
    fn write(&self, at: u64, value: u64) {
        let is_mutex = at == 0 || at >= POOL && (at - POOL) % 512 == 128;
        if !is_mutex {
            self.place.write(at, &value.to_le_bytes());
        }
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let [at, low, high] = [a, b, c].map(u64::from);
        match verb % 20 {
            // Anywhere, and where a wild value does most.
            0 => self.write(at * 8 + (low & 7) * 2_048, high | (low << 8)),
            1 => self.write(at * 8, u64::from_le_bytes([a, b, c, verb, c, b, a, verb])),
            // A state; the number of an object, or of a record before; a record; a cell.
            2 => self.write(128 + (at % 16) * 8, ((low % 8) << 19) | (high % 8)),
            3 => self.write(
                144 + (at % 4) * 32 + (at & 8),
                ((low % 8) << 16) | (high % 4),
            ),
            4 => self.place.write(DIRECTORY + at * 4, &[b]),
            5 => self.write(CELLS + (at % 16) * 8, (low << 10) | (high << 29)),
            // Words of an object.
            6 => self.write(POOL + (at % 128) * 64 + (high % 8) * 8, low),
            7 => drop(self.place.segment.reap()),
            _ => self.operate(verb % 20, a, &vec![b; usize::from(c) % 90]),
        }
    }

    fn operate(&mut self, verb: u8, a: u8, value: &Vec<u8>) {
        let Self {
            manager,
            list,
            dict,
            shared,
            ..
        } = self;
        let name = ["list", "dict", "shared", "counter"][usize::from(a % 4)];
        match (verb, list, dict, shared) {
            (8, list, ..) => *list = manager.open("list").ok(),
            (9, _, dict, _) => *dict = manager.open("dict").ok(),
            (10, list, dict, _) if a & 1 == 0 => {
                *list = manager.list("list", 1).ok();
                *dict = manager.dict("dict", 1).ok();
            }
            (10, ..) => drop(
                manager
                    .create::<Counter>("counter", 1)
                    .map(|one| one.add(1)),
            ),
            (11, ..) => drop(manager.remove(name)),
            (12, ..) => drop((manager.room(), manager.objects())),
            (13 | 14, Some(list), ..) => drop(list.push(value)),
            (15, Some(list), ..) => {
                list.iter().take(200).for_each(drop);
                drop((list.get(a.into()), list.pop(), manager::is_removed(list)));
            }
            (16, _, Some(dict), _) => drop((0..a % 20).find(|key| dict.insert(key, key).is_err())),
            (17, _, Some(dict), _) => {
                dict.iter().take(200).for_each(drop);
                let _ = (dict.get(&a), dict.remove(&a), dict.wait_changed(SHORT));
            }
            (18, _, _, Some(shared)) => drop((shared.store(value), shared.load())),
            (19, _, _, Some(shared)) => drop(shared.update(|value| value.push(1))),
            _ => {}
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    play(data, |_| Users::new(), Users::step);
}
