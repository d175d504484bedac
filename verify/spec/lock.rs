//! Two words under a lock: every entry is counted, and every half-done one is told.

use crate::{ANY, Actor, Specification};
use Op::{
    Await, ClearPoison, Enter, First, Give, HasDied, Hold, IsListed, IsPoisoned, LeaveSegment,
    LetGo, Lock, LockUntold, MarkConsistent, Mend, Panic, Peek, Second, TryLock, Unlock,
};

/// Which lock guards the words. The last two are what the library must not be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Guard {
    #[default]
    Mutex,
    /// A mutex without data.
    Raw,
    Reentrant,
    /// 1 is locked, 0 is free: no process can tell whose it is.
    Ownerless,
    /// A futex without owner or time limit.
    Futex,
}

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub guard: Guard,
    pub is_poisoned: bool,
    /// The owner, and how often it has locked.
    pub owner: Option<(Actor, u8)>,
    pub owner_died: bool,
    pub words: [u8; 2],
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Locks; what is told.
    Lock,
    /// The same without blocking, where it need not.
    TryLock,
    /// The first part of `LockOrRepair`, in the specification.
    LockUntold,
    LockOrRepair,
    /// Waits for what another process has all the time.
    TimeOut,
    /// Counts up the first word, or the second.
    First,
    Second,
    /// Makes the second word what the first is.
    Mend,
    MarkConsistent,
    Unlock,
    /// Locks, repairs, counts up and unlocks; what was found.
    Enter,
    NotifyOne,
    NotifyAll,
    /// Waits for a notification, for a moment.
    WaitMoment,
    /// The same so often that the handle spins no longer, which would be thousands of steps.
    InVain,
    /// Waits until the words are counted up, and repairs.
    Await,
    /// Counts both words up for such a waiter, and repairs.
    Give,
    /// What the first word is; repairs.
    Peek,
    /// Whether an owner has died, unless a waiter has repaired what it left.
    HasDied,
    /// Poisons the lock and unlocks it, as a guard does that is dropped in a panic.
    Panic,
    ClearPoison,
    IsPoisoned,
    /// Starts a process that has the lock, and has it end.
    Hold,
    LetGo,
    /// Whether that process is a participant, if there is one.
    IsListed,
    /// Starts a process that joins, and dies.
    Newcomer,
    Reap,
    /// Drops all handles, in the specification.
    LeaveSegment,
    /// Writes to the lock's word what is free, as no user can.
    UnlockByForce,
    ClearByForce,
    /// The same as a reaper.
    ReapByForce,
}

/// What a process is told that locks after an owner died, or panicked.
pub const OWNER_DIED: u8 = 1;
pub const POISONED: u8 = 2;

impl State {
    /// What the next owner is told.
    #[must_use]
    pub fn told(&self) -> u8 {
        match (self.owner_died, self.is_poisoned) {
            (true, _) => OWNER_DIED,
            (false, true) => POISONED,
            (false, false) => 0,
        }
    }
}

/// What is told of the words, and of a death.
#[must_use]
pub fn found(owner_died: u8, first: u8, second: u8) -> u8 {
    owner_died << 6 | first << 3 | second
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        match op {
            Lock | TryLock | LockUntold => {
                let times = match self.owner {
                    None => 1,
                    Some((owner, times)) if owner == by => times + 1,
                    Some(_) => return None,
                };
                self.owner = Some((by, times));
                return Some(if op == LockUntold { 0 } else { self.told() });
            }
            First => self.words[0] += 1,
            Second => self.words[1] += 1,
            Mend => self.words[1] = self.words[0],
            MarkConsistent => self.owner_died = false,
            Unlock => {
                let (owner, times) = self.owner?;
                self.owner = (times > 1).then_some((owner, times - 1));
            }
            Panic => {
                self.is_poisoned = true;
                return self.apply(Unlock, by);
            }
            Enter if self.owner.is_some() => return None,
            Enter => {
                let [first, second] = self.words;
                let found = found(self.owner_died.into(), first, second);
                (self.owner_died, self.words) = (false, [first + 1; 2]);
                return Some(found);
            }
            Await | Give | Peek if self.owner.is_some() => return None,
            Await if self.words[0] == 0 => return None,
            Await => self.owner_died = false,
            Peek => {
                self.owner_died = false;
                return Some(self.words[0]);
            }
            HasDied => return Some(if self.owner_died { ANY } else { 0 }),
            Give => (self.owner_died, self.words) = (false, [self.words[0] + 1; 2]),
            ClearPoison => self.is_poisoned = false,
            IsPoisoned => return Some(self.is_poisoned.into()),
            Hold => self.owner = Some((by, 1)),
            LetGo => self.owner = self.owner.filter(|(owner, _)| *owner != by),
            IsListed => return Some(1),
            LeaveSegment => self.dies(by),
            _ => {}
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        if self.owner.is_some_and(|(owner, _)| owner == who) {
            (self.owner, self.owner_died) = (None, true);
        }
    }
}
