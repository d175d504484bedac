//! What each operation on an array of atomics does and returns.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossdock::array::{Bitwise, Numeric};

use crate::array;

/// What `body` panics with.
fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let cause = catch_unwind(AssertUnwindSafe(body)).err().expect("panics");
    match cause.downcast::<String>() {
        Ok(message) => *message,
        Err(cause) => cause.downcast_ref::<&str>().unwrap().to_string(),
    }
}

#[test]
fn it_is_a_slice_of_elements() {
    let array = array([1_u16, 2, 3, 4, 5]);
    assert_eq!((array.len(), array.is_empty()), (5, false));
    assert_eq!(array[4].load(), 5);
    assert_eq!(array.get(5).map(|element| element.load()), None);
    assert_eq!(array.last().unwrap().swap(50), 5);
    for element in &array[1..3] {
        element.fetch_add(10);
    }
    for element in &array {
        element.fetch_or(1);
    }
    assert_eq!(array.to_vec(), [1, 13, 13, 5, 51]);
    assert_eq!(array.chunks(2).map(|two| two[0].load()).max(), Some(51));
}

#[test]
fn an_index_out_of_range_panics_as_that_of_a_slice_does() {
    let array = array([1_i8, 2, 3]);
    let list = [1_i8, 2, 3];
    let past = list.len();
    assert_eq!(panic_of(|| array[past].load()), panic_of(|| list[past]));
    let mut two = [0; 2];
    let expected = panic_of(|| list[2..past + 1].len());
    assert_eq!(panic_of(|| array.load_slice(2, &mut two)), expected);
    assert_eq!(panic_of(|| array.store_slice(2, &[7, 7])), expected);
    for at in [4, usize::MAX - 1, usize::MAX] {
        let said = panic_of(|| array.store_slice(at, &two));
        assert!(
            said.ends_with("out of range for slice of length 3"),
            "{said}"
        );
        let said = panic_of(|| array.load_slice(at, &mut [0; 0]));
        assert!(
            said.ends_with("out of range for slice of length 3"),
            "{said}"
        );
    }
    array.load_slice(3, &mut []);
    assert_eq!(array.to_vec(), [1, 2, 3]);
}

/// Additions of a type of so many bits, around its ends.
fn wraps<T: Numeric>(least: T, most: T, one: T) {
    let array = array([most, least]);
    assert_eq!(
        (array[0].fetch_add(one), array[1].fetch_sub(one)),
        (most, least)
    );
    assert_eq!(array.to_vec(), [least, most]);
    assert_eq!(
        (array[0].fetch_max(most), array[1].fetch_min(least)),
        (least, most)
    );
    assert_eq!(array.to_vec(), [most, least]);
    assert_eq!(
        (array[0].fetch_max(one), array[1].fetch_min(one)),
        (most, least)
    );
    assert_eq!(array.to_vec(), [most, least]);
}

#[test]
fn additions_of_whole_numbers_wrap_and_comparisons_know_signs() {
    wraps(u8::MIN, u8::MAX, 1);
    wraps(u16::MIN, u16::MAX, 1);
    wraps(u32::MIN, u32::MAX, 1);
    wraps(u64::MIN, u64::MAX, 1);
    wraps(i8::MIN, i8::MAX, 1);
    wraps(i16::MIN, i16::MAX, 1);
    wraps(i32::MIN, i32::MAX, 1);
    wraps(i64::MIN, i64::MAX, 1);
}

/// The bit operations of a type, with `some` and `others` of its bits, and `none`.
fn masks<T: Bitwise>(some: T, others: T, none: T) {
    let array = array([some, some]);
    let one = &array[0];
    assert_eq!((one.fetch_and(others), one.load()), (some, none));
    assert_eq!((one.fetch_or(some), one.load()), (none, some));
    assert_eq!((one.fetch_xor(some), one.load()), (some, none));
    assert_eq!((one.fetch_xor(some), one.load()), (none, some));
    assert_eq!((one.fetch_and(some), one.load()), (some, some));
    let turned = (one.fetch_not(), one.load()).1;
    assert_eq!((one.fetch_or(others), one.load()), (turned, turned));
    assert_eq!((one.fetch_not(), one.load()), (turned, some));
    assert_eq!(array[1].load(), some, "the neighbour");
}

#[test]
fn bits_are_set_cleared_and_turned() {
    masks(0x0f_u8, 0xf0, 0);
    masks(0x0f0f_u16, 0xf0f0, 0);
    masks(0x0f_u32, 0xf0, 0);
    masks(1_u64 << 63, 1, 0);
    masks(i8::MIN, 1, 0);
    masks(i16::MIN, 1, 0);
    masks(i32::MIN, 1, 0);
    masks(i64::MIN, 1, 0);
}

#[test]
fn flags_know_what_bits_know() {
    for (before, mask) in [(false, false), (false, true), (true, false), (true, true)] {
        let flags = array([before; 5]);
        assert_eq!(flags[0].fetch_and(mask), before);
        assert_eq!(flags[1].fetch_or(mask), before);
        assert_eq!(flags[2].fetch_xor(mask), before);
        assert_eq!(flags[3].fetch_not(), before);
        assert_eq!(flags[4].swap(mask), before);
        let after = [before & mask, before | mask, before ^ mask, !before, mask];
        assert_eq!(flags.to_vec(), after);
        let found = flags[4].compare_exchange(before, true);
        assert_eq!(
            found,
            if mask == before {
                Ok(before)
            } else {
                Err(mask)
            }
        );
        assert_eq!(flags[4].load(), mask == before || mask);
    }
}

