//! A lock of readers and writers against its specification, over sequences of operations of several
//! processes.

use std::ops::Deref;

use crossdock::RwLock;
use crossdock_spec::rwlock::Op::{
    self, ClearPoison, Downgrade, Drop, MarkConsistent, Panic, Status, TryRead, TryWrite,
};
use crossdock_spec::rwlock::{BUSY, OWNER_DIED, POISONED, State, found};
use crossdock_spec::{ANY, Actor, NOTHING, Specification};
use proptest::prelude::*;

use crate::rwlock::{Came, Read, Way, Write, read, sample, write};
use crate::support::process::{Line, child};

const STEPS: [Op; 8] = [
    TryRead,
    TryWrite,
    Drop,
    Downgrade,
    Panic,
    ClearPoison,
    MarkConsistent,
    Status,
];
const PROCESSES: [Actor; 3] = [Actor::Victim, Actor::Waiter, Actor::Other];

/// A guard that a process holds.
enum Held<'a> {
    Read(Read<'a>),
    Write(Write<'a>),
}

/// What a process answers: whether it was let in, and what it found.
fn answer<G: Deref<Target = [u64; 2]>>(came: Came<G>, keep: impl FnOnce(G)) -> u8 {
    let (guard, told) = match came {
        Came::Clean(guard) => (guard, 0),
        Came::OwnerDied(guard) => (guard, OWNER_DIED),
        Came::Poisoned(guard) => (guard, POISONED),
        Came::Busy => return BUSY,
        Came::Refused(said) => panic!("{said}"),
    };
    let words = *guard;
    keep(guard);
    found(told, words)
}

fn perform<'a>(lock: &'a RwLock<[u64; 2]>, step: Op, held: &mut Vec<Held<'a>>) -> u8 {
    match step {
        TryRead => answer(read(lock, Way::Try), |guard| held.push(Held::Read(guard))),
        TryWrite => answer(write(lock, Way::Try), |guard| held.push(Held::Write(guard))),
        Drop => {
            let was_held = held.pop();
            if let Some(Held::Read(guard)) = &was_held {
                assert_eq!(guard[0], guard[1]);
            }
            u8::from(was_held.is_some())
        }
        Downgrade => match held.pop() {
            Some(Held::Write(guard)) => {
                held.push(Held::Read(guard.downgrade()));
                1
            }
            other => {
                held.extend(other);
                0
            }
        },
        Panic => match held.pop() {
            Some(Held::Write(guard)) => {
                let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                    let _guard = guard;
                    std::panic::resume_unwind(Box::new(()));
                }));
                u8::from(panicked.is_err())
            }
            other => {
                held.extend(other);
                0
            }
        },
        ClearPoison => {
            lock.clear_poison();
            NOTHING
        }
        MarkConsistent => match held.last_mut() {
            Some(Held::Write(guard)) => {
                guard.mark_consistent();
                1
            }
            _ => 0,
        },
        Status => {
            let flags = [lock.is_locked(), lock.is_write_locked(), lock.is_poisoned()];
            flags
                .into_iter()
                .fold(0, |bits, flag| bits << 1 | u8::from(flag))
        }
        _ => panic!("{step:?} is none of the steps"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Three processes, told one after the other what to try; one in twenty is killed and replaced.
    #[test]
    fn a_lock_says_what_its_specification_says(
        steps in prop::collection::vec((0..3usize, prop::option::weighted(0.95, 0..STEPS.len())), 1..60),
    ) {
        let _watch = crate::support::watch();
        let (_segment, lock) = sample();
        let worker = || {
            let (orders, answers) = (Line::new(), Line::new());
            let process = child(|| {
                let mut held = Vec::new();
                loop {
                    let step = STEPS[usize::try_from(orders.hear()).unwrap()];
                    answers.say(perform(&lock, step, &mut held).into());
                }
            });
            (process, orders, answers)
        };
        let mut workers = [worker(), worker(), worker()];
        let mut state = State::default();
        for (who, step) in steps {
            let by = PROCESSES[who];
            let Some(step) = step else {
                std::mem::replace(&mut workers[who], worker()).0.kill();
                state.dies(by);
                continue;
            };
            let (_, orders, answers) = &workers[who];
            orders.say(step as u64);
            let expected = state.apply(STEPS[step], by).map(u64::from);
            let said = Some(answers.hear());
            prop_assert!(
                said == expected || expected == Some(ANY.into()),
                "{:?}: {said:?}, not {expected:?}", STEPS[step],
            );
        }
    }
}
