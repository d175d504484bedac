//! The array of atomics: where its elements are, and what is done to many of them.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;

use super::until::Waits;
use super::{Atomic, Element, Init, NumberTimeoutError, Until};
use crate::Deadline;
use crate::algorithm::element::ElementState;
use crate::algorithm::element::entry::array;
use crate::algorithm::element::wait::notify;
use crate::facade::AtomicU8;
use crate::format::{Kind, PayloadShape};
use crate::payload::{describe, shape_of};
use crate::segment::{Bytes, Entry, EntryError, EntryRef, Fault, Placeable};
use crate::wait::event_count::{EventCount, use_events};

/// Numbers or flags, each of which processes change in single atomic steps; an entry of a segment,
/// created with its length and its first values.
///
/// It is a slice of [`Element`]s: `array[i].fetch_add(1)`, `array.len()`, `array.get(i)`,
/// `&array[2..5]`, `array.iter()` and `array.chunks(n)` are those of slices. An operation on an
/// element takes effect at once, is never torn, and makes no system call; it never blocks, and no
/// process can hinder another.
///
/// An operation on many elements, such as [`to_vec`](Self::to_vec) or [`fill`](Self::fill), goes
/// from one to the next: other processes see, and make, changes in between. If all values must be
/// of one moment, put them behind a [`Mutex`](crate::Mutex).
///
/// Elements lie side by side, so those that different processes change all the time are on one
/// cache line; [`ShardedCounter`](crate::ShardedCounter) spreads one number over many.
///
/// # When a process is killed
///
/// No process holds anything, so there is nothing to recover. A change of an element was made or
/// was not, and no process can tell which; of a change to many elements the first were made. An
/// element is never half written.
///
/// # Examples
///
/// ```
/// use crossdock::array::Init;
/// use crossdock::{AtomicArray, Segment};
///
/// let segment = Segment::anonymous()?;
/// let votes = segment.create::<AtomicArray<u32>>("votes", Init::zeroed(3))?;
/// votes[2].fetch_add(1);
/// votes[0].fetch_add(1);
/// votes[2].fetch_add(1);
/// assert_eq!(votes.to_vec(), [1, 0, 2]);
/// assert_eq!(votes.values().sum::<u32>(), 3);
/// assert!(votes.get(3).is_none());
///
/// let done = segment.create::<AtomicArray<bool>>("done", Init::zeroed(64))?;
/// assert!(!done[7].swap(true), "another process had done it");
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// A type without a meaning in another process cannot be in it:
///
/// ```compile_fail
/// # use crossdock::{AtomicArray, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// segment.create::<AtomicArray<&u64>>("pointers", Init::filled(3, &7)).unwrap();
/// ```
///
/// and an element does not outlive its array:
///
/// ```compile_fail
/// # use crossdock::{AtomicArray, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// let votes = segment.create::<AtomicArray<u64>>("votes", Init::zeroed(3)).unwrap();
/// let first = &votes[0];
/// drop(votes);
/// first.fetch_add(1);
/// ```
#[doc(alias = "Array")]
pub struct AtomicArray<T: Atomic> {
    /// The entry, which holds one byte at least.
    entry: EntryRef<AtomicU8>,
    /// Invariant 1: as many elements as the array is long are mapped there, aligned, as long as
    /// `entry`.
    elements: NonNull<[Element<T>]>,
    /// Invariant 2: the event counts of the array are mapped there, as long as `entry`: a power of
    /// two of them, one at least.
    waiters: NonNull<[EventCount]>,
    waits: Waits,
}

// SAFETY: elements are atomics, which any thread may reach.
unsafe impl<T: Atomic> Send for AtomicArray<T> {}
// SAFETY: as above.
unsafe impl<T: Atomic> Sync for AtomicArray<T> {}

impl<T: Atomic> AtomicArray<T> {
    /// Returns where the first element is: bytes from the start of the segment's file, for readers
    /// that are written in other languages. The others follow without gaps. It does not change.
    /// [docs/attach.md] describes the layout.
    ///
    /// [docs/attach.md]: https://docs.rs/crate/crossdock/latest/source/docs/attach.md
    pub fn data_offset(&self) -> u64 {
        self.entry.entry().record.offset
    }

