//! Counters: one shared number, or one spread over many cache lines.

use std::fmt;
use std::ops::Deref;

use crate::Deadline;
use crate::algorithm::counter::CounterState;
use crate::algorithm::counter::sharded::Sharded;
use crate::algorithm::element::wait::notify;
use crate::algorithm::region::SharedState;
use crate::collection::array::stored::Stored;
use crate::collection::array::until::Waits;
use crate::collection::array::{Bitwise, Element, NumberTimeoutError, Numeric, Until};
use crate::facade::AtomicU64;
use crate::format::{Kind, Padded, PayloadShape};
use crate::payload::describe;
use crate::segment::{Bytes, Entry, EntryRef, EntryStates, Fault, Placeable};
use crate::wait::event_count::{EventCount, use_events};

/// A number that a [`Counter`] can hold: `u64` or `i64`. Sealed.
pub trait Number: Numeric + Bitwise + Stored<Word = AtomicU64> + Ord + fmt::Display {}

impl Number for u64 {}
impl Number for i64 {}

/// One number that processes change together, in single atomic steps.
///
/// A counter derefs to an atomic [`Element`], as those of an
/// [`AtomicArray`](crate::AtomicArray): `load`, `store`, `swap`, `compare_exchange`, `update`,
/// `fetch_add`, `fetch_max` and the others, which return the value before. [`add`](Self::add) and
/// [`sub`](Self::sub) are the counter's own, and return the new value. There is no ordering to
/// choose: a process that reads a value sees all that its writer wrote before.
///
/// An addition is one atomic instruction and no system call; no operation blocks or fails, and no
/// process can hinder another. Additions wrap.
///
/// A process killed in the middle of an update has made it or has not, and no process can tell
/// which: with `n` kills, a total may be off by `n`. Where every one must count, note the intent
/// under a [`Mutex`](crate::Mutex) first, as `crossdock warehouse --counter mutex` does.
///
/// A process can block until the number has a certain value: [`wait_until`](Self::wait_until),
/// which [`add_and_notify`](Self::add_and_notify) and [`notify`](Self::notify) wake.
///
/// # Examples
///
/// ```
/// use crossdock::{Counter, Segment};
///
/// let segment = Segment::anonymous()?;
/// let packed = segment.create::<Counter>("packed", 0)?;
/// assert_eq!(packed.fetch_add(3), 0);
/// assert_eq!(packed.add(1), 4);
/// assert_eq!(packed.load(), 4);
///
/// let balance = segment.create::<Counter<i64>>("balance", -5)?;
/// assert_eq!(balance.fetch_max(4), -5);
/// assert_eq!(balance.load(), 4);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "Value")]
pub struct Counter<N: Number = u64> {
    state: EntryRef<CounterEntry<N>>,
    waits: Waits,
}

/// The number, and the event count of the processes that wait for its value.
#[repr(C)]
struct CounterEntry<N: Number> {
    value: Element<N>,
    waiters: EventCount,
}

// SAFETY: `repr(C)`, two atomic words and padding, aligned to 8.
unsafe impl<N: Number> SharedState for CounterEntry<N> {}

impl<N: Number> Counter<N> {
    /// Adds, and returns the new value: [`fetch_add`](Element::fetch_add), plus `amount`. Wraps.
    #[inline]
    pub fn add(&self, amount: N) -> N {
        let before = self.fetch_add(amount).to_word();
        N::from_word(before.wrapping_add(amount.to_word()))
    }

    /// Subtracts, and returns the new value: [`fetch_sub`](Element::fetch_sub), less `amount`.
    /// Wraps.
    #[inline]
    pub fn sub(&self, amount: N) -> N {
        let before = self.fetch_sub(amount).to_word();
        N::from_word(before.wrapping_sub(amount.to_word()))
    }

    /// Adds, wakes the processes that wait for a value, and returns the new value. Wraps.
    ///
    /// An addition and a load if no process waits. If this process is killed between the two, the
    /// waiters notice the new value as they notice an [`add`](Self::add).
    #[inline]
    pub fn add_and_notify(&self, amount: N) -> N {
        let value = self.add(amount);
        self.notify();
        value
    }

    /// Wakes the processes that wait for a value, to ask their conditions again. To be called after
    /// the number was changed by an operation that does not notify. One load if no process waits.
    #[inline]
    #[doc(alias = "notify_all")]
    pub fn notify(&self) {
        notify(&self.state.waiters);
    }

    /// Blocks until `condition` returns true for the number, and returns that number.
    ///
    /// It is asked at once, when this process is [notified](Self::notify), and from time to time. A
    /// change without a notification, such as [`add`](Self::add) or [`store`](Element::store), is
    /// noticed after as long as the waiter has waited, and a second at most; so is one whose
    /// process was killed before it notified. A value that lasts for a moment only may go
    /// unnoticed.
    ///
    /// A counter cannot tell a waiter that no process is left to change it.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Counter, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let ready = segment.create::<Counter>("ready", 0)?;
    /// for _ in 0..5 {
    ///     let ready = ready.clone();
    ///     std::thread::spawn(move || ready.add_and_notify(1));
    /// }
    /// assert_eq!(ready.wait_until(|n| n == 5)?, 5);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[doc(alias = "wait")]
    pub fn wait_until(&self, condition: impl Fn(N) -> bool) -> Result<N, Fault> {
        self.until(condition).wait()
    }

