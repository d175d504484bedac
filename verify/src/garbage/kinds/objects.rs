//! The shared objects. Operations of theirs have no timeout: a writer waits for another live one.

use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Namespace, Segment, Set, Shared};

use crate::garbage::uses::{Free, Operation, Shape, Uses, Write, all, came, maybe, shown, sure};
use crate::place::SHORT;

/// Where the mutex of writers is, which is waited for.
const MUTEX: u64 = 128;
/// Where the tables begin, and where the last of all words that are no block's does, or nearly.
const TABLES: u64 = 256;
const WORDS: u64 = 512;

/// The root, what writers have, and a slot.
const SHAPES: &[Shape] = &[
    |[_, b, _]| Write::byte(0, b),
    |[a, b, c]| {
        Write::word(
            MUTEX + u64::from(a % 10) * 4,
            u32::from_le_bytes([b % 20, 0, 0, c & 0xc0]),
        )
    },
    |[a, b, c]| {
        Write::long(
            TABLES + u64::from(a % 80) * 8,
            u64::from(c) << 32 | u64::from(b % 20),
        )
    },
];

/// How long a value is, in whole words; and how many values there were before it grew.
const FREE_NUMBERS: &[Free] = &[(1, 25..=32), (2, 0..=u64::MAX)];

/// A value of some bytes, which may be longer than a block.
fn value([_, b, c]: [u8; 3]) -> Vec<u8> {
    vec![b; usize::from(c) % 90]
}

fn options(capacity: u64) -> ObjectOptions {
    ObjectOptions::new(capacity + 1).bytes_each(32)
}

impl Uses for Dict<u8, Vec<u8>> {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), [a, ..]| came(it.get(&a)),
        |it, (), [a, b, c]| came(it.insert(&a, &value([a, b, c]))),
        |it, (), _| all(it.iter()),
        |it, (), _| came(it.update(&1, |value| value.push(1))),
        |it, (), [a, ..]| came(it.update_or(&a, Vec::new, |value| value.push(1))),
        |it, (), [a, ..]| came(it.remove(&a)),
        |it, (), numbers| came(it.compare_exchange(&1, None, Some(&value(numbers)))),
        |it, (), _| came(it.wait_changed(SHORT)),
        |it, (), _| came(it.snapshot()),
        |it, (), _| sure!(it.len(), it.changes(), shown(it)),
        |it, (), _| came(it.clear()),
        |it, (), [a, b, _]| came(it.insert(&b, &vec![a])),
    ];

    const SHAPES: &'static [Shape] = SHAPES;

    const WORDS: u64 = WORDS;

    const FREE_NUMBERS: &'static [Free] = FREE_NUMBERS;

    fn config(capacity: u64) -> ObjectOptions {
        options(capacity)
    }

    fn begin(it: &Self, _: &Segment, (): &mut ()) {
        let _ = (it.insert(&1, &vec![1; 40]), it.insert(&0, &vec![0; 40]));
    }

    fn is_waited_for(at: u64) -> bool {
        at == MUTEX
    }
}

impl Uses for List<Vec<u8>> {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), [a, ..]| came(it.get(usize::from(a) / 2)),
        |it, (), numbers| came(it.push(&value(numbers))),
        |it, (), _| all(it.iter()),
        |it, (), [a, ..]| came(it.insert(usize::from(a) / 2, &vec![7])),
        |it, (), [a, ..]| came(it.update(usize::from(a) / 2, |value| value.push(1))),
        |it, (), numbers| came(it.set(numbers[0].into(), &value(numbers))),
        |it, (), _| came(it.wait_changed(SHORT)),
        |it, (), [a, ..]| came(it.remove(a.into())),
        |it, (), _| came(it.pop()),
        |it, (), _| came(it.sort()),
        |it, (), _| came(it.retain(|value| value.len() < 9)),
        |it, (), _| came(it.snapshot()),
        |it, (), _| sure!(it.len(), it.changes(), shown(it)),
        |it, (), _| came(it.clear()),
        |it, (), [_, b, _]| came(it.push(&vec![b])),
    ];

    const SHAPES: &'static [Shape] = SHAPES;

    const WORDS: u64 = WORDS;

    const FREE_NUMBERS: &'static [Free] = FREE_NUMBERS;

    fn config(capacity: u64) -> ObjectOptions {
        options(capacity + 2)
    }

    fn begin(it: &Self, _: &Segment, (): &mut ()) {
        let _ = it.extend([vec![1; 40], vec![2]]);
    }

    fn is_waited_for(at: u64) -> bool {
        at == MUTEX
    }
}

