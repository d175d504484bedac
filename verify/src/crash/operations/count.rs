//! Operations on one number, a counter or an element of an array: what two of them come to,
//! whichever is first.

use std::time::Duration;

use crossdock::{AtomicArray, Counter, ShardedCounter};
use crossdock_spec::number::Op::{Do, Load, Wrongly};
use crossdock_spec::number::Verb::{
    Add, And, CompareExchange, HalveAndAdd, Max, Min, Not, Or, Store, Sub, Swap, Xor,
};
use crossdock_spec::number::{Bits, Kind, Op, START, State, Verb, of};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// Elements have neighbours, which stay what they are; not 0, so that flags have some that are up.
const BESIDE: u8 = 1;
const MIDDLE: usize = 1;

const COUNTER: Kind = Kind::Counter;
const SHARDED: Kind = Kind::Sharded;
const FLOAT: Kind = Kind::Float64;
const BYTE: Kind = Kind::Unsigned(8);
const SHORT: Kind = Kind::Signed(16);
const FLAG: Kind = Kind::Flag;

struct Numbers {
    kind: Kind,
    counter: Counter,
    sharded: ShardedCounter,
    floats: AtomicArray<f64>,
    bytes: AtomicArray<u8>,
    shorts: AtomicArray<i16>,
    flags: AtomicArray<bool>,
}

impl Numbers {
    fn value(&self, at: usize) -> u64 {
        match self.kind {
            COUNTER => self.counter.load(),
            SHARDED => self.sharded.load(),
            FLOAT => self.floats[at].load().to_bits(),
            BYTE => self.bytes[at].load().into(),
            SHORT => self.shorts[at].load().cast_unsigned().into(),
            FLAG => self.flags[at].load().into(),
            _ => u64::MAX,
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
            (COUNTER, Add) => counter.add(number),
            (COUNTER, Sub) => counter.sub(number),
            (COUNTER, Swap) => counter.swap(number),
            (COUNTER, CompareExchange) => match counter.compare_exchange(START.into(), number) {
                Ok(found) | Err(found) => found,
            },
            (COUNTER, Max) => counter.fetch_max(number),
            (COUNTER, Min) => counter.fetch_min(number),
            (COUNTER, And) => counter.fetch_and(number),
            (COUNTER, Or) => counter.fetch_or(number),
            (COUNTER, Store) => {
                counter.store(number);
                0
            }
            (SHARDED, Add) => {
                self.sharded.add(number);
                0
            }
            (FLOAT, Add) => float.fetch_add(amount.into()).to_bits(),
            (FLOAT, Max) => float.fetch_max(amount.into()).to_bits(),
            (BYTE, Add) => byte.fetch_add(amount).into(),
            (BYTE, Xor) => byte.fetch_xor(amount).into(),
            (SHORT, HalveAndAdd) => {
                let halve = |value| value / 2 + i16::from(amount);
                self.shorts[MIDDLE].update(halve).cast_unsigned().into()
            }
            (FLAG, Not) => flag.fetch_not().into(),
            (FLAG, CompareExchange) => match flag.compare_exchange(false, true) {
                Ok(found) | Err(found) => found.into(),
            },
            _ => return None,
        })
    }

    /// The same, as it must not be.
    fn operate_wrongly(&self, verb: Verb, amount: u8) -> Option<u64> {
        let value = self.value(MIDDLE);
        let amount_of = self.kind.bits(amount);
        let (after, returned) = self.kind.specified(verb, value, amount_of);
        match self.kind {
            COUNTER => {
                if verb == Store {
                    self.counter.store(after ^ 1);
                }
                self.counter.store(after);
            }
            SHARDED => (0..amount).for_each(|_| self.sharded.add(1)),
            FLOAT => self.floats[MIDDLE].store(f64::from_bits(after)),
            BYTE => self.bytes[MIDDLE].store(after.try_into().ok()?),
            SHORT => self.shorts[MIDDLE].store(after.try_into().ok()?),
            FLAG => self.flags[MIDDLE].store(after != 0),
            _ => return None,
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
        sharded.add(START.into());
        let start = if first.kind == FLAG { 0 } else { START };
        let values = [BESIDE, start, BESIDE];
        Ok(Self {
            kind: first.kind,
            counter: segment.create("counter", u64::from(START))?,
            sharded,
            floats: segment.create("floats", values.map(f64::from))?,
            bytes: segment.create("bytes", values)?,
            shorts: segment.create("shorts", values.map(i16::from))?,
            flags: segment.create("flags", values.map(|value| value != 0))?,
        })
    }

    fn run(&self, _: &Base, op: Op, (): &mut (), _: Option<Duration>) -> Option<Bits> {
        Some(Bits(match op {
            Do(verb, amount) => self.operate(verb, amount),
            Wrongly(verb, amount) => self.operate_wrongly(verb, amount),
            Load => {
                let has_neighbours = !matches!(self.kind, COUNTER | SHARDED);
                let beside = |at: usize| self.value(at) == self.kind.bits(BESIDE);
                match has_neighbours && !(beside(0) && beside(2)) {
                    true => None,
                    false => Some(self.value(MIDDLE)),
                }
            }
        }))
    }
}

