//! Operations on elements of arrays: one at a time, and many one after the other.
//!
//! One at a time is judged as a counter is: by the specification as a pure function, in the order
//! that the third party saw. What is done to many must have been done to the first of them.

use crossdock::AtomicArray;
use crossdock::array::Init;

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{PANICKED, Rig};

/// What is done to one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    FloatAdd,
    FloatMax,
    ByteAdd,
    ByteXor,
    ShortUpdate,
    FlagNot,
    FlagExchange,
}

/// Elements and their neighbours: the one in the middle is worked on.
struct Elements {
    floats: AtomicArray<f64>,
    bytes: AtomicArray<u8>,
    shorts: AtomicArray<i16>,
    flags: AtomicArray<bool>,
}

const MIDDLE: usize = 1;
/// What the neighbours are; not 0, so that flags have neighbours that are up.
const BESIDE: u8 = 1;

impl Verb {
    /// The value before.
    fn start(self) -> u8 {
        match self {
            Self::FlagNot | Self::FlagExchange => 0,
            _ => 40,
        }
    }

    /// What the victim's operation is given.
    fn victims(self) -> u8 {
        50
    }

    /// What the third party's operation is given.
    fn thirds(self) -> u8 {
        70
    }

    /// The value after; what is returned is the value before.
    fn specified(self, value: u8, amount: u8) -> u8 {
        match self {
            Self::FloatAdd | Self::ByteAdd => value + amount,
            Self::FloatMax => value.max(amount),
            Self::ByteXor => value ^ amount,
            Self::ShortUpdate => value / 2 + amount,
            Self::FlagNot => 1 - value,
            Self::FlagExchange => 1,
        }
    }
}

impl Elements {
    fn create(base: &Base, names: [&str; 4], start: u8) -> Rig<Self> {
        let values = [BESIDE, start, BESIDE];
        let segment = &base.segment;
        let flags = values.map(|value| value != 0);
        Ok(Self {
            floats: segment.create(names[0], values.map(f64::from))?,
            bytes: segment.create(names[1], values)?,
            shorts: segment.create(names[2], values.map(i16::from))?,
            flags: segment.create(names[3], flags)?,
        })
    }

    /// The value and its neighbours; `None` if one is no small number.
    fn values(&self, verb: Verb) -> Option<[u8; 3]> {
        let mut values = [0; 3];
        for (index, value) in values.iter_mut().enumerate() {
            *value = self.get(verb, index)?;
        }
        Some(values)
    }

    #[inline(always)]
    fn get(&self, verb: Verb, index: usize) -> Option<u8> {
        match verb {
            Verb::FloatAdd | Verb::FloatMax => small(self.floats[index].load()),
            Verb::ByteAdd | Verb::ByteXor => Some(self.bytes[index].load()),
            Verb::ShortUpdate => u8::try_from(self.shorts[index].load()).ok(),
            Verb::FlagNot | Verb::FlagExchange => Some(self.flags[index].load().into()),
        }
    }

    /// The operation; returns the value before.
    fn operate(&self, verb: Verb, amount: u8) -> u8 {
        let float = &self.floats[MIDDLE];
        let byte = &self.bytes[MIDDLE];
        let flag = &self.flags[MIDDLE];
        match verb {
            Verb::FloatAdd => small(float.fetch_add(amount.into())).unwrap_or(PANICKED),
            Verb::FloatMax => small(float.fetch_max(amount.into())).unwrap_or(PANICKED),
            Verb::ByteAdd => byte.fetch_add(amount),
            Verb::ByteXor => byte.fetch_xor(amount),
            Verb::ShortUpdate => {
                let before = self.shorts[MIDDLE].update(|value| value / 2 + i16::from(amount));
                u8::try_from(before).unwrap_or(PANICKED)
            }
            Verb::FlagNot => flag.fetch_not().into(),
            Verb::FlagExchange => match flag.compare_exchange(false, true) {
                Ok(found) | Err(found) => found.into(),
            },
        }
    }

