//! The ring, before an end of it is claimed, and what both ends are made of.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use bytemuck::{CheckedBitPattern, NoUninit};

use crate::algorithm::spsc::{
    ClaimError as Unclaimed, Corrupt, Cursor, RoleMarker, Spsc as Ring, SpscState, WaitOutcome,
};
use crate::facade::{Deadline, WaitHistory};
use crate::format::{Kind, PADDING, PayloadShape};
use crate::participant::Tag;
use crate::payload::{Payload, describe, shape_of};
use crate::queue::spsc::{Consumer, Producer};
use crate::queue::{Wait, no_capacity};
use crate::segment::{ClaimError, Entry, EntryError, EntryRef, Fault, Placeable};
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;
use crate::wait::on_event::{EventWaitError, TryError};

/// A ring for one producer and one consumer, first in, first out; an entry of a segment, created
/// with its capacity in items, 1 to 2^40.
///
/// This handle belongs to no end: it is cheap to clone, and can be sent to other processes. The
/// ends are claimed by [`producer`](Self::producer) and [`consumer`](Self::consumer).
///
/// An operation that takes or returns an item by value copies it through the stack. Items of some
/// hundred KiB and more are pushed by [`push_with`](super::Producer::push_with),
/// [`push_slice`](super::Producer::push_slice) or in a [chunk](super::Producer::write_chunk), and
/// popped by [`pop_boxed`](super::Consumer::pop_boxed) or read in a
/// [chunk](super::Consumer::read_chunk).
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::spsc::Spsc;
///
/// let segment = Segment::anonymous()?;
/// let fruits = segment.create::<Spsc<u64>>("fruits", 16)?;
/// let (mut fill, mut drain) = (fruits.producer()?, fruits.consumer()?);
/// fill.push(1)?;
/// fill.push(2)?;
/// assert_eq!((drain.pop()?, drain.pop()?), (1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Spsc<T> {
    pub(super) state: EntryRef<SpscState>,
    /// Invariant 1: `capacity` values of `T` are mapped there, aligned, as long as `state`.
    slots: NonNull<MaybeUninit<T>>,
    capacity: u64,
}

// SAFETY: slots are reached by the holders of the two roles only, each of which touches what the
// other does not, by the ring's protocol; `T` is Send.
unsafe impl<T: Payload> Send for Spsc<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Spsc<T> {}

impl<T> Clone for Spsc<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            slots: self.slots,
            capacity: self.capacity,
        }
    }
}

/// Where the slots begin.
const SLOTS: u64 = (size_of::<SpscState>() as u64).next_multiple_of(PADDING as u64);
/// The largest capacity; no segment is as large.
const MOST: u64 = 1 << 40;

impl<T: Payload + NoUninit + CheckedBitPattern> Spsc<T> {
    /// Claims the producer's end.
    ///
    /// Never blocks. If the last producer was killed or has left, the caller takes its place, and
    /// the items that it pushed stay. The first operation of a process joins the segment.
    ///
    /// # Errors
    ///
    /// [`ClaimError::RoleTaken`] while another handle has the end, in this process or a live one;
    /// [`ClaimError::Fault`].
    pub fn producer(&self) -> Result<Producer<T>, ClaimError> {
        self.claim().map(Producer::new)
    }

    /// Claims the consumer's end, as [`producer`](Self::producer) the other.
    ///
    /// # Errors
    ///
    /// As [`producer`](Self::producer).
    pub fn consumer(&self) -> Result<Consumer<T>, ClaimError> {
        self.claim().map(Consumer::new)
    }

    fn claim<R: RoleMarker>(&self) -> Result<End<T, R>, ClaimError> {
        let me = self.state.tag()?;
        use_events(self.state.events());
        let claimed = self.protocol().claim(&self.state.liveness(me));
        self.end(me, claimed)
    }

