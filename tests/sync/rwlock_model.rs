//! A lock of readers and writers against a list of who has it, over sequences of operations of several
//! processes.

use crossdock::RwLock;
use proptest::prelude::*;

use crate::rwlock::{Came, Read, Way, Write, read, sample, write};
use crate::support::process::{Line, child};

/// What one process is told to do, and says that it did.
#[derive(Clone, Copy, Debug)]
enum Step {
    TryRead,
    TryWrite,
    /// Lets go of the guard that it took last.
    Drop,
    /// The last guard, if it writes, reads from now on.
    Downgrade,
    /// The last guard, if it writes, is let go of by a panic.
    Panic,
    ClearPoison,
    /// The data is whole again, says the last guard if it writes.
    Mark,
    Glance,
}

const STEPS: [Step; 8] = [
    Step::TryRead,
    Step::TryWrite,
    Step::Drop,
    Step::Downgrade,
    Step::Panic,
    Step::ClearPoison,
    Step::Mark,
    Step::Glance,
];

/// A guard that a process holds.
enum Held<'a> {
    Read(Read<'a>),
    Write(Write<'a>),
}

/// What a process answers: whether it was let in, and what it was told.
fn answer<G>(came: Came<G>, keep: impl FnOnce(G)) -> u64 {
    match came {
        Came::Clean(guard) => {
            keep(guard);
            1
        }
        Came::OwnerDied(guard) => {
            keep(guard);
            2
        }
        Came::Poisoned(guard) => {
            keep(guard);
            3
        }
        Came::Busy => 0,
        Came::Refused(said) => panic!("{said}"),
    }
}

fn perform<'a>(lock: &'a RwLock<[u64; 2]>, step: Step, held: &mut Vec<Held<'a>>) -> u64 {
    match step {
        Step::TryRead => answer(read(lock, Way::Try), |guard| held.push(Held::Read(guard))),
        Step::TryWrite => answer(write(lock, Way::Try), |guard| held.push(Held::Write(guard))),
        Step::Drop => {
            let was_held = held.pop();
            if let Some(Held::Read(guard)) = &was_held {
                assert_eq!(guard[0], guard[1]);
            }
            u64::from(was_held.is_some())
        }
        Step::Downgrade => match held.pop() {
            Some(Held::Write(guard)) => {
                held.push(Held::Read(guard.downgrade()));
                1
            }
            other => {
                held.extend(other);
                0
            }
        },
        Step::Panic => match held.pop() {
            Some(Held::Write(guard)) => {
                let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                    let _guard = guard;
                    std::panic::resume_unwind(Box::new(()));
                }));
                u64::from(panicked.is_err())
            }
            other => {
                held.extend(other);
                0
            }
        },
        Step::ClearPoison => {
            lock.clear_poison();
            1
        }
        Step::Mark => match held.last_mut() {
            Some(Held::Write(guard)) => {
                guard.mark_consistent();
                1
            }
            _ => 0,
        },
        Step::Glance => {
            let flags = [lock.is_locked(), lock.is_write_locked(), lock.is_poisoned()];
            flags
                .into_iter()
                .fold(0, |bits, flag| bits << 1 | u64::from(flag))
        }
    }
}

/// The same in the mind: what everybody holds, true for writing.
#[derive(Default)]
struct Mind {
    held: [Vec<bool>; 3],
    owner_died: bool,
    poisoned: bool,
    /// Whether somebody was killed, whom a glance may still show.
    killed: bool,
}

impl Mind {
    fn writes(&self) -> bool {
        self.held.iter().flatten().any(|writes| *writes)
    }

    fn is_held(&self) -> bool {
        self.held.iter().flatten().next().is_some()
    }

    fn told(&self) -> u64 {
        match (self.owner_died, self.poisoned) {
            (true, _) => 2,
            (false, true) => 3,
            (false, false) => 1,
        }
    }

    fn expect(&mut self, who: usize, step: Step) -> u64 {
        let told = self.told();
        let last_writes = self.held[who].last() == Some(&true);
        match step {
            Step::TryRead if self.writes() => 0,
            Step::TryWrite if self.is_held() => 0,
            Step::TryRead | Step::TryWrite => {
                self.held[who].push(matches!(step, Step::TryWrite));
                told
            }
            Step::Drop => u64::from(self.held[who].pop().is_some()),
            Step::Downgrade => {
                if let Some(writes) = self.held[who].last_mut() {
                    *writes = false;
                }
                u64::from(last_writes)
            }
            Step::Panic if last_writes => {
                self.held[who].pop();
                self.poisoned = true;
                1
            }
            Step::ClearPoison => {
                self.poisoned = false;
                1
            }
            Step::Mark if last_writes => {
                self.owner_died = false;
                1
            }
            Step::Panic | Step::Mark => 0,
            Step::Glance => {
                let flags = [self.is_held(), self.writes(), self.poisoned];
                flags
                    .into_iter()
                    .fold(0, |bits, flag| bits << 1 | u64::from(flag))
            }
        }
    }

    fn kill(&mut self, who: usize) {
        let held = std::mem::take(&mut self.held[who]);
        self.killed = true;
        self.owner_died |= held.contains(&true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Three processes, told one after the other what to try; one in twenty is killed and replaced.
    #[test]
    fn a_lock_says_what_a_list_of_its_holders_says(
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
                    answers.say(perform(&lock, step, &mut held));
                }
            });
            (process, orders, answers)
        };
        let mut workers = [worker(), worker(), worker()];
        let mut mind = Mind::default();
        for (who, step) in steps {
            let Some(step) = step else {
                std::mem::replace(&mut workers[who], worker()).0.kill();
                mind.kill(who);
                continue;
            };
            let (_, orders, answers) = &workers[who];
            orders.say(step as u64);
            let step = STEPS[step];
            let expected = mind.expect(who, step);
            let said = answers.hear();
            // What the dead left is found by the next that comes, not by a glance.
            let is_glance = matches!(step, Step::Glance);
            prop_assert!(said == expected || is_glance && mind.killed, "{step:?}: {said}, not {expected}");
        }
    }
}
