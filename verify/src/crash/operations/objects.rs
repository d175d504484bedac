//! Operations on shared objects: a change is made whole or not at all, no room is lost, readers
//! never wait, and a waiter learns of what a killed writer did.
//!
//! The same changes by a process that others take for dead: it is reaped in the middle, its
//! successor sweeps and changes the objects, and then it goes on. What it had committed stays; of
//! the rest it makes nothing, and it frees nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::Duration;

use crossdock::object::{ObjectError, ObjectOptions, ObjectTimeoutError, SharedOptions};
use crossdock::{Dict, Fault, List, Shared};
use crossdock_spec::objects::Op::{
    ClearDict, Extend, FreeByForce, HasRoom, Insert, InsertAt, Kept, Len, Look, Pop, Push,
    ReapVictim, Remove, Return, Set, Sort, Store, Unmap, Update, WaitChanged, WriterDied,
};
use crossdock_spec::objects::{Contents, Op, Returned, State, Text};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

#[path = "../../../../tests/support/unmap.rs"]
mod unmap;

struct Objects {
    dict: Dict<u32, Vec<u8>>,
    list: List<u32>,
    shared: Shared<String>,
}

/// The same, where the victim is taken for dead.
struct Reaped(Objects);

/// Where in an object the word of its writers' mutex is.
const LOCK: u64 = 128;
/// A mutex whose owner has died.
const OWNER_DIED: u32 = 1 << 30;
/// The bytes of a segment with all objects.
const SIZE: u64 = 1 << 15;
/// How long others wait for a change.
const SHORT: Duration = Duration::from_micros(50);

/// What came of an operation, or why it was refused.
pub(super) fn returned(came: Result<Returned, ObjectError>) -> Returned {
    came.unwrap_or_else(|error| match error {
        ObjectError::Full { .. } => Returned::Full,
        ObjectError::Fault(Fault::NotMember(_)) => Returned::Lost,
        error => Returned::Failed(error.to_string()),
    })
}

/// A number of the list is one byte to the specification.
fn number(value: u32) -> Vec<u8> {
    vec![u8::try_from(value).unwrap_or(u8::MAX)]
}

impl Objects {
    fn of(base: &Base) -> Rig<Self> {
        let options = ObjectOptions::new(4).bytes_each(32);
        let first = SharedOptions::new(&String::new()).capacity(64);
        Ok(Self {
            dict: base.segment.create("dict", options)?,
            list: base.segment.create("list", options)?,
            shared: base.segment.create("shared", first)?,
        })
    }

    /// All that the objects have, by reads that take no lock.
    fn contents(&self) -> Result<Contents, ObjectError> {
        let key = |key| u8::try_from(key).unwrap_or(u8::MAX);
        let all = self.dict.iter().collect::<Result<Vec<_>, _>>()?;
        let len = all.len();
        let mut dict: BTreeMap<_, _> = all
            .into_iter()
            .map(|(at, value)| (key(at), value))
            .collect();
        // A key that was found twice shows as one that is not there.
        if dict.len() != len {
            dict.insert(u8::MAX, Vec::new());
        }
        Ok(Contents {
            dict,
            list: self.list.slice(..)?.into_iter().map(number).collect(),
            value: self.shared.load()?.into_bytes(),
        })
    }

    /// How many more values each of the two has room for, which it has no longer after this.
    fn room(&self) -> Result<[usize; 2], ObjectError> {
        self.dict.clear()?;
        let keys = (1_000..2_000).take_while(|key| self.dict.insert(key, &vec![]).is_ok());
        let keys = keys.count();
        self.list.clear()?;
        let values = (0..1_000).take_while(|value| self.list.push(value).is_ok());
        let room = [keys, values.count()];
        self.dict.clear()?;
        self.list.clear()?;
        self.shared.store(&String::new())?;
        Ok(room)
    }

    /// The room that there is in new ones.
    fn room_of_new() -> Option<[usize; 2]> {
        static ROOM: OnceLock<Option<[usize; 2]>> = OnceLock::new();
        *ROOM.get_or_init(|| {
            let base = Base::of_size(2, SIZE).ok()?;
            Self::of(&base).ok()?.room().ok()
        })
    }

