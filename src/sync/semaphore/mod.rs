//! The semaphore.

mod attach;
mod error;
mod options;
mod permit;
mod source;

use std::ptr::NonNull;

pub use error::{AcquireError, AcquireTimeoutError, AddPermitsError, TryAcquireError};
pub use options::SemaphoreOptions;
pub use permit::{Permit, Permits};

use crate::Deadline;
use crate::algorithm::semaphore::{Semaphore as Raw, SemaphoreState};
use crate::facade::{AtomicU32, Ordering, Pace, WaitHistory};
use crate::format::Kind;
use crate::participant::{Liveness, Tag};
use crate::segment::{EntryRef, Fault, MembershipError};
use crate::sync::Holder;
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;
use crate::wait::on_event::{EventWaitError, TryError};

/// A number of permits that processes share, each held by one process at a time: a limit of
/// connections, of workers on a device, of requests under way.
///
/// [`acquire`](Self::acquire) takes a permit, and dropping the [`Permit`] releases it. If its
/// holder is killed the permit returns: a waiter gets it as soon as it asks the kernel whether the
/// holders live, within twice the time that it has waited and a second at most, or at once with a
/// [`Monitor`](crate::segment::Monitor). No timeout decides that a holder is dead, so a stopped
/// holder keeps its permits.
///
/// The everyday form is created with a number of permits. With
/// [`SemaphoreOptions::most`] there is room for more, which [`add_permits`](Self::add_permits)
/// adds; so a semaphore that begins with none counts signals: one process adds a permit for each,
/// and another acquires it and [forgets](Permit::forget) it.
///
/// Where a permit is free, acquiring and releasing are one atomic instruction each, and no system
/// call. The first free permit is looked for from where the handle found the last one, so a process
/// looks at up to all permits where nearly all are taken. A waiter spins for some microseconds and
/// then sleeps. The semaphore is not fair: a newcomer may take a permit before a waiter.
///
/// # Examples
///
/// ```
/// use crossdock::sync::{Semaphore, TryAcquireError};
/// use crossdock::Segment;
///
/// let segment = Segment::anonymous()?;
/// let connections = segment.create::<Semaphore>("connections", 2)?;
/// let first = connections.acquire()?;
/// let second = connections.acquire()?;
/// assert_eq!(connections.try_acquire().unwrap_err(), TryAcquireError::WouldBlock);
/// drop(first);
/// assert_eq!(connections.available(), 1);
/// # drop(second);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// A permit does not outlive its semaphore:
///
/// ```compile_fail
/// # use crossdock::{Segment, sync::Semaphore};
/// let segment = Segment::anonymous().unwrap();
/// let limit = segment.create::<Semaphore>("limit", 1).unwrap();
/// let permit = limit.acquire().unwrap();
/// drop(limit);
/// drop(permit);
/// ```
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    state: EntryRef<SemaphoreState>,
    /// Invariant 1: the words of the permits are mapped there, as long as `state`.
    words: NonNull<[AtomicU32]>,
    /// The permit to try first: a hint.
    next: AtomicU32,
    /// The history of waits for permits, and of waits for several sources.
    waits: [WaitHistory; 2],
}

// SAFETY: the words are atomics, reachable from any thread; the rest is Send + Sync.
unsafe impl Send for Semaphore {}
// SAFETY: as above.
unsafe impl Sync for Semaphore {}

/// No permit was found yet.
const NOWHERE: u32 = u32::MAX;

