//! A semaphore: every permit is held by one process, or free.

use std::mem::take;

use crate::{Actor, Specification};
use Op::{
    Acquire, AcquireMany, Add, Available, Close, Crowd, Forget, Holders, IsClosed, Reap, Release,
    ReleaseMany,
};

/// How many permits there are at first, and can be.
pub const PERMITS: u8 = 3;
pub const MOST: u8 = 8;

/// What an acquirer is told of a close.
pub const CLOSED: u8 = 7;
/// What a process is told that asks for no permits, or for more than there can be.
pub const OUT_OF_RANGE: u8 = 8;
/// What a process is told that adds more than there is room for.
pub const NO_ROOM: u8 = 9;

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub most: u8,
    pub free: u8,
    /// By each actor.
    pub held: [u8; 3],
    pub is_closed: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            most: MOST,
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
    /// Releases so many that the process has, or all.
    ReleaseMany(u8),
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

impl State {
    /// How many can be added.
    #[must_use]
    pub fn absent(&self) -> u8 {
        self.most - self.free - self.held.iter().sum::<u8>()
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let (most, absent) = (self.most, self.absent());
        let held = &mut self.held[by as usize];
        match op {
            AcquireMany(count) if !(1..=most).contains(&count) => return Some(OUT_OF_RANGE),
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
            ReleaseMany(count) => {
                *held -= count;
                self.free += count;
            }
            Release => self.free += take(held),
            Forget => *held = held.saturating_sub(1),
            Add(count) if count > absent => return Some(NO_ROOM),
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
