//! Semaphores, events, condition variables, barriers, promises and locks while any bytes are
//! written over them: every operation that ends by itself does end, and works or says what is
//! wrong.

use crossdock::sync::{
    Barrier, BarrierOptions, Condvar, Event, Promise, ReentrantMutex, Semaphore, SemaphoreOptions,
};
use crossdock::{Counter, Mutex, Placeable};

use crate::place::{NAME, Place, SHORT, input, tag};

/// A primitive, and some operation of it that ends by itself whatever stands in its words.
trait Subject: Placeable + Clone {
    fn config() -> Self::Config;

    fn operate(&self, place: &Place, verb: u8, number: u8);
}

impl Subject for Semaphore {
    fn config() -> SemaphoreOptions {
        SemaphoreOptions::new(3).most(8)
    }

    fn operate(&self, _: &Place, verb: u8, number: u8) {
        let count = u32::from(number % 4);
        match verb % 8 {
            0 => drop(self.try_acquire()),
            1 => drop(self.acquire_timeout(SHORT)),
            2 => drop(self.try_acquire_many(count)),
            3 => drop(self.acquire_many_timeout(count, SHORT)),
            4 => drop(self.add_permits(count)),
            5 => {
                if let Ok(permit) = self.try_acquire() {
                    permit.forget();
                }
            }
            6 if number == 0 => self.close(),
            _ => {
                let _ = (self.available(), self.most(), self.is_closed());
                drop((self.holders(), format!("{self:?}")));
            }
        }
    }
}

impl Subject for Event {
    fn config() -> bool {
        false
    }

    fn operate(&self, _: &Place, verb: u8, _: u8) {
        match verb % 4 {
            0 => drop(self.set()),
            1 => drop(self.clear()),
            2 => drop(self.wait_timeout(SHORT)),
            _ => drop((self.is_set(), format!("{self:?}"))),
        }
    }
}

impl Subject for Condvar {
    fn config() {}

    fn operate(&self, place: &Place, verb: u8, number: u8) {
        match verb % 4 {
            0 => self.notify_one(),
            1 => self.notify_all(),
            _ => {
                let Ok(mutex) = place.segment.open_or_create::<Mutex<u8>>("mutex", 0) else {
                    return;
                };
                let Ok(guard) = mutex.lock_timeout(SHORT) else {
                    return;
                };
                drop(self.wait_timeout_while(guard, SHORT, |value| *value != number));
            }
        }
    }
}

impl Subject for Barrier {
    fn config() -> BarrierOptions {
        BarrierOptions::new(2)
    }

    fn operate(&self, _: &Place, verb: u8, _: u8) {
        match verb % 6 {
            0 => drop(self.wait_timeout(SHORT)),
            1 => drop(self.reset()),
            2 => self.abort(),
            3 => drop(self.register()),
            4 => {
                if let Ok(mut party) = self.register() {
                    let _ = party.wait_timeout(SHORT);
                }
            }
            _ => {
                let _ = (self.is_broken(), self.parties(), self.n_waiting());
                drop(format!("{self:?}"));
            }
        }
    }
}

impl Subject for Promise<[u64; 2]> {
    fn config() {}

    fn operate(&self, _: &Place, verb: u8, number: u8) {
        match verb % 6 {
            0 => drop(self.get().copied()),
            1 => drop(self.claim()),
            2 => drop(self.set([number.into(); 2]).copied()),
            3 => {
                if let Ok(claim) = self.claim() {
                    let _ = claim.set([number.into(); 2]);
                }
            }
            4 => drop(self.wait_timeout(SHORT).copied()),
            _ => drop((self.claimer(), format!("{self:?}"))),
        }
    }
}

impl Subject for Mutex<u64> {
    fn config() -> u64 {
        0
    }

    fn operate(&self, _: &Place, verb: u8, _: u8) {
        match verb % 4 {
            0 => drop(self.try_lock()),
            1 => drop(self.lock_timeout(SHORT)),
            2 => self.clear_poison(),
            _ => drop((self.is_locked(), self.is_poisoned(), format!("{self:?}"))),
        }
    }
}

impl Subject for ReentrantMutex<u64> {
    fn config() -> u64 {
        0
    }

    fn operate(&self, _: &Place, verb: u8, _: u8) {
        match verb % 5 {
            0 => drop(self.try_lock()),
            1 => drop(self.lock_timeout(SHORT)),
            2 => drop((self.try_lock(), self.lock_timeout(SHORT))),
            3 => self.clear_poison(),
            _ => {
                let _ = (self.is_locked(), self.is_held_by_this_thread());
                drop((self.is_poisoned(), format!("{self:?}")));
            }
        }
    }
}

impl Subject for Counter {
    fn config() -> u64 {
        0
    }

    fn operate(&self, _: &Place, verb: u8, number: u8) {
        match verb % 4 {
            0 => drop(self.add(number.into())),
            1 => drop(self.add_and_notify(number.into())),
            2 => drop(self.wait_until_timeout(SHORT, |value| value > u64::from(number))),
            _ => drop((self.load(), format!("{self:?}"))),
        }
    }
}

/// Uses a primitive, and writes over it in between.
fn used<S: Subject>(steps: impl Iterator<Item = [u8; 4]>) {
    let Some((place, handle)) = Place::with::<S>(S::config()) else {
        panic!("not created");
    };
    let mut handles = [handle.clone(), handle];
    for [verb, a, b, c] in steps {
        match verb % 8 {
            // Anything anywhere, or a word that may be a participant's, with flags.
            0 => place.write(u64::from(a) * 4, &[b, c, b, c]),
            1 => place.write(u64::from(a), &[b]),
            2 => {
                let word = tag(b >> 4, b) | u32::from(c) << 24;
                place.write(u64::from(a % 64) * 4, &word.to_le_bytes());
            }
            3 if c < 32 => drop(place.segment.reap()),
            3 if c < 64 => {
                if let Ok(fresh) = place.segment.open(NAME) {
                    handles[usize::from(a % 2)] = fresh;
                }
            }
            _ => handles[usize::from(b % 2)].operate(&place, a, c),
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((kind, steps)) = input(data) else {
        return;
    };
    match kind {
        0 => used::<Semaphore>(steps),
        1 => used::<Event>(steps),
        2 => used::<Condvar>(steps),
        3 => used::<Barrier>(steps),
        4 => used::<Promise<[u64; 2]>>(steps),
        5 => used::<Mutex<u64>>(steps),
        6 => used::<ReentrantMutex<u64>>(steps),
        _ => used::<Counter>(steps),
    }
}