    fn does(&self, base: &Base, op: Op) -> Result<Returned, ObjectError> {
        let Self { dict, list, shared } = self;
        let value = |text: Text| u32::from(text.0);
        Ok(match op {
            Insert(key, text) => Returned::Is(dict.insert(&key.into(), &text.bytes())?),
            Update(key, text) => {
                let updated = dict.update(&u32::from(key), |value| *value = text.bytes())?;
                Returned::Is(updated.is_some())
            }
            Kept(key) => Returned::Is(dict.update(&u32::from(key), |_| ())?.is_some()),
            Remove(key) => Returned::Value(dict.remove(&u32::from(key))?),
            ClearDict => {
                dict.clear()?;
                Returned::Done
            }
            Push(text) => {
                list.push(&value(text))?;
                Returned::Done
            }
            Extend(more) => {
                list.extend(more.map(value))?;
                Returned::Done
            }
            Pop => Returned::Value(list.pop()?.map(number)),
            Set(at, text) => Returned::Is(list.set(at.into(), &value(text))?),
            InsertAt(at, text) => Returned::Is(list.insert(at.into(), &value(text))?),
            Sort => {
                list.sort()?;
                Returned::Done
            }
            Store(text) => {
                shared.store(&String::from_utf8(text.bytes()).unwrap_or_default())?;
                Returned::Done
            }
            Look => Returned::All(self.contents()?),
            Len => {
                let keys = dict.snapshot()?.len();
                if dict.len() != keys as u64 {
                    let counted = dict.len();
                    return Ok(Returned::Failed(format!("{counted} keys, and {keys}")));
                }
                Returned::Lens(keys, list.len())
            }
            WaitChanged => match dict.wait_changed(SHORT) {
                Ok(()) | Err(ObjectTimeoutError::Timeout) => Returned::Done,
                Err(error) => Returned::Failed(error.to_string()),
            },
            HasRoom => Returned::Is(Some(self.room()?) == Self::room_of_new()),
            WriterDied => {
                let is_written = by_force(base, "dict", OWNER_DIED);
                or_failed(is_written, "the word is not written")
            }
            FreeByForce => {
                let mut freed = ["dict", "list", "shared"]
                    .into_iter()
                    .map(|name| by_force(base, name, 0));
                or_failed(freed.all(|is_freed| is_freed), "the mutexes are not freed")
            }
            Unmap => {
                let is_gone = unmap::unmap_lock(&base.segment).is_ok();
                or_failed(is_gone, "the lock is still mapped")
            }
            ReapVictim => Returned::Is(base.segment.reap().freed == 1),
            _ => Returned::Failed("no such operation".to_owned()),
        })
    }
}

fn or_failed(is_done: bool, otherwise: &str) -> Returned {
    if is_done {
        Returned::Done
    } else {
        Returned::Failed(otherwise.to_owned())
    }
}

/// Writes the word of an object's mutex.
fn by_force(base: &Base, name: &str, word: u32) -> bool {
    let at = base.offset_of(name).map(|offset| offset + LOCK);
    at.is_ok_and(|at| base.file().write_all_at(&word.to_le_bytes(), at).is_ok())
}

impl Subject for Objects {
    type Spec = State;
    type Hand<'a> = ();

    fn base(participants: u32) -> Rig<Base> {
        Base::of_size(participants, SIZE)
    }

    fn create(base: &Base, _: &State) -> Rig<Self> {
        Self::of(base)
    }

    fn run(&self, base: &Base, op: Op, (): &mut (), _: Option<Duration>) -> Option<Returned> {
        match returned(self.does(base, op)) {
            // The victim was not reaped, or room is missing.
            Returned::Is(false) if matches!(op, ReapVictim | HasRoom) => None,
            returned => Some(returned),
        }
    }
}

impl Subject for Reaped {
    type Spec = State;
    type Hand<'a> = ();

    /// It matters what it has looked at: its successor makes that another.
    const DECIDES_BEFORE: bool = true;

    fn base(participants: u32) -> Rig<Base> {
        Objects::base(participants)
    }

    /// A look at the victim would find it dead, and it has to go on until it is reaped.
    fn image(&self, base: &Base, image: &mut Vec<u8>) -> Rig {
        base.bytes(image)
    }

    fn create(base: &Base, first: &State) -> Rig<Self> {
        Ok(Self(Objects::create(base, first)?))
    }

    fn run(
        &self,
        base: &Base,
        op: Op,
        hand: &mut (),
        patience: Option<Duration>,
    ) -> Option<Returned> {
        self.0.run(base, op, hand, patience)
    }
}

