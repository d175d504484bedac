//! Arrays of atomics whose bytes are anything.

use std::sync::atomic::Ordering;

use crossdock::array::{Atomic, Init};
use crossdock::{AtomicArray, Segment};

use crate::support::image::Window;

/// An array, and its bytes from the outside.
fn with_window<T: Atomic>(len: usize) -> (AtomicArray<T>, Window, usize) {
    let segment = Segment::anonymous().unwrap();
    let array = segment.create("array", Init::<T>::zeroed(len)).unwrap();
    let at = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    (array, Window::of(&segment), at)
}

#[test]
fn every_byte_but_0_is_a_true_flag() {
    let (flags, window, at) = with_window::<bool>(256);
    for byte in 0..=255 {
        window
            .byte(at + usize::from(byte))
            .store(byte, Ordering::Relaxed);
    }
    let expected: Vec<bool> = (0..256).map(|byte| byte != 0).collect();
    assert_eq!(flags.to_vec(), expected);
    assert_eq!(flags.values().collect::<Vec<_>>(), expected);
    let mut copied = vec![false; 256];
    flags.load_slice(0, &mut copied);
    assert_eq!(copied, expected);
}

#[test]
fn a_flag_that_is_any_byte_is_used_as_one_that_is_0_or_1() {
    for byte in 0..=255 {
        let was = byte != 0;
        let (flags, window, at) = with_window::<bool>(1);
        let flag = &flags[0];
        let again = || window.byte(at).store(byte, Ordering::Relaxed);
        for mask in [false, true] {
            again();
            assert_eq!((flag.fetch_and(mask), flag.load()), (was, was & mask));
            again();
            assert_eq!((flag.fetch_or(mask), flag.load()), (was, was | mask));
            again();
            assert_eq!((flag.fetch_xor(mask), flag.load()), (was, was ^ mask));
            again();
            assert_eq!((flag.swap(mask), flag.load()), (was, mask));
            again();
            assert_eq!(flag.compare_exchange(was, mask), Ok(was));
            assert_eq!(window.byte(at).load(Ordering::Relaxed), mask.into());
            again();
            assert_eq!(flag.compare_exchange(!was, mask), Err(was));
            assert_eq!(window.byte(at).load(Ordering::Relaxed), byte);
            again();
            assert_eq!((flag.update(|_| mask), flag.load()), (was, mask));
        }
        again();
        assert_eq!((flag.fetch_not(), flag.load()), (was, !was));
        again();
        assert_eq!(flag.try_update(|_| None), Err(was));
    }
}

#[test]
fn floating_point_numbers_of_any_bits_come_out_as_they_are() {
    let (numbers, window, at) = with_window::<f64>(2);
    for bits in [
        0x7ff0_0000_0000_0001,
        0xfff8_dead_beef_0000,
        u64::MAX,
        1,
        1 << 63,
    ] {
        window.long(at).store(bits, Ordering::Relaxed);
        let value = numbers[0].load();
        assert_eq!(value.to_bits(), bits);
        assert_eq!(numbers.to_vec()[0].to_bits(), bits);
        assert!(numbers[0].compare_exchange(value, 1.5).is_ok());
        window.long(at).store(bits, Ordering::Relaxed);
        numbers[0].fetch_add(1.0);
        numbers[0].fetch_max(3.0);
        assert!(numbers[0].load() >= 3.0);
    }
    assert_eq!(numbers[1].load(), 0.0);
}