    /// Makes the handle of an end that this process has taken over by the tag `me`.
    #[cfg(feature = "process")]
    pub(crate) fn resume<R: RoleMarker>(&self, me: Tag) -> Result<End<T, R>, ClaimError> {
        use_events(self.state.events());
        self.end(me, self.protocol().resume(me))
    }

    fn end<R: RoleMarker>(
        &self,
        me: Tag,
        claimed: Result<Cursor<R>, Unclaimed>,
    ) -> Result<End<T, R>, ClaimError> {
        let cursor = claimed.map_err(|refused| match refused {
            Unclaimed::Taken(tag) => ClaimError::RoleTaken {
                pid: self.state.pid_of(tag),
            },
            Unclaimed::Corrupt => Fault::corrupt(Kind::Spsc, 0_u64).into(),
            Unclaimed::MembershipLost => self.state.membership_lost(me).into(),
        })?;
        Ok(End {
            // INVARIANT: 1, of `End`.
            begin: cursor.position() - cursor.position() % self.capacity,
            cursor,
            me,
            wait: Wait::default(),
            waits: Default::default(),
            spsc: self.clone(),
        })
    }
}

/// What every handle of a ring says of it.
macro_rules! fullness {
    ($($handle:ident $($end:ident)?;)+) => {$(
        impl<T: Payload + NoUninit + CheckedBitPattern> $handle<T> {
            /// Returns how many items the ring holds at most.
            pub fn capacity(&self) -> u64 {
                self.ring().capacity
            }

            /// Returns the number of items in the ring: 0 to the capacity. Never blocks. The answer
            /// may be stale when it is returned; but only the producer makes it larger, and only
            /// the consumer smaller.
            pub fn len(&self) -> u64 {
                self.ring().protocol().len()
            }

            /// Returns whether the ring has no item; see [`len`](Self::len).
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Returns whether the ring has no free place; see [`len`](Self::len).
            pub fn is_full(&self) -> bool {
                self.len() == self.capacity()
            }

            $(
                /// Sets how the blocking operations of this end wait; [`Wait::Adaptive`] until
                /// then.
                pub fn set_wait(&mut self, wait: Wait) {
                    self.$end.wait = wait;
                }

                /// Returns the same end with another way to wait; see [`set_wait`](Self::set_wait).
                #[must_use]
                pub fn with_wait(mut self, wait: Wait) -> Self {
                    self.set_wait(wait);
                    self
                }

                /// Returns the ring.
                pub fn ring(&self) -> &Spsc<T> {
                    &self.$end.spsc
                }
            )?
        }

        $(
            impl<T: Payload> fmt::Debug for $handle<T> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($handle))
                        .field("ring", &self.$end.spsc)
                        .field("holder", &self.$end.me)
                        .finish()
                }
            }
        )?
    )+};
}

fullness! {
    Spsc;
    Producer end;
    Consumer end;
}

impl<T> Spsc<T> {
    /// So that the macro reads alike for all.
    fn ring(&self) -> &Self {
        self
    }

    #[inline(always)]
    pub(super) fn protocol(&self) -> Ring<'_> {
        Ring::new(&self.state, self.capacity)
    }
}

/// A claimed end.
pub(crate) struct End<T: Payload, R: RoleMarker> {
    pub(super) spsc: Spsc<T>,
    pub(super) cursor: Cursor<R>,
    /// The position whose item is in the first slot, in this lap. It changes once in a lap, where
    /// the slot itself would have to be stored at each item.
    ///
    /// Invariant 1: the cursor's position is less than a capacity further.
    begin: u64,
    pub(super) me: Tag,
    pub(crate) wait: Wait,
    /// Of waits for this end alone, and for several.
    pub(super) waits: [WaitHistory; 2],
}

