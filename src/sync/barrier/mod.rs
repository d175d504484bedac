//! The barrier.

mod attach;
mod error;
mod options;
mod party;

use std::ptr::NonNull;

pub use error::{BarrierError, BarrierTimeoutError};
pub use options::{BarrierOptions, OnDeath};
pub use party::Party;

use crate::Deadline;
use crate::algorithm::barrier::{Arrival, Barrier as Raw, BarrierState};
use crate::facade::{AtomicU32, AtomicU64, Ordering, Pace, WaitHistory};
use crate::format::Kind;
use crate::participant::{Liveness, Tag};
use crate::segment::{EntryRef, Fault, MembershipError};
use crate::wait::WaitMode;
use crate::wait::event_count::use_events;
use crate::wait::on_event::{EventWaitError, TryError};

/// A point that processes pass together: none goes on before as many as it was created for have
/// arrived. The time steps of a simulation, the rounds of an exchange.
///
/// As [`std::sync::Barrier`], and any party may be killed. A process that is killed while it waits
/// here breaks the barrier: the others get [`BarrierError::Broken`] instead of waiting forever. So
/// does a [`Party`] wherever it is killed, also before it arrives, which is why processes that
/// come back step after step [`register`](Self::register). With [`OnDeath::Shrink`] the barrier
/// goes on without the dead one. A process that is killed before it waits and is no party is not
/// known to the barrier, and the others wait: the process that started it can
/// [`abort`](Self::abort).
///
/// A death is noticed by the waiters themselves, within twice the time that they have waited and a
/// second at most, or at once with a [`Monitor`](crate::segment::Monitor). No timeout decides that
/// a process is dead, so a stopped party is waited for.
///
/// All waiters of a step are told the same: it is either released or broken, however late one of
/// them looks. What each did before it arrived is seen by all after the wait. A broken barrier
/// stays so until [`reset`](Self::reset).
///
/// Waiters spin for some microseconds and then sleep. Arriving and leaving are two atomic
/// instructions, and the last to arrive looks at the places of all.
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, sync::Barrier};
///
/// let segment = Segment::anonymous()?;
/// let step = segment.create::<Barrier>("step", 2)?;
/// let other = std::thread::spawn({
///     let step = step.clone();
///     move || step.wait()
/// });
/// let mine = step.wait()?;
/// let others = other.join().unwrap()?;
/// assert!(mine.is_leader() != others.is_leader());
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// Parties that are known before they arrive:
///
/// ```
/// use crossdock::Segment;
/// use crossdock::sync::{Barrier, BarrierOptions, OnDeath};
///
/// let segment = Segment::anonymous()?;
/// let options = BarrierOptions::new(2).on_death(OnDeath::Shrink);
/// let step = segment.create::<Barrier>("step", options)?;
/// let (mut first, second) = (step.register()?, step.register()?);
/// drop(second);
/// assert!(first.wait()?.is_leader());
/// assert_eq!(step.parties(), 1);
/// # Ok::<(), crossdock::Error>(())
/// ```
pub struct Barrier {
    state: EntryRef<BarrierState>,
    /// Invariant 1: the words of the seats are mapped there, as long as `state`.
    seats: NonNull<[AtomicU64]>,
    shrinks: bool,
    /// The seat to try first: a hint.
    next: AtomicU32,
    waits: WaitHistory,
}

// SAFETY: the seats are atomics, reachable from any thread; the rest is Send + Sync.
unsafe impl Send for Barrier {}
// SAFETY: as above.
unsafe impl Sync for Barrier {}

/// No seat was found yet.
const NOWHERE: u32 = u32::MAX;