    /// The same as a load, a computation and a store, as it must not be.
    fn operate_wrongly(&self, verb: Verb, amount: u8) -> u8 {
        let before = self.get(verb, MIDDLE).unwrap_or(PANICKED);
        let after = verb.specified(before, amount);
        match verb {
            Verb::FloatAdd | Verb::FloatMax => self.floats[MIDDLE].store(after.into()),
            Verb::ByteAdd | Verb::ByteXor => self.bytes[MIDDLE].store(after),
            Verb::ShortUpdate => self.shorts[MIDDLE].store(after.into()),
            Verb::FlagNot | Verb::FlagExchange => self.flags[MIDDLE].store(after != 0),
        }
        before
    }
}

/// A number as a byte, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is compared with what it was"
)]
fn small(value: f64) -> Option<u8> {
    let byte = value as u8;
    (f64::from(byte) == value).then_some(byte)
}

struct Changing {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    elements: Elements,
}

#[derive(Default)]
struct Seen {
    /// The value that the third party found, and the one that it left.
    values: Option<(u8, u8)>,
}

impl Changing {
    /// The value, if its neighbours are as they were.
    fn value(&self, world: &World, scene: &mut Scene) -> Option<u8> {
        match world.elements.values(self.verb) {
            Some([BESIDE, value, BESIDE]) => Some(value),
            found => {
                scene.lost(format!("the elements are {found:?}"));
                None
            }
        }
    }

    /// The value after the victim's operation alone.
    fn made(&self) -> u8 {
        self.verb.specified(self.verb.start(), self.verb.victims())
    }

    fn compare(&self, world: &World, allowed: &[u8], scene: &mut Scene) {
        let Some(value) = self.value(world, scene) else {
            return;
        };
        if !allowed.contains(&value) {
            scene.lost(format!("the value is {value}, and should be {allowed:?}"));
        }
    }
}

impl Operation for Changing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let names = ["floats", "bytes", "shorts", "flags"];
        let elements = Elements::create(&base, names, self.verb.start())?;
        Ok(World { base, elements })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        // The library's code is there before the first step.
        if let Ok(spare) = self.world() {
            spare.elements.operate(self.verb, self.verb.victims());
            std::mem::forget(spare);
        }
        begin();
        if self.seeded {
            world
                .elements
                .operate_wrongly(self.verb, self.verb.victims())
        } else {
            world.elements.operate(self.verb, self.verb.victims())
        }
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let (start, made) = (self.verb.start(), self.made());
        let Some(found) = self.value(world, scene) else {
            return Ok(());
        };
        if found != start && found != made {
            scene.lost(format!("the value is {found}: not {start}, and not {made}"));
        }
        let returned = world.elements.operate(self.verb, self.verb.thirds());
        if returned != found {
            scene.lost(format!("a third party was told {returned}, not {found}"));
        }
        seen.values = Some((found, self.verb.specified(found, self.verb.thirds())));
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        let (start, made) = (self.verb.start(), self.made());
        let allowed = match seen.values {
            Some((_, left)) => vec![left],
            None => vec![start, made],
        };
        let first = match seen.values {
            Some((found, _)) => Some(found),
            None => self.value(world, scene),
        };
        scene.outcome(if first == Some(start) {
            "not made"
        } else {
            "made"
        });
        self.compare(world, &allowed, scene);
        Ok(())
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let start = self.verb.start();
        let (value, returned) = match seen.values {
            // The third party was first.
            Some((found, left)) if found == start => {
                (self.verb.specified(left, self.verb.victims()), left)
            }
            Some((_, left)) => (left, start),
            None => (self.made(), start),
        };
        self.compare(world, &[value], scene);
        if code != returned {
            scene.lost(format!("the victim was told {code}, not {returned}"));
        }
        scene.outcome("went on");
        Ok(())
    }
}

/// The operations on one element.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Changing { verb, seeded };
    "Element::<f64>::fetch_add" FloatAdd "a load, an addition and a store"
    "Element::<f64>::fetch_max" FloatMax "a load, a comparison and a store"
    "Element::<u8>::fetch_add" ByteAdd "a load, an addition and a store"
    "Element::<u8>::fetch_xor" ByteXor "a load and a store"
    "Element::<i16>::update" ShortUpdate "a load, a computation and a store"
    "Element::<bool>::fetch_not" FlagNot "a load and a store"
    "Element::<bool>::compare_exchange" FlagExchange "a load, a comparison and a store"
};

