//! Operations on a manager: an object is whole or not there, none is ever in the room of another
//! that is in use, and all room is there at the end.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::manager::ManagerOptions;
use crossdock::segment::EntryError;
use crossdock::{AtomicArray, Manager, array::Init};
use crossdock_spec::manager::Name::{New, Old, Other};
use crossdock_spec::manager::Op::{
    Add, AddByForce, Create, CreateAndKeep, Drop, Fill, HasRoom, HoldOfAnother, Look, LookKept,
    Open, Reap, Remove, Visit,
};
use crossdock_spec::manager::{FULL, IS_THERE, NOT_THERE, Name, Op, State, found};
use crossdock_spec::{FAILED, NOTHING};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// An object of two blocks, of which the manager has three.
type Numbers = AtomicArray<u64>;
const LEN: usize = 70;
const ROOM: u64 = 3 * 512;
const OBJECTS: u64 = 2;
const PARTICIPANTS: u32 = 5;

/// What the objects are made of.
const OF_VICTIM: u8 = 77;
const OF_OLD: u8 = 5;
const OF_OTHER: u8 = 88;
/// No object is made of so great a number.
const MOST: u8 = 115;
/// What is told of one that is not whole.
const TORN: u8 = 230;

/// A manager, and the handle that others keep.
struct Managing {
    manager: Manager,
    kept: RefCell<Option<Numbers>>,
}

fn name_of(name: Name) -> &'static str {
    match name {
        New => "new",
        Old => "old",
        Other => "other",
    }
}

/// All of an object's numbers are the same, but for the last, which may be one more.
fn look(numbers: &Numbers) -> u8 {
    let all = numbers.to_vec();
    let (last, rest) = (all[LEN - 1], &all[..LEN - 1]);
    let is_whole = rest.iter().all(|number| *number == rest[0]);
    let added = last.wrapping_sub(rest[0]);
    match u8::try_from(rest[0]) {
        Ok(number @ ..MOST) if is_whole && added < 2 => found(number, u8::from(added == 1)),
        _ => TORN,
    }
}

fn or_failed(is_done: bool) -> u8 {
    if is_done { 0 } else { FAILED }
}

/// Where the cells of the first record are, in the file.
fn cells(base: &Base) -> Rig<u64> {
    Ok(base.offset_of("m")? + 256 + OBJECTS * 256)
}

/// Where the pool begins, in the file.
fn place(base: &Base) -> Rig<u64> {
    let cells_len = OBJECTS * u64::from(PARTICIPANTS) * 8;
    Ok(cells(base)? + cells_len.next_multiple_of(128))
}

impl Managing {
    fn create(&self, name: Name, number: u8) -> Result<Numbers, u8> {
        let made = self
            .manager
            .create(name_of(name), Init::filled(LEN, number.into()));
        made.map_err(|error| match error {
            EntryError::Exists { .. } => IS_THERE,
            EntryError::ManagerFull { .. } | EntryError::ManagerObjects { .. } => FULL,
            _ => FAILED,
        })
    }

    fn open(&self, name: Name) -> Result<Numbers, u8> {
        let opened = self.manager.open(name_of(name));
        opened.map_err(|error| match error {
            EntryError::NotFound { .. } => NOT_THERE,
            _ => FAILED,
        })
    }
}

impl Subject for Managing {
    type Spec = State;
    type Hand<'a> = Option<Numbers>;

    fn create(base: &Base, _: &State) -> Rig<Self> {
        let options = ManagerOptions::new(ROOM).objects(OBJECTS);
        Ok(Self {
            manager: base.segment.create("m", options)?,
            kept: RefCell::new(None),
        })
    }