impl Semaphore {
    /// Acquires a permit; blocks while live participants hold all of them.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`] after [`close`](Self::close), for waiters too;
    /// [`AcquireError::Fault`].
    #[inline]
    #[doc(alias = "wait")]
    pub fn acquire(&self) -> Result<Permit<'_>, AcquireError> {
        match self.acquire_free() {
            Some(permit) => Ok(permit),
            None => self.wait(&Deadline::never()).map_err(|error| match error {
                AcquireTimeoutError::Acquire(error) => error,
                // There is no deadline.
                AcquireTimeoutError::Timeout => AcquireError::Closed,
            }),
        }
    }

    /// Acquires a permit if one is free; never blocks.
    ///
    /// If none is, it reaps the dead first, unless a participant of the segment did so within the
    /// last milliseconds; so the permit of a holder that was killed just now may still count as
    /// held.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::WouldBlock`] if no permit is free; [`TryAcquireError::Acquire`] as
    /// [`acquire`](Self::acquire).
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        match self.acquire_free() {
            Some(permit) => Ok(permit),
            None => self.attempt(),
        }
    }

    /// Acquires a permit; blocks while live participants hold all of them, no longer than
    /// `timeout`, which is a [`Duration`](std::time::Duration) or an
    /// [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`AcquireTimeoutError::Timeout`] if no permit was free at the end;
    /// [`AcquireTimeoutError::Acquire`] as [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<Permit<'_>, AcquireTimeoutError> {
        match self.acquire_free() {
            Some(permit) => Ok(permit),
            None => self.wait(&timeout.into()),
        }
    }

    /// Acquires `count` permits together: all of them or none; blocks until so many are free at
    /// once.
    ///
    /// It never waits with a permit, so processes that each acquire several cannot deadlock. The
    /// price is that those that acquire single permits may starve it. For the moment in which it
    /// takes permits one after the other, [`try_acquire`](Self::try_acquire) of another process may
    /// find none; a process that is stopped just then keeps what it has taken so far, as a holder
    /// does.
    ///
    /// # Errors
    ///
    /// [`AcquireError::OutOfRange`] if `count` is 0, or more than there can ever be; others as
    /// [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Segment, sync::Semaphore};
    ///
    /// let segment = Segment::anonymous()?;
    /// let memory = segment.create::<Semaphore>("gigabytes", 8)?;
    /// let three = memory.acquire_many(3)?;
    /// assert_eq!((three.len(), memory.available()), (3, 5));
    /// drop(three);
    /// assert_eq!(memory.available(), 8);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn acquire_many(&self, count: u32) -> Result<Permits<'_>, AcquireError> {
        self.wait_many(count, &Deadline::never())
            .map_err(|error| match error {
                AcquireTimeoutError::Acquire(error) => error,
                // There is no deadline.
                AcquireTimeoutError::Timeout => AcquireError::Closed,
            })
    }

    /// Acquires `count` permits together if so many are free; never blocks.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::WouldBlock`] if fewer are free; [`TryAcquireError::Acquire`] as
    /// [`acquire_many`](Self::acquire_many).
    pub fn try_acquire_many(&self, count: u32) -> Result<Permits<'_>, TryAcquireError> {
        let count = self.in_range(count)?;
        let me = self.me()?;
        let (raw, others, mut taken) = (self.raw(), self.liveness(me), vec![0; count]);
        let mut claimed = raw.claim_many(&mut taken, &others);
        if claimed == Err(TryError::WouldBlock) {
            raw.reap_dead(&others);
            claimed = raw.claim_many(&mut taken, &others);
        }
        match claimed {
            Ok(()) => Ok(Permits::new(self, taken, me)),
            Err(error) => Err(self.not_now(error, me)),
        }
    }

    /// Acquires `count` permits together, as [`acquire_many`](Self::acquire_many) does; blocks no
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`AcquireTimeoutError::Timeout`] if fewer permits were free at the end;
    /// [`AcquireTimeoutError::Acquire`] as [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_timeout(
        &self,
        count: u32,
        timeout: impl Into<Deadline>,
    ) -> Result<Permits<'_>, AcquireTimeoutError> {
        self.wait_many(count, &timeout.into())
    }

    /// Returns the number of free permits. Never blocks. The answer may be stale when it is
    /// returned. A permit of a dead holder counts as held until a process reaps that holder.
    #[doc(alias = "available_permits")]
    #[doc(alias = "get_value")]
    pub fn available(&self) -> u32 {
        u32::try_from(self.raw().available()).unwrap_or(u32::MAX)
    }

    /// Returns the greatest number of permits that there can be.
    pub fn most(&self) -> u32 {
        u32::try_from(self.words.len()).unwrap_or(u32::MAX)
    }

    /// Returns the participant that holds each held permit, alive or dead, once for each permit.
    /// Never blocks. The answer may be stale when it is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::Segment;
    /// use crossdock::sync::{Holder, Semaphore};
    ///
    /// let limit = Segment::anonymous()?.create::<Semaphore>("limit", 4)?;
    /// let two = limit.acquire_many(2)?;
    /// assert_eq!(limit.holders(), [Holder::ThisProcess; 2]);
    /// # drop(two);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn holders(&self) -> Vec<Holder> {
        let Some(me) = self.state.tag_if_possible() else {
            return Vec::new();
        };
        let participants = self.liveness(me).participants();
        let holder = |tag: Tag| Holder::of(tag, me, &self.state);
        self.raw().holders(participants).map(holder).collect()
    }

    /// Adds `count` permits, each of which wakes a waiter.
    ///
    /// A process that is killed in the middle has added some of them.
    ///
    /// # Errors
    ///
    /// [`AddPermitsError`] if there is no room for so many: see [`SemaphoreOptions::most`]. None is
    /// added then, unless other processes add permits at the same time.
    ///
    /// # Examples
    ///
    /// A signal that one process gives and another consumes:
    ///
    /// ```
    /// use crossdock::Segment;
    /// use crossdock::sync::{Semaphore, SemaphoreOptions};
    ///
    /// let segment = Segment::anonymous()?;
    /// let options = SemaphoreOptions::new(0).most(16);
    /// let signals = segment.create::<Semaphore>("signals", options)?;
    /// signals.add_permits(1)?;
    /// signals.acquire()?.forget();
    /// assert_eq!(signals.available(), 0);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[doc(alias = "release")]
    #[doc(alias = "post")]
    pub fn add_permits(&self, count: u32) -> Result<(), AddPermitsError> {
        let (raw, most) = (self.raw(), self.most());
        let absent = raw.absent();
        let added = if count as usize > absent {
            0
        } else {
            raw.add(count as usize)
        };
        if added == count as usize {
            return Ok(());
        }
        Err(AddPermitsError::NoRoom {
            asked: count,
            added: u32::try_from(added).unwrap_or(u32::MAX),
            most,
        })
    }

    /// Closes the semaphore, for all processes and for good: waiters return, and no permit is
    /// acquired any more. Permits that are held stay valid.
    pub fn close(&self) {
        self.state.close();
    }

    /// Returns whether the semaphore is closed.
    pub fn is_closed(&self) -> bool {
        self.state.is_closed()
    }

    /// Acquires the permit that was found last, if it is free and this process is a participant
    /// already: what nearly every call comes to, so it is all that is inlined.
    #[inline(always)]
    fn acquire_free(&self) -> Option<Permit<'_>> {
        let (raw, own) = (self.raw(), self.state.own());
        let me = own.current()?;
        // ORDERING: Relaxed; a hint.
        let next = self.next.load(Ordering::Relaxed) as usize;
        let word = raw.claim_at(next, &self.liveness(me)).ok()?;
        Some(Permit::new(word, self.state.state(), own, me))
    }

    /// Acquires a permit after [`acquire_free`](Self::acquire_free) did not; never blocks.
    #[cold]
    fn attempt(&self) -> Result<Permit<'_>, TryAcquireError> {
        let me = self.me()?;
        let (raw, others, next) = (self.raw(), self.liveness(me), self.next(me));
        let mut claimed = raw.claim(next, &others);
        if claimed == Err(TryError::WouldBlock) {
            raw.reap_dead(&others);
            claimed = raw.claim(next, &others);
        }
        match claimed {
            Ok(index) => Ok(self.permit(index, me)),
            Err(error) => Err(self.not_now(error, me)),
        }
    }

    /// Acquires a permit after [`acquire_free`](Self::acquire_free) did not.
    #[cold]
    fn wait(&self, deadline: &Deadline) -> Result<Permit<'_>, AcquireTimeoutError> {
        let me = self.me()?;
        let (others, next) = (self.liveness(me), self.next(me));
        let waited = self.raw().wait(next, &others, deadline, self.mode());
        match waited {
            Ok(index) => Ok(self.permit(index, me)),
            Err(error) => Err(self.not_in_time(error, me)),
        }
    }

    fn wait_many(
        &self,
        count: u32,
        deadline: &Deadline,
    ) -> Result<Permits<'_>, AcquireTimeoutError> {
        let count = self.in_range(count)?;
        let me = self.me()?;
        let (others, mut taken) = (self.liveness(me), vec![0; count]);
        let waited = self
            .raw()
            .wait_many(&mut taken, &others, deadline, self.mode());
        match waited {
            Ok(()) => Ok(Permits::new(self, taken, me)),
            Err(error) => Err(self.not_in_time(error, me)),
        }
    }

    fn in_range(&self, asked: u32) -> Result<usize, AcquireError> {
        let most = self.most();
        if (1..=most).contains(&asked) {
            Ok(asked as usize)
        } else {
            Err(AcquireError::OutOfRange { asked, most })
        }
    }

    /// The permit at `index`, which `me` has acquired.
    fn permit(&self, index: usize, me: Tag) -> Permit<'_> {
        let word = &self.words()[index];
        // ORDERING: Relaxed; a hint.
        let next = u32::try_from(index).unwrap_or(NOWHERE);
        self.next.store(next, Ordering::Relaxed);
        Permit::new(word, self.state.state(), self.state.own(), me)
    }

    /// The permit to try first. Handles begin at places that their participants' indexes spread
    /// over the table.
    fn next(&self, me: Tag) -> usize {
        /// 2^32 divided by the golden ratio.
        const GOLDEN: u32 = 0x9e37_79b9;
        // ORDERING: Relaxed; a hint.
        match self.next.load(Ordering::Relaxed) {
            NOWHERE => {
                let spread = u64::from(me.index().wrapping_mul(GOLDEN));
                usize::try_from((spread * self.words.len() as u64) >> 32).unwrap_or(0)
            }
            next => next as usize,
        }
    }

    #[cold]
    fn not_now(&self, error: TryError, me: Tag) -> TryAcquireError {
        match error {
            TryError::WouldBlock | TryError::Busy => TryAcquireError::WouldBlock,
            TryError::Disconnected => AcquireError::Closed.into(),
            TryError::Corrupt => self.corrupt(me).into(),
            TryError::MembershipLost => self.state.membership_lost(me).into(),
        }
    }

    #[cold]
    fn not_in_time(&self, error: EventWaitError, me: Tag) -> AcquireTimeoutError {
        match error {
            EventWaitError::TimedOut => AcquireTimeoutError::Timeout,
            EventWaitError::Disconnected => AcquireError::Closed.into(),
            EventWaitError::Corrupt => self.corrupt(me).into(),
            EventWaitError::MembershipLost => self.state.membership_lost(me).into(),
        }
    }

    fn corrupt(&self, me: Tag) -> Fault {
        let participants = self.liveness(me).participants();
        let word = self.raw().corrupt_word(participants).unwrap_or(0);
        Fault::corrupt(Kind::Semaphore, word)
    }

    fn mode(&self) -> WaitMode<'_> {
        WaitMode::new(Pace::Adaptive, &self.waits[0]).at_a_distance()
    }

    fn me(&self) -> Result<Tag, MembershipError> {
        use_events(self.state.events());
        self.state.tag()
    }

    #[inline(always)]
    fn liveness(&self, me: Tag) -> impl Liveness + '_ {
        self.state.liveness(me)
    }

    #[inline(always)]
    fn words(&self) -> &[AtomicU32] {
        // SAFETY: Invariant 1, and atomics may be shared.
        unsafe { self.words.as_ref() }
    }

    #[inline(always)]
    fn raw(&self) -> Raw<'_> {
        Raw {
            state: &self.state,
            words: self.words(),
        }
    }
}

impl Clone for Semaphore {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            words: self.words,
            next: AtomicU32::new(NOWHERE),
            waits: Default::default(),
        }
    }
}

debug!(
    /// Never blocks.
    Semaphore, |this| {
        available: this.available(),
        most: this.most(),
        closed: this.is_closed(),
        ..
    }
);
