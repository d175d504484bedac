//! An array of atomics while any bytes are written over it, beside a list to which the same is
//! done: every value that comes out is the list's; no panic, no hang, no access outside.

use crate::place::{NAME, Place, input};
use crossdock::AtomicArray;
use crossdock::array::{Atomic, Bitwise, Element, Init, Numeric};

/// A value as plain Rust has it.
trait Plain: Atomic {
    fn of(bits: u64) -> Self;
    /// The value whose byte `at` is another.
    fn with(self, at: usize, byte: u8) -> Self;
    fn bits(self) -> u64;
    /// What only some types can do: an operation on an element, and on a plain value.
    fn special(verb: u8, element: &Element<Self>, before: Self, value: Self) -> (Self, Self);
}

/// Two values are the same if their bits are; which NaN a sum is no standard says.
fn same<T: Plain>(one: T, other: T) -> bool {
    one.bits() == other.bits() || is_nan(one) && is_nan(other)
}

fn is_nan<T: PartialOrd>(value: T) -> bool {
    value.partial_cmp(&value).is_none()
}

/// The value that the element had, and the one that it must have now.
fn numeric<T: Plain + Numeric>(
    verb: u8,
    element: &Element<T>,
    before: T,
    value: T,
    sums: [fn(T, T) -> T; 2],
) -> (T, T) {
    let if_better = |better| if better { value } else { before };
    match verb % 4 {
        0 => (element.fetch_add(value), sums[0](before, value)),
        1 => (element.fetch_sub(value), sums[1](before, value)),
        2 => {
            let better = is_nan(before) || value > before;
            (element.fetch_max(value), if_better(better))
        }
        _ => {
            let better = is_nan(before) || value < before;
            (element.fetch_min(value), if_better(better))
        }
    }
}

/// The same for bits.
fn bitwise<T: Plain + Bitwise>(verb: u8, element: &Element<T>, before: T, value: T) -> (T, T) {
    let (a, b) = (before.bits(), value.bits());
    match verb % 4 {
        0 => (element.fetch_and(value), T::of(a & b)),
        1 => (element.fetch_or(value), T::of(a | b)),
        2 => (element.fetch_xor(value), T::of(a ^ b)),
        _ => (element.fetch_not(), T::of(!a)),
    }
}

/// The first bytes of a number.
fn low<const N: usize>(bits: u64) -> [u8; N] {
    *bits.to_le_bytes().first_chunk().expect("8 at most")
}

macro_rules! plain {
    ($special:ident: $($type:ident $unsigned:ident)*) => {$(
        impl Plain for $type {
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
            fn special(
                verb: u8,
                element: &Element<Self>,
                before: Self,
                value: Self,
            ) -> (Self, Self) {
                $special!($type verb element before value)
            }
        }
    )*};
}

macro_rules! whole {
    ($type:ident $verb:ident $element:ident $before:ident $value:ident) => {
        if $verb & 4 == 0 {
            let sums = [$type::wrapping_add, $type::wrapping_sub];
            numeric($verb, $element, $before, $value, sums)
        } else {
            bitwise($verb, $element, $before, $value)
        }
    };
}

macro_rules! floating {
    ($type:ident $verb:ident $element:ident $before:ident $value:ident) => {
        numeric(
            $verb,
            $element,
            $before,
            $value,
            [|a, b| a + b, |a, b| a - b],
        )
    };
}
plain!(whole: u8 u8 u16 u16 u32 u32 u64 u64 i8 u8 i16 u16 i32 u32 i64 u64);
plain!(floating: f32 u32 f64 u64);

impl Plain for bool {
    fn of(bits: u64) -> Self {
        bits & 1 == 1
    }
    fn with(self, _: usize, byte: u8) -> Self {
        byte != 0
    }
    fn bits(self) -> u64 {
        self.into()
    }
    fn special(verb: u8, element: &Element<Self>, before: Self, value: Self) -> (Self, Self) {
        bitwise(verb, element, before, value)
    }
}

/// The array, and the list that it must be.
struct Twins<T: Plain> {
    place: Place,
    array: AtomicArray<T>,
    list: Vec<T>,
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
        let found = match verb % 16 {
            0 | 1 => {
                let byte = usize::from(b) % size_of::<T>();
                self.place.write((at * size_of::<T>() + byte) as u64, &[a]);
                self.list[at] = before.with(byte, a);
                before
            }
            2 => {
                element.store(value);
                self.list[at] = value;
                before
            }
            3 => {
                self.list[at] = value;
                element.swap(value)
            }
            4 => {
                self.list[at] = value;
                element
                    .compare_exchange(before, value)
                    .expect("the same bits")
            }
            5 => match element.compare_exchange(value, before) {
                Ok(found) | Err(found) => found,
            },
            6 => {
                self.list[at] = value;
                element.update(|_| value)
            }
            7 => {
                let values = [value, before, value];
                let count = values.len().min(self.list.len() - at);
                self.array.store_slice(at, &values[..count]);
                self.list[at..at + count].copy_from_slice(&values[..count]);
                before
            }
            8 => {
                self.array.fill(value);
                self.list.fill(value);
                before
            }
            9 => {
                let mut copied = vec![value; self.list.len() - at];
                self.array.load_slice(at, &mut copied);
                assert!(self.array.values().count() == self.list.len());
                copied[0]
            }
            10 => {
                self.array = self.place.segment.open(NAME).expect("it is there");
                before
            }
            _ => {
                let (found, after) = T::special(verb / 16, element, before, value);
                self.list[at] = after;
                found
            }
        };
        assert!(same(found, before), "{verb}: {found:?}, {before:?}");
        let now = self.array.to_vec();
        for (one, other) in now.iter().zip(&self.list) {
            assert!(same(*one, *other), "{verb}: {now:?}, {:?}", self.list);
        }
        self.list = now;
    }
}

fn twins<T: Plain>(len: u64, steps: impl Iterator<Item = [u8; 4]>) {
    let len = usize::try_from(len).unwrap_or(0) + 1;
    let Some((place, array)) = Place::with::<AtomicArray<T>>(Init::zeroed(len)) else {
        panic!("not created");
    };
    let list = vec![T::of(0); len];
    let mut twins = Twins { place, array, list };
    steps.for_each(|step| twins.step(step));
}

/// Does the same to an array and to a list, as the data say.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let Some((len, steps)) = input(data) else {
        return;
    };
    match kind % 11 {
        0 => twins::<u8>(len, steps),
        1 => twins::<u16>(len, steps),
        2 => twins::<u32>(len, steps),
        3 => twins::<u64>(len, steps),
        4 => twins::<i8>(len, steps),
        5 => twins::<i16>(len, steps),
        6 => twins::<i32>(len, steps),
        7 => twins::<i64>(len, steps),
        8 => twins::<f32>(len, steps),
        9 => twins::<f64>(len, steps),
        _ => twins::<bool>(len, steps),
    }
}
