//! What is done to every kind: any operation after any other while any bytes are written over its
//! entry, as an input says.

use std::cell::OnceCell;
use std::iter;

use super::uses::{Shape, Uses, Write, near, tag};
use crate::place::{NAME, Place, STEPS, input};

/// What is written anywhere: at an offset of some 8 bits.
const ANYWHERE: [Shape; 8] = [
    |[a, b, c]| Write::byte((u64::from(a) * 4) | u64::from(c & 3), b),
    |[a, b, c]| Write::byte(u64::from(a), b ^ c),
    |[a, b, c]| Write::word(u64::from(a) * 4, u32::from_le_bytes([b, c, b, c])),
    |[a, b, c]| Write::word(u64::from(a) * 4, tag(b >> 4, b) | u32::from(c) << 24),
    |[a, b, c]| Write::word(u64::from(a) * 8, u32::from_le_bytes([a, b, c, a])),
    |[a, b, c]| Write::long(u64::from(a) * 8, u64::from(b) << (c % 64)),
    |[a, b, c]| Write::long(u64::from(a) * 8, (near(b, 64) << 2) | u64::from(c & 7)),
    |[a, b, c]| {
        Write::long(
            u64::from(a) * 8,
            u64::from_le_bytes([a, b, c, b, c, b, a, b]),
        )
    },
];

/// How far these reach; of a longer entry, each is written in every part.
const PART: u64 = 2_048;

/// Does the steps that an input says, to an entry of this kind.
pub(crate) fn run<P: Uses>(data: &[u8]) {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let Some((place, first)) = Place::with::<P>(P::config(capacity)) else {
        panic!("not created");
    };
    // What is held borrows handles, so none is replaced: `current` says which two are used.
    let second = first.clone().other_way();
    let mut handles = vec![OnceCell::from(first), OnceCell::from(second)];
    handles.extend(iter::repeat_with(OnceCell::new).take(STEPS));
    let (mut current, mut used) = ([0, 1], 2);
    let mut held = P::Held::default();
    let handle = |number: usize| handles[number].get().expect("it is one of the used");
    P::begin(handle(0), &place.segment, &mut held);
    for [verb, a, b, c] in steps {
        let at_hand = usize::from(c & 1);
        match verb {
            0..80 => write_over::<P>(&place, verb, [a, b, c]),
            80..84 => drop(place.segment.reap()),
            84..92 => {
                let fresh = match verb {
                    84 => Some(handle(current[at_hand]).clone()),
                    _ => place.segment.open(NAME).ok(),
                };
                if let Some(fresh) = fresh
                    && handles[used].set(fresh).is_ok()
                {
                    current[at_hand] = used;
                    used += 1;
                }
            }
            92..96 => {
                let handle = handle(current[at_hand]);
                for operation in P::OPERATIONS {
                    operation(handle, &mut held, [a, b, c]);
                }
            }
            96.. => {
                let number = usize::from(verb - 96) % P::OPERATIONS.len();
                P::OPERATIONS[number](handle(current[at_hand]), &mut held, [a, b, c]);
            }
        }
    }
}

/// Writes what the numbers say, in one of all shapes.
fn write_over<P: Uses>(place: &Place, number: u8, [a, b, c]: [u8; 3]) {
    let number = usize::from(number);
    let mut shapes = ANYWHERE.iter().chain(P::SHAPES);
    let count = ANYWHERE.len() + P::SHAPES.len();
    let shape = shapes.nth(number % count);
    let mut write = shape.expect("it is less than there are")([a, b, c]);
    if number % count < ANYWHERE.len() {
        write.at += (number / count) as u64 * PART;
    }
    write_but_for_waits::<P>(place, write);
}

/// Writes, but does not let a mutex that is waited for without an end be this process's: it would
/// wait for itself, as a thread does that takes any lock twice.
fn write_but_for_waits<P: Uses>(place: &Place, write: Write) {
    place.write(write.at, write.bytes());
    spare_waits::<P>(place, write.at);
}

/// Frees a mutex at or behind this offset that is waited for without an end, if it is this
/// process's.
pub(crate) fn spare_waits<P: Uses>(place: &Place, at: u64) {
    let first = place.offset_in(at) & !3;
    for word in [first, first + 4] {
        if P::is_waited_for(word) && place.names_me(word) {
            place.write(word, &[0; 4]);
        }
    }
}
