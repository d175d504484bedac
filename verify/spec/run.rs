//! A victim and waiters at a primitive, each with a list of operations, while others act.

use crate::allowed::State;
use crate::{Actor, Specification, Told, tell};

/// What is under way, and in which state.
#[derive(Clone, PartialEq)]
pub struct Run<S: Specification> {
    state: S,
    victim: Rest<S::Op>,
    waiters: Vec<Rest<S::Op>>,
    /// The victim is dead.
    is_dead: bool,
}

/// What a process has yet to do, and what it was told.
#[derive(Clone, Copy)]
struct Rest<Op: 'static> {
    ops: &'static [Op],
    told: u8,
}

/// Of the same operations, as many are left.
impl<Op> PartialEq for Rest<Op> {
    fn eq(&self, other: &Self) -> bool {
        (self.ops.len(), self.told) == (other.ops.len(), other.told)
    }
}

impl<Op: Copy> Rest<Op> {
    fn of(ops: &'static [Op]) -> Self {
        Self { ops, told: 0 }
    }

    /// Does the next operation, in each way that it may come to; in none if that blocks, or there
    /// is none.
    fn goes_on<S: Specification<Op = Op>>(&self, state: &S, by: Actor) -> Vec<(Self, S)> {
        let Some((op, ops)) = self.ops.split_first() else {
            return Vec::new();
        };
        let choices = state.choices(*op, by).into_iter();
        let went_on = choices.map(|(returned, state)| {
            let told = tell(self.told, returned.byte());
            (Self { ops, told }, state)
        });
        went_on.collect()
    }
}

impl<S: Specification> Run<S> {
    /// The victim is to do all of these, and so is each waiter, which sleeps: it has done what it
    /// can.
    #[must_use]
    pub fn new(
        state: S,
        victim: &'static [S::Op],
        waiters: impl IntoIterator<Item = &'static [S::Op]>,
    ) -> Self {
        let run = Self {
            state,
            victim: Rest::of(victim),
            waiters: waiters.into_iter().map(Rest::of).collect(),
            is_dead: false,
        };
        run.waiters_do_what_they_can()
    }

    /// The primitive.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The states in which the victim has gone on.
    fn victim_goes_on(&self) -> Vec<Self> {
        if self.is_dead {
            return Vec::new();
        }
        let went_on = self.victim.goes_on(&self.state, Actor::Victim).into_iter();
        let next = went_on.map(|(victim, state)| Self {
            state,
            victim,
            ..self.clone()
        });
        next.collect()
    }

    /// The states in which one of the waiters has gone on.
    fn waiters_go_on(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for (at, waiter) in self.waiters.iter().enumerate() {
            for (waiter, state) in waiter.goes_on(&self.state, Actor::Waiter) {
                let mut next = Self {
                    state,
                    ..self.clone()
                };
                next.waiters[at] = waiter;
                all.push(next);
            }
        }
        all
    }

    fn waiters_do_what_they_can(self) -> Self {
        let mut last = self;
        while let Some(next) = last.waiters_go_on().into_iter().next() {
            last = next;
        }
        last
    }

    /// Whether no waiter needs another process any more.
    #[must_use]
    pub fn is_served(&self) -> bool {
        let last = self.clone().waiters_do_what_they_can();
        last.waiters.iter().all(|waiter| waiter.ops.is_empty())
    }
}

/// What others have seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen<Op, Ret = u8> {
    /// They did this, and it returned that; `None` if it blocked.
    Returned(Op, Option<Ret>),
    /// This one of the waiters has ended, and told that.
    WaiterEnded(usize, u8),
}

impl<S: Specification> State for Run<S> {
    type Event = Seen<S::Op, S::Ret>;

    fn next(&self) -> Vec<Self> {
        let mut next = self.waiters_go_on();
        next.extend(self.victim_goes_on());
        next
    }

    fn after(&self, event: Seen<S::Op, S::Ret>) -> impl IntoIterator<Item = Self> {
        match event {
            Seen::Returned(op, returned) => {
                let choices = self.state.choices(op, Actor::Other);
                if choices.is_empty() && returned.is_none() {
                    return vec![self.clone()];
                }
                let is_it = |choice: &(S::Ret, S)| {
                    choice.0.is_any() || returned.as_ref() == Some(&choice.0)
                };
                let next = choices.into_iter().filter(is_it).map(|(_, state)| Self {
                    state,
                    ..self.clone()
                });
                next.collect()
            }
            Seen::WaiterEnded(at, code) => {
                let waiter = self.waiters.get(at);
                let is_so = waiter.is_some_and(|one| one.ops.is_empty() && one.told == code);
                is_so.then(|| self.clone()).into_iter().collect()
            }
        }
    }

    fn dead(&self) -> Self {
        let mut left = self.clone();
        left.is_dead = true;
        left.state.dies(Actor::Victim);
        left
    }

    fn code(&self) -> Option<u8> {
        self.victim.ops.is_empty().then_some(self.victim.told)
    }
}