/// What is done to many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Many {
    Fill,
    StoreSlice,
    FillWith,
}

struct Filling {
    verb: Many,
    seeded: bool,
}

struct Row {
    base: Base,
    elements: AtomicArray<u32>,
}

const OLD: u32 = 40;
const NEW: u32 = 50;
const THIRD: u32 = 70;
const LEN: usize = 6;
/// The element that the third party stores into.
const ITS: usize = 3;

impl Filling {
    fn operate(&self, elements: &AtomicArray<u32>) {
        match (self.verb, self.seeded) {
            (_, true) => elements.iter().rev().for_each(|element| element.store(NEW)),
            (Many::Fill, false) => elements.fill(NEW),
            (Many::StoreSlice, false) => elements.store_slice(0, &[NEW; LEN]),
            (Many::FillWith, false) => elements.fill_with(|_| NEW),
        }
    }
}

/// How many elements are new, which must be the first.
fn filled(values: &[u32], scene: &mut Scene) -> usize {
    let filled = values.iter().take_while(|value| **value == NEW).count();
    if values[filled..].iter().any(|value| *value != OLD) {
        scene.lost(format!("not filled from the first on: {values:?}"));
    }
    filled
}

impl Operation for Filling {
    type World = Row;
    /// How many elements were filled when the third party stored into one.
    type Seen = Option<usize>;

    fn world(&self) -> Rig<Row> {
        let base = Base::new(4)?;
        let elements = base.segment.create("elements", Init::filled(LEN, OLD))?;
        Ok(Row { base, elements })
    }

    fn base<'a>(&self, row: &'a Row) -> &'a Base {
        &row.base
    }

    fn victim(&self, row: Owned<Row>, begin: &mut dyn FnMut()) -> u8 {
        if let Ok(spare) = self.world() {
            self.operate(&spare.elements);
            std::mem::forget(spare);
        }
        begin();
        self.operate(&row.elements);
        0
    }

    fn meanwhile(&self, row: &Row, seen: &mut Option<usize>, scene: &mut Scene) -> Rig {
        *seen = Some(filled(&row.elements.to_vec(), scene));
        row.elements[ITS].store(THIRD);
        Ok(())
    }

    fn after_kill(&self, row: &Row, seen: Option<usize>, scene: &mut Scene) -> Rig {
        let mut values = row.elements.to_vec();
        let count = match seen {
            Some(count) => {
                if values[ITS] != THIRD {
                    scene.lost(format!("a third party's value is gone: {values:?}"));
                }
                values[ITS] = if count > ITS { NEW } else { OLD };
                if filled(&values, scene) != count {
                    scene.lost(format!("{count} were filled: {values:?}"));
                }
                count
            }
            None => filled(&values, scene),
        };
        scene.outcome(match count {
            0 => "none filled",
            LEN => "all filled",
            _ => "some filled",
        });
        Ok(())
    }

    fn after_end(&self, row: &Row, seen: Option<usize>, _code: u8, scene: &mut Scene) -> Rig {
        let mut expected = [NEW; LEN];
        if seen.is_some_and(|count| count > ITS) {
            expected[ITS] = THIRD;
        }
        let values = row.elements.to_vec();
        if values != expected {
            scene.lost(format!("filled to {values:?}, not {expected:?}"));
        }
        scene.outcome("went on");
        Ok(())
    }
}

/// The operations on many elements.
pub(crate) const LISTED_MANY: &[Listed] = {
    use Many as Verb;
    listed! {
        |verb, seeded| Filling { verb, seeded };
        "AtomicArray::fill" Fill "elements that are filled from the last on"
        "AtomicArray::store_slice" StoreSlice "elements that are filled from the last on"
        "AtomicArray::fill_with" FillWith "elements that are filled from the last on"
    }
};