/// A table of numbers and what the victim and others do to them.
macro_rules! numbers {
    ($($name:literal $kind:ident $verb:ident($victims:literal, $others:literal) $seed:literal
        { $($row:tt)* })*) => {
        specified! { Numbers; $($name $seed {
            first: of($kind), act: &[Do($verb, $victims)], bug: &[Wrongly($verb, $victims)],
            tells: true, meanwhile: &[Load, Do($verb, $others), Load], after: &[Load],
            last: &[Do($verb, $others), Load], $($row)*
        })* }
    };
}

/// The operations on counters.
pub(crate) const LISTED: &[Listed] = numbers! {
    "Counter::add" COUNTER Add(50, 70) "a load, an addition and a store" {}
    "Counter::sub" COUNTER Sub(50, 70) "a load, a subtraction and a store" {}
    "Counter::swap" COUNTER Swap(50, 70) "a load and a store" {}
    "Counter::compare_exchange" COUNTER CompareExchange(50, 70) "a load, a comparison and a store" {}
    "Counter::fetch_max" COUNTER Max(50, 70) "a load, a comparison and a store" {}
    "Counter::fetch_min" COUNTER Min(30, 20) "a load, a comparison and a store" {}
    "Counter::fetch_and" COUNTER And(50, 70) "a load and a store" {}
    "Counter::fetch_or" COUNTER Or(50, 70) "a load and a store" {}
    "Counter::set" COUNTER Store(50, 70) "two stores" {}
    "ShardedCounter::add, the first" SHARDED Add(50, 70) "an addition in fifty steps" { joins: true, }
    "ShardedCounter::add, a later one" SHARDED Add(50, 70) "an addition in fifty steps" {}
};

/// The operations on one element.
pub(crate) const LISTED_ELEMENTS: &[Listed] = numbers! {
    "Element::<f64>::fetch_add" FLOAT Add(50, 70) "a load, an addition and a store" {}
    "Element::<f64>::fetch_max" FLOAT Max(50, 70) "a load, a comparison and a store" {}
    "Element::<u8>::fetch_add" BYTE Add(50, 70) "a load, an addition and a store" {}
    "Element::<u8>::fetch_xor" BYTE Xor(50, 70) "a load and a store" {}
    "Element::<i16>::update" SHORT HalveAndAdd(50, 70) "a load, a computation and a store" {}
    "Element::<bool>::fetch_not" FLAG Not(1, 1) "a load and a store" {}
    "Element::<bool>::compare_exchange" FLAG CompareExchange(1, 1) "a load, a comparison and a store" {}
};
