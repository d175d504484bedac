//! Payloads: the types of values in a segment, and their fingerprints.

mod error;

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use bytemuck::{CheckedBitPattern, NoUninit};

use crate::format::{Name, PayloadShape};

pub(crate) use error::Cause;
pub use error::ValueError;
#[cfg(feature = "process")]
pub(crate) use error::{END_ELSEWHERE, HANDLE_ELSEWHERE};

/// A type whose values can be stored in a segment.
///
/// Its fingerprint is its size, its alignment and a name that you declare once with
/// [`payload!`](crate::payload!). An entry opens only as the type that it was created with. Rename
/// a payload when you change its fields (`"shop.order/1"`, then `"shop.order/2"`).
///
/// Numbers, `bool`, `()` and arrays of payloads have names already. For values that are not structs
/// of numbers there are:
///
/// - text of bounded length: [`FixedStr<N>`](crate::FixedStr), and bytes:
///   [`FixedBytes<N>`](crate::FixedBytes)
/// - any value that serde encodes (`String`, `Vec`, enums): a message of a
///   [`Channel<T>`](crate::queue::Channel), which needs no `Payload`
///
/// # Examples
///
/// ```
/// use bytemuck::{Pod, Zeroable};
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[repr(C)]
/// struct Stock {
///     boxes: u64,
///     pallets: u64,
/// }
/// crossdock::payload!(Stock, "shop.stock/1");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a payload, so it cannot be stored in a segment",
    label = "no `payload!` names `{Self}`",
    note = "text of at most N bytes: `FixedStr<N>`; bytes: `FixedBytes<N>`",
    note = "any value that serde encodes, of any size: a message of a `Channel<T>`",
    note = "a struct of your own: `#[derive(Clone, Copy, Pod, Zeroable)]` and `#[repr(C)]` on it, then \
            `crossdock::payload!(Type, \"program.type/1\");`"
)]
pub trait Payload: Copy + Send + Sync + 'static {
    /// The name that processes compare: 1 to 64 bytes without NUL. Any other name fails to compile
    /// where the type becomes an entry.
    const NAME: &'static str;

    /// Fails to compile if the name is not valid.
    #[doc(hidden)]
    const IS_NAMED: () = check_name(Self::NAME);
}

/// Declares the name of a type as a [`Payload`]: 1 to 64 bytes, none of them NUL.
///
/// A name is compared as a whole, so a name that is too long fails to compile:
///
/// ```compile_fail,E0080
/// #[derive(Clone, Copy)]
/// struct Wordy(u64);
/// crossdock::payload!(Wordy, "a.name.of.sixty-five.bytes.which.is.one.more.than.there.can.be/12");
/// ```
#[macro_export]
macro_rules! payload {
    ($type:ty, $name:literal) => {
        impl $crate::Payload for $type {
            const NAME: &'static str = $name;
        }
        const _: () = <$type as $crate::Payload>::IS_NAMED;
    };
}

/// Refuses a name that is not valid for a payload, at compile time.
const fn check_name(name: &str) {
    assert!(!name.is_empty(), "a payload's name cannot be empty");
    assert!(
        name.len() <= Name::MAX,
        "a payload's name has at most 64 bytes"
    );
    let mut rest = name.as_bytes();
    while let [first, others @ ..] = rest {
        assert!(*first != 0, "a payload's name has no NUL");
        rest = others;
    }
}

macro_rules! named {
    ($($type:ident $name:literal)*) => { $(
        impl Payload for $type {
            const NAME: &'static str = $name;
        }
    )* };
}
named!(u8 "u8" u16 "u16" u32 "u32" u64 "u64" u128 "u128");
named!(i8 "i8" i16 "i16" i32 "i32" i64 "i64" i128 "i128" f32 "f32" f64 "f64" bool "bool");

/// The payload of a mutex that protects something outside of itself.
impl Payload for () {
    const NAME: &'static str = "()";
}

/// Arrays have the name of their element; the size tells their length.
impl<T: Payload, const N: usize> Payload for [T; N] {
    const NAME: &'static str = T::NAME;
}

/// Copies a value out of a slot, whatever its bytes. Returns `None` if they are not a `T`.
///
/// # Safety
///
/// The slot is mapped and aligned, and no process writes to it meanwhile.
#[inline(always)]
pub(crate) unsafe fn read<T: CheckedBitPattern>(slot: NonNull<T>) -> Option<T> {
    let mut value = MaybeUninit::uninit();
    // SAFETY: the caller's contract; a `T` is there, and room for one here.
    unsafe { copy(slot.as_ptr(), value.as_mut_ptr()) };
    // SAFETY: any bytes are a `T::Bits`, which has the layout of `T`.
    let bits = unsafe { &*value.as_ptr().cast::<T::Bits>() };
    // SAFETY: the bits, which are a copy, are found valid.
    T::is_valid_bit_pattern(bits).then(|| unsafe { value.assume_init() })
}

