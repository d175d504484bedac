//! A semaphore: every permit is held by one process, or free.

use std::mem::take;

use crate::{Actor, Specification};
use Op::{
    Acquire, AcquireMany, Add, Available, Close, Crowd, Forget, Holders, IsClosed, Reap, Release,
};

/// How many permits there are at first.
pub const PERMITS: u8 = 3;

/// What an acquirer is told of a close.
pub const CLOSED: u8 = 7;

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub free: u8,
    /// By each actor.
    pub held: [u8; 3],
    pub is_closed: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            free: PERMITS,
            held: [0; 3],
            is_closed: false,
        }
    }
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Acquire,
    AcquireMany(u8),
    /// Releases all that the process has.
    Release,
    /// Takes out one that the process has.
    Forget,
    Add(u8),
    Close,
    IsClosed,
    Available,
    Holders,
    /// Acquires what is free beside others that do so, and no more than all, and releases it.
    Crowd,
    Reap,
}

impl Specification for State {
    type Op = Op;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let held = &mut self.held[by as usize];
        match op {
            Acquire | AcquireMany(_) if self.is_closed => return Some(CLOSED),
            Acquire | AcquireMany(_) => {
                let count = if let AcquireMany(count) = op {
                    count
                } else {
                    1
                };
                self.free = self.free.checked_sub(count)?;
                *held += count;
            }
            Release => self.free += take(held),
            Forget => *held = held.saturating_sub(1),
            Add(count) => self.free += count,
            Close => self.is_closed = true,
            IsClosed => return Some(self.is_closed.into()),
            Available => return Some(self.free),
            Holders => return Some(self.held.iter().sum()),
            Crowd | Reap => {}
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        self.free += take(&mut self.held[who as usize]);
    }
}
