//! A dictionary, a list and a single value: each change is made whole or not at all.

use std::collections::BTreeMap;

use crate::{Actor, FAILED, NOTHING, Specification, Told, tell};
use Op::{
    Append, AppendValue, ClearDict, ClearList, Exchange, Extend, Get, HasRoom, Insert, InsertAt,
    Kept, Len, Look, Pop, Push, ReapVictim, Remove, RemoveAt, Retain, Set, Sort, Store,
};

/// Some bytes, all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Text(pub u8, pub u8);

impl Text {
    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        vec![self.0; self.1.into()]
    }
}

/// What they have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    pub dict: BTreeMap<u8, Vec<u8>>,
    pub list: Vec<Vec<u8>>,
    pub value: Vec<u8>,
}

/// What they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub contents: Contents,
    may_be_full: bool,
    /// The victim can be taken for dead while it lives: what it is to be told of its last
    /// operation.
    told: Option<Box<Returned>>,
    /// Others have taken it for dead.
    is_reaped: bool,
}

/// An operation on them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Get(u8),
    Insert(u8, Text),
    /// Replaces a value by another, if it is there.
    Update(u8, Text),
    /// Appends a byte to a value, if it is there; what it is then.
    Append(u8, u8),
    /// From what is there, or from nothing.
    Exchange {
        key: u8,
        from_nothing: bool,
        to: Option<Text>,
    },
    Remove(u8),
    ClearDict,
    Push(Text),
    Extend([Text; 3]),
    Pop,
    Set(u8, Text),
    InsertAt(u8, Text),
    RemoveAt(u8),
    /// Removes the values that begin as this one does.
    Retain(Text),
    Sort,
    ClearList,
    Store(Text),
    /// Appends a byte to the single value.
    AppendValue(u8),
    /// All that they have, by reads that take no lock.
    Look,
    /// The same, by handles that are opened for that.
    LookAnew,
    /// How many the first two have, once a change has cleared up.
    Len,
    /// Changes nothing, but clears up.
    Kept(u8),
    /// Waits for a change, which clears up after the dead and takes no lock.
    WaitChanged,
    /// Clears all; whether there is the room that there is in new ones.
    HasRoom,
    /// A writer has died, by its word.
    WriterDied,
    /// Takes from the victim what shows others that it lives.
    Unmap,
    /// Others reap the victim, which lives.
    ReapVictim,
    /// Of a victim that can be taken for dead: returns from the operation before.
    Return,
    /// What must not be: the mutexes are free as if no owner had died.
    FreeByForce,
    /// What must not be: a larger one, with that byte, in the place of the one that is full.
    Replace(u8),
}

/// What an operation returns.
#[derive(Clone, Debug, PartialEq)]
pub enum Returned {
    Done,
    Is(bool),
    Value(Option<Vec<u8>>),
    Exchanged(Result<(), Option<Vec<u8>>>),
    Lens(usize, usize),
    All(Contents),
    /// There is no room, and nothing was changed.
    Full,
    /// The process is taken for dead.
    Lost,
    /// It is told later.
    Nothing,
    /// What must not be.
    Failed(String),
}

impl Told for Returned {
    fn byte(&self) -> u8 {
        let of_bytes = |value: &Vec<u8>| value.iter().copied().fold(0, tell) % 64;
        match self {
            Self::Done => 0,
            Self::Is(is) => 1 + u8::from(*is),
            Self::Full => 3,
            Self::Lost => 4,
            Self::Lens(..) | Self::All(_) => 5,
            Self::Exchanged(exchanged) => 6 + u8::from(exchanged.is_ok()),
            Self::Value(None) => 8,
            Self::Value(Some(value)) => 64 + of_bytes(value),
            Self::Nothing => NOTHING,
            Self::Failed(_) => FAILED,
        }
    }
}

