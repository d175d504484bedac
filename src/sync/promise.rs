//! The promise.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use bytemuck::Pod;

use crate::Deadline;
use crate::algorithm::promise::{
    PromiseClaimError, PromiseOutcome, PromiseState, PromiseStatus, PromiseWord, ThreadNumber,
};
use crate::facade::{AtomicU64, Ordering, Pace, WaitHistory};
use crate::format::{Kind, PayloadShape};
use crate::participant::{Liveness, Tag};
use crate::payload::{Payload, describe, shape_of};
use crate::segment::fault::{errors, errors_around};
use crate::segment::{
    Entry, EntryRef, Fault, MembershipError, OwnTag, Placeable, Waitable, waitable,
};
use crate::sync::Holder;
use crate::wait::WaitMode;
use crate::wait::event_count::{EventCount, use_events};
use crate::wait::on_event::EventWaitError;
use crate::wait::select::{NotMember, Source, SourceRef};

/// A value that one process sets once, and that others wait for: a configuration, the address of a
/// service, the result of a start.
///
/// A process [claims](Self::claim) the promise, makes the value, and [sets](PromiseClaim::set) it.
/// If it is killed before, waiters are told [`Abandoned`](PromiseError::Abandoned), and the next
/// process may claim it. [`get_or_init`](Self::get_or_init) does all of it: it is a
/// [`OnceLock`](std::sync::OnceLock) of all processes, of which one makes the value. A value that
/// is set never changes, and is read in place.
///
/// A waiter learns of its claimer's death when it asks the kernel, within twice the time that it
/// has waited and a second at most, or at once with a [`Monitor`](crate::segment::Monitor). A
/// claimer that is stopped keeps its claim. A promise that no process has claimed is waited for: no
/// process can tell whether one will.
///
/// Reading a value that is set is one load. `T` is [`Pod`], as that of a [`Mutex`](crate::Mutex).
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, sync::Promise};
///
/// let segment = Segment::anonymous()?;
/// let port = segment.create::<Promise<u16>>("port", ())?;
/// assert_eq!(port.get(), None);
/// let waiter = std::thread::spawn({
///     let port = port.clone();
///     move || port.wait().copied()
/// });
/// assert_eq!(*port.get_or_init(|| 8080)?, 8080);
/// assert_eq!(waiter.join().unwrap()?, 8080);
/// assert_eq!(*port.get_or_init(|| unreachable!("it is set"))?, 8080);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "OnceLock")]
#[doc(alias = "Future")]
pub struct Promise<T> {
    state: EntryRef<PromiseState>,
    /// Invariant 1: inside the entry that `state` keeps mapped, aligned, any bytes are a `T`.
    value: NonNull<T>,
    /// The history of waits for it, and for several sources.
    waits: [WaitHistory; 2],
}

// SAFETY: the value is written by the one claimer before it is set, and only read afterwards; `T`
// is Send + Sync (Payload).
unsafe impl<T: Payload> Send for Promise<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Promise<T> {}

/// The claim of a [`Promise`]: this process sets the value. Dropping it without a value gives it
/// back, for another process to claim.
///
/// It stays with its thread, which would wait for itself if it waited for the promise, and is told
/// so. In a forked child, an inherited claim does nothing.
#[must_use = "the claim is given back when it is dropped"]
pub struct PromiseClaim<'a, T> {
    promise: &'a Promise<T>,
    own: OwnTag<'a>,
    me: Tag,
    /// Not `Send`.
    thread: PhantomData<*const ()>,
}

/// Returns the number of this thread.
///
/// # Panics
///
/// If this process has numbered 2^35 threads.
#[inline]
fn this_thread() -> ThreadNumber {
    thread_local! {
        static NUMBER: Cell<Option<ThreadNumber>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = next_number();
        NUMBER.set(Some(number));
        number
    })
}

#[cold]
fn next_number() -> ThreadNumber {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // ORDERING: Relaxed; a number of its own is all that is asked for.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match ThreadNumber::new(number) {
        Some(number) => number,
        None => panic!("this process has numbered 2^35 threads, and there are no more numbers"),
    }
}

/// Where in the entry the value is: behind the words, on the same cache line if it fits.
const fn value_offset<T>() -> u64 {
    size_of::<PromiseState>().next_multiple_of(align_of::<T>()) as u64
}

