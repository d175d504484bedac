//! A manager with room for one object, which keeps that room until no process has a handle of it.

use crate::{Actor, NOTHING, Specification};

/// There is no object of that name.
pub const NOT_THERE: u8 = 240;
/// There is one already.
pub const IS_THERE: u8 = 241;
/// There is no room for it.
pub const FULL: u8 = 242;

/// An object's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Name {
    New,
    Old,
    Other,
}

/// Numbers: all are the same at first.
#[derive(Clone, Debug, PartialEq)]
struct Object {
    name: Name,
    is_there: bool,
    number: u8,
    /// How often the last of them was incremented.
    added: u8,
    /// Which actors have a handle.
    has: [bool; 3],
    /// And whether a dead one has.
    dead_has: bool,
}

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    objects: Vec<Object>,
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Creates an object all of whose numbers are that, and drops the handle.
    Create(Name, u8),
    /// The same, and keeps the handle.
    CreateAndKeep(Name, u8),
    /// Opens an object, if it is there.
    Open(Name),
    /// Increments the last number by the handle, if the process has one.
    Add,
    /// Drops the handle.
    Drop,
    Remove(Name),
    /// Reads all numbers of an object.
    Look(Name),
    /// The same by the handle.
    LookKept,
    /// Takes a handle of what the dead have, while it recovers that.
    Visit,
    Reap,
    /// Whether all the room that there was at first is there.
    HasRoom,
    /// What must not be: numbers that are there are made others, one by one.
    Fill(Name, u8),
    /// What must not be: the increment without a handle.
    AddByForce,
    /// What must not be: the handle of a process that has none.
    HoldOfAnother,
}

/// What is told of numbers, all of which are less than 115.
#[must_use]
pub fn found(number: u8, added: u8) -> u8 {
    2 * number + added
}

impl State {
    fn named(&mut self, name: Name) -> Option<&mut Object> {
        let mut objects = self.objects.iter_mut();
        objects.find(|object| object.is_there && object.name == name)
    }

    fn of(&mut self, actor: Actor) -> Option<&mut Object> {
        let mut objects = self.objects.iter_mut();
        objects.find(|object| object.has[actor as usize])
    }

    fn collect(&mut self) {
        self.objects
            .retain(|object| object.is_there || object.has.contains(&true));
    }

    fn create(&mut self, name: Name, number: u8, keeps: Option<Actor>) -> u8 {
        if self.named(name).is_some() {
            return IS_THERE;
        }
        if !self.objects.is_empty() {
            return FULL;
        }
        let mut has = [false; 3];
        if let Some(keeps) = keeps {
            has[keeps as usize] = true;
        }
        self.objects.push(Object {
            name,
            is_there: true,
            number,
            added: 0,
            has,
            dead_has: false,
        });
        0
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let look = |object: &mut Object| found(object.number, object.added);
        let told = match op {
            Op::Create(name, number) => self.create(name, number, None),
            Op::CreateAndKeep(name, number) => self.create(name, number, Some(by)),
            Op::Open(name) => {
                if let Some(object) = self.named(name) {
                    object.has[by as usize] = true;
                }
                NOTHING
            }
            Op::Add => match self.of(by) {
                None => NOT_THERE,
                Some(object) => {
                    object.added += 1;
                    0
                }
            },
            Op::Drop => {
                if let Some(object) = self.of(by) {
                    object.has[by as usize] = false;
                }
                NOTHING
            }
            Op::Remove(name) => match self.named(name) {
                None => 0,
                Some(object) => {
                    object.is_there = false;
                    1
                }
            },
            Op::Look(name) => self.named(name).map_or(NOT_THERE, look),
            Op::LookKept => self.of(by).map_or(NOT_THERE, look),
            Op::Visit => {
                for object in self.objects.iter_mut().filter(|object| object.dead_has) {
                    object.has[by as usize] = true;
                }
                NOTHING
            }
            Op::Reap => {
                self.apply(Op::Drop, by);
                0
            }
            Op::HasRoom => self.objects.is_empty().into(),
            Op::Fill(..) | Op::AddByForce | Op::HoldOfAnother => 0,
        };
        self.collect();
        Some(told)
    }

    fn choices(&self, op: Op, by: Actor) -> Vec<(u8, Self)> {
        let mut next = self.clone();
        // A handle that was about to be: a process that opens looks once more whether the object
        // is there.
        let is_removed = next.of(by).is_some_and(|object| !object.is_there);
        let refused = (op == Op::Add && is_removed).then(|| {
            next.apply(Op::Drop, by);
            (NOT_THERE, next)
        });
        self.outcome(op, by).into_iter().chain(refused).collect()
    }

    /// Its handles are no more.
    fn dies(&mut self, who: Actor) {
        while let Some(object) = self.of(who) {
            object.has[who as usize] = false;
            object.dead_has = true;
        }
        self.collect();
    }
}
