//! The manager, with objects of which one has grown.

use crossdock::manager::{self, ManagerOptions};
use crossdock::object::SharedOptions;
use crossdock::{Counter, Dict, List, Manager, Segment, Shared};

use crate::garbage::uses::{
    Free, Operation, Shape, Uses, Write, all, came, maybe, shown, sure, with,
};
use crate::place::SHORT;

const RECORDS: u64 = 4;
/// Where records, cells and the pool begin: of four records and four participants.
const DIRECTORY: u64 = 256;
const CELLS: u64 = DIRECTORY + RECORDS * 256;
const POOL: u64 = CELLS + 128;
const ROOM: u64 = 8 << 10;

/// The objects that are held.
#[derive(Default)]
pub(crate) struct Objects {
    list: Option<List<Vec<u8>>>,
    dict: Option<Dict<u8, u8>>,
    shared: Option<Shared<Vec<u8>>>,
}

impl Uses for Manager {
    type Held<'h> = Objects;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |_, held, [a, ..]| with(held.list.as_ref(), |list| came(list.get(a.into()))),
        |_, held, [_, b, c]| {
            with(held.list.as_ref(), |list| {
                came(list.push(&vec![b; usize::from(c) % 90]))
            })
        },
        |_, held, _| with(held.list.as_ref(), |list| all(list.iter())),
        |_, held, _| with(held.list.as_ref(), |list| came(list.wait_changed(SHORT))),
        |_, held, _| with(held.list.as_ref(), |list| came(list.pop())),
        |_, held, [a, ..]| with(held.dict.as_ref(), |dict| came(dict.get(&a))),
        |_, held, [a, ..]| {
            with(held.dict.as_ref(), |dict| {
                all((0..a % 20).map(|key| dict.insert(&key, &key)))
            })
        },
        |_, held, _| with(held.dict.as_ref(), |dict| all(dict.iter())),
        |_, held, [a, ..]| with(held.dict.as_ref(), |dict| came(dict.remove(&a))),
        |_, held, [a, ..]| with(held.dict.as_ref(), |dict| came(dict.update(&a, |_| ()))),
        |_, held, _| with(held.dict.as_ref(), |dict| came(dict.wait_changed(SHORT))),
        |_, held, [_, b, c]| {
            with(held.shared.as_ref(), |shared| {
                came(shared.store(&vec![b; usize::from(c) % 90]))
            })
        },
        |_, held, _| with(held.shared.as_ref(), |shared| came(shared.load())),
        |_, held, _| {
            with(held.shared.as_ref(), |shared| {
                came(shared.update(|value| value.push(1)))
            })
        },
        |_, held, _| {
            with(held.list.as_ref(), |list| {
                sure!(manager::is_removed(list), shown(list))
            })
        },
        |it, held, _| came(it.open("list").map(|list| held.list = Some(list))),
        |it, held, _| came(it.open("dict").map(|dict| held.dict = Some(dict))),
        |_, held, _| with(held.list.as_ref(), |list| came(list.push(&vec![2]))),
        |_, held, _| with(held.dict.as_ref(), |dict| came(dict.insert(&1, &1))),
        |it, _, _| came(it.objects()),
        |it, _, _| came(it.room()),
        |it, _, _| {
            came(
                it.create::<Counter>("counter", 1)
                    .map(|counter| counter.add(1)),
            )
        },
        |it, _, _| maybe(it.remove("counter").ok()),
        |it, _, [a, ..]| came(it.remove(["list", "dict", "shared"][usize::from(a % 3)])),
        |it, held, _| {
            held.list = it.list("list", 1).ok();
            held.dict = it.dict("dict", 1).ok();
            sure!(shown(it))
        },
    ];

    const SHAPES: &'static [Shape] = &[
        // A state; the number of an object, or of a record before; a record; a cell.
        |[a, b, c]| {
            Write::long(
                128 + u64::from(a % 16) * 8,
                u64::from(b % 8) << 19 | u64::from(c % 8),
            )
        },
        |[a, b, c]| {
            let at = 144 + u64::from(a % 4) * 32 + u64::from(a & 8);
            Write::long(at, u64::from(b % 8) << 16 | u64::from(c % 4))
        },
        |[a, b, _]| Write::byte(DIRECTORY + u64::from(a) * 4, b),
        |[a, b, c]| {
            Write::long(
                CELLS + u64::from(a % 16) * 8,
                u64::from(b) << 10 | u64::from(c) << 29,
            )
        },
        // Words of an object.
        |[a, b, c]| {
            Write::long(
                POOL + u64::from(a % 128) * 64 + u64::from(c % 8) * 8,
                b.into(),
            )
        },
    ];

    const WORDS: u64 = DIRECTORY;

    const ONE_IN: u64 = 61;

    const FREE_NUMBERS: &'static [Free] = &[(0, ROOM - 511..=ROOM)];

    fn config(_: u64) -> ManagerOptions {
        ManagerOptions::new(ROOM).objects(RECORDS)
    }

    fn begin(it: &Self, _: &Segment, held: &mut Objects) {
        let first = SharedOptions::new(&vec![1; 9]).capacity(16);
        held.list = it.list("list", 1).ok();
        held.dict = it.dict("dict", 1).ok();
        held.shared = it.create("shared", first).ok();
        // It grows into the fourth record.
        with(held.list.as_ref(), |list| {
            came(list.extend((0..9).map(|number| vec![number])))
        });
    }

    fn is_waited_for(at: u64) -> bool {
        at == 0 || at >= POOL && (at - POOL) % 512 == 128
    }
}