impl Contents {
    fn apply(&mut self, op: Op) -> Returned {
        let Self { dict, list, value } = self;
        match op {
            Op::Update(key, new) => {
                let value = dict.get_mut(&key).map(|value| *value = new.bytes());
                return Returned::Is(value.is_some());
            }
            Kept(key) => return Returned::Is(dict.contains_key(&key)),
            Append(key, byte) => {
                let value = dict.get_mut(&key).map(|value| {
                    value.push(byte);
                    value.clone()
                });
                return Returned::Value(value);
            }
            Get(key) => return Returned::Value(dict.get(&key).cloned()),
            Insert(key, new) => return Returned::Is(dict.insert(key, new.bytes()).is_none()),
            Exchange {
                key,
                from_nothing,
                to,
            } => {
                let found = dict.get(&key).cloned();
                if from_nothing && found.is_some() {
                    return Returned::Exchanged(Err(found));
                }
                dict.remove(&key);
                dict.extend(to.map(|to| (key, to.bytes())));
                return Returned::Exchanged(Ok(()));
            }
            Remove(key) => return Returned::Value(dict.remove(&key)),
            ClearDict => dict.clear(),
            Push(new) => list.push(new.bytes()),
            Extend(more) => list.extend(more.map(Text::bytes)),
            Pop => return Returned::Value(list.pop()),
            Set(at, new) => {
                let old = list.get_mut(usize::from(at));
                return Returned::Is(old.map(|old| *old = new.bytes()).is_some());
            }
            InsertAt(at, new) => {
                let is_in = usize::from(at) <= list.len();
                if is_in {
                    list.insert(at.into(), new.bytes());
                }
                return Returned::Is(is_in);
            }
            RemoveAt(at) => {
                let is_in = usize::from(at) < list.len();
                return Returned::Value(is_in.then(|| list.remove(at.into())));
            }
            Retain(gone) => list.retain(|one| one.first() != gone.bytes().first()),
            Sort => list.sort(),
            ClearList => list.clear(),
            Store(new) => *value = new.bytes(),
            AppendValue(byte) => value.push(byte),
            Look | Op::LookAnew => return Returned::All(self.clone()),
            Len => return Returned::Lens(dict.len(), list.len()),
            ReapVictim => return Returned::Is(true),
            HasRoom => {
                *self = Self::default();
                return Returned::Is(true);
            }
            Op::WriterDied
            | Op::WaitChanged
            | Op::Unmap
            | Op::Return
            | Op::FreeByForce
            | Op::Replace(_) => {}
        }
        Returned::Done
    }
}

impl State {
    /// Objects that have that, and as much room as they need.
    #[must_use]
    pub fn of(contents: Contents) -> Self {
        Self {
            contents,
            ..Self::default()
        }
    }

    /// Empty ones, in which there may be no room for a change that takes more.
    #[must_use]
    pub fn of_some_room() -> Self {
        Self {
            may_be_full: true,
            ..Self::default()
        }
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = Returned;

    fn apply(&mut self, op: Op, by: Actor) -> Option<Returned> {
        self.is_reaped |= op == ReapVictim;
        if op == Op::Unmap {
            self.told = Some(Box::new(Returned::Done));
        }
        let Some(told) = self.told.as_mut().filter(|_| by == Actor::Victim) else {
            return Some(self.contents.apply(op));
        };
        if op == Op::Return {
            return Some((**told).clone());
        }
        **told = match self.is_reaped {
            true => Returned::Lost,
            false => self.contents.apply(op),
        };
        Some(Returned::Nothing)
    }

    fn choices(&self, op: Op, by: Actor) -> Vec<(Returned, Self)> {
        // It may be told that its membership is lost though its change was made.
        let is_lost = op == Op::Return && self.is_reaped;
        let lost = is_lost.then(|| (Returned::Lost, self.clone()));
        let takes_more = matches!(
            op,
            Insert(..)
                | Op::Update(..)
                | Append(..)
                | Exchange { .. }
                | Push(_)
                | Extend(_)
                | Set(..)
                | InsertAt(..)
                | Store(_)
                | AppendValue(_)
        );
        let full = (self.may_be_full && takes_more).then(|| (Returned::Full, self.clone()));
        let outcome = self.outcome(op, by).into_iter();
        outcome.chain(full).chain(lost).collect()
    }
}
