//! An array of atomics while any bytes are written over it, beside a list of numbers as they are
//! specified: every value that comes out is the list's; no panic, no hang, no access outside.

use crossdock::AtomicArray;
use crossdock::array::{Atomic, Bitwise, Element, Init, Numeric};
use crossdock_spec::number::{Kind, Verb};

use crate::place::{NAME, Place, input};

/// A value as plain Rust has it.
trait Plain: Atomic {
    const KIND: Kind;

    fn of(bits: u64) -> Self;
    /// The value whose byte `at` is another.
    fn with(self, at: usize, byte: u8) -> Self;
    fn bits(self) -> u64;
    /// What only some types can do: what it was, and the value that was there.
    fn special(which: u8, element: &Element<Self>, value: Self) -> (Verb, Self);
}

/// Two values are the same if their bits are; which NaN a sum is no standard says.
fn same<T: Plain>(one: T, other: T) -> bool {
    one.bits() == other.bits() || is_nan(one) && is_nan(other)
}

fn is_nan<T: PartialOrd>(value: T) -> bool {
    value.partial_cmp(&value).is_none()
}

fn numeric<T: Plain + Numeric>(which: u8, element: &Element<T>, value: T) -> (Verb, T) {
    match which % 4 {
        0 => (Verb::Add, element.fetch_add(value)),
        1 => (Verb::Sub, element.fetch_sub(value)),
        2 => (Verb::Max, element.fetch_max(value)),
        _ => (Verb::Min, element.fetch_min(value)),
    }
}

fn bitwise<T: Plain + Bitwise>(which: u8, element: &Element<T>, value: T) -> (Verb, T) {
    match which % 4 {
        0 => (Verb::And, element.fetch_and(value)),
        1 => (Verb::Or, element.fetch_or(value)),
        2 => (Verb::Xor, element.fetch_xor(value)),
        _ => (Verb::Not, element.fetch_not()),
    }
}

/// Either of both.
fn any<T: Plain + Numeric + Bitwise>(which: u8, element: &Element<T>, value: T) -> (Verb, T) {
    let special = match which & 4 {
        0 => numeric,
        _ => bitwise,
    };
    special(which, element, value)
}

/// The first bytes of a number.
fn low<const N: usize>(bits: u64) -> [u8; N] {
    *bits.to_le_bytes().first_chunk().expect("8 at most")
}

macro_rules! plain {
    ($special:ident: $($type:ident $unsigned:ident $kind:expr;)*) => {$(
        impl Plain for $type {
            const KIND: Kind = $kind;

            fn of(bits: u64) -> Self {
                Self::from_le_bytes(low(bits))
            }
            fn with(self, at: usize, byte: u8) -> Self {
                let mut bytes = self.to_le_bytes();
                bytes[at % bytes.len()] = byte;
                Self::from_le_bytes(bytes)
            }
            fn bits(self) -> u64 {
                $unsigned::from_le_bytes(self.to_le_bytes()).into()
            }
            fn special(which: u8, element: &Element<Self>, value: Self) -> (Verb, Self) {
                $special(which, element, value)
            }
        }
    )*};
}

plain!(any:
    u8 u8 Kind::Unsigned(8); u16 u16 Kind::Unsigned(16);
    u32 u32 Kind::Unsigned(32); u64 u64 Kind::Unsigned(64);
    i8 u8 Kind::Signed(8); i16 u16 Kind::Signed(16);
    i32 u32 Kind::Signed(32); i64 u64 Kind::Signed(64);
);
plain!(numeric: f32 u32 Kind::Float32; f64 u64 Kind::Float64;);

impl Plain for bool {
    const KIND: Kind = Kind::Flag;

    fn of(bits: u64) -> Self {
        bits & 1 == 1
    }
    fn with(self, _: usize, byte: u8) -> Self {
        byte != 0
    }
    fn bits(self) -> u64 {
        self.into()
    }
    fn special(which: u8, element: &Element<Self>, value: Self) -> (Verb, Self) {
        bitwise(which, element, value)
    }
}

