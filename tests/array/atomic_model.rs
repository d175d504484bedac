//! Arrays of atomics against std's `Vec`.

use crossdock::array::{Atomic, Bitwise, Numeric};
use proptest::prelude::*;

use crate::array;

/// A value as plain Rust has it.
trait Plain: Atomic {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
}

/// The same, with what std does to it.
trait Number: Plain + Numeric {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

trait Flags: Plain + Bitwise {
    fn map(self, other: Self, of_bits: impl Fn(u64, u64) -> u64) -> Self {
        Self::of(of_bits(self.bits(), other.bits()))
    }
}

/// The first bytes of a number.
fn low<const N: usize>(bits: u64) -> [u8; N] {
    *bits.to_le_bytes().first_chunk().expect("8 at most")
}

macro_rules! whole {
    ($($type:ident $unsigned:ident)*) => {$(
        impl Plain for $type {
            fn of(bits: u64) -> Self {
                Self::from_le_bytes(low(bits))
            }
            fn bits(self) -> u64 {
                $unsigned::from_le_bytes(self.to_le_bytes()).into()
            }
        }
        impl Number for $type {
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
        impl Flags for $type {}
    )*};
}
whole!(u8 u8 u16 u16 u32 u32 u64 u64 i8 u8 i16 u16 i32 u32 i64 u64);

macro_rules! floating {
    ($($type:ident $unsigned:ident)*) => {$(
        impl Plain for $type {
            fn of(bits: u64) -> Self {
                Self::from_le_bytes(low(bits))
            }
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
        }
        impl Number for $type {
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn minus(self, other: Self) -> Self {
                self - other
            }
        }
    )*};
}
floating!(f32 u32 f64 u64);

impl Plain for bool {
    fn of(bits: u64) -> Self {
        bits & 1 == 1
    }
    fn bits(self) -> u64 {
        self.into()
    }
}
impl Flags for bool {}

/// An operation, where, and with what.
type Step = (u8, prop::sample::Index, u64, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 0..60)
}

/// Two values are the same if their bits are; of all NaNs nobody says which one a sum is.
fn same<T: Plain>(one: T, other: T) -> bool {
    let is_nan = |value: T| value.partial_cmp(&value).is_none();
    one.bits() == other.bits() || is_nan(one) && is_nan(other)
}

/// Makes the steps of `operate`, which does one to an array and to a list, and returns both results.
fn agree<T: Plain>(
    first: Vec<u64>,
    steps: Vec<Step>,
    operate: impl Fn(&crossdock::AtomicArray<T>, &mut [T], Step) -> (T, T),
) -> Result<(), TestCaseError> {
    let mut list: Vec<T> = first.into_iter().map(T::of).collect();
    let array = array(list.clone());
    for step in steps {
        let (found, expected) = operate(&array, &mut list, step);
        prop_assert!(same(found, expected), "{step:?}: {found:?}, {expected:?}");
        let now = array.to_vec();
        prop_assert!(
            now.iter().zip(&list).all(|(one, other)| same(*one, *other)),
            "{step:?}: {now:?}, {list:?}"
        );
        // What no bits can tell apart from here on is made the same.
        list.copy_from_slice(&now);
    }
    Ok(())
}

/// What every type can do.
fn any_operation<T: Plain>(
    array: &crossdock::AtomicArray<T>,
    list: &mut [T],
    (verb, index, value, other): Step,
) -> (T, T) {
    let at = index.index(list.len());
    let (value, other) = (T::of(value), T::of(other));
    let before = list[at];
    match verb % 6 {
        0 => {
            array[at].store(value);
            list[at] = value;
            (value, value)
        }
        1 => (
            array[at].swap(value),
            std::mem::replace(&mut list[at], value),
        ),
        2 => {
            // Half of the time it is what is expected.
            let expected = if verb & 64 == 0 { before } else { other };
            let (Ok(found) | Err(found)) = array[at].compare_exchange(expected, value);
            if expected.bits() == before.bits() {
                list[at] = value;
            }
            (found, before)
        }
        3 => {
            let found = array[at].update(|found| if same(found, before) { value } else { other });
            list[at] = value;
            (found, before)
        }
        4 => {
            let values = [value, other, value];
            let count = (list.len() - at).min(3);
            array.store_slice(at, &values[..count]);
            list[at..at + count].copy_from_slice(&values[..count]);
            let mut copied = [other; 3];
            array.load_slice(at, &mut copied[..count]);
            (copied[0], value)
        }
        _ => {
            array.fill(value);
            list.fill(value);
            (array.values().next_back().unwrap(), value)
        }
    }
}

fn number<T: Number>(first: Vec<u64>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    agree(first, steps, |array, list: &mut [T], step| {
        let (verb, index, value, _) = step;
        let (at, value) = (index.index(list.len()), T::of(value));
        let before = list[at];
        let is_nan = |value: T| value.partial_cmp(&value).is_none();
        let (found, after) = match verb % 5 {
            0 => (array[at].fetch_add(value), before.plus(value)),
            1 => (array[at].fetch_sub(value), before.minus(value)),
            2 if is_nan(before) || value > before => (array[at].fetch_max(value), value),
            2 => (array[at].fetch_max(value), before),
            3 if is_nan(before) || value < before => (array[at].fetch_min(value), value),
            3 => (array[at].fetch_min(value), before),
            _ => return any_operation(array, list, step),
        };
        list[at] = after;
        (found, before)
    })
}

fn flags<T: Flags>(first: Vec<u64>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    agree(first, steps, |array, list: &mut [T], step| {
        let (verb, index, value, _) = step;
        let (at, value) = (index.index(list.len()), T::of(value));
        let before = list[at];
        let (found, after) = match verb % 5 {
            0 => (array[at].fetch_and(value), before.map(value, |a, b| a & b)),
            1 => (array[at].fetch_or(value), before.map(value, |a, b| a | b)),
            2 => (array[at].fetch_xor(value), before.map(value, |a, b| a ^ b)),
            3 => (array[at].fetch_not(), before.map(value, |a, _| !a)),
            _ => return any_operation(array, list, step),
        };
        list[at] = after;
        (found, before)
    })
}

macro_rules! models {
    ($($name:ident $model:ident $type:ident)*) => {
        proptest! {$(
            #[test]
            fn $name(first in prop::collection::vec(any::<u64>(), 1..9), steps in steps()) {
                $model::<$type>(first, steps)?;
            }
        )*}
    };
}
models! {
    u8_is_a_list_of_numbers number u8
    u16_is_a_list_of_numbers number u16
    u32_is_a_list_of_numbers number u32
    u64_is_a_list_of_numbers number u64
    i8_is_a_list_of_numbers number i8
    i16_is_a_list_of_numbers number i16
    i32_is_a_list_of_numbers number i32
    i64_is_a_list_of_numbers number i64
    f32_is_a_list_of_numbers number f32
    f64_is_a_list_of_numbers number f64
    u8_is_a_list_of_bits flags u8
    u16_is_a_list_of_bits flags u16
    u32_is_a_list_of_bits flags u32
    u64_is_a_list_of_bits flags u64
    i8_is_a_list_of_bits flags i8
    i16_is_a_list_of_bits flags i16
    i32_is_a_list_of_bits flags i32
    i64_is_a_list_of_bits flags i64
    bool_is_a_list_of_bits flags bool
}