/// A number of the list.
const fn of(number: u8) -> Text {
    Text(number, 1)
}

const READY: &[Op] = &[
    Insert(1, Text(1, 3)),
    Insert(2, Text(2, 60)),
    Extend([of(30), of(10), of(20)]),
    Store(Text(b'a', 5)),
];
/// Others read, whatever the victim holds, and wait for a change.
const MEANWHILE: &[Op] = &[Look, WaitChanged];
/// A change clears up what is left, and changes nothing else; all room is there.
const AFTER: &[Op] = &[Look, Kept(1), Look, Len, HasRoom];
/// What the victim's successor does.
const SUCCEED: &[Op] = &[
    ReapVictim,
    Look,
    Insert(4, Text(4, 20)),
    Insert(1, Text(1, 4)),
    Push(of(50)),
    Store(Text(b'c', 9)),
    Look,
];

/// A table of changes: what the victim does, and the seeded bug, which takes two steps that should
/// be one.
macro_rules! changes {
    ($($name:literal $act:tt $seed:literal $bug:tt { $($row:tt)* })*) => {
        specified! { Objects; $($name $seed {
            ready: READY, act: const { &$act }, bug: const { &$bug }, meanwhile: MEANWHILE, after: AFTER, $($row)*
        })* }
    };
}

/// The same by a victim that is reaped alive; the reaper of the seeded bug frees the mutexes as if
/// no owner had died.
macro_rules! reaped_alive {
    ($($name:literal [$act:expr] { $($row:tt)* })*) => {
        specified! { Reaped; $($name "mutexes that are free as if no owner had died" {
            ready: READY, before: &[Unmap], act: const { &[$act] },
            steps: const { &[$act, Return] }, bug: const { &[$act] }, meanwhile: SUCCEED,
            bug_meanwhile: &[FreeByForce], after: AFTER, $($row)*
        })* }
    };
}

/// The operations on objects.
pub(crate) const LISTED: &[Listed] = changes! {
    "Dict::insert" [Insert(3, Text(3, 60))]
        "two insertions" [Insert(3, Text(3, 59)), Insert(3, Text(3, 60))] {}
    "Dict::update" [Update(2, Text(9, 3))]
        "a removal and an insertion" [Remove(2), Insert(2, Text(9, 3))] {}
    "Dict::remove" [Remove(2)]
        "a value that is emptied first" [Insert(2, Text(2, 0)), Remove(2)] {}
    "Dict::clear" [ClearDict]
        "keys that are removed one by one" [Remove(1), Remove(2)] {}
    "Dict::insert after a death" [Insert(3, Text(3, 60))]
        "two insertions" [Insert(3, Text(3, 59)), Insert(3, Text(3, 60))]
        { assembled: &[WriterDied], }
    "List::push" [Push(of(40))]
        "another value, which is replaced" [Push(of(41)), Set(3, of(40))] {}
    "List::pop" [Pop]
        "a value that is changed first" [Set(2, of(0)), Pop] {}
    "List::insert at the front" [InsertAt(0, of(40))]
        "a push, a pop and an insertion" [Push(of(40)), Pop, InsertAt(0, of(40))] {}
    "List::sort" [Sort]
        "values that are set one by one" [Set(0, of(10)), Set(1, of(20)), Set(2, of(30))] {}
    "Shared::store" [Store(Text(b'b', 10))]
        "two values" [Store(Text(b'b', 3)), Store(Text(b'b', 10))] {}
};

/// The changes of a process that is reaped alive.
pub(crate) const REAPED: &[Listed] = reaped_alive! {
    "Dict::insert, reaped alive" [Insert(3, Text(3, 60))] {}
    "Dict::update, reaped alive" [Update(2, Text(9, 3))] {}
    "Dict::remove, reaped alive" [Remove(2)] {}
    "Dict::clear, reaped alive" [ClearDict] {}
    "Dict::insert after a death, reaped alive" [Insert(3, Text(3, 60))]
        { assembled: &[WriterDied], }
    "List::push, reaped alive" [Push(of(40))] {}
    "List::pop, reaped alive" [Pop] {}
    "List::insert at the front, reaped alive" [InsertAt(0, of(40))] {}
    "List::sort, reaped alive" [Sort] {}
    "Shared::store, reaped alive" [Store(Text(b'b', 10))] {}
};