impl<T: Payload, R: RoleMarker> End<T, R> {
    #[inline(always)]
    pub(super) fn ring(&self) -> Ring<'_> {
        self.spsc.protocol()
    }

    /// Whether the end is this process's still: a forked child's is not, nor is that of a process
    /// that others took for dead.
    #[inline(always)]
    pub(crate) fn is_mine(&self) -> bool {
        self.spsc.state.current_tag() == Some(self.me) && self.ring().is_held(&self.cursor)
    }

    /// Whether the end is this process's, and an item or a place is known of.
    #[inline(always)]
    pub(crate) fn is_quick(&self) -> bool {
        self.is_mine() && self.cursor.known() > 0
    }

    /// The slots of the next `count` items: those up to the end of the ring, and how many they are.
    #[inline(always)]
    pub(super) fn slots(&self, count: u64) -> (NonNull<MaybeUninit<T>>, usize) {
        let at = self.cursor.position().wrapping_sub(self.begin);
        let run = count.min(self.spsc.capacity - at);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below the capacity, whose slots are all in memory"
        )]
        let (at, run) = (at as usize, run as usize);
        // SAFETY: `at` is below the capacity (Invariant 1 of `End`), so the slot is inside
        // (Invariant 1 of `Spsc`).
        (unsafe { self.spsc.slots.add(at) }, run)
    }

    /// The first slot of the ring.
    pub(super) fn first(&self) -> NonNull<MaybeUninit<T>> {
        self.spsc.slots
    }

    /// Commits the next `count` items, which were there: no more than the capacity.
    #[inline(always)]
    pub(super) fn commit(&mut self, count: u64) {
        self.spsc.protocol().commit(&mut self.cursor, count);
        // INVARIANT: 1, as no more than a capacity was added.
        if self.cursor.position().wrapping_sub(self.begin) >= self.spsc.capacity {
            self.begin = self.begin.wrapping_add(self.spsc.capacity);
        }
    }

    /// How many items, or places, are there, if the end is this process's; looks at the other side
    /// if none is known of.
    #[inline(always)]
    pub(crate) fn look(&mut self) -> Result<u64, TryError> {
        if !self.is_mine() {
            return Err(TryError::MembershipLost);
        }
        let there = self.spsc.protocol().available(&mut self.cursor);
        there.map_err(|Corrupt| TryError::Corrupt)
    }

    /// How many of `wanted` items, or places, are there, if the end is this process's; looks at the
    /// other side if fewer are known of.
    #[inline(always)]
    pub(crate) fn up_to(&mut self, wanted: usize) -> Result<usize, TryError> {
        if !self.is_mine() {
            return Err(TryError::MembershipLost);
        }
        let mut there = self.cursor.known();
        if there < wanted as u64 {
            there = self.refresh()?;
        }
        // `wanted` is a usize, so what is not above it is one.
        Ok(usize::try_from(there).map_or(wanted, |there| there.min(wanted)))
    }

    /// How many items, or places, are there, with a look at the other side.
    pub(super) fn refresh(&mut self) -> Result<u64, TryError> {
        let there = self.spsc.protocol().refresh(&mut self.cursor);
        there.map_err(|Corrupt| TryError::Corrupt)
    }

    /// Waits until an item, or a place, is there.
    #[cold]
    pub(super) fn wait(&mut self, deadline: &Deadline) -> Result<(), EventWaitError> {
        self.wait_for(1, deadline)
    }

    /// Waits until so many items, or places, are there: at most the capacity.
    #[cold]
    pub(crate) fn wait_for(
        &mut self,
        wanted: u64,
        deadline: &Deadline,
    ) -> Result<(), EventWaitError> {
        if !self.is_mine() {
            return Err(EventWaitError::MembershipLost);
        }
        let others = self.spsc.state.liveness(self.me);
        let mode = WaitMode::new(self.wait.pace(), &self.waits[0]);
        let ring = self.spsc.protocol();
        match ring.wait_for(&mut self.cursor, wanted, &others, deadline, mode) {
            WaitOutcome::Ready(_) => Ok(()),
            WaitOutcome::Disconnected => Err(EventWaitError::Disconnected),
            WaitOutcome::TimedOut => Err(EventWaitError::TimedOut),
            WaitOutcome::Corrupt => Err(EventWaitError::Corrupt),
            WaitOutcome::MembershipLost => Err(EventWaitError::MembershipLost),
        }
    }

    /// Returns the tag by which this process has the end, and stores its position again if a former
    /// holder has overwritten it; `None` if it is not this process's.
    #[cfg(feature = "process")]
    pub(crate) fn to_hand_over(&self) -> Option<Tag> {
        let is_mine = self.is_mine();
        if is_mine {
            self.ring().restore(&self.cursor);
        }
        is_mine.then_some(self.me)
    }

    /// Returns whether the peer is known to have left or died, without a system call.
    #[cfg(feature = "process")]
    #[inline(always)]
    pub(crate) fn peer_has_left(&self) -> bool {
        self.ring().has_left(R::ROLE)
    }

    /// Asks the kernel whether the peer lives, and recovers its claim if not.
    #[cfg(feature = "process")]
    #[cold]
    pub(crate) fn reap_peer(&self) {
        let others = self.spsc.state.liveness(self.me);
        self.ring().reap_dead(R::ROLE, &others);
    }

    /// Returns the most items that the ring holds.
    #[cfg(feature = "process")]
    #[inline(always)]
    pub(crate) fn capacity(&self) -> usize {
        // The slots are all in memory.
        usize::try_from(self.spsc.capacity).unwrap_or(usize::MAX)
    }

    /// Sets how many items or places one message takes, which is no stream: not 0.
    #[cfg(feature = "process")]
    #[inline(always)]
    pub(crate) fn set_step(&mut self, items: usize) {
        self.cursor.set_step(items as u64);
    }

    /// Returns how many items, or places, are known of.
    #[cfg(feature = "process")]
    #[inline(always)]
    pub(crate) fn known(&self) -> usize {
        usize::try_from(self.cursor.known()).unwrap_or(usize::MAX)
    }

    /// Forgets a membership that others have taken for dead, and returns what happened to the end:
    /// it is this process's still if the process only cannot ask which peers live.
    #[cold]
    pub(crate) fn lost(&self) -> Fault {
        if !self.is_mine() {
            return Fault::NotOwner;
        }
        let why = self.spsc.state.membership_lost(self.me);
        if self.is_mine() {
            why.into()
        } else {
            Fault::NotOwner
        }
    }
}

