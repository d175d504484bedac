//! Objects of a manager that grow: what they have is there before, meanwhile and after, once, and
//! no room is lost.

use std::cell::RefCell;
use std::time::Duration;

use crossdock::manager::{ManagerOptions, ManagerRoom};
use crossdock::object::{ObjectError, ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Manager, Shared};
use crossdock_spec::objects::Op::{AppendValue, HasRoom, Insert, Look, LookAnew, Push, Replace};
use crossdock_spec::objects::{Contents, Op, Returned, State, Text};

use super::objects::returned;
use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Rig};

/// A manager with one object, and what is free without it.
struct Growing {
    manager: Manager,
    object: RefCell<Option<Object>>,
    room: ManagerRoom,
}

/// The object, and its handle.
enum Object {
    Dict(Dict<u8, u8>),
    List(List<u8>),
    Shared(Shared<Vec<u8>>),
}

const NAME: &str = "o";
const ROOM: u64 = 8 * 512;
const RECORDS: u64 = 3;
/// The bytes of a segment with the manager.
const SIZE: u64 = 1 << 14;
/// With how many values there is no room for one more. Of nine blocks, new values leave two.
const VALUES: u8 = 7;
/// With how many bytes, and a length.
const BYTES: u8 = 15;
/// A key that no process sets: another was found twice.
const TWICE: u8 = 255;

impl Object {
    /// An empty one of the same kind, with room for so many values, or 8 bytes for each.
    fn create(like: &Contents, manager: &Manager, values: u64) -> Rig<Self> {
        let options = ObjectOptions::new(values).bytes_each(8);
        let Contents { dict, list, .. } = like;
        Ok(if !dict.is_empty() {
            Self::Dict(manager.dict(NAME, options)?)
        } else if !list.is_empty() {
            Self::List(manager.list(NAME, options)?)
        } else {
            let first = SharedOptions::new(&Vec::new()).capacity(8 * values);
            Self::Shared(manager.create(NAME, first)?)
        })
    }

    /// The object that has the name now.
    fn again(&self, manager: &Manager) -> Rig<Self> {
        Ok(match self {
            Self::Dict(_) => Self::Dict(manager.open(NAME)?),
            Self::List(_) => Self::List(manager.open(NAME)?),
            Self::Shared(_) => Self::Shared(manager.open(NAME)?),
        })
    }

    /// Adds one value that is not there.
    fn add(&self, value: u8) -> Result<Returned, ObjectError> {
        Ok(match self {
            Self::Dict(dict) => Returned::Is(dict.insert(&value, &value)?),
            Self::List(list) => {
                list.push(&value)?;
                Returned::Done
            }
            Self::Shared(shared) => {
                shared.update(|values| values.push(value))?;
                Returned::Done
            }
        })
    }

    /// All that it has, by reads that take no lock.
    fn contents(&self) -> Result<Contents, ObjectError> {
        let mut contents = Contents::default();
        match self {
            Self::Dict(dict) => {
                let all = dict.iter().collect::<Result<Vec<_>, _>>()?;
                contents.dict = all
                    .iter()
                    .map(|(key, value)| (*key, vec![*value]))
                    .collect();
                // A key that was found twice shows as one that is not there.
                if contents.dict.len() != all.len() {
                    contents.dict.insert(TWICE, Vec::new());
                }
            }
            Self::List(list) => {
                contents.list = list.slice(..)?.into_iter().map(|one| vec![one]).collect();
            }
            Self::Shared(shared) => contents.value = shared.load()?,
        }
        Ok(contents)
    }
}

