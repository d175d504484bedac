//! The values that elements can have, and what can be done to them.

use std::fmt;

use bytemuck::{CheckedBitPattern, NoUninit, Zeroable};

use crate::algorithm::element::ElementState;
use crate::facade::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use crate::payload::Payload;
use stored::{Added, Masked, Stored};

/// What an [`AtomicArray`](super::AtomicArray) can hold: `u8` to `u64`, `i8` to `i64`, `f32`, `f64`
/// and `bool`. Sealed.
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
pub(in crate::collection) mod stored {
    use crate::algorithm::element::{ElementState, Word};

    type Bits<T> = <<T as Stored>::Word as Word>::Bits;
    type State<T> = ElementState<<T as Stored>::Word>;

    /// A value as the bits of a word.
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Stored: Copy {
        type Word: Word;

        fn to_word(self) -> Bits<Self>;

        /// Any bits are some value.
        fn from_word(bits: Bits<Self>) -> Self;

        /// Stores `new` if the value is `current`; returns the one before.
        #[inline(always)]
        fn exchange_word(state: &State<Self>, current: Self, new: Self) -> Result<Self, Self> {
            let done = state.exchange(current.to_word(), new.to_word());
            done.map(Self::from_word).map_err(Self::from_word)
        }
    }

    /// Addition; returns the value before.
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Added: Stored {
        fn add_word(state: &State<Self>, amount: Self) -> Self;
        fn sub_word(state: &State<Self>, amount: Self) -> Self;
    }

    /// Operations on bits; each returns the value before.
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Masked: Stored {
        fn and_word(state: &State<Self>, mask: Self) -> Self;
        fn or_word(state: &State<Self>, mask: Self) -> Self;
        fn xor_word(state: &State<Self>, mask: Self) -> Self;
        fn not_word(state: &State<Self>) -> Self;
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
            fn to_word(self) -> $bits {
                $bits::from_ne_bytes(self.to_ne_bytes())
            }

            #[inline(always)]
            fn from_word(bits: $bits) -> Self {
                Self::from_ne_bytes(bits.to_ne_bytes())
            }
        }

        impl Added for $value {
            #[inline(always)]
            fn add_word(state: &ElementState<$word>, amount: Self) -> Self {
                Self::from_word(state.add(amount.to_word()))
            }

            #[inline(always)]
            fn sub_word(state: &ElementState<$word>, amount: Self) -> Self {
                Self::from_word(state.sub(amount.to_word()))
            }
        }

        impl Masked for $value {
            #[inline(always)]
            fn and_word(state: &ElementState<$word>, mask: Self) -> Self {
                Self::from_word(state.and(mask.to_word()))
            }

            #[inline(always)]
            fn or_word(state: &ElementState<$word>, mask: Self) -> Self {
                Self::from_word(state.or(mask.to_word()))
            }

            #[inline(always)]
            fn xor_word(state: &ElementState<$word>, mask: Self) -> Self {
                Self::from_word(state.xor(mask.to_word()))
            }

            #[inline(always)]
            fn not_word(state: &ElementState<$word>) -> Self {
                Self::from_word(state.xor($bits::MAX))
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
            fn to_word(self) -> $bits {
                self.to_bits()
            }

            #[inline(always)]
            fn from_word(bits: $bits) -> Self {
                Self::from_bits(bits)
            }
        }

        impl Added for $value {
            #[inline]
            fn add_word(state: &ElementState<$word>, amount: Self) -> Self {
                let sum = |bits| Some((Self::from_word(bits) + amount).to_word());
                let (Ok(bits) | Err(bits)) = state.update(sum);
                Self::from_word(bits)
            }

            #[inline]
            fn sub_word(state: &ElementState<$word>, amount: Self) -> Self {
                let difference = |bits| Some((Self::from_word(bits) - amount).to_word());
                let (Ok(bits) | Err(bits)) = state.update(difference);
                Self::from_word(bits)
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

/// 0 is false, and every other byte is true: 1, and also bytes that this library never writes.
impl Stored for bool {
    type Word = AtomicU8;

    #[inline(always)]
    fn to_word(self) -> u8 {
        self.into()
    }

    #[inline(always)]
    fn from_word(bits: u8) -> Self {
        bits != 0
    }

    #[inline(always)]
    fn exchange_word(
        state: &ElementState<AtomicU8>,
        current: Self,
        new: Self,
    ) -> Result<Self, Self> {
        match state.exchange(current.to_word(), new.to_word()) {
            // A byte that means the same.
            Err(found) if Self::from_word(found) == current => {
                let replaced = |bits| (Self::from_word(bits) == current).then_some(new.to_word());
                state
                    .update(replaced)
                    .map(Self::from_word)
                    .map_err(Self::from_word)
            }
            done => done.map(Self::from_word).map_err(Self::from_word),
        }
    }
}

/// What changes nothing is an atomic step all the same.
impl Masked for bool {
    #[inline(always)]
    fn and_word(state: &ElementState<AtomicU8>, mask: Self) -> Self {
        Self::from_word(if mask { state.or(0) } else { state.swap(0) })
    }

    #[inline(always)]
    fn or_word(state: &ElementState<AtomicU8>, mask: Self) -> Self {
        Self::from_word(if mask { state.swap(1) } else { state.or(0) })
    }

    #[inline(always)]
    fn xor_word(state: &ElementState<AtomicU8>, mask: Self) -> Self {
        if mask {
            Self::not_word(state)
        } else {
            Self::from_word(state.or(0))
        }
    }

    #[inline]
    fn not_word(state: &ElementState<AtomicU8>) -> Self {
        let (Ok(bits) | Err(bits)) = state.update(|bits| Some((!Self::from_word(bits)).to_word()));
        Self::from_word(bits)
    }
}