impl<T: Payload, R: RoleMarker> Drop for End<T, R> {
    fn drop(&mut self) {
        // In a forked child this is the parent's.
        if self.is_mine() {
            self.ring().restore(&self.cursor);
            self.ring().leave(R::ROLE, self.me);
        }
    }
}

debug!([T: Payload] Spsc<T>, |this| { capacity: this.capacity, .. });

impl<T: Payload + NoUninit + CheckedBitPattern> Placeable for Spsc<T> {
    /// The capacity, in items: 1 to 2^40, as far as the segment has room.
    type Config = u64;

    const KIND: Kind = Kind::Spsc;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(capacity: &u64) -> [u64; 4] {
        [*capacity, 0, 0, 0]
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let [capacity, 0, 0, 0] = config else {
            return None;
        };
        let slots = capacity.checked_mul(shape_of::<T>()?.size())?;
        let len = SLOTS.checked_add(slots)?;
        (1..=MOST).contains(&capacity).then_some(len)
    }

    fn refused(capacity: &u64) -> EntryError {
        no_capacity::<T>(*capacity, (1, MOST))
    }

    fn attach(entry: Entry) -> Option<Self> {
        let capacity = entry.record.config[0];
        let state: EntryRef<SpscState> = EntryRef::new(entry)?;
        let count = usize::try_from(capacity).ok()?;
        // INVARIANT: 1, by `payloads`.
        let slots = state.payloads::<T>(SLOTS, count)?;
        Some(Self {
            state,
            slots: slots.cast(),
            capacity,
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