impl Growing {
    fn does(&self, op: Op) -> Rig<Returned> {
        let mut object = self.object.borrow_mut();
        let there = object
            .as_ref()
            .ok_or_else(|| Broken("there is no handle".into()))?;
        Ok(match op {
            Insert(value, _) | Push(Text(value, _)) | AppendValue(value) => {
                returned(there.add(value))
            }
            Look => returned(there.contents().map(Returned::All)),
            LookAnew => returned(there.again(&self.manager)?.contents().map(Returned::All)),
            Replace(value) => {
                let contents = there.contents()?;
                let Contents {
                    dict,
                    list,
                    value: bytes,
                } = contents.clone();
                self.manager.remove(NAME)?;
                let larger = Object::create(&contents, &self.manager, 4)?;
                let values = dict.into_values().chain(list).flatten().chain(bytes);
                for value in values.chain([value]) {
                    larger.add(value)?;
                }
                Returned::Done
            }
            // One object is left, the one that the handle follows, and then none.
            HasRoom => {
                let objects = self.manager.room()?.objects;
                self.manager.remove(NAME)?;
                *object = None;
                let is_one = objects == self.room.objects - 1;
                Returned::Is(is_one && self.manager.room()? == self.room)
            }
            _ => Returned::Failed("no such operation".to_owned()),
        })
    }
}

impl Subject for Growing {
    type Spec = State;
    type Hand<'a> = ();

    fn base(participants: u32) -> Rig<Base> {
        Base::of_size(participants, SIZE)
    }

    /// With an object that is full.
    fn create(base: &Base, first: &State) -> Rig<Self> {
        let options = ManagerOptions::new(ROOM).objects(RECORDS);
        let manager: Manager = base.segment.create("m", options)?;
        let room = manager.room()?;
        let Contents { dict, list, value } = first.contents.clone();
        let object = Object::create(
            &first.contents,
            &manager,
            if value.is_empty() { 1 } else { 2 },
        )?;
        for value in dict.into_values().chain(list).flatten().chain(value) {
            object.add(value)?;
        }
        if manager.room()?.objects != room.objects - 1 {
            return Err(Broken("it has grown before".into()));
        }
        Ok(Self {
            manager,
            object: RefCell::new(Some(object)),
            room,
        })
    }

    fn run(&self, _: &Base, op: Op, (): &mut (), _: Option<Duration>) -> Option<Returned> {
        match self.does(op) {
            // Room is missing.
            Ok(Returned::Is(false)) if op == HasRoom => None,
            Ok(returned) => Some(returned),
            Err(Broken(error)) => Some(Returned::Failed(error)),
        }
    }
}

/// Objects that are full.
fn full_dict() -> State {
    State::of(Contents {
        dict: (0..VALUES).map(|value| (value, vec![value])).collect(),
        ..Contents::default()
    })
}

fn full_list() -> State {
    State::of(Contents {
        list: (0..VALUES).map(|value| vec![value]).collect(),
        ..Contents::default()
    })
}

fn full_value() -> State {
    State::of(Contents {
        value: (0..BYTES).collect(),
        ..Contents::default()
    })
}

const fn insert(value: u8) -> Op {
    Insert(value, Text(value, 1))
}

const fn push(value: u8) -> Op {
    Push(Text(value, 1))
}

/// Others read, whatever the victim holds, by a handle from before and by one that is opened now.
const READ: &[Op] = &[Look, LookAnew];

/// A table of rows: what an object that is full has, and how one more value is added.
macro_rules! growing {
    ($($name:literal $full:ident $add:ident $more:ident;)*) => {
        specified! { Growing; $($name "a larger one in its place" {
            first: $full(), act: const { &[$add($more)] }, bug: &[Replace($more)], meanwhile: READ,
            // The next writers find all, and room for more.
            after: const {
                &[Look, LookAnew, $add(100), $add(101), $add(102), Look, HasRoom]
            },
        })* }
    };
}

/// The growth of objects of a manager.
pub(crate) const LISTED: &[Listed] = growing! {
    "Dict::insert, which grows" full_dict insert VALUES;
    "List::push, which grows" full_list push VALUES;
    "Shared::update, which grows" full_value AppendValue BYTES;
};
