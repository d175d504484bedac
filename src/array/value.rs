//! The values that elements can have, and what can be done to them.

use std::fmt;

use bytemuck::{CheckedBitPattern, NoUninit, Zeroable};

use crate::facade::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use crate::payload::Payload;
use crate::raw::element::ElementState;
use stored::{Added, Masked, Stored};

/// What an [`AtomicArray`](super::AtomicArray) can hold: `u8` to `u64`, `i8` to `i64`, `f32`, `f64` and
/// `bool`. Sealed.
///
/// Not `usize` and `isize`: what processes share says how wide it is.
pub trait Atomic:
    Payload + NoUninit + CheckedBitPattern + Zeroable + PartialOrd + fmt::Debug + Stored
{
}

/// What can be added up and compared: all but `bool`. Sealed.
pub trait Numeric: Atomic + Added {}

/// What has bits of its own to set and clear: whole numbers and `bool`. Sealed.
pub trait Bitwise: Atomic + Masked {}

/// How values are words.
pub(super) mod stored {
    use crate::raw::element::{ElementState, Word};

    type Bits<T> = <<T as Stored>::Word as Word>::Bits;
    type State<T> = ElementState<<T as Stored>::Word>;

    /// A value as the bits of a word.
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Stored: Copy {
        type Word: Word;

        fn bits(self) -> Bits<Self>;

        /// Any bits are some value.
        fn of(bits: Bits<Self>) -> Self;

        /// Stores `new` if the value is `current`; returns the one before.
        #[inline(always)]
        fn exchange(state: &State<Self>, current: Self, new: Self) -> Result<Self, Self> {
            let done = state.exchange(current.bits(), new.bits());
            done.map(Self::of).map_err(Self::of)
        }
    }

    /// Addition; returns the value before.
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Added: Stored {
        fn add(state: &State<Self>, amount: Self) -> Self;
        fn sub(state: &State<Self>, amount: Self) -> Self;
    }

    /// Operations on bits; each returns the value before.
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Masked: Stored {
        fn and(state: &State<Self>, mask: Self) -> Self;
        fn or(state: &State<Self>, mask: Self) -> Self;
        fn xor(state: &State<Self>, mask: Self) -> Self;
        fn not(state: &State<Self>) -> Self;
    }
}

macro_rules! whole {
    ($($value:ident $bits:ident $word:ident)*) => {$(
        impl Atomic for $value {}
        impl Numeric for $value {}
        impl Bitwise for $value {}

        impl Stored for $value {
            type Word = $word;

            #[inline(always)]
            fn bits(self) -> $bits {
                $bits::from_ne_bytes(self.to_ne_bytes())
            }

            #[inline(always)]
            fn of(bits: $bits) -> Self {
                Self::from_ne_bytes(bits.to_ne_bytes())
            }
        }

        impl Added for $value {
            #[inline(always)]
            fn add(state: &ElementState<$word>, amount: Self) -> Self {
                Self::of(state.add(amount.bits()))
            }

            #[inline(always)]
            fn sub(state: &ElementState<$word>, amount: Self) -> Self {
                Self::of(state.sub(amount.bits()))
            }
        }

        impl Masked for $value {
            #[inline(always)]
            fn and(state: &ElementState<$word>, mask: Self) -> Self {
                Self::of(state.and(mask.bits()))
            }

            #[inline(always)]
            fn or(state: &ElementState<$word>, mask: Self) -> Self {
                Self::of(state.or(mask.bits()))
            }

            #[inline(always)]
            fn xor(state: &ElementState<$word>, mask: Self) -> Self {
                Self::of(state.xor(mask.bits()))
            }

            #[inline(always)]
            fn not(state: &ElementState<$word>) -> Self {
                Self::of(state.xor($bits::MAX))
            }
        }
    )*};
}
whole! {
    u8 u8 AtomicU8
    u16 u16 AtomicU16
    u32 u32 AtomicU32
    u64 u64 AtomicU64
    i8 u8 AtomicU8
    i16 u16 AtomicU16
    i32 u32 AtomicU32
    i64 u64 AtomicU64
}

macro_rules! floating {
    ($($value:ident $bits:ident $word:ident)*) => {$(
        impl Atomic for $value {}
        impl Numeric for $value {}

        impl Stored for $value {
            type Word = $word;

            #[inline(always)]
            fn bits(self) -> $bits {
                self.to_bits()
            }

            #[inline(always)]
            fn of(bits: $bits) -> Self {
                Self::from_bits(bits)
            }
        }

        impl Added for $value {
            #[inline]
            fn add(state: &ElementState<$word>, amount: Self) -> Self {
                let sum = |bits| Some((Self::of(bits) + amount).bits());
                let (Ok(bits) | Err(bits)) = state.update(sum);
                Self::of(bits)
            }

            #[inline]
            fn sub(state: &ElementState<$word>, amount: Self) -> Self {
                let difference = |bits| Some((Self::of(bits) - amount).bits());
                let (Ok(bits) | Err(bits)) = state.update(difference);
                Self::of(bits)
            }
        }
    )*};
}
floating! {
    f32 u32 AtomicU32
    f64 u64 AtomicU64
}

impl Atomic for bool {}
impl Bitwise for bool {}

/// 0 is false, and every other byte is true, 1 as well as one that nobody here has written.
impl Stored for bool {
    type Word = AtomicU8;

    #[inline(always)]
    fn bits(self) -> u8 {
        self.into()
    }

    #[inline(always)]
    fn of(bits: u8) -> Self {
        bits != 0
    }

    #[inline(always)]
    fn exchange(state: &ElementState<AtomicU8>, current: Self, new: Self) -> Result<Self, Self> {
        match state.exchange(current.bits(), new.bits()) {
            // A byte that means the same.
            Err(found) if Self::of(found) == current => {
                let replaced = |bits| (Self::of(bits) == current).then_some(new.bits());
                state.update(replaced).map(Self::of).map_err(Self::of)
            }
            done => done.map(Self::of).map_err(Self::of),
        }
    }
}

/// What changes nothing is an atomic step all the same.
impl Masked for bool {
    #[inline(always)]
    fn and(state: &ElementState<AtomicU8>, mask: Self) -> Self {
        Self::of(if mask { state.or(0) } else { state.swap(0) })
    }

    #[inline(always)]
    fn or(state: &ElementState<AtomicU8>, mask: Self) -> Self {
        Self::of(if mask { state.swap(1) } else { state.or(0) })
    }

    #[inline(always)]
    fn xor(state: &ElementState<AtomicU8>, mask: Self) -> Self {
        if mask {
            Self::not(state)
        } else {
            Self::of(state.or(0))
        }
    }

    #[inline]
    fn not(state: &ElementState<AtomicU8>) -> Self {
        let (Ok(bits) | Err(bits)) = state.update(|bits| Some((!Self::of(bits)).bits()));
        Self::of(bits)
    }
}
