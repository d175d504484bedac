//! An element of an array: one atomic word, as wide as its value.
//!
//! # State
//!
//! The value's bits, 8, 16, 32 or 64 of them; the handle knows what they mean. Elements lie side by
//! side, without padding and without an owner.
//!
//! # Protocol
//!
//! One atomic access for each operation, which is its commit. What the processor cannot do in one
//! (a maximum, an addition of floating-point numbers) is a load, a computation, and a
//! compare-and-swap, which is the commit and is retried if another process was faster.
//!
//! An operation on many elements is one such access for each of them, in order.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the one access | nothing | - |
//! | after it | the new value | no repair needed |
//! | among many elements | those before it are stored, those behind it are not | no repair possible: it was never one step |
//!
//! As with a counter, it cannot be told whether a process killed in the middle had made its last
//! change. Wait-free on processors that have the instruction (x86_64 has none that returns the bits
//! before an and, or, xor); the loops are lock-free: one fails only because another succeeded. A
//! stopped process delays no other.
//!
//! # Ordering
//!
//! Changes are AcqRel, `set` is Release and `get` Acquire (E1): a process that reads a new value
//! sees what its writer wrote before it changed the element, as with a counter.
//!
//! Operations on many elements access each with Relaxed and have one fence for all. A copy out ends
//! with an Acquire fence: as if each load were Acquire, for all that comes after the copy. A copy
//! in begins with a Release fence: as if each store were Release, for all that came before it (E2).
//! Two elements of one copy are not ordered with each other.
//!
//! # Trade-offs
//!
//! There is no choice of ordering. On x86_64 it would save nothing: loads and stores are plain
//! ones, and a read-modify-write is locked in any ordering. Elsewhere the copies have one fence
//! where a loop over acquiring loads has one for each. A flag that is relaxed by mistake is hard to
//! find, above all in another process.

use crate::facade::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence, mutation, ordering,
};

/// The atomics that an element can be; sealed, since it cannot be named outside this crate.
pub trait Word: Send + Sync + 'static {
    /// A word's value.
    type Bits: Copy + Eq;

    fn load(&self, order: Ordering) -> Self::Bits;
    fn store(&self, bits: Self::Bits, order: Ordering);
    fn swap(&self, bits: Self::Bits, order: Ordering) -> Self::Bits;
    fn fetch_add(&self, bits: Self::Bits, order: Ordering) -> Self::Bits;
    fn fetch_sub(&self, bits: Self::Bits, order: Ordering) -> Self::Bits;
    fn fetch_and(&self, bits: Self::Bits, order: Ordering) -> Self::Bits;
    fn fetch_or(&self, bits: Self::Bits, order: Ordering) -> Self::Bits;
    fn fetch_xor(&self, bits: Self::Bits, order: Ordering) -> Self::Bits;

    fn compare_exchange(
        &self,
        current: Self::Bits,
        new: Self::Bits,
        success: Ordering,
        failure: Ordering,
    ) -> Result<Self::Bits, Self::Bits>;

    fn compare_exchange_weak(
        &self,
        current: Self::Bits,
        new: Self::Bits,
        success: Ordering,
        failure: Ordering,
    ) -> Result<Self::Bits, Self::Bits>;
}

