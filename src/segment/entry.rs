//! Entries of a segment, and the core of every handle.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::algorithm::region::SharedState;
use crate::facade::Ordering::Relaxed;
use crate::facade::{AtomicU32, AtomicU64, WaitHistory};
use crate::format::{Kind, PayloadShape, Record};
use crate::participant::Tag;
use crate::participant::own_tag::OwnTag;
use crate::segment::attachment::Attachment;
use crate::segment::hold::Hold;
use crate::segment::mapping::{EntryBytes, Mapping, ParticipantEntry};
use crate::segment::membership::{Membership, SegmentLiveness};
use crate::segment::{EntryError, Fault, FoundKind, MembershipError};
use crate::sys::shm;
use crate::wait::select::NotMember;

/// A primitive that can be an entry of a [`Segment`](crate::Segment).
///
/// Sealed: the kinds are part of the byte layout. Handles are `Clone + Send + Sync` and keep the
/// segment mapped.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an entry of a segment",
    label = "an entry is a primitive of crossdock",
    note = "a number: `Counter`; a value behind a lock: `Mutex<T>`, `RwLock<T>`",
    note = "a list: `Array<T>`, `AtomicArray<T>`; the latest value: `Snapshot<T>`",
    note = "messages: `Queue<T>`, `Channel<T>`; work that must be done: `WorkQueue<T>`, `Channel<T>`"
)]
pub trait Placeable: Clone + Send + Sync + fmt::Debug + 'static {
    /// The argument of [`Segment::create`](crate::Segment::create).
    type Config;

    #[doc(hidden)]
    const KIND: Kind;

    #[doc(hidden)]
    fn payload() -> PayloadShape;

    /// Returns the payload that the entry's record names, with or without a configuration, or the
    /// reason why there is none.
    #[doc(hidden)]
    fn named(_config: Option<&Self::Config>) -> Result<PayloadShape, &'static str> {
        Ok(Self::payload())
    }

    /// Returns the payload of an entry whose handle another process of this program has handed
    /// over. Its record has `found`.
    #[doc(hidden)]
    fn handed_over(_found: PayloadShape) -> PayloadShape {
        Self::payload()
    }

    /// Returns the numbers of a configuration, as the entry's record has them.
    #[doc(hidden)]
    fn words(_config: &Self::Config) -> [u64; 4] {
        [0; 4]
    }

    /// Returns the bytes that an entry takes, or `None` if there is no entry of such numbers and
    /// such a payload.
    #[doc(hidden)]
    fn size(config: [u64; 4], participants: u32) -> Option<u64>;

    #[doc(hidden)]
    fn shape(config: [u64; 4], participants: u32) -> Option<Shape> {
        Some(Shape {
            kind: Self::KIND,
            len: Self::size(config, participants)?,
            payload: Self::payload(),
            config,
        })
    }

    /// Returns the error for a payload that no entry can have.
    #[doc(hidden)]
    fn unfit() -> EntryError {
        EntryError::Payload {
            found: Box::new(Self::payload()),
        }
    }

    /// Returns the error for a configuration that has no shape.
    #[doc(hidden)]
    fn refused(_config: &Self::Config) -> EntryError {
        Self::unfit()
    }

    /// Does the part of a creation that other creators need not wait for. `fits` says whether the
    /// entry would be refused as things stand.
    #[doc(hidden)]
    fn ready(
        config: Self::Config,
        _fits: impl FnOnce() -> Result<(), EntryError>,
    ) -> Result<Self::Config, EntryError> {
        Ok(config)
    }

    /// Writes the first contents into the entry's bytes, which are zeroed.
    #[doc(hidden)]
    fn prepare(_bytes: &Bytes<'_>, _config: Self::Config) {}

    // This seals the trait: no other crate can name an `Entry`.
    #[doc(hidden)]
    fn attach(entry: Entry) -> Option<Self>;

    #[doc(hidden)]
    fn entry(&self) -> &Entry;
}

/// The shape of an entry of some kind, payload and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub(crate) kind: Kind,
    /// Bytes.
    pub(crate) len: u64,
    pub(crate) payload: PayloadShape,
    pub(crate) config: [u64; 4],
}

impl Shape {
    /// Returns the record of an entry of this shape, without an offset yet.
    pub(crate) fn record(&self, name: crate::format::Name) -> Record {
        Record {
            kind: self.kind as u32,
            offset: 0,
            len: self.len,
            payload: self.payload,
            config: self.config,
            name,
        }
    }