    /// Blocks as [`wait_until`](Self::wait_until) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`NumberTimeoutError::Timeout`] if the number had no such value until then;
    /// [`NumberTimeoutError::Fault`].
    pub fn wait_until_timeout(
        &self,
        timeout: impl Into<Deadline>,
        condition: impl Fn(N) -> bool,
    ) -> Result<N, NumberTimeoutError> {
        self.until(condition).wait_timeout(timeout)
    }

    /// A wait for a value for which `condition` returns true: to be waited for, by itself or beside
    /// queues in [`wait_any`](crate::queue::wait_any).
    pub fn until<F: Fn(N) -> bool>(&self, condition: F) -> Until<'_, N, F> {
        Until {
            element: &self.state.value,
            condition,
            waiters: &self.state.waiters,
            member: &self.state,
            waits: &self.waits,
        }
    }
}

impl<N: Number> Counter<N> {
    /// Returns where the number is: bytes from the start of the segment's file, for readers that
    /// are written in other languages. It does not change. [docs/attach.md] describes the layout.
    ///
    /// [docs/attach.md]: https://docs.rs/crate/crossdock/latest/source/docs/attach.md
    pub fn data_offset(&self) -> u64 {
        self.state.entry().record.offset
    }
}

impl<N: Number> Deref for Counter<N> {
    type Target = Element<N>;

    #[inline(always)]
    fn deref(&self) -> &Element<N> {
        &self.state.value
    }
}

impl<N: Number> Clone for Counter<N> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            waits: Waits::default(),
        }
    }
}

impl<N: Number> fmt::Debug for Counter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&self.load()).finish()
    }
}

impl<N: Number> Placeable for Counter<N> {
    /// The first value.
    type Config = N;

    const KIND: Kind = Kind::Counter;

    fn payload() -> PayloadShape {
        describe::<N>()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        // A line pair of its own, whatever comes after it.
        (config == [0; 4]).then_some(size_of::<Padded<CounterEntry<N>>>() as u64)
    }

    fn prepare(bytes: &Bytes<'_>, first: N) {
        if let Some(value) = bytes.state::<Element<N>>() {
            value.store(first);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        let state: EntryRef<CounterEntry<N>> = EntryRef::new(entry)?;
        use_events([&state.waiters]);
        Some(Self {
            state,
            waits: Waits::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

/// A number that many processes add to at once without getting in each other's way.
///
/// Each participant adds to a cell of its own, 128 bytes apart from the others', so cores do not
/// fight for a cache line; [`load`](Self::load) sums the cells, which takes a while and is no
/// snapshot. Use it for statistics, and [`Counter`] where the new value matters.
///
/// Adding is one atomic instruction, never blocks and never fails. Cells outlive the processes that
/// added to them: nothing is lost when one is killed, but for an addition that it was in the middle
/// of, which was made or was not. A process that cannot join the segment adds to another's cell,
/// and tries to join no more until another operation of it does.
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, ShardedCounter};
///
/// let segment = Segment::anonymous()?;
/// let packed = segment.create::<ShardedCounter>("packed", ())?;
/// packed.add(2);
/// packed.add(3);
/// assert_eq!(packed.load(), 5);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone)]
pub struct ShardedCounter {
    cells: EntryStates<Padded<CounterState>>,
}

impl ShardedCounter {
    /// Adds to this process's cell. Wraps. It returns nothing: no process knows the total then.
    ///
    /// The first call of a process joins the segment.
    #[inline]
    pub fn add(&self, amount: u64) {
        // A process that cannot join owns nothing either: any cell will do.
        let tag = self.cells.entry_ref().tag_if_possible();
        let index = tag.map_or(0, |tag| tag.index());
        self.sharded().add(index, amount);
    }

    /// Returns the sum of all cells. Wraps.
    ///
    /// It contains every addition that was made before the call, and perhaps some that were made
    /// during it.
    #[doc(alias = "get")]
    #[doc(alias = "sum")]
    pub fn load(&self) -> u64 {
        self.sharded().sum()
    }

    #[inline]
    fn sharded(&self) -> Sharded<'_, Padded<CounterState>> {
        Sharded::new(self.cells.all())
    }
}

impl fmt::Debug for ShardedCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShardedCounter").field(&self.load()).finish()
    }
}

impl Placeable for ShardedCounter {
    type Config = ();

    const KIND: Kind = Kind::ShardedCounter;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        let len = size_of::<Padded<CounterState>>() as u64 * u64::from(participants);
        (config == [0; 4]).then_some(len)
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let cells = EntryStates::new(entry, participants)?;
        Some(Self { cells })
    }

    fn entry(&self) -> &Entry {
        self.cells.entry_ref().entry()
    }
}
