//! One element of an array.

use std::fmt;

use super::{Atomic, Bitwise, Numeric};
use crate::algorithm::element::ElementState;
use crate::algorithm::region::SharedState;

/// One value of an [`AtomicArray`](super::AtomicArray), or that of a [`Counter`](crate::Counter),
/// which processes change in single atomic steps.
///
/// As std's atomics, without an ordering to choose: a process that reads a value sees all that its
/// writer wrote before. No operation makes a system call,
/// blocks or fails, and no process that is stopped or killed can hinder another. Loads, stores,
/// swaps, exchanges and sums of whole numbers are one atomic instruction. The others may take a few
/// tries, as [`update`](Self::update) does, where the processor has no such instruction: x86_64 has
/// none for sums of floating-point numbers, for maximum and minimum, and for bits whose value
/// before is asked for.
///
/// A process killed in the middle of a change has made it or has not, and no process can tell
/// which.
///
/// # Examples
///
/// ```
/// use crossdock::array::Init;
/// use crossdock::{AtomicArray, Segment};
///
/// let segment = Segment::anonymous()?;
/// let stock = segment.create::<AtomicArray<i32>>("stock", Init::zeroed(3))?;
/// stock[0].store(5);
/// assert_eq!(stock[0].fetch_sub(2), 5);
/// assert_eq!(stock[0].compare_exchange(3, 7), Ok(3));
/// assert_eq!(stock.first().map(|element| element.load()), Some(7));
/// # Ok::<(), crossdock::Error>(())
/// ```
#[repr(transparent)]
pub struct Element<T: Atomic>(ElementState<T::Word>);

// SAFETY: `repr(transparent)` over one atomic word.
unsafe impl<T: Atomic> SharedState for Element<T> {}

impl<T: Atomic> Element<T> {
    #[inline(always)]
    pub(crate) fn state(&self) -> &ElementState<T::Word> {
        &self.0
    }

    /// Returns the value.
    #[inline]
    pub fn load(&self) -> T {
        T::from_word(self.0.get())
    }

    /// Sets the value.
    #[inline]
    pub fn store(&self, value: T) {
        self.0.set(value.to_word());
    }

    /// Sets the value, and returns the one before.
    #[inline]
    pub fn swap(&self, value: T) -> T {
        T::from_word(self.0.swap(value.to_word()))
    }

    /// Sets the value to `new` if it is `current`; returns the one before.
    ///
    /// Floating-point numbers are compared by their bits: 0.0 is not -0.0, and a NaN is itself.
    ///
    /// # Errors
    ///
    /// The value found, if it is not `current`; nothing is changed then.
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        T::exchange_word(&self.0, current, new)
    }

    /// Sets the value to what `next` makes of it; returns the one before.
    ///
    /// A load and a compare-and-swap; `next` is called again if another process was faster.
    /// Lock-free: that happens only when the other one has got its change made.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{AtomicArray, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let prices = segment.create::<AtomicArray<f64>>("prices", [9.5, 20.0])?;
    /// assert_eq!(prices[1].update(|price| price * 0.5), 20.0);
    /// assert_eq!(prices[1].load(), 10.0);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[inline]
    pub fn update(&self, mut next: impl FnMut(T) -> T) -> T {
        let (Ok(bits) | Err(bits)) = self
            .0
            .update(|bits| Some(next(T::from_word(bits)).to_word()));
        T::from_word(bits)
    }

    /// As [`update`](Self::update), unless `next` says that there is nothing to set; returns the
    /// value before.
    ///
    /// # Errors
    ///
    /// The value of which `next` made nothing; nothing is changed then.
    #[inline]
    pub fn try_update(&self, mut next: impl FnMut(T) -> Option<T>) -> Result<T, T> {
        let done = self
            .0
            .update(|bits| next(T::from_word(bits)).map(T::to_word));
        done.map(T::from_word).map_err(T::from_word)
    }
}

impl<T: Numeric> Element<T> {
    /// Adds, and returns the value before. Whole numbers wrap; those of floating point are rounded
    /// as everywhere, so the order in which processes add can show in the sum.
    #[inline]
    pub fn fetch_add(&self, amount: T) -> T {
        T::add_word(&self.0, amount)
    }

    /// Subtracts, and returns the value before; as [`fetch_add`](Self::fetch_add).
    #[inline]
    pub fn fetch_sub(&self, amount: T) -> T {
        T::sub_word(&self.0, amount)
    }

    /// Raises the value to `value` if it is less; returns the one before.
    ///
    /// A NaN counts as no value: it is replaced by any other, and replaces none.
    #[inline]
    pub fn fetch_max(&self, value: T) -> T {
        self.replace_if(value, |value, found| value > found)
    }

    /// Lowers the value to `value` if it is more; returns the one before.
    ///
    /// A NaN counts as no value: it is replaced by any other, and replaces none.
    #[inline]
    pub fn fetch_min(&self, value: T) -> T {
        self.replace_if(value, |value, found| value < found)
    }

    #[inline(always)]
    fn replace_if(&self, value: T, better: impl Fn(T, T) -> bool) -> T {
        #[expect(clippy::eq_op, reason = "what is not itself is a NaN")]
        let is_nan = |value: T| value != value;
        let best = |bits| {
            let found = T::from_word(bits);
            let missing = is_nan(found) && !is_nan(value);
            (missing || better(value, found)).then(|| value.to_word())
        };
        let (Ok(bits) | Err(bits)) = self.0.update(best);
        T::from_word(bits)
    }
}

impl<T: Bitwise> Element<T> {
    /// Keeps the bits that `mask` has; returns the value before.
    #[inline]
    pub fn fetch_and(&self, mask: T) -> T {
        T::and_word(&self.0, mask)
    }

    /// Sets the bits that `mask` has; returns the value before.
    #[inline]
    pub fn fetch_or(&self, mask: T) -> T {
        T::or_word(&self.0, mask)
    }

    /// Turns the bits over that `mask` has; returns the value before.
    #[inline]
    pub fn fetch_xor(&self, mask: T) -> T {
        T::xor_word(&self.0, mask)
    }

    /// Turns all bits over; returns the value before.
    #[inline]
    pub fn fetch_not(&self) -> T {
        T::not_word(&self.0)
    }
}

/// The value, as it is now.
impl<T: Atomic> fmt::Debug for Element<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}