#[test]
fn floating_point_numbers_are_added_up() {
    let array = array([0.5_f64, -1.0]);
    assert_eq!((array[0].fetch_add(2.25), array[0].load()), (0.5, 2.75));
    assert_eq!(
        (array[1].fetch_sub(f64::INFINITY), array[1].load()),
        (-1.0, f64::NEG_INFINITY)
    );
    assert_eq!(array[1].fetch_add(f64::INFINITY), f64::NEG_INFINITY);
    assert!(array[1].load().is_nan());
    assert!(array[1].fetch_add(1.0).is_nan() && array[1].load().is_nan());
    let array = crate::array([f32::MAX, 1.0]);
    assert_eq!(
        (array[0].fetch_add(f32::MAX), array[0].load()),
        (f32::MAX, f32::INFINITY)
    );
    assert_eq!((array[1].fetch_sub(0.25), array[1].load()), (1.0, 0.75));
}

#[test]
fn a_nan_is_replaced_by_any_number_and_replaces_none() {
    let array = array([f64::NAN, f64::NAN, 1.0, 1.0, f64::NAN]);
    assert!(array[0].fetch_max(f64::NEG_INFINITY).is_nan());
    assert!(array[1].fetch_min(f64::INFINITY).is_nan());
    assert_eq!(array[2].fetch_max(f64::NAN), 1.0);
    assert_eq!(array[3].fetch_min(f64::NAN), 1.0);
    assert!(array[4].fetch_min(f64::NAN).is_nan());
    let expected = [f64::NEG_INFINITY, f64::INFINITY, 1.0, 1.0];
    assert_eq!(array.to_vec()[..4], expected);
    assert!(array[4].load().is_nan());
}

#[test]
fn floating_point_numbers_are_exchanged_by_their_bits() {
    let strange = f64::from_bits(0x7ff8_0000_0000_0123);
    let array = array([0.0, strange]);
    let refused = array[0].compare_exchange(-0.0, 1.0);
    assert_eq!(refused.map_err(f64::to_bits), Err(0));
    assert_eq!(array[0].compare_exchange(0.0, -0.0), Ok(0.0));
    assert_eq!(array[0].load().to_bits(), 1 << 63);
    assert!(array[1].compare_exchange(f64::NAN, 1.0).is_err());
    assert!(array[1].compare_exchange(strange, 1.0).is_ok());
    assert_eq!(array[1].load(), 1.0);
    // Nothing is greater than what is equal.
    assert_eq!(array[0].fetch_max(0.0).to_bits(), 1 << 63);
    assert_eq!(array[0].load().to_bits(), 1 << 63);
}

#[test]
fn compare_exchange_changes_only_what_is_expected() {
    let array = array([-1_i64, 7]);
    assert_eq!(array[0].compare_exchange(1, 5), Err(-1));
    assert_eq!(array[0].compare_exchange(-1, 5), Ok(-1));
    assert_eq!(array.to_vec(), [5, 7]);
}

#[test]
fn updates_return_the_value_before() {
    let array = array([20_u8, 1]);
    assert_eq!(array[0].update(|value| value / 3), 20);
    assert_eq!(array[0].try_update(|value| value.checked_sub(6)), Ok(6));
    assert_eq!(array[0].try_update(|value| value.checked_sub(6)), Err(0));
    assert_eq!(array.to_vec(), [0, 1]);
}

#[test]
fn many_are_copied_in_and_out() {
    let array = array([0_u32; 6]);
    array.store_slice(1, &[1, 2, 3]);
    array.store_slice(6, &[]);
    let mut some = [9; 4];
    array.load_slice(2, &mut some);
    assert_eq!(some, [2, 3, 0, 0]);
    array.fill(7);
    assert_eq!(array.to_vec(), [7; 6]);
    array.fill_with(|index| 10 * u32::try_from(index).unwrap());
    assert_eq!(array.to_vec(), [0, 10, 20, 30, 40, 50]);
    array.store_slice(0, &[1; 6]);
    assert_eq!(array.values().sum::<u32>(), 6);
}

#[test]
fn values_come_from_both_ends() {
    let array = array([1_i32, 2, 3, 4, 5]);
    let mut values = array.values();
    assert_eq!(values.len(), 5);
    assert_eq!(
        (values.next(), values.next_back(), values.nth(1)),
        (Some(1), Some(5), Some(3))
    );
    array[3].store(-4);
    assert_eq!(format!("{values:?}"), "Values([-4])");
    assert_eq!(values.clone().collect::<Vec<_>>(), [-4]);
    assert_eq!(
        (values.next(), values.next(), values.next_back()),
        (Some(-4), None, None)
    );
}

#[test]
fn an_array_shows_its_length_and_an_element_its_value() {
    let array = array([true, false]);
    assert_eq!(format!("{array:?}"), "AtomicArray { len: 2, .. }");
    assert_eq!(format!("{:?}", array.first()), "Some(true)");
    let again = array.clone();
    again[1].store(true);
    assert_eq!(array.to_vec(), [true, true]);
}
