//! The queue's handle: where its parts are, and what it knows of them.

use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;

use bytemuck::{CheckedBitPattern, NoUninit};

use crate::algorithm::mpmc::entry;
use crate::algorithm::mpmc::layout::{Position, SlotsLayout};
use crate::algorithm::mpmc::{CheckedOwner, Claim, Cursor, Ring, Slots, SlotsState};
use crate::facade::{AtomicU64, Ordering, WaitHistory};
use crate::format::{Kind, PayloadShape};
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::payload::{Payload, describe, shape_of};
use crate::queue::{Wait, no_capacity};
use crate::segment::{Entry, EntryError, EntryRef, MembershipError, Placeable};
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;

/// A bounded queue for any number of senders and receivers, first in, first out; an entry of a
/// segment, created with its capacity in items, 2 to 2^32.
///
/// Items are copied in and out. Sending and receiving make no system call, unless a process sleeps
/// or the kernel has to be asked which peers are dead. A handle is cheap to clone, and keeps to
/// itself where in the ring it was: a clone for each thread is faster than one for all.
///
/// # Large items
///
/// An operation that takes or returns an item by value copies it through the stack, several times
/// in a program that is not optimised. For items of some hundred KiB and more use
/// [`send_with`](Self::send_with), which writes them in place, or [`send_slice`](Self::send_slice),
/// and [`recv_boxed`](Self::recv_boxed): none of them uses the stack for an item.
///
/// # Disconnection
///
/// [`close`](Self::close) ends a queue: nothing more can be sent; receivers get the items that are
/// there, and then [`Disconnected`](crate::queue::RecvError::Disconnected), as soon as no item can
/// come any more. An item that another receiver is taking can: it is delivered again if that
/// receiver is killed. A receiver that is *stopped* while it takes an item therefore delays the end
/// for the others.
///
/// This handle is not counted. A [`sender`](Self::sender) and a [`receiver`](Self::receiver) are:
/// once there was a sender, an empty queue is disconnected for its receivers while no sender is
/// left, and the same holds for senders once there was a receiver. A sender or receiver has left if
/// it was dropped or its process has ended, however it did. The queue goes on when the next one
/// comes.
///
/// # When processes die or stop
///
/// | | killed | stopped |
/// |---|---|---|
/// | [`send`](Self::send), before its commit | nothing is sent; the slot is skipped | receivers do not see what was sent after it; senders find the queue full when they come round to its slot |
/// | `send`, after it | the item arrives | no process is delayed |
/// | [`recv`](Self::recv), before its commit | the item is delivered again, marked, perhaps after later ones | senders find the queue full when they come round to its slot; receivers are not told of the end |
/// | `recv`, after it | the item is consumed | no process is delayed |
/// | [`force_send`](Self::force_send) | as `recv`, then as `send` | as `recv`, then as `send` |
/// | [`close`](Self::close) | it is closed, or not | no process is delayed |
/// | a counted [`Sender`], [`Receiver`] | it is counted no more | it still counts |
///
/// Each commit is one store. Between an operation's claim of a slot and its commit lie some
/// nanoseconds and the copy of one item, or the function that writes it. No item is lost whose send
/// was committed, and none is delivered again that was received. A waiter asks the kernel from time
/// to time whether a process has died, as [`Wait`] says; no process is taken for dead for being
/// slow.
///
/// Items are ordered by the claims of their slots: an item that a sender sends after another one
/// comes after it.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::Queue;
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<Queue<u32>>("orders", 8)?;
/// let waiter = orders.sender()?;
/// waiter.send(1)?;
/// waiter.send(2)?;
/// drop(waiter);
/// assert_eq!(orders.iter().collect::<Result<Vec<_>, _>>()?, [1, 2]);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// [`Sender`]: crate::queue::SenderOf
/// [`Receiver`]: crate::queue::ReceiverOf
pub struct Queue<T> {
    pub(super) state: EntryRef<SlotsState>,
    /// Invariant 1: as many slots as the capacity are mapped there, aligned, as long as `state`.
    slots: NonNull<Slot<T>>,
    /// Invariant 2: as many cells as the segment has participants are mapped there, likewise.
    cells: NonNull<[AtomicU64]>,
    layout: SlotsLayout,
    /// The words of a [`Cursor`].
    cursor: [AtomicU64; 7],
    pub(super) wait: Wait,
    /// Of waits to send, to receive, and for several.
    pub(super) waits: [WaitHistory; 3],
}