/// The array, and the list that it must be.
struct Twins<T: Plain> {
    place: Place,
    array: AtomicArray<T>,
    list: Vec<T>,
    /// The seeded bug: a value is not stored.
    has_bug: bool,
}

impl<T: Plain> Twins<T> {
    fn step(&mut self, [verb, at, a, b]: [u8; 4]) {
        // Few bits of many kinds, small, with a sign, an exponent; or any.
        let bits = match at & 64 {
            0 => u64::from_le_bytes([a, 0, b, 0, 0, a, b, a]),
            _ => u64::from_le_bytes([verb, a, b, a, b, verb, a, b])
                .wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        let value = T::of(bits);
        let at = usize::from(at) % self.list.len();
        let element = &self.array[at];
        let before = self.list[at];
        // What is done to one number, and what was there.
        let done = match verb % 16 {
            0 | 1 => {
                let byte = usize::from(b) % size_of::<T>();
                self.place.write((at * size_of::<T>() + byte) as u64, &[a]);
                self.list[at] = before.with(byte, a);
                None
            }
            2 => {
                if !self.has_bug {
                    element.store(value);
                }
                Some((Verb::Store, before))
            }
            3 => Some((Verb::Swap, element.swap(value))),
            4 => {
                let exchanged = element.compare_exchange(before, value);
                Some((Verb::Swap, exchanged.expect("the same bits")))
            }
            5 => {
                match element.compare_exchange(value, before) {
                    Ok(found) | Err(found) => assert!(same(found, before)),
                }
                None
            }
            6 => Some((Verb::Swap, element.update(|_| value))),
            7 => {
                let values = [value, before, value];
                let count = values.len().min(self.list.len() - at);
                self.array.store_slice(at, &values[..count]);
                self.list[at..at + count].copy_from_slice(&values[..count]);
                None
            }
            8 => {
                self.array.fill(value);
                self.list.fill(value);
                None
            }
            9 => {
                let mut copied = vec![value; self.list.len() - at];
                self.array.load_slice(at, &mut copied);
                assert!(self.array.values().count() == self.list.len());
                assert!(same(copied[0], before));
                None
            }
            10 => {
                self.array = self.place.segment.open(NAME).expect("it is there");
                None
            }
            _ => Some(T::special(verb / 16, element, value)),
        };
        if let Some((verb, found)) = done {
            let (after, _) = T::KIND.specified(verb, before.bits(), value.bits());
            self.list[at] = T::of(after);
            assert!(same(found, before), "{verb:?}: {found:?}, {before:?}");
        }
        let now = self.array.to_vec();
        for (one, other) in now.iter().zip(&self.list) {
            assert!(same(*one, *other), "{verb}: {now:?}, {:?}", self.list);
        }
        self.list = now;
    }
}

fn twins<T: Plain>(len: u64, steps: impl Iterator<Item = [u8; 4]>, has_bug: bool) {
    let len = usize::try_from(len).unwrap_or(0) + 1;
    let Some((place, array)) = Place::with::<AtomicArray<T>>(Init::zeroed(len)) else {
        panic!("not created");
    };
    let list = vec![T::of(0); len];
    let mut twins = Twins {
        place,
        array,
        list,
        has_bug,
    };
    steps.for_each(|step| twins.step(step));
}

/// Does the same to an array and to a list, as the data say.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let Some((len, steps)) = input(data) else {
        return;
    };
    match kind % 11 {
        0 => twins::<u8>(len, steps, has_bug),
        1 => twins::<u16>(len, steps, has_bug),
        2 => twins::<u32>(len, steps, has_bug),
        3 => twins::<u64>(len, steps, has_bug),
        4 => twins::<i8>(len, steps, has_bug),
        5 => twins::<i16>(len, steps, has_bug),
        6 => twins::<i32>(len, steps, has_bug),
        7 => twins::<i64>(len, steps, has_bug),
        8 => twins::<f32>(len, steps, has_bug),
        9 => twins::<f64>(len, steps, has_bug),
        _ => twins::<bool>(len, steps, has_bug),
    }
}