    /// Fails if `record` is not an entry of this shape.
    pub(crate) fn check(&self, name: &str, record: &Record) -> Result<(), EntryError> {
        let name = || name.to_owned();
        check_kind(self.kind, name, record)?;
        check_payload(self.payload, name, record)?;
        if record.config != self.config {
            let (expected, found) = (self.config[0], record.config[0]);
            if expected == found {
                return Err(EntryError::OtherConfig {
                    name: name(),
                    expected: Box::new(self.config),
                    found: Box::new(record.config),
                });
            }
            let name = name();
            return Err(if self.kind.is_array() {
                EntryError::OtherLength {
                    name,
                    expected,
                    found,
                }
            } else {
                EntryError::OtherCapacity {
                    name,
                    expected,
                    found,
                }
            });
        }
        if record.len != self.len {
            let (expected, found) = (self.len, record.len);
            return Err(EntryError::OtherSize {
                name: name(),
                expected,
                found,
            });
        }
        Ok(())
    }
}

/// Fails if the record is of another kind.
pub(crate) fn check_kind(
    expected: Kind,
    name: impl FnOnce() -> String,
    record: &Record,
) -> Result<(), EntryError> {
    if record.kind == expected as u32 {
        return Ok(());
    }
    Err(EntryError::OtherKind {
        name: name(),
        expected,
        found: FoundKind::of(record.kind),
    })
}

/// Fails if the record's payload is another one.
pub(crate) fn check_payload(
    expected: PayloadShape,
    name: impl FnOnce() -> String,
    record: &Record,
) -> Result<(), EntryError> {
    if record.payload == expected {
        return Ok(());
    }
    Err(EntryError::OtherPayload {
        name: name(),
        expected: Box::new(expected),
        found: Box::new(record.payload),
    })
}

/// An entry's bytes before its publication: zeroed, and accessible to the creator only.
#[derive(Debug)]
pub struct Bytes<'a> {
    mapping: &'a Mapping,
    offset: u64,
    len: u64,
}

impl<'a> Bytes<'a> {
    /// Returns the `len` bytes at `offset`, zeroed now: a creator that died may have written there.
    ///
    /// Pages that are holes of the file were not written by any process, and are left alone: to
    /// zero a page that is zero takes a page fault, and memory.
    pub(crate) fn zeroed(mapping: &'a Mapping, offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        let mut at = offset;
        while let Some((first, last)) = Self::written(mapping, at, end) {
            let count = usize::try_from(last - first).ok()?;
            let place = mapping.at::<u8>(first, count)?;
            // SAFETY: inside the mapping by `at`, and no entry is there yet, so no other process
            // accesses these bytes while this process holds the control mutex.
            unsafe { place.as_ptr().write_bytes(0, count) };
            at = last;
        }
        Some(Self {
            mapping,
            offset,
            len,
        })
    }

    /// Returns where in this range bytes may have been written first, and up to where.
    fn written(mapping: &Mapping, at: u64, end: u64) -> Option<(u64, u64)> {
        /// Less is zeroed sooner than the kernel is asked.
        const FEW: u64 = 64 << 10;
        if at >= end {
            return None;
        }
        if end - at < FEW {
            return Some((at, end));
        }
        let id = mapping.id();
        match shm::written(mapping.fd(), (id.device, id.inode), at) {
            Ok(Some((first, last))) if first >= at && last > first => {
                (first < end).then_some((first, last.min(end)))
            }
            Ok(None) => None,
            Ok(Some(_)) => Some((at, end)),
            // Other code has closed the descriptor, or the file system does not tell.
            Err(_) => Some((at, end)),
        }
    }

    /// Returns the maximum number of participants of the segment.
    pub(crate) fn participants(&self) -> u32 {
        self.mapping.geometry().participants
    }

    /// Returns the state at the start of the entry.
    pub(crate) fn state<S: SharedState>(&self) -> Option<&'a S> {
        if size_of::<S>() as u64 > self.len {
            return None;
        }
        let place = self.mapping.at::<S>(self.offset, 1)?;
        // SAFETY: inside the mapping and aligned by `at`, which lives for 'a; any bytes are valid.
        Some(unsafe { place.as_ref() })
    }

    /// Writes a value `offset` bytes into the entry.
    pub(crate) fn write<T: bytemuck::NoUninit>(&self, offset: u64, value: &T) {
        self.write_same(offset, value, 1);
    }

    /// Writes a value `count` times, from `offset` bytes into the entry on.
    pub(crate) fn write_same<T: bytemuck::NoUninit>(&self, offset: u64, value: &T, count: usize) {
        if let Some(first) = self.places::<T>(offset, count) {
            for index in 0..count {
                // SAFETY: inside the `count` values of the entry.
                let place = unsafe { first.add(index) };
                // SAFETY: inside the entry, aligned, and not published yet; a process's own memory
                // does not overlap it.
                unsafe { place.copy_from_nonoverlapping(NonNull::from(value), 1) };
            }
        }
    }

    /// Writes values one after the other, from `offset` bytes into the entry on.
    pub(crate) fn write_all<T: bytemuck::NoUninit>(&self, offset: u64, values: &[T]) {
        if let Some(first) = self.places::<T>(offset, values.len()) {
            // SAFETY: as many values as fit, inside the entry, aligned, and not published yet; a
            // process's own memory does not overlap it.
            unsafe { first.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        }
    }

    /// Returns a pointer to `count` values, `offset` bytes into the entry, if all of them are
    /// inside and aligned.
    fn places<T>(&self, offset: u64, count: usize) -> Option<NonNull<T>> {
        let len = size_of::<T>().checked_mul(count)? as u64;
        let inside = offset.checked_add(len)? <= self.len;
        let first = self
            .mapping
            .at::<T>(self.offset.checked_add(offset)?, count);
        first.filter(|_| inside)
    }
}

