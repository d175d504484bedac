//! Operations on one number, a counter or an element of an array: what two of them come to,
//! whichever is first.

use std::time::Duration;

use crossdock::{AtomicArray, Counter, ShardedCounter};
use crossdock_spec::FAILED;
use crossdock_spec::number::Op::{Do, Load, Wrongly};
use crossdock_spec::number::Verb::{
    Add, And, CompareExchange, HalveAndAdd, Max, Min, Not, Or, Store, Sub, Swap, Xor,
};
use crossdock_spec::number::{Kind, Op, START, State, Verb, digest, of, specified};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// Elements have neighbours, which stay what they are; not 0, so that flags have some that are up.
const BESIDE: u8 = 1;
const MIDDLE: usize = 1;

struct Numbers {
    kind: Kind,
    counter: Counter,
    sharded: ShardedCounter,
    floats: AtomicArray<f64>,
    bytes: AtomicArray<u8>,
    shorts: AtomicArray<i16>,
    flags: AtomicArray<bool>,
}

/// A float as a number, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is compared with what it was"
)]
fn whole(value: f64) -> u64 {
    let number = value as u8;
    if f64::from(number) == value {
        number.into()
    } else {
        u64::MAX
    }
}

impl Numbers {
    fn value(&self, at: usize) -> u64 {
        match self.kind {
            Kind::Counter => self.counter.load(),
            Kind::Sharded => self.sharded.load(),
            Kind::Float => whole(self.floats[at].load()),
            Kind::Byte => self.bytes[at].load().into(),
            Kind::Short => u64::try_from(self.shorts[at].load()).unwrap_or(u64::MAX),
            Kind::Flag => self.flags[at].load().into(),
        }
    }

    fn operate(&self, verb: Verb, amount: u8) -> Option<u64> {
        let (counter, number) = (&self.counter, u64::from(amount));
        let (float, byte, flag) = (
            &self.floats[MIDDLE],
            &self.bytes[MIDDLE],
            &self.flags[MIDDLE],
        );
        Some(match (self.kind, verb) {
            (Kind::Counter, Add) => counter.add(number),
            (Kind::Counter, Sub) => counter.sub(number),
            (Kind::Counter, Swap) => counter.swap(number),
            (Kind::Counter, CompareExchange) => match counter.compare_exchange(START, number) {
                Ok(found) | Err(found) => found,
            },
            (Kind::Counter, Max) => counter.fetch_max(number),
            (Kind::Counter, Min) => counter.fetch_min(number),
            (Kind::Counter, And) => counter.fetch_and(number),
            (Kind::Counter, Or) => counter.fetch_or(number),
            (Kind::Counter, Store) => {
                counter.store(number);
                0
            }
            (Kind::Sharded, Add) => {
                self.sharded.add(number);
                0
            }
            (Kind::Float, Add) => whole(float.fetch_add(amount.into())),
            (Kind::Float, Max) => whole(float.fetch_max(amount.into())),
            (Kind::Byte, Add) => byte.fetch_add(amount).into(),
            (Kind::Byte, Xor) => byte.fetch_xor(amount).into(),
            (Kind::Short, HalveAndAdd) => {
                let halve = |value| value / 2 + i16::from(amount);
                self.shorts[MIDDLE].update(halve).try_into().ok()?
            }
            (Kind::Flag, Not) => flag.fetch_not().into(),
            (Kind::Flag, CompareExchange) => match flag.compare_exchange(false, true) {
                Ok(found) | Err(found) => found.into(),
            },
            _ => return None,
        })
    }

    /// The same, as it must not be.
    fn operate_wrongly(&self, verb: Verb, amount: u8) -> Option<u64> {
        let value = self.value(MIDDLE);
        let (after, returned) = specified(self.kind, verb, value, amount.into());
        match self.kind {
            Kind::Counter => {
                if verb == Store {
                    self.counter.store(after ^ 1);
                }
                self.counter.store(after);
            }
            Kind::Sharded => (0..amount).for_each(|_| self.sharded.add(1)),
            Kind::Float => self.floats[MIDDLE].store(u8::try_from(after).ok()?.into()),
            Kind::Byte => self.bytes[MIDDLE].store(after.try_into().ok()?),
            Kind::Short => self.shorts[MIDDLE].store(after.try_into().ok()?),
            Kind::Flag => self.flags[MIDDLE].store(after != 0),
        }
        Some(returned)
    }
}

