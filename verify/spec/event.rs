//! Events, and numbers that processes wait for: no waiter misses a set, or a change.

use crate::{Actor, Specification};
use Op::{
    Clear, Count, CountUp, Element, IsSet, Notify, NotifyElement, Set, Store, Wait, WaitCount,
    WaitElement,
};

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub is_set: bool,
    /// It was set since the waiter began to wait.
    pub was_set: bool,
    pub count: u8,
    pub element: u8,
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Set,
    Clear,
    IsSet,
    Wait,
    /// Counts up and notifies.
    CountUp,
    Notify,
    Count,
    /// Waits for a count.
    WaitCount,
    Store,
    NotifyElement,
    Element,
    /// Waits for the store.
    WaitElement,
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let ready = |is_ready: bool| is_ready.then_some(0);
        Some(match op {
            Set => {
                self.was_set = true;
                u8::from(!std::mem::replace(&mut self.is_set, true))
            }
            Clear => u8::from(std::mem::take(&mut self.is_set)),
            IsSet => u8::from(self.is_set),
            Wait => return ready(self.is_set || by == Actor::Waiter && self.was_set),
            CountUp => {
                self.count += 1;
                self.count
            }
            Count => self.count,
            WaitCount => return ready(self.count > 0),
            Store => {
                self.element = 1;
                0
            }
            Element => self.element,
            WaitElement => return ready(self.element > 0),
            Notify | NotifyElement => 0,
        })
    }
}
