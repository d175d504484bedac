//! A snapshot: a value, one writer, and seats for readers.

use crate::{Actor, Specification};
use Op::{
    Claim, DieWriting, Leave, Load, LoadHalves, Publish, PublishTorn, Read, ReadHalves, Rise, Sit,
    Update,
};

/// So many can read at once.
pub const SEATS: u8 = 2;

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The number that the value is made of.
    pub value: u8,
    pub writer: Option<Actor>,
    /// The seats of each actor.
    pub seats: [u8; 3],
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Becomes the writer.
    Claim,
    Publish(u8),
    /// Publishes what is not whole.
    PublishTorn(u8),
    /// Publishes by a change of what is there; what was there.
    Update(u8),
    DieWriting,
    /// Gives the writer's role back, if it has it.
    Leave,
    /// Takes a seat.
    Sit,
    /// Reads by a seat.
    Read,
    /// Gives a seat back.
    Rise,
    /// Reads, and takes a seat for a moment.
    Load,
    /// Half of what is read first, half of what is read next.
    ReadHalves,
    LoadHalves,
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let taken: u8 = self.seats.iter().sum();
        let seats = &mut self.seats[by as usize];
        match op {
            Claim if self.writer.is_some() => return None,
            Claim => self.writer = Some(by),
            Publish(value) | PublishTorn(value) => self.value = value,
            Update(value) => return Some(std::mem::replace(&mut self.value, value)),
            Leave => self.writer = self.writer.filter(|writer| *writer != by),
            Sit | Load | LoadHalves if taken == SEATS => return None,
            Sit => *seats += 1,
            Rise => *seats -= 1,
            Read | Load | ReadHalves | LoadHalves => return Some(self.value),
            DieWriting => {}
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        self.writer = self.writer.filter(|writer| *writer != who);
        self.seats[who as usize] = 0;
    }
}