macro_rules! word {
    (@change $bits:ident: $($operation:ident)+) => {$(
        #[inline(always)]
        fn $operation(&self, bits: $bits, order: Ordering) -> $bits {
            self.$operation(bits, order)
        }
    )+};
    ($($atomic:ident $bits:ident)*) => {$(
        impl Word for $atomic {
            type Bits = $bits;

            #[inline(always)]
            fn load(&self, order: Ordering) -> $bits {
                self.load(order)
            }

            #[inline(always)]
            fn store(&self, bits: $bits, order: Ordering) {
                self.store(bits, order);
            }

            word! { @change $bits: swap fetch_add fetch_sub fetch_and fetch_or fetch_xor }

            #[inline(always)]
            fn compare_exchange(
                &self,
                current: $bits,
                new: $bits,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$bits, $bits> {
                self.compare_exchange(current, new, success, failure)
            }

            #[inline(always)]
            fn compare_exchange_weak(
                &self,
                current: $bits,
                new: $bits,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$bits, $bits> {
                self.compare_exchange_weak(current, new, success, failure)
            }
        }
    )*};
}
word!(AtomicU8 u8 AtomicU16 u16 AtomicU32 u32 AtomicU64 u64);

/// Defines the changes that one instruction makes.
macro_rules! changes {
    ($($(#[$docs:meta])* $name:ident by $change:ident $mutant:literal;)+) => {$(
        $(#[$docs])*
        #[inline(always)]
        pub(crate) fn $name(&self, bits: W::Bits) -> W::Bits {
            // ORDERING: AcqRel; (E1).
            self.0.$change(bits, ordering(Ordering::AcqRel, $mutant))
        }
    )+};
}

/// An element, in the segment.
#[repr(transparent)]
pub struct ElementState<W>(W);

impl<W: Word> ElementState<W> {
    #[cfg(test)]
    pub(crate) fn new(word: W) -> Self {
        Self(word)
    }

    /// The word, for an algorithm that lies in an array.
    #[cfg(feature = "process")]
    #[inline(always)]
    pub(crate) fn word(&self) -> &W {
        &self.0
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> W::Bits {
        // ORDERING: Acquire; pairs with (E1).
        self.0.load(ordering(Ordering::Acquire, 400))
    }

    #[inline(always)]
    pub(crate) fn set(&self, bits: W::Bits) {
        // ORDERING: Release; (E1).
        self.0.store(bits, ordering(Ordering::Release, 401));
    }

    changes! {
        swap by swap 408;
        /// Adds, wrapping, and returns the previous value.
        add by fetch_add 409;
        /// Subtracts, wrapping, and returns the previous value.
        sub by fetch_sub 410;
        and by fetch_and 411;
        or by fetch_or 412;
        xor by fetch_xor 413;
    }

    /// Stores `new` if the bits are `current`; returns the previous bits.
    #[inline(always)]
    pub(crate) fn exchange(&self, current: W::Bits, new: W::Bits) -> Result<W::Bits, W::Bits> {
        // ORDERING: AcqRel, and Acquire on failure; (E1).
        self.0.compare_exchange(
            current,
            new,
            ordering(Ordering::AcqRel, 414),
            ordering(Ordering::Acquire, 415),
        )
    }

    /// Replaces the bits by the result of `next`, if there is one, and returns the previous bits.
    /// `next` is called again if others have changed them meanwhile.
    #[inline(always)]
    pub(crate) fn update(
        &self,
        mut next: impl FnMut(W::Bits) -> Option<W::Bits>,
    ) -> Result<W::Bits, W::Bits> {
        let mut seen = self.get();
        loop {
            let Some(new) = next(seen) else {
                return Err(seen);
            };
            if mutation(402) {
                self.set(new);
                return Ok(seen);
            }
            // ORDERING: AcqRel, and Acquire on failure; (E1).
            let done = self.0.compare_exchange_weak(
                seen,
                new,
                ordering(Ordering::AcqRel, 403),
                Ordering::Acquire,
            );
            match done {
                Ok(_) => return Ok(seen),
                Err(_) if mutation(404) => return Ok(seen),
                Err(now) => seen = now,
            }
        }
    }

    /// Copies elements out, each into the place beside it.
    #[inline(always)]
    pub(crate) fn copy_out<'a, P: 'a>(
        pairs: impl Iterator<Item = (&'a Self, &'a mut P)>,
        value: impl Fn(W::Bits) -> P,
    ) {
        for (element, place) in pairs {
            // ORDERING: Relaxed; the fence below is for all.
            *place = value(element.0.load(Ordering::Relaxed));
        }
        // ORDERING: Acquire; (E2) pairs with (E1), and with the fence in `copy_in`.
        if !mutation(405) {
            fence(Ordering::Acquire);
        }
    }

    /// Copies elements out into a new collection.
    #[inline(always)]
    pub(crate) fn collect<'a, P, C: FromIterator<P>>(
        elements: impl Iterator<Item = &'a Self>,
        value: impl Fn(W::Bits) -> P,
    ) -> C {
        // ORDERING: Relaxed; the fence below is for all.
        let values = elements.map(|element| value(element.0.load(Ordering::Relaxed)));
        let all = values.collect();
        // ORDERING: Acquire; (E2), as in `copy_out`.
        if !mutation(406) {
            fence(Ordering::Acquire);
        }
        all
    }

    /// Stores into each element the value beside it.
    #[inline(always)]
    pub(crate) fn copy_in<'a>(pairs: impl Iterator<Item = (&'a Self, W::Bits)>) {
        // ORDERING: Release; (E2) pairs with the Acquire in `get`, and with the fence in
        // `copy_out`.
        if !mutation(407) {
            fence(Ordering::Release);
        }
        for (element, bits) in pairs {
            // ORDERING: Relaxed; the fence above is for all.
            element.0.store(bits, Ordering::Relaxed);
        }
    }
}

pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
pub(crate) mod wait;