    /// Returns an iterator over the values, which loads each when it is reached.
    #[inline]
    pub fn values(&self) -> Values<'_, T> {
        Values(self.iter())
    }

    /// Copies all values out, one after the other.
    ///
    /// Takes as long as a loop over the loads of std's relaxed atomics. It sees what the writers of
    /// the values wrote before.
    #[doc(alias = "snapshot")]
    pub fn to_vec(&self) -> Vec<T> {
        ElementState::collect(self.iter().map(Element::state), T::from_word)
    }

    /// Copies values out, as many as `values` has room for, one after the other, from element `at`
    /// on.
    ///
    /// As [`to_vec`](Self::to_vec), into a place that there is already.
    ///
    /// # Panics
    ///
    /// If the array has not so many elements from `at` on, as a slice panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{AtomicArray, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let squares = segment.create::<AtomicArray<u64>>("squares", [0, 1, 4, 9, 16])?;
    /// let mut some = [0; 2];
    /// squares.load_slice(3, &mut some);
    /// assert_eq!(some, [9, 16]);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[doc(alias = "snapshot")]
    #[inline]
    #[track_caller]
    pub fn load_slice(&self, at: usize, values: &mut [T]) {
        let elements = self.part(at, values.len());
        ElementState::copy_out(
            elements.iter().map(Element::state).zip(values),
            T::from_word,
        );
    }

    /// Copies values in, one after the other, from element `at` on.
    ///
    /// Takes as long as a loop over the stores of std's relaxed atomics. A process that reads one
    /// of the values sees what this process wrote before.
    ///
    /// # Panics
    ///
    /// If the array has not so many elements from `at` on, as a slice panics.
    #[inline]
    #[track_caller]
    pub fn store_slice(&self, at: usize, values: &[T]) {
        let elements = self.part(at, values.len());
        let bits = values.iter().map(|value| value.to_word());
        ElementState::copy_in(elements.iter().map(Element::state).zip(bits));
    }

    /// Sets all elements to `value`, one after the other; as [`store_slice`](Self::store_slice).
    #[inline]
    pub fn fill(&self, value: T) {
        let bits = value.to_word();
        ElementState::copy_in(self.iter().map(|element| (element.state(), bits)));
    }

    /// Stores into each element, in order, what `value` makes of its index.
    pub fn fill_with(&self, mut value: impl FnMut(usize) -> T) {
        for (index, element) in self.iter().enumerate() {
            element.store(value(index));
        }
    }

    /// Blocks while element `index` is `value`; returns what it is then.
    ///
    /// As [`wait`](https://en.cppreference.com/w/cpp/atomic/atomic/wait) of C++20: a waiter is
    /// woken by [`notify`](Self::notify). A change without it, such as
    /// [`store`](Element::store), is noticed after as long as the waiter has waited, and a second
    /// at most. The same if the process that was to notify is killed before it does. An element
    /// that changes and changes back meanwhile may go unnoticed.
    ///
    /// Floating-point numbers are compared by their bits, as
    /// [`compare_exchange`](Element::compare_exchange) does.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    ///
    /// # Panics
    ///
    /// If the array has no such element, as a slice panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{AtomicArray, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let phases = segment.create::<AtomicArray<u8>>("phases", [0, 0, 0])?;
    /// let waiter = std::thread::spawn({
    ///     let phases = phases.clone();
    ///     move || phases.wait_while_eq(1, 0)
    /// });
    /// phases[1].store(5);
    /// phases.notify(1);
    /// assert_eq!(waiter.join().unwrap()?, 5);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[track_caller]
    pub fn wait_while_eq(&self, index: usize, value: T) -> Result<T, Fault> {
        self.until(index, |now| now.to_word() != value.to_word())
            .wait()
    }

    /// Blocks as [`wait_while_eq`](Self::wait_while_eq) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`NumberTimeoutError::Timeout`] if the element was `value` until then;
    /// [`NumberTimeoutError::Fault`].
    ///
    /// # Panics
    ///
    /// If the array has no such element, as a slice panics.
    #[track_caller]
    pub fn wait_while_eq_timeout(
        &self,
        index: usize,
        value: T,
        timeout: impl Into<Deadline>,
    ) -> Result<T, NumberTimeoutError> {
        self.until(index, |now| now.to_word() != value.to_word())
            .wait_timeout(timeout)
    }

    /// A wait for element `index` to have a value for which `condition` returns true: to be waited
    /// for, by itself or beside queues in [`wait_any`](crate::queue::wait_any).
    ///
    /// # Panics
    ///
    /// If the array has no such element, as a slice panics.
    #[track_caller]
    pub fn until<F: Fn(T) -> bool>(&self, index: usize, condition: F) -> Until<'_, T, F> {
        Until {
            element: &self[index],
            condition,
            waiters: self.waiters(index),
            member: &self.entry,
            waits: &self.waits,
        }
    }

    /// Wakes the processes that wait for element `index`. To be called after it was changed.
    ///
    /// One load if no process waits. Waiters of other elements may be woken as well, and sleep
    /// again: of 16 elements that follow each other none shares its waiters with another.
    ///
    /// # Panics
    ///
    /// If the array has no such element, as a slice panics.
    #[inline]
    #[track_caller]
    pub fn notify(&self, index: usize) {
        let _there = &self[index];
        notify(self.waiters(index));
    }

    #[inline(always)]
    fn waiters(&self, index: usize) -> &EventCount {
        // SAFETY: Invariant 2, and any bytes are valid event counts, which are atomics.
        let waiters = unsafe { self.waiters.as_ref() };
        &waiters[index & (waiters.len() - 1)]
    }

    #[inline(always)]
    #[track_caller]
    fn part(&self, at: usize, len: usize) -> &[Element<T>] {
        // An end that no number can say is too far all the same.
        &self[at..at.saturating_add(len)]
    }
}