impl<T> Promise<T> {
    /// Returns the value, if it is set. Never blocks.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if !self.state.load().is_set() {
            return None;
        }
        // SAFETY: Invariant 1; a value that is set is not written any more.
        Some(unsafe { self.value.as_ref() })
    }

    /// Claims the promise, to set its value; never blocks.
    ///
    /// # Errors
    ///
    /// [`ClaimPromiseError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::sync::{ClaimPromiseError, Holder, Promise, PromiseError};
    /// use crossdock::Segment;
    ///
    /// let sum = Segment::anonymous()?.create::<Promise<u64>>("sum", ())?;
    /// let claim = sum.claim()?;
    /// assert_eq!(sum.claimer(), Some(Holder::ThisProcess));
    /// assert_eq!(sum.claim().unwrap_err(), ClaimPromiseError::OwnClaim);
    /// assert_eq!(sum.wait(), Err(PromiseError::OwnClaim));
    /// assert_eq!(*claim.set((1..=4).sum())?, 10);
    /// assert_eq!(sum.claim().unwrap_err(), ClaimPromiseError::Set);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn claim(&self) -> Result<PromiseClaim<'_, T>, ClaimPromiseError> {
        let me = self.me()?;
        let others = self.state.liveness(me);
        match self.state.claim(this_thread(), &others) {
            Ok(()) => Ok(PromiseClaim {
                promise: self,
                own: self.state.own(),
                me,
                thread: PhantomData,
            }),
            Err(PromiseClaimError::Set) => Err(ClaimPromiseError::Set),
            Err(PromiseClaimError::Claimed(_)) if self.state.is_claimed_here(me, this_thread()) => {
                Err(ClaimPromiseError::OwnClaim)
            }
            Err(PromiseClaimError::Claimed(tag)) => Err(ClaimPromiseError::Claimed {
                holder: self.holder(tag, me),
            }),
            Err(PromiseClaimError::Corrupt(word)) => {
                Err(Fault::corrupt(Kind::Promise, word).into())
            }
            Err(PromiseClaimError::MembershipLost) => Err(self.state.membership_lost(me).into()),
        }
    }

    /// Claims the promise and sets its value; never blocks.
    ///
    /// # Errors
    ///
    /// [`ClaimPromiseError`], with nothing set.
    pub fn set(&self, value: T) -> Result<&T, ClaimPromiseError> {
        let set = self.claim()?.set(value);
        set.map_err(ClaimPromiseError::Fault)
    }

    /// Returns the value; if no process has claimed the promise, claims it and sets it to what
    /// `init` returns. Blocks while another live process, or another thread, has the claim, and
    /// claims it after that if it has not set the value.
    ///
    /// If `init` panics, the claim is given back. If this process is killed in `init`, the next
    /// waiter for the claim calls its own.
    ///
    /// # Errors
    ///
    /// [`PromiseError::OwnClaim`] if this thread has the claim, and [`PromiseError::Fault`].
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> Result<&T, PromiseError> {
        loop {
            if let Some(value) = self.get() {
                return Ok(value);
            }
            match self.claim() {
                Ok(claim) => return Ok(claim.set(init())?),
                Err(ClaimPromiseError::Set) => {}
                Err(ClaimPromiseError::OwnClaim) => return Err(PromiseError::OwnClaim),
                Err(ClaimPromiseError::Fault(fault)) => return Err(fault.into()),
                Err(ClaimPromiseError::Claimed { .. }) => {
                    let waited = self.outcome(true, &Deadline::never());
                    waited.map_err(PromiseTimeoutError::without_deadline)?;
                }
            }
        }
    }

    /// Blocks until the value is set, and returns it.
    ///
    /// # Errors
    ///
    /// [`PromiseError::Abandoned`] if a claimer died since the call and no other process has set
    /// the value yet, or if one died before and no process has claimed the promise since;
    /// [`PromiseError::OwnClaim`] if this thread has the claim, and [`PromiseError::Fault`].
    pub fn wait(&self) -> Result<&T, PromiseError> {
        self.wait_until(&Deadline::never())
            .map_err(PromiseTimeoutError::without_deadline)
    }

    /// Blocks as [`wait`](Self::wait) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`PromiseTimeoutError::Timeout`] if the value was not set until then;
    /// [`PromiseTimeoutError::Promise`] as [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: impl Into<Deadline>) -> Result<&T, PromiseTimeoutError> {
        self.wait_until(&timeout.into())
    }

    /// Returns the participant that has the claim, alive or dead. Never blocks. The answer may be
    /// stale when it is returned.
    pub fn claimer(&self) -> Option<Holder> {
        let me = self.state.tag_if_possible()?;
        let participants = self.state.liveness(me).participants();
        match self.state.load().status(participants) {
            PromiseStatus::Claimed(tag) => Some(self.holder(tag, me)),
            _ => None,
        }
    }

    fn wait_until(&self, deadline: &Deadline) -> Result<&T, PromiseTimeoutError> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match self.outcome(false, deadline)? {
            PromiseOutcome::Set => {}
            PromiseOutcome::Abandoned | PromiseOutcome::Unclaimed => {
                return Err(PromiseError::Abandoned.into());
            }
        }
        // SAFETY: as in `get`: it is set.
        Ok(unsafe { self.value.as_ref() })
    }

    #[cold]
    fn outcome(
        &self,
        claims: bool,
        deadline: &Deadline,
    ) -> Result<PromiseOutcome, PromiseTimeoutError> {
        let from = self.state.load();
        let me = self.me().map_err(PromiseError::from)?;
        if self.state.is_claimed_here(me, this_thread()) {
            return Err(PromiseError::OwnClaim.into());
        }
        let (others, mode) = (
            self.state.liveness(me),
            WaitMode::new(Pace::Adaptive, &self.waits[0]),
        );
        let waited = self.state.wait(from, claims, &others, deadline, mode);
        waited.map_err(|error| match error {
            EventWaitError::TimedOut => PromiseTimeoutError::Timeout,
            EventWaitError::MembershipLost => {
                PromiseError::from(self.state.membership_lost(me)).into()
            }
            EventWaitError::Corrupt | EventWaitError::Disconnected => {
                let fault = Fault::corrupt(Kind::Promise, self.state.load().0);
                PromiseError::from(fault).into()
            }
        })
    }

    fn holder(&self, tag: Tag, me: Tag) -> Holder {
        Holder::of(tag, me, &self.state)
    }

    fn me(&self) -> Result<Tag, MembershipError> {
        use_events([self.state.waiters()]);
        self.state.tag()
    }
}