/// A slot: the word that says whose it is, and the item.
#[repr(C)]
pub(super) struct Slot<T> {
    word: AtomicU64,
    item: MaybeUninit<T>,
}

// Where those words of a [`Cursor`] are that operations without obstacles need alone.
const TAIL: usize = 0;
const HEAD: usize = 1;
const EPOCH: usize = 2;

impl<T> Slots for &Queue<T> {
    #[inline(always)]
    fn word(&self, index: u64) -> &AtomicU64 {
        // SAFETY: below the capacity, by the trait's word, so inside by Invariant 1; an atomic may
        // be shared with any thread.
        unsafe { &(*self.slot(index).as_ptr()).word }
    }
}

// SAFETY: items are reached only by the owner of their slot; `T` is Send.
unsafe impl<T: Payload> Send for Queue<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Queue<T> {}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        // ORDERING: Acquire; (Q3) of `algorithm::mpmc`, within this process.
        let same = |word: &AtomicU64| AtomicU64::new(word.load(Ordering::Acquire));
        let cursor = self.cursor.each_ref().map(same);
        Self {
            state: self.state.clone(),
            slots: self.slots,
            cells: self.cells,
            layout: self.layout,
            cursor,
            wait: self.wait,
            waits: Default::default(),
        }
    }
}

