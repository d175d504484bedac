//! Semaphores, events, condition variables, barriers and promises.

use crossdock::sync::{
    Barrier, BarrierOptions, Condvar, Event, Party, Permit, Promise, PromiseClaim, Semaphore,
    SemaphoreOptions,
};
use crossdock::{Mutex, Segment};

use crate::garbage::uses::{
    Came, Free, Operation, Uses, came, kept, maybe, refused, shown, sure, with,
};
use crate::place::SHORT;

impl Uses for Semaphore {
    type Held<'h> = Vec<Permit<'h>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, held, _| kept(held, it.try_acquire()),
        |it, _, _| came(it.acquire_timeout(SHORT)),
        |it, _, [_, count, _]| came(it.try_acquire_many((count % 4).into())),
        |it, _, [_, count, _]| came(it.acquire_many_timeout((count % 4).into(), SHORT)),
        |it, held, _| kept(held, it.acquire_timeout(SHORT)),
        |it, _, [_, count, _]| came(it.add_permits((count % 4).into())),
        |_, held, _| sure!(held.pop()),
        |it, _, _| came(it.try_acquire().map(Permit::forget)),
        |it, _, _| sure!(it.available(), it.most(), it.is_closed()),
        |it, _, _| sure!(it.holders(), shown(it)),
        |it, _, [a, ..]| sure!((a % 16 == 0).then(|| it.close())),
    ];

    const FREE_NUMBERS: &'static [Free] = &[(0, 0..=8)];

    fn config(_: u64) -> SemaphoreOptions {
        SemaphoreOptions::new(3).most(8)
    }
}

impl Uses for Event {
    type Held<'h> = ();

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, (), _| came(it.wait_timeout(SHORT)),
        |it, (), _| sure!(it.set()),
        |it, (), _| came(it.wait_timeout(SHORT)),
        |it, (), _| sure!(it.is_set(), shown(it)),
        |it, (), _| sure!(it.clear()),
    ];

    const HAS_WRONG_WORDS: bool = false;

    fn config(_: u64) -> bool {
        false
    }
}

impl Uses for Condvar {
    /// The mutex that is waited with, beside the entry that is written over.
    type Held<'h> = Option<Mutex<u8>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, _, _| sure!(it.notify_one()),
        |it, mutex, [.., number]| wait(it, mutex.as_ref(), number),
        |it, _, _| sure!(it.notify_all(), shown(it)),
        |it, mutex, [.., number]| wait(it, mutex.as_ref(), number.wrapping_add(1)),
    ];

    const HAS_WRONG_WORDS: bool = false;

    fn config(_: u64) {}

    fn begin(_: &Self, segment: &Segment, mutex: &mut Option<Mutex<u8>>) {
        *mutex = segment.open_or_create("mutex", 3).ok();
    }
}

fn wait(condvar: &Condvar, mutex: Option<&Mutex<u8>>, number: u8) -> Came {
    let Some(Ok(guard)) = mutex.map(|mutex| mutex.lock_timeout(SHORT)) else {
        return Came::Refused;
    };
    match condvar.wait_timeout_while(guard, SHORT, |value| *value != number) {
        Ok((_, waited)) => maybe((!waited.timed_out()).then_some(())),
        Err(error) => refused(error),
    }
}

impl Uses for Barrier {
    type Held<'h> = Vec<Party<'h>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, _, _| came(it.wait_timeout(SHORT)),
        |it, _, _| came(it.reset()),
        |it, held, _| kept(held, it.register()),
        |_, held, _| with(held.first_mut(), |party| came(party.wait_timeout(SHORT))),
        |it, _, _| sure!(it.is_broken(), it.parties(), it.n_waiting()),
        |_, held, _| sure!(held.pop()),
        |it, _, [a, ..]| sure!((a % 4 == 0).then(|| it.abort())),
        |it, _, _| came(it.reset()),
        |it, _, _| shown(it),
    ];

    const FREE_NUMBERS: &'static [Free] = &[(1, 0..=1)];

    fn config(_: u64) -> BarrierOptions {
        BarrierOptions::new(2)
    }
}

impl Uses for Promise<[u64; 2]> {
    type Held<'h> = Vec<PromiseClaim<'h, [u64; 2]>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, _, _| maybe(it.get().copied()),
        |it, _, _| came(it.wait_timeout(SHORT).copied()),
        |it, _, _| came(it.claim()),
        |it, held, _| kept(held, it.claim()),
        |it, _, [.., number]| came(it.set([number.into(); 2])),
        |_, held, [.., number]| with(held.pop(), |claim| came(claim.set([number.into(); 2]))),
        |it, _, _| maybe(it.get().copied()),
        |it, _, _| came(it.wait_timeout(SHORT)),
        |it, _, [.., number]| came(it.set([number.into(); 2]).copied()),
        |_, held, _| sure!(held.pop()),
        |it, _, _| sure!(it.claimer(), shown(it)),
    ];

    fn config(_: u64) {}
}