/// Copies a value out of a slot into a box, as [`read`] does. The value never passes through the
/// stack.
///
/// # Safety
///
/// As for [`read`].
pub(crate) unsafe fn read_boxed<T: CheckedBitPattern>(slot: NonNull<T>) -> Option<Box<T>> {
    let mut value = Box::<T>::new_uninit();
    // SAFETY: the caller's contract; a `T` is there, and room for one here, which is elsewhere.
    unsafe { slot.as_ptr().copy_to_nonoverlapping(value.as_mut_ptr(), 1) };
    // SAFETY: any bytes are a `T::Bits`, which has the layout of `T`.
    let bits = unsafe { &*value.as_ptr().cast::<T::Bits>() };
    // SAFETY: the bits, which are a copy, are found valid.
    T::is_valid_bit_pattern(bits).then(|| unsafe { value.assume_init() })
}

/// Copies a value into a slot.
///
/// # Safety
///
/// The slot is mapped and aligned, and only the caller accesses it.
#[inline(always)]
pub(crate) unsafe fn write<T: NoUninit>(slot: NonNull<T>, value: &T) {
    // SAFETY: the caller's word.
    unsafe { copy(value, slot.as_ptr()) };
}

/// Copies the bytes of a value, in steps of 16 as far as they go.
///
/// By default the compiler copies a value of some dozens of bytes in steps that depend on the types
/// through which it passes, and which straddle the steps of the write. A load whose bytes are in
/// two stores waits until both are in the cache, behind those of the previous item. That made a
/// stream of 64 bytes take half as long again.
///
/// # Safety
///
/// A value can be read at `from`, and written at `to`, which is elsewhere.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
unsafe fn copy<T>(from: *const T, to: *mut T) {
    use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
    const STEP: usize = size_of::<__m128i>();
    // Above this many steps the copy is a loop or a call, which keeps the steps together.
    const MOST: usize = 16;
    let steps = size_of::<T>() / STEP;
    let steps = if steps > MOST { 0 } else { steps };
    let (from, to) = (from.cast::<u8>(), to.cast::<u8>());
    for at in (0..steps).map(|step| step * STEP) {
        // SAFETY: inside the value.
        let part = unsafe { _mm_loadu_si128(from.wrapping_add(at).cast()) };
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(to.wrapping_add(at).cast(), part) };
    }
    let at = steps * STEP;
    let (from, to) = (from.wrapping_add(at), to.wrapping_add(at));
    // SAFETY: the rest of the value.
    unsafe { to.copy_from_nonoverlapping(from, size_of::<T>() - at) };
}

/// Copies the bytes of a value.
///
/// # Safety
///
/// A value can be read at `from`, and written at `to`, which is elsewhere.
#[inline(always)]
#[cfg(not(target_arch = "x86_64"))]
unsafe fn copy<T>(from: *const T, to: *mut T) {
    // SAFETY: the caller's word.
    unsafe { to.copy_from_nonoverlapping(from, 1) };
}

/// Returns the fingerprint of `T`, or `None` if a segment cannot hold it.
pub(crate) fn shape_of<T: Payload>() -> Option<PayloadShape> {
    let shape = describe::<T>();
    let fits = size_of::<T>() == usize::try_from(shape.size).ok()?
        && align_of::<T>() <= crate::format::PADDING;
    fits.then_some(shape)
}

/// Returns the description of `T` for errors; a size or alignment that does not fit shows as the
/// largest.
pub(crate) fn describe<T: Payload>() -> PayloadShape {
    // Checks a name that was not declared by `payload!`.
    const { T::IS_NAMED };
    PayloadShape {
        size: u32::try_from(size_of::<T>()).unwrap_or(u32::MAX),
        align: u32::try_from(align_of::<T>()).unwrap_or(u32::MAX),
        name: Name::payload(T::NAME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_that_are_a_value_come_in_a_box() {
        for (byte, value) in [(0, Some(false)), (1, Some(true)), (2, None)] {
            let slot: u8 = byte;
            // SAFETY: a byte is there, and no other thread writes to it.
            let read = unsafe { read_boxed(NonNull::from(&slot).cast::<bool>()) };
            assert_eq!(read.as_deref(), value.as_ref());
        }
    }
}