impl<T: Atomic> Deref for AtomicArray<T> {
    type Target = [Element<T>];

    #[inline(always)]
    fn deref(&self) -> &[Element<T>] {
        // SAFETY: Invariant 1, and any bytes are valid elements, which are atomics.
        unsafe { self.elements.as_ref() }
    }
}

impl<'a, T: Atomic> IntoIterator for &'a AtomicArray<T> {
    type Item = &'a Element<T>;
    type IntoIter = slice::Iter<'a, Element<T>>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Atomic> Clone for AtomicArray<T> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry.clone(),
            elements: self.elements,
            waiters: self.waiters,
            waits: Waits::default(),
        }
    }
}

debug!(
    /// Shows no values: [`to_vec`](AtomicArray::to_vec) is what to print.
    [T: Atomic] AtomicArray<T>, |this| { len: this.len(), .. }
);

impl<T: Atomic> Placeable for AtomicArray<T> {
    type Config = Init<T>;

    const KIND: Kind = Kind::AtomicArray;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(init: &Init<T>) -> [u64; 4] {
        [init.len() as u64, 0, 0, 0]
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let [count, 0, 0, 0] = config else {
            return None;
        };
        let values = count.checked_mul(shape_of::<T>()?.size())?;
        Init::<T>::is_length(count).then_some(array::entry_len(count, values)?)
    }

    fn refused(init: &Init<T>) -> EntryError {
        init.refused()
    }

    fn ready(
        init: Init<T>,
        fits: impl FnOnce() -> Result<(), EntryError>,
    ) -> Result<Init<T>, EntryError> {
        init.ready(fits)
    }

    fn prepare(bytes: &Bytes<'_>, init: Init<T>) {
        init.write(bytes, 0);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let (len, entry_len) = (entry.record.config[0], entry.record.len);
        let count = usize::try_from(len).ok()?;
        let entry: EntryRef<AtomicU8> = EntryRef::new(entry)?;
        // INVARIANT: 2.
        let waiters = NonNull::from(array::waiters(&entry.region(), len, entry_len)?);
        // SAFETY: Invariant 2.
        use_events(unsafe { waiters.as_ref() });
        // INVARIANT: 1, by `payloads`; an element is as large, and as aligned, as its value.
        let first = entry.payloads::<Element<T>>(0, count)?;
        Some(Self {
            elements: NonNull::slice_from_raw_parts(first, count),
            waiters,
            waits: Waits::default(),
            entry,
        })
    }

    fn entry(&self) -> &Entry {
        self.entry.entry()
    }
}

/// The values of an [`AtomicArray`], loaded one by one: [`AtomicArray::values`].
#[must_use = "nothing is loaded before it is asked for"]
pub struct Values<'a, T: Atomic>(slice::Iter<'a, Element<T>>);

impl<T: Atomic> Iterator for Values<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.next().map(Element::load)
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<T> {
        self.0.nth(n).map(Element::load)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T: Atomic> DoubleEndedIterator for Values<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        self.0.next_back().map(Element::load)
    }
}

impl<T: Atomic> ExactSizeIterator for Values<'_, T> {}

impl<T: Atomic> FusedIterator for Values<'_, T> {}

impl<T: Atomic> Clone for Values<'_, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Atomic> fmt::Debug for Values<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Values").field(&self.0.as_slice()).finish()
    }
}