/// What a process is told that was released: whether it is the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Returns whether this process is the leader: one waiter of each step is, unless it was killed
    /// before it could learn it.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// Arrives, and blocks until all parties have.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`] if the barrier is broken, or breaks before all have arrived;
    /// [`BarrierError::Full`] if as many processes and threads wait already, or are registered, as
    /// the barrier has places; [`BarrierError::Fault`].
    #[inline]
    pub fn wait(&self) -> Result<BarrierWaitResult, BarrierError> {
        match self.wait_until(&Deadline::never()) {
            Ok(result) => Ok(result),
            Err(error) => Err(without_deadline(error)),
        }
    }

    /// Arrives, and blocks until all parties have, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// If the timeout passes, the barrier breaks, for all.
    ///
    /// # Errors
    ///
    /// [`BarrierTimeoutError::Timeout`] if not all had arrived at the end;
    /// [`BarrierTimeoutError::Barrier`] as [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use crossdock::Segment;
    /// use crossdock::sync::{Barrier, BarrierTimeoutError};
    ///
    /// let step = Segment::anonymous()?.create::<Barrier>("step", 2)?;
    /// let waited = step.wait_timeout(Duration::from_millis(5));
    /// assert_eq!(waited, Err(BarrierTimeoutError::Timeout));
    /// assert!(step.is_broken());
    /// step.reset()?;
    /// assert!(!step.is_broken());
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn wait_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<BarrierWaitResult, BarrierTimeoutError> {
        self.wait_until(&timeout.into())
    }

    /// Takes a place of the barrier for this process, as a party whose death counts wherever it is;
    /// never blocks.
    ///
    /// A process that registers in the middle of a step is waited for in that step.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Full`] if all places are taken; [`BarrierError::Fault`].
    pub fn register(&self) -> Result<Party<'_>, BarrierError> {
        let me = self.me()?;
        let registered = self.raw().register(self.next(me), &self.liveness(me));
        match registered {
            Ok(index) => Ok(Party::new(self, index, me)),
            Err(error) => Err(self.not_arrived(error, me)),
        }
    }

    /// Breaks the barrier, for all that wait and all that arrive, until a [`reset`](Self::reset).
    /// Never blocks.
    pub fn abort(&self) {
        self.raw().state.abort();
    }

    /// Begins anew: the barrier is not broken any more, and has as many parties as it was created
    /// with. Never blocks.
    ///
    /// All that wait get [`BarrierError::Broken`]. Parties that are registered stay so. Dead
    /// participants are reaped first.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn reset(&self) -> Result<(), Fault> {
        let me = self.me()?;
        self.liveness(me).reap(true);
        self.raw().reset();
        Ok(())
    }

    /// Returns whether the barrier is broken. The answer may be stale when it is returned.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.raw().state.phase().is_broken()
    }

    /// Returns the number of processes and threads that wait at the barrier; it may be stale.
    pub fn n_waiting(&self) -> u32 {
        u32::try_from(self.raw().n_waiting()).unwrap_or(u32::MAX)
    }

    /// Returns the number of parties that the barrier waits for: as many as it was created with,
    /// unless it has shrunk since. It may be stale.
    pub fn parties(&self) -> u32 {
        u32::try_from(self.raw().parties()).unwrap_or(u32::MAX)
    }

    #[inline]
    fn wait_until(&self, deadline: &Deadline) -> Result<BarrierWaitResult, BarrierTimeoutError> {
        let me = self.me()?;
        let arrived = self.raw().arrive(self.next(me), &self.liveness(me));
        match arrived {
            Ok(arrival) => {
                let next = u32::try_from(arrival.index).unwrap_or(NOWHERE);
                // ORDERING: Relaxed; a hint.
                self.next.store(next, Ordering::Relaxed);
                self.finish(arrival, me, deadline)
            }
            Err(error) => Err(self.not_arrived(error, me).into()),
        }
    }

    /// Waits for the others after an arrival.
    #[inline]
    fn finish(
        &self,
        arrival: Arrival,
        me: Tag,
        deadline: &Deadline,
    ) -> Result<BarrierWaitResult, BarrierTimeoutError> {
        let mode = WaitMode::new(Pace::Adaptive, &self.waits);
        let waited = self
            .raw()
            .wait(arrival, me, &self.liveness(me), deadline, mode);
        match waited {
            Ok(leads) => Ok(BarrierWaitResult(leads)),
            Err(EventWaitError::TimedOut) => Err(BarrierTimeoutError::Timeout),
            Err(EventWaitError::Disconnected) => Err(BarrierError::Broken.into()),
            Err(EventWaitError::Corrupt) => Err(self.corrupt(me).into()),
            Err(EventWaitError::MembershipLost) => Err(self.state.membership_lost(me).into()),
        }
    }

    #[cold]
    fn not_arrived(&self, error: TryError, me: Tag) -> BarrierError {
        match error {
            TryError::Disconnected => BarrierError::Broken,
            TryError::Busy | TryError::WouldBlock => BarrierError::Full {
                parties: self.parties(),
            },
            TryError::Corrupt => self.corrupt(me).into(),
            TryError::MembershipLost => self.state.membership_lost(me).into(),
        }
    }

    #[cold]
    fn corrupt(&self, me: Tag) -> Fault {
        let participants = self.liveness(me).participants();
        let seat = self.raw().corrupt_seat(participants);
        Fault::corrupt(Kind::Barrier, seat.unwrap_or(0))
    }

    /// The seat to try first. Handles begin at places that their participants' indexes spread over
    /// the table.
    fn next(&self, me: Tag) -> usize {
        // ORDERING: Relaxed; a hint.
        match self.next.load(Ordering::Relaxed) {
            NOWHERE => me.index() as usize % self.seats.len(),
            next => next as usize,
        }
    }

    #[inline]
    fn me(&self) -> Result<Tag, MembershipError> {
        match self.state.own().current() {
            Some(me) => Ok(me),
            None => self.join(),
        }
    }

    #[cold]
    fn join(&self) -> Result<Tag, MembershipError> {
        use_events([self.state.waiters()]);
        self.state.tag()
    }

    #[inline]
    fn liveness(&self, me: Tag) -> impl Liveness + '_ {
        self.state.liveness(me)
    }

    #[inline]
    fn raw(&self) -> Raw<'_> {
        Raw {
            state: &self.state,
            // SAFETY: Invariant 1, and atomics may be shared.
            seats: unsafe { self.seats.as_ref() },
            shrinks: self.shrinks,
        }
    }
}

/// The error of a wait without a deadline.
#[cold]
fn without_deadline(error: BarrierTimeoutError) -> BarrierError {
    match error {
        BarrierTimeoutError::Barrier(error) => error,
        // There is no deadline.
        BarrierTimeoutError::Timeout => BarrierError::Broken,
    }
}

impl Clone for Barrier {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            seats: self.seats,
            shrinks: self.shrinks,
            next: AtomicU32::new(NOWHERE),
            waits: WaitHistory::default(),
        }
    }
}

debug!(
    /// Never blocks.
    Barrier, |this| {
        parties: this.parties(),
        n_waiting: this.n_waiting(),
        broken: this.is_broken(),
        ..
    }
);