impl Uses for Set<u32> {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), [a, ..]| came(it.contains(&u32::from(a))),
        |it, (), [_, b, _]| came(it.insert(&u32::from(b))),
        |it, (), _| all(it.iter()),
        |it, (), [a, ..]| came(it.remove(&u32::from(a))),
        |it, (), _| came(it.snapshot()),
        |it, (), _| came(it.wait_changed(SHORT)),
        |it, (), _| sure!(it.len(), it.is_empty(), shown(it)),
        |it, (), _| came(it.clear()),
        |it, (), [a, ..]| came(it.insert(&u32::from(a))),
    ];

    const SHAPES: &'static [Shape] = SHAPES;

    const WORDS: u64 = WORDS;

    const FREE_NUMBERS: &'static [Free] = FREE_NUMBERS;

    fn config(capacity: u64) -> ObjectOptions {
        options(capacity)
    }

    fn begin(it: &Self, _: &Segment, (): &mut ()) {
        let _ = (it.insert(&1), it.insert(&2));
    }

    fn is_waited_for(at: u64) -> bool {
        at == MUTEX
    }
}

impl Uses for Namespace {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), _| came(it.get::<u32>("one")),
        |it, (), _| came(it.get::<Vec<u8>>("one")),
        |it, (), numbers| came(it.set("two", &value(numbers))),
        |it, (), _| came(it.names()),
        |it, (), [a, ..]| came(it.set("one", &u32::from(a))),
        |it, (), _| came(it.wait_changed(SHORT)),
        |it, (), _| maybe(it.remove("two").ok()),
        |it, (), _| shown(it),
    ];

    const SHAPES: &'static [Shape] = SHAPES;

    const WORDS: u64 = WORDS;

    const FREE_NUMBERS: &'static [Free] = FREE_NUMBERS;

    fn config(capacity: u64) -> ObjectOptions {
        options(capacity + 2)
    }

    fn begin(it: &Self, _: &Segment, (): &mut ()) {
        let _ = it.set("one", &1_u32);
    }

    fn is_waited_for(at: u64) -> bool {
        at == MUTEX
    }
}

impl Uses for Shared<Vec<u8>> {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), _| came(it.load()),
        |it, (), numbers| came(it.store(&value(numbers))),
        |it, (), _| came(it.update(|value| value.push(1))),
        |it, (), [a, ..]| came(it.wait_newer_timeout(a.into(), SHORT)),
        |it, (), _| came(it.version()),
        |it, (), numbers| came(it.store_if(numbers[0].into(), &value(numbers))),
        |it, (), _| came(it.load_versioned()),
        |it, (), [_, b, _]| came(it.store(&vec![b])),
        |it, (), _| shown(it),
    ];

    const SHAPES: &'static [Shape] = SHAPES;

    const WORDS: u64 = WORDS;

    const FREE_NUMBERS: &'static [Free] = &[(0, 73..=80), (1, 0..=u64::MAX)];

    fn config(_: u64) -> SharedOptions<Vec<u8>> {
        SharedOptions::new(&vec![1; 9]).capacity(80)
    }

    fn is_waited_for(at: u64) -> bool {
        at == MUTEX
    }
}
