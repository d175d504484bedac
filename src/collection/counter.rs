//! Counters: one shared number, or one spread over many cache lines.

use std::fmt;
use std::ops::Deref;

use crate::algorithm::counter::CounterState;
use crate::algorithm::counter::sharded::Sharded;
use crate::collection::array::stored::Stored;
use crate::collection::array::{Bitwise, Element, Numeric};
use crate::facade::AtomicU64;
use crate::format::{Kind, Padded, PayloadShape};
use crate::payload::describe;
use crate::segment::{Bytes, Entry, EntryRef, EntryStates, Placeable, sealed};

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
    value: EntryRef<Element<N>>,
}

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
}

impl<N: Number> Deref for Counter<N> {
    type Target = Element<N>;

    #[inline(always)]
    fn deref(&self) -> &Element<N> {
        &self.value
    }
}

impl<N: Number> Clone for Counter<N> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
        }
    }
}

impl<N: Number> fmt::Debug for Counter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&self.load()).finish()
    }
}

impl<N: Number> sealed::Sealed for Counter<N> {}

impl<N: Number> Placeable for Counter<N> {
    /// The first value.
    type Config = N;

    const KIND: Kind = Kind::Counter;

    fn payload() -> PayloadShape {
        describe::<N>()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        // A line pair of its own, whatever comes after it.
        (config == [0; 4]).then_some(size_of::<Padded<Element<N>>>() as u64)
    }

    fn prepare(bytes: &Bytes<'_>, first: N) {
        if let Some(value) = bytes.state::<Element<N>>() {
            value.store(first);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        Some(Self {
            value: EntryRef::new(entry)?,
        })
    }

    fn entry(&self) -> &Entry {
        self.value.entry()
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

impl sealed::Sealed for ShardedCounter {}

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