impl Subject for Numbers {
    type Spec = State;
    type Hand<'a> = ();

    fn create(base: &Base, first: &State) -> Rig<Self> {
        let segment = &base.segment;
        let sharded: ShardedCounter = segment.create("sharded", ())?;
        sharded.add(first.value);
        let values = [BESIDE, u8::try_from(first.value)?, BESIDE];
        Ok(Self {
            kind: first.kind,
            counter: segment.create("counter", first.value)?,
            sharded,
            floats: segment.create("floats", values.map(f64::from))?,
            bytes: segment.create("bytes", values)?,
            shorts: segment.create("shorts", values.map(i16::from))?,
            flags: segment.create("flags", values.map(|value| value != 0))?,
        })
    }

    fn run(&self, _: &Base, op: Op, (): &mut (), _: Option<Duration>) -> Option<u8> {
        Some(match op {
            Do(verb, amount) => digest(self.operate(verb, amount)?),
            Wrongly(verb, amount) => digest(self.operate_wrongly(verb, amount)?),
            Load => {
                let has_neighbours = !matches!(self.kind, Kind::Counter | Kind::Sharded);
                let beside = |at: usize| self.value(at) == BESIDE.into();
                match has_neighbours && !(beside(0) && beside(2)) {
                    true => FAILED,
                    false => digest(self.value(MIDDLE)),
                }
            }
        })
    }
}

/// A table of numbers and what the victim and others do to them.
macro_rules! numbers {
    ($($name:literal $kind:ident $verb:ident($victims:literal, $others:literal) $seed:literal
        { $($row:tt)* })*) => {
        specified! { Numbers; $($name $seed {
            first: of(Kind::$kind), act: &[Do($verb, $victims)], bug: &[Wrongly($verb, $victims)],
            tells: true, meanwhile: &[Load, Do($verb, $others), Load], after: &[Load],
            last: &[Do($verb, $others), Load], $($row)*
        })* }
    };
}

/// The operations on counters.
pub(crate) const LISTED: &[Listed] = numbers! {
    "Counter::add" Counter Add(50, 70) "a load, an addition and a store" {}
    "Counter::sub" Counter Sub(50, 70) "a load, a subtraction and a store" {}
    "Counter::swap" Counter Swap(50, 70) "a load and a store" {}
    "Counter::compare_exchange" Counter CompareExchange(50, 70) "a load, a comparison and a store" {}
    "Counter::fetch_max" Counter Max(50, 70) "a load, a comparison and a store" {}
    "Counter::fetch_min" Counter Min(30, 20) "a load, a comparison and a store" {}
    "Counter::fetch_and" Counter And(50, 70) "a load and a store" {}
    "Counter::fetch_or" Counter Or(50, 70) "a load and a store" {}
    "Counter::set" Counter Store(50, 70) "two stores" {}
    "ShardedCounter::add, the first" Sharded Add(50, 70) "an addition in fifty steps" { joins: true, }
    "ShardedCounter::add, a later one" Sharded Add(50, 70) "an addition in fifty steps" {}
};

/// The operations on one element.
pub(crate) const LISTED_ELEMENTS: &[Listed] = numbers! {
    "Element::<f64>::fetch_add" Float Add(50, 70) "a load, an addition and a store" {}
    "Element::<f64>::fetch_max" Float Max(50, 70) "a load, a comparison and a store" {}
    "Element::<u8>::fetch_add" Byte Add(50, 70) "a load, an addition and a store" {}
    "Element::<u8>::fetch_xor" Byte Xor(50, 70) "a load and a store" {}
    "Element::<i16>::update" Short HalveAndAdd(50, 70) "a load, a computation and a store" {}
    "Element::<bool>::fetch_not" Flag Not(1, 1) "a load and a store" {}
    "Element::<bool>::compare_exchange" Flag CompareExchange(1, 1) "a load, a comparison and a store" {}
};