/// An entry that was found or created, checked against its kind.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) mapping: Attachment,
    /// The index that identifies the entry in a serialised handle.
    #[cfg(feature = "process")]
    pub(crate) index: u32,
    pub(crate) record: Record,
    /// Of an object of a manager: what keeps its room.
    pub(crate) hold: Option<Hold>,
}

/// The core of a handle: the entry's state, and the attachment that keeps it mapped.
///
/// Invariant 1: `state` points to the start of the entry's bytes, which hold an `S` and stay mapped
/// as long as `entry.mapping`.
/// Invariant 2: `tag` points to the tag word of the mapping's membership, which does not move as
/// long as `entry.mapping` lives.
/// Invariant 3: `registry` are the participants' entries of the mapping, which do not move as long
/// as `entry.mapping` lives.
pub(crate) struct EntryRef<S> {
    state: NonNull<S>,
    tag: NonNull<AtomicU32>,
    registry: NonNull<[ParticipantEntry]>,
    entry: Entry,
    /// The history of waits for a lock.
    waits: WaitHistory,
}

/// The core of a handle whose entry begins with several states.
///
/// Invariant 1: the entry's bytes hold `count` `S`, one after the other.
pub(crate) struct EntryStates<S> {
    first: EntryRef<S>,
    count: usize,
}

impl<S: SharedState> EntryStates<S> {
    /// Attaches to an entry. Returns `None` if the entry is too short for `count` states.
    pub(crate) fn new(entry: Entry, count: u32) -> Option<Self> {
        let first: EntryRef<S> = EntryRef::new(entry)?;
        let count = count as usize;
        // INVARIANT: 1, by this comparison.
        let all = size_of::<S>().checked_mul(count)? as u64;
        (all <= first.entry.record.len).then_some(Self { first, count })
    }

    pub(crate) fn entry_ref(&self) -> &EntryRef<S> {
        &self.first
    }

    #[inline(always)]
    pub(crate) fn all(&self) -> &[S] {
        // SAFETY: Invariant 1, and as for an `EntryRef`.
        unsafe { std::slice::from_raw_parts(self.first.state.as_ptr(), self.count) }
    }
}

impl<S> Clone for EntryStates<S> {
    fn clone(&self) -> Self {
        Self {
            first: self.first.clone(),
            count: self.count,
        }
    }
}

// SAFETY: `S` is atomics only (`SharedState`), reachable from any thread; the rest is Send + Sync.
unsafe impl<S: SharedState> Send for EntryRef<S> {}
// SAFETY: as above.
unsafe impl<S: SharedState> Sync for EntryRef<S> {}

impl<S> Clone for EntryRef<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state,
            tag: self.tag,
            registry: self.registry,
            entry: self.entry.clone(),
            waits: WaitHistory::default(),
        }
    }
}

impl<S: SharedState> Deref for EntryRef<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: Invariant 1, and any bytes are a valid `S`.
        unsafe { self.state.as_ref() }
    }
}

impl<S: SharedState> EntryRef<S> {
    /// Attaches to an entry. Returns `None` if the entry is too short for its state.
    pub(crate) fn new(entry: Entry) -> Option<Self> {
        let state = entry.mapping.at::<S>(entry.record.offset, 1)?;
        // INVARIANT: 2; the word is in a page that the mapping owns.
        let tag = NonNull::from(entry.mapping.membership().tag_word());
        // INVARIANT: 3.
        let registry = NonNull::from(entry.mapping.participants());
        // INVARIANT: 1, by `at` and this comparison.
        ((size_of::<S>() as u64) <= entry.record.len).then_some(Self {
            state,
            tag,
            registry,
            entry,
            waits: WaitHistory::default(),
        })
    }