    fn run(
        &self,
        base: &Base,
        op: Op,
        hand: &mut Option<Numbers>,
        _: Option<Duration>,
    ) -> Option<u8> {
        let write = |at: Rig<u64>, word: u64| {
            at.is_ok_and(|at| base.file().write_all_at(&word.to_le_bytes(), at).is_ok())
        };
        Some(match op {
            Create(name, number) => self.create(name, number).err().unwrap_or(0),
            CreateAndKeep(name, number) => match self.create(name, number) {
                Ok(made) => {
                    *self.kept.borrow_mut() = Some(made);
                    0
                }
                Err(told) => told,
            },
            Open(name) => match self.open(name) {
                Err(FAILED) => FAILED,
                opened => {
                    *hand = opened.ok();
                    NOTHING
                }
            },
            Add => hand.as_ref().map_or(NOT_THERE, |numbers| {
                numbers[LEN - 1].fetch_add(1);
                0
            }),
            Drop => {
                (*hand, *self.kept.borrow_mut()) = (None, None);
                NOTHING
            }
            Remove(name) => self.manager.remove(name_of(name)).map_or(FAILED, u8::from),
            Look(name) => self.open(name).map_or_else(|told| told, |one| look(&one)),
            LookKept => self.kept.borrow().as_ref().map_or(NOT_THERE, look),
            // The library does it in a reap.
            Visit => NOTHING,
            Reap => or_failed(base.segment.reap().stuck == 0),
            HasRoom => {
                let room = self.manager.room().ok()?;
                let found = (room.free, room.longest, room.objects);
                return (found == (ROOM, ROOM, OBJECTS)).then_some(1);
            }
            Fill(name, number) => match self.open(name) {
                Err(told) => told,
                Ok(numbers) => {
                    numbers.fill(number.into());
                    0
                }
            },
            AddByForce => {
                let at = place(base).map(|place| place + 8 * (LEN as u64 - 1));
                or_failed(write(at, u64::from(OF_OLD) + 1))
            }
            // By the tag of a process that lives.
            HoldOfAnother => or_failed(write(cells(base), 1 << 10 | 1 << 29)),
        })
    }
}

const OLD: &[Op] = &[Create(Old, OF_OLD)];
/// Others remove the object that there was, and create another, where there is room.
const EXCHANGE: &[Op] = &[
    Look(Old),
    Remove(Old),
    Look(Old),
    CreateAndKeep(Other, OF_OTHER),
];
/// Whatever happened, the objects are whole, and their room is there without them.
const LAST: &[Op] = &[
    LookKept,
    Drop,
    Remove(New),
    Remove(Old),
    Remove(Other),
    HasRoom,
];

/// A table of rows; seeded bugs write to the file where it is as long as this says.
macro_rules! managing {
    ($($name:literal $seed:literal { $($row:tt)* })*) => {
        specified! { Managing; $($name $seed {
            participants: PARTICIPANTS, last: LAST, $($row)*
        })* }
    };
}

/// The operations on managers.
pub(crate) const LISTED: &[Listed] = managing! {
    "Manager::create" "numbers that are written after it is there" {
        act: &[Create(New, OF_VICTIM)], bug: &[Create(New, 0), Fill(New, OF_VICTIM)],
        meanwhile: &[Look(New)], after: &[Look(New)],
    }
    "Manager::create where another was" "numbers that are written after it is there" {
        ready: &[Create(Old, OF_OLD), Remove(Old)],
        act: &[Create(New, OF_VICTIM)], bug: &[Create(New, 0), Fill(New, OF_VICTIM)],
        meanwhile: &[Look(New)], after: &[Look(New)],
    }
    "Manager::open, use, drop" "an addition without a hold" {
        ready: OLD, act: &[Open(Old), Add, Drop], bug: &[AddByForce],
        meanwhile: EXCHANGE, after: &[Look(Old), Create(Old, OF_OLD)],
    }
    "Manager::remove" "numbers that are cleared first" {
        ready: OLD, act: &[Remove(Old)], bug: &[Fill(Old, 0), Remove(Old)],
        meanwhile: &[Look(Old)], after: &[Look(Old)],
    }
    "Manager: reap a dead holder" "a hold in the name of another process" {
        ready: OLD, dead: &[Open(Old)], act: &[Reap], steps: &[Visit, Reap],
        bug: &[HoldOfAnother, Reap],
        meanwhile: EXCHANGE, after: &[Look(Old)],
    }
};