impl<'a, T> PromiseClaim<'a, T> {
    /// Sets the value, wakes all waiters, and returns the value in its place.
    ///
    /// # Errors
    ///
    /// [`Fault`] if this process was taken for dead, so that the claim is not its own any more, or
    /// is a forked child of the claimer. Nothing is set then.
    pub fn set(self, value: T) -> Result<&'a T, Fault> {
        let (promise, me) = (self.promise, self.me);
        if self.is_own() && promise.state.is_claimed_by(me) {
            // SAFETY: Invariant 1 of `Promise`; this process has the claim, so no other one
            // accesses the value until it is set.
            unsafe { promise.value.write(value) };
            if promise.state.end_claim(me, true) {
                // SAFETY: as above; it is set, and not written any more.
                return Ok(unsafe { promise.value.as_ref() });
            }
        }
        Err(promise.state.membership_lost(me).into())
    }

    /// False in a forked child, to which this is its parent's claim.
    fn is_own(&self) -> bool {
        self.own.current() == Some(self.me)
    }
}

impl<T> Drop for PromiseClaim<'_, T> {
    fn drop(&mut self) {
        // Nothing, once the value is set.
        if self.is_own() {
            self.promise.state.end_claim(self.me, false);
        }
    }
}

debug!([T] PromiseClaim<'_, T>);

errors! {
    /// Why a promise was not claimed: the error of [`Promise::claim`] and [`Promise::set`].
    pub enum ClaimPromiseError {
        /// The value is set already.
        Set => "the value of the promise is set already",
        /// A live participant has the claim.
        Claimed {
            /// The participant. It may have given the claim back since.
            holder: Holder
        } => "{holder} has claimed the promise",
        /// This thread has the claim.
        OwnClaim => "this thread has claimed the promise itself",
    }

    /// Why a promise has no value: the error of [`Promise::wait`] and [`Promise::get_or_init`].
    pub enum PromiseError {
        /// The process that had claimed the promise died before it set the value. Another one may
        /// claim it.
        Abandoned => "the process that had claimed the promise died before it set the value",
        /// This thread has the claim, and would wait for itself.
        OwnClaim => "this thread has claimed the promise, and would wait for itself",
    }
}

errors_around! {
    /// The error of [`Promise::wait_timeout`].
    pub enum PromiseTimeoutError {
        /// The timeout passed, and the value was not set.
        Timeout => "the value of the promise was not set at the deadline",
        /// The error of the operation that blocks.
        else Promise(PromiseError)
    }
}

impl PromiseTimeoutError {
    /// The error of a wait without a deadline.
    fn without_deadline(self) -> PromiseError {
        match self {
            Self::Promise(error) => error,
            Self::Timeout => PromiseError::Abandoned,
        }
    }
}

impl<T> Source for Promise<T> {
    fn is_ready(&self) -> bool {
        self.is_ready_since(self.state.load().0)
    }

    fn is_ready_since(&self, mark: u64) -> bool {
        let now = self.state.load();
        now.is_set() || now.is_abandoned_since(PromiseWord(mark))
    }

    fn event(&self) -> &EventCount {
        self.state.waiters()
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(&self.waits[1])
    }

    /// All are woken.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.state.liveness(me);
        self.state.reap_dead(&others);
        NotMember::unless(others.is_member(), me)
    }
}

impl<T> waitable::HasSource for Promise<T> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::since(self, self.state.load().0)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.state.lost(why)
    }
}

impl<T> Waitable for Promise<T> {}

impl<T> Clone for Promise<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            value: self.value,
            waits: Default::default(),
        }
    }
}

debug!(
    /// Never blocks, and does not show the value.
    [T] Promise<T>, |this| { set: this.state.load().is_set(), .. }
);

impl<T: Payload + Pod> Placeable for Promise<T> {
    type Config = ();

    const KIND: Kind = Kind::Promise;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let len = value_offset::<T>().checked_add(shape_of::<T>()?.size())?;
        (config == [0; 4]).then_some(len)
    }

    fn attach(entry: Entry) -> Option<Self> {
        let state: EntryRef<PromiseState> = EntryRef::new(entry)?;
        // INVARIANT: 1, checked by `payload`; `T` is Pod.
        let value = state.payload::<T>(value_offset::<T>())?;
        use_events([state.waiters()]);
        Some(Self {
            state,
            value,
            waits: Default::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