    /// Returns the bytes of the entry, in which the algorithm of its kind finds its words.
    pub(crate) fn region(&self) -> EntryBytes<'_> {
        EntryBytes::new(&self.entry.mapping, &self.entry.record)
    }

    /// Returns a pointer to a `T`, `offset` bytes into the entry, if it is inside and aligned.
    pub(crate) fn payload<T>(&self, offset: u64) -> Option<NonNull<T>> {
        self.payloads(offset, 1)
    }

    /// Returns a pointer to `count` values of `T`, `offset` bytes into the entry, if all of them
    /// are inside and aligned.
    pub(crate) fn payloads<T>(&self, offset: u64, count: usize) -> Option<NonNull<T>> {
        let len = size_of::<T>().checked_mul(count)? as u64;
        let end = offset.checked_add(len)?;
        let place = self.entry.record.offset.checked_add(offset)?;
        if end > self.entry.record.len {
            return None;
        }
        self.entry.mapping.at::<T>(place, count)
    }

    /// Returns `count` words beside the entry, zeroed at first, which all handles of it in this
    /// process share and no other process sees. They stay as long as the mapping.
    pub(crate) fn private_words(&self, count: u32) -> Option<NonNull<[AtomicU64]>> {
        let private = self.entry.mapping.private();
        // The room of an object of a manager is another object's later.
        let number = self.entry.hold.as_ref().map_or(0, Hold::number);
        let place = (self.entry.record.offset, number);
        private.words(place, usize::try_from(count).ok()?)
    }

    /// Returns the process id of a participant, for messages.
    pub(crate) fn pid_of(&self, tag: Tag) -> u32 {
        let entries = self.entry.mapping.participants();
        // ORDERING: Relaxed; for people.
        let pid = |entry: &ParticipantEntry| entry.pid.load(Relaxed);
        entries.get(tag.index() as usize).map_or(0, pid)
    }

    /// Returns the process id of a participant, for messages; `None` if it was reaped, or is of
    /// another PID namespace than `me`.
    pub(crate) fn pid_as(&self, participant: Tag, me: Tag) -> Option<u32> {
        let entries = self.entry.mapping.participants();
        let index = participant.index();
        let state = self.entry.mapping.registry().state(index);
        if state.is_free() || state.tag(index) != Some(participant) {
            return None;
        }
        let namespace_and_pid = |index: u32| {
            let entry = entries.get(index as usize)?;
            // ORDERING: Relaxed; for people.
            Some((entry.pid_namespace.load(Relaxed), entry.pid.load(Relaxed)))
        };
        let (namespace, pid) = namespace_and_pid(index)?;
        let (own, _) = namespace_and_pid(me.index())?;
        (namespace == own && pid != 0).then_some(pid)
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns this process's tag. Joins if it has none.
    #[inline]
    pub(crate) fn tag(&self) -> Result<Tag, MembershipError> {
        Membership::tag(&self.entry.mapping)
    }

    /// Returns this process's tag, for an operation that does not need one.
    #[inline(always)]
    pub(crate) fn tag_if_possible(&self) -> Option<Tag> {
        match self.current_tag() {
            None => Membership::tag_if_possible(&self.entry.mapping),
            tag => tag,
        }
    }

    /// Returns this process's tag, if it has one.
    #[inline(always)]
    pub(crate) fn current_tag(&self) -> Option<Tag> {
        self.own().current()
    }

    /// Returns this process's tag word.
    #[inline(always)]
    pub(crate) fn own(&self) -> OwnTag<'_> {
        // SAFETY: Invariant 2, and an atomic may be shared.
        OwnTag::new(unsafe { self.tag.as_ref() })
    }

    /// Returns the state.
    #[inline(always)]
    pub(crate) fn state(&self) -> &S {
        self
    }

    /// Returns the liveness of the other participants. Loads nothing: hot paths ask it only whether
    /// this process is a participant.
    #[inline(always)]
    pub(crate) fn liveness(&self, me: Tag) -> SegmentLiveness<'_> {
        // SAFETY: Invariant 3, and atomics may be shared.
        let registry = unsafe { self.registry.as_ref() };
        SegmentLiveness::new(&self.entry.mapping, registry, me).remembering(&self.waits)
    }

    /// Forgets a membership that peers have taken for dead.
    #[cold]
    pub(crate) fn membership_lost(&self, me: Tag) -> MembershipError {
        Membership::membership_lost(&self.entry.mapping, me)
    }

    /// Returns why this process cannot wait, after a source said so; `None` if it has joined since.
    #[cold]
    pub(crate) fn lost(&self, why: NotMember) -> Option<Fault> {
        let error = match why.was {
            Some(me) => Some(self.membership_lost(me)),
            None => self.tag().err(),
        };
        error.map(Fault::from)
    }
}