impl<T> Queue<T> {
    #[inline(always)]
    pub(super) fn ring(&self) -> Ring<'_, &Self> {
        Ring {
            state: &self.state,
            // SAFETY: Invariant 2, and atomics may be shared with any thread.
            cells: unsafe { self.cells.as_ref() },
            slots: self,
            geometry: &self.layout.geometry,
        }
    }

    /// The slot at `index`, which is below the capacity.
    #[inline(always)]
    fn slot(&self, index: u64) -> NonNull<Slot<T>> {
        #[expect(clippy::cast_possible_truncation, reason = "all slots are in memory")]
        let index = index as usize;
        // SAFETY: the callers' word: inside by Invariant 1.
        unsafe { self.slots.add(index) }
    }

    /// Where the item of a slot is that was claimed.
    #[inline(always)]
    pub(super) fn item(&self, index: u64) -> NonNull<T> {
        // SAFETY: inside of the slot; no reference is made.
        unsafe { self.slot(index).byte_add(offset_of!(Slot<T>, item)) }.cast()
    }

    /// Where this handle's next slot to send is.
    #[inline(always)]
    pub(super) fn tail(&self) -> Position {
        // ORDERING: Acquire; (Q3) of `algorithm::mpmc`, between this process's threads.
        Position(self.cursor[TAIL].load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(super) fn set_tail(&self, tail: Position) {
        // ORDERING: Release; as for `tail`.
        self.cursor[TAIL].store(tail.0, Ordering::Release);
    }

    /// Where this handle's next item is, and the epoch whose orphans it has looked for.
    #[inline(always)]
    pub(super) fn head(&self) -> (Position, u64) {
        // ORDERING: Acquire; as for `tail`, and (Q4).
        let head = Position(self.cursor[HEAD].load(Ordering::Acquire));
        (head, self.cursor[EPOCH].load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(super) fn set_head(&self, head: Position) {
        // ORDERING: Release; as for `tail`.
        self.cursor[HEAD].store(head.0, Ordering::Release);
    }

    /// All that this handle knows. The last four words only spare work, also if two threads mix
    /// them up.
    pub(super) fn cursor(&self) -> Cursor {
        // ORDERING: Acquire; as for `tail` and `head`.
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        let [tail, head, epoch, index, word, sent, received] = self.cursor.each_ref().map(load);
        Cursor {
            tail: Position(tail),
            head: Position(head),
            epoch,
            alive: CheckedOwner { index, word },
            caught_up: [Position(sent), Position(received)],
        }
    }

    pub(super) fn keep(&self, cursor: &Cursor) {
        let [sent, received] = cursor.caught_up;
        let CheckedOwner { index, word } = cursor.alive;
        let words = [
            cursor.tail.0,
            cursor.head.0,
            cursor.epoch,
            index,
            word,
            sent.0,
            received.0,
        ];
        for (place, word) in self.cursor.iter().zip(words) {
            // ORDERING: Release; (Q4), and as for `tail`.
            place.store(word, Ordering::Release);
        }
    }

    pub(super) fn mode(&self, endpoint: Endpoint) -> WaitMode<'_> {
        WaitMode::new(self.wait.pace(), &self.waits[endpoint as usize])
    }

    /// Joins the segment.
    #[cold]
    pub(super) fn join(&self) -> Result<Tag, MembershipError> {
        use_events(self.state.events());
        self.state.tag()
    }

    /// Gives back a slot that this process claimed when it was no participant any more.
    #[cold]
    #[inline(never)]
    pub(super) fn withdraw(&self, endpoint: Endpoint, claim: Claim, me: Tag) {
        self.ring().withdraw(endpoint, claim, me);
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Returns how many items the queue holds at most.
    pub fn capacity(&self) -> u64 {
        self.layout.geometry.capacity()
    }

    /// Returns the number of items: 0 to the capacity. An item counts while it is being sent or is
    /// to be delivered again, but not while it is being received. Never blocks. The answer may be
    /// stale when it is returned; 0 if the state cannot be that of a queue.
    pub fn len(&self) -> u64 {
        let mut cursor = self.cursor();
        self.ring().len(&mut cursor).unwrap_or(0)
    }

    /// Returns whether there was no item at some moment of this call, at which
    /// [`try_recv`](Self::try_recv) would have returned
    /// [`Empty`](crate::queue::TryRecvError::Empty); what counts as an item says
    /// [`len`](Self::len).
    ///
    /// Never blocks. The answer may be stale when it is returned; true if the state cannot be that
    /// of a queue.
    pub fn is_empty(&self) -> bool {
        let mut cursor = self.cursor();
        let is_empty = self.ring().is_empty(&mut cursor).unwrap_or(true);
        is_empty && self.len() == 0
    }

    /// Returns whether the queue has no free place; as stale as [`len`](Self::len).
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Returns the same queue with another way to wait, for this handle and its clones.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Returns how the blocking operations of this handle wait; [`Wait::Adaptive`] at first.
    pub fn wait_mode(&self) -> Wait {
        self.wait
    }

    /// Closes the queue, forever and for all processes: nothing more can be sent, and receivers get
    /// the items that are there. Never blocks. A send that is in progress was made in time or
    /// returns `Disconnected`. No item comes after a receiver was told `Disconnected`, so none is
    /// told while another receiver takes an item, which is delivered again if that one dies.
    pub fn close(&self) {
        self.ring().close();
    }

    /// Returns whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.ring().endpoints().is_closed()
    }
}

debug!([T: Payload] Queue<T>, |this| { capacity: this.layout.geometry.capacity(), .. });

fn layout_of<T: Payload>(capacity: u64, participants: u32) -> Option<SlotsLayout> {
    let shape = shape_of::<T>()?;
    SlotsLayout::new(capacity, shape.size(), shape.align(), participants)
}

impl<T: Payload + NoUninit + CheckedBitPattern> Placeable for Queue<T> {
    /// The capacity, in items: 2 to 2^32, as far as the segment has room.
    type Config = u64;

    const KIND: Kind = Kind::Queue;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(capacity: &u64) -> [u64; 4] {
        [*capacity, 0, 0, 0]
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        let [capacity, 0, 0, 0] = config else {
            return None;
        };
        Some(layout_of::<T>(capacity, participants)?.len())
    }

    fn refused(capacity: &u64) -> EntryError {
        no_capacity::<T>(*capacity, SlotsLayout::CAPACITIES)
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = layout_of::<T>(entry.record.config[0], participants)?;
        let state: EntryRef<SlotsState> = EntryRef::new(entry)?;
        let count = usize::try_from(layout.geometry.capacity()).ok()?;
        // INVARIANT: 1 by `payloads`, 2 by the view.
        let slots = state.payloads::<Slot<T>>(layout.slots, count)?;
        let cells = NonNull::from(entry::view(&state.region(), &layout, participants)?.cells);
        use_events(state.events());
        (layout.stride == size_of::<Slot<T>>() as u64).then_some(Self {
            state,
            slots,
            cells,
            layout,
            cursor: Default::default(),
            wait: Wait::default(),
            waits: Default::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
