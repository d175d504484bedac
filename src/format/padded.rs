//! Values that keep others off their cache lines.

/// A value on two cache lines of its own.
#[repr(C, align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

const _: () = assert!(align_of::<Padded<u8>>() == crate::format::PADDING);

impl<T> AsRef<T> for Padded<T> {
    #[inline]
    fn as_ref(&self) -> &T {
        &self.0
    }
}
