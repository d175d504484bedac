//! A victim and a waiter at a primitive, each with a list of operations, while others act.

use crate::allowed::State;
use crate::{ANY, Actor, Specification, tell};

/// What is under way, and in which state.
pub struct Run<S: Specification> {
    state: S,
    victim: &'static [S::Op],
    told: u8,
    waiter: &'static [S::Op],
    waiters: u8,
    /// The victim is dead.
    is_dead: bool,
}

impl<S: Specification> Clone for Run<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            ..*self
        }
    }
}

impl<S: Specification> PartialEq for Run<S> {
    fn eq(&self, other: &Self) -> bool {
        (self.told, self.waiters, self.is_dead) == (other.told, other.waiters, other.is_dead)
            && self.victim.len() == other.victim.len()
            && self.waiter.len() == other.waiter.len()
            && self.state == other.state
    }
}

impl<S: Specification> Run<S> {
    /// The victim is to do all of these, and so is the waiter.
    #[must_use]
    pub fn new(state: S, victim: &'static [S::Op], waiter: &'static [S::Op]) -> Self {
        Self {
            state,
            victim,
            told: 0,
            waiter,
            waiters: 0,
            is_dead: false,
        }
    }

    fn victim_goes_on(&self) -> Vec<Self> {
        let Some((op, victim)) = self.victim.split_first() else {
            return Vec::new();
        };
        let choices = self.state.choices(*op, Actor::Victim).into_iter();
        let next = choices.map(|(returned, state)| Self {
            state,
            victim,
            told: tell(self.told, returned),
            ..*self
        });
        next.collect()
    }

    fn waiter_goes_on(&self) -> Vec<Self> {
        let Some((op, waiter)) = self.waiter.split_first() else {
            return Vec::new();
        };
        let choices = self.state.choices(*op, Actor::Waiter).into_iter();
        let next = choices.map(|(returned, state)| Self {
            state,
            waiter,
            waiters: tell(self.waiters, returned),
            ..*self
        });
        next.collect()
    }

    /// The primitive.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Whether the waiter needs no other process any more.
    #[must_use]
    pub fn is_served(&self) -> bool {
        let mut last = self.clone();
        while let Some(next) = last.waiter_goes_on().pop() {
            last = next;
        }
        last.waiter.is_empty()
    }
}

/// What others have seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen<Op> {
    /// They did this, and it returned that; `None` if it blocked.
    Returned(Op, Option<u8>),
    /// The waiter has ended, and told this.
    WaiterEnded(u8),
}

impl<S: Specification> State for Run<S> {
    type Event = Seen<S::Op>;

    fn next(&self) -> Vec<Self> {
        let victim = self.victim_goes_on().filter(|_| !self.is_dead);
        victim.into_iter().chain(self.waiter_goes_on()).collect()
    }

    fn after(&self, event: Seen<S::Op>) -> Option<Self> {
        match event {
            Seen::Returned(op, returned) => {
                let choices = self.state.choices(op, Actor::Other);
                if choices.is_empty() {
                    return returned.is_none().then(|| self.clone());
                }
                let is_it = |choice: &(u8, S)| choice.0 == ANY || Some(choice.0) == returned;
                let (_, state) = choices.into_iter().find(is_it)?;
                Some(Self { state, ..*self })
            }
            Seen::WaiterEnded(code) => {
                let is_so = self.waiter.is_empty() && self.waiters == code;
                is_so.then(|| self.clone())
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
        self.victim.is_empty().then_some(self.told)
    }
}
