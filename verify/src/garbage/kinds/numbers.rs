//! Counters, and arrays of atomics: any bytes are values of them. None of their
//! words is wrong.

use crossdock::array::Init;
use crossdock::{AtomicArray, Counter, ShardedCounter};

use crate::garbage::uses::{Operation, Uses, came, shown, sure};
use crate::place::SHORT;

impl Uses for Counter<i64> {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), [a, ..]| sure!(it.add(a.into())),
        |it, (), [a, ..]| sure!(it.add_and_notify(a.into())),
        |it, (), [.., c]| came(it.wait_until_timeout(SHORT, |value| value > c.into())),
        |it, (), _| came(it.wait_until_timeout(SHORT, |value| value < i64::MIN + 1)),
        |it, (), [a, ..]| sure!(it.sub(a.into()), it.notify()),
        |it, (), _| sure!(it.fetch_min(it.load()), it.fetch_max(it.load())),
        |it, (), _| sure!(it.compare_exchange(1, 2)),
        |it, (), _| shown(it),
    ];

    const HAS_WRONG_WORDS: bool = false;

    fn config(_: u64) -> i64 {
        -3
    }
}

impl Uses for ShardedCounter {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), [a, ..]| sure!(it.add(a.into())),
        |it, (), _| sure!(it.load(), shown(it)),
    ];

    const HAS_WRONG_WORDS: bool = false;

    fn config(_: u64) {}
}

impl Uses for AtomicArray<u32> {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), [a, ..]| sure!((0..it.len()).for_each(|index| it[index].store(a.into()))),
        |it, (), [a, ..]| came(it.wait_while_eq_timeout(0, a.into(), SHORT)),
        |it, (), [_, b, _]| sure!(it[0].swap(b.into()), it.notify(0)),
        |it, (), [a, ..]| came(it.wait_while_eq_timeout(0, a.into(), SHORT)),
        |it, (), _| sure!(it[0].fetch_not(), it[1].fetch_max(9), it[2].fetch_add(1)),
        |it, (), _| sure!(it.fill(8), it.store_slice(0, &[7])),
        |it, (), _| {
            let mut copied = vec![0; it.len()];
            it.load_slice(0, &mut copied);
            assert_eq!(copied, it.to_vec());
            sure!(assert_eq!(copied, it.values().collect::<Vec<_>>()))
        },
        |it, (), _| shown(it),
    ];

    const HAS_WRONG_WORDS: bool = false;

    fn config(capacity: u64) -> Init<u32> {
        Init::zeroed(usize::try_from(capacity).unwrap_or(0) + 3)
    }
}
