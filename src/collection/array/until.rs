//! Waiting for the value of an element or of a counter.

use std::fmt;

use super::{Atomic, Element};
use crate::Deadline;
use crate::algorithm::element::wait::wait;
use crate::algorithm::region::SharedState;
use crate::facade::{Pace, WaitHistory};
use crate::format::Kind;
use crate::participant::{Liveness, Tag};
use crate::segment::fault::errors;
use crate::segment::{EntryRef, Fault, MembershipError, SegmentLiveness, Waitable, waitable};
use crate::wait::WaitMode;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::EventWaitError;
use crate::wait::select::{NotMember, Source, SourceRef};

/// The history of a handle's waits for a value, and for several sources.
#[derive(Default)]
pub(crate) struct Waits([WaitHistory; 2]);

/// The membership of an entry's handle, whatever its state is.
pub(crate) trait Member: Sync {
    fn tag(&self) -> Result<Tag, MembershipError>;
    fn liveness(&self, me: Tag) -> SegmentLiveness<'_>;
    fn membership_lost(&self, me: Tag) -> MembershipError;
    fn lost(&self, why: NotMember) -> Option<Fault>;
}

impl<S: SharedState> Member for EntryRef<S> {
    fn tag(&self) -> Result<Tag, MembershipError> {
        EntryRef::tag(self)
    }

    fn liveness(&self, me: Tag) -> SegmentLiveness<'_> {
        EntryRef::liveness(self, me)
    }

    fn membership_lost(&self, me: Tag) -> MembershipError {
        EntryRef::membership_lost(self, me)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        EntryRef::lost(self, why)
    }
}

/// A wait for a value of one [`Element`], made by
/// [`Counter::until`](crate::Counter::until) or
/// [`AtomicArray::until`](crate::AtomicArray::until). It does nothing until it is waited for.
///
/// In [`wait_any`](crate::queue::wait_any) it is ready while the condition holds.
///
/// # Examples
///
/// ```
/// use crossdock::queue::{Queue, wait_any};
/// use crossdock::{Counter, Segment};
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<Queue<u32>>("orders", 8)?;
/// let ready = segment.create::<Counter>("ready", 0)?;
/// ready.add_and_notify(5);
/// assert_eq!(wait_any(&[&orders, &ready.until(|n| n >= 5)]), Ok(1));
/// # Ok::<(), crossdock::Error>(())
/// ```
#[must_use = "it waits when it is told to"]
pub struct Until<'a, T: Atomic, F: Fn(T) -> bool> {
    pub(crate) element: &'a Element<T>,
    pub(crate) condition: F,
    pub(crate) waiters: &'a EventCount,
    pub(crate) member: &'a dyn Member,
    pub(crate) waits: &'a Waits,
}

impl<T: Atomic, F: Fn(T) -> bool> Until<'_, T, F> {
    /// Blocks until the condition holds; returns the value for which it did.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    #[inline]
    pub fn wait(&self) -> Result<T, Fault> {
        if let Some(value) = self.value() {
            return Ok(value);
        }
        match self.block(&Deadline::never()) {
            Ok(value) => Ok(value),
            Err(NumberTimeoutError::Fault(fault)) => Err(fault),
            // There is no deadline.
            Err(NumberTimeoutError::Timeout) => Ok(self.element.load()),
        }
    }

    /// Blocks as [`wait`](Self::wait) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`NumberTimeoutError::Timeout`] if the condition did not hold until then;
    /// [`NumberTimeoutError::Fault`].
    pub fn wait_timeout(&self, timeout: impl Into<Deadline>) -> Result<T, NumberTimeoutError> {
        match self.value() {
            Some(value) => Ok(value),
            None => self.block(&timeout.into()),
        }
    }

    #[inline]
    fn value(&self) -> Option<T> {
        let value = self.element.load();
        (self.condition)(value).then_some(value)
    }

    #[cold]
    fn block(&self, deadline: &Deadline) -> Result<T, NumberTimeoutError> {
        let me = self.member.tag()?;
        let (others, mode) = (
            self.member.liveness(me),
            WaitMode::new(Pace::Adaptive, &self.waits.0[0]),
        );
        let waited = wait(|| self.value(), self.waiters, &others, deadline, mode);
        waited.map_err(|error| match error {
            EventWaitError::TimedOut => NumberTimeoutError::Timeout,
            EventWaitError::MembershipLost => self.member.membership_lost(me).into(),
            // No value is impossible.
            EventWaitError::Corrupt | EventWaitError::Disconnected => {
                Fault::corrupt(Kind::AtomicArray, 0_u64).into()
            }
        })
    }
}

errors! {
    /// The error of a wait for a value that blocks no longer than a timeout:
    /// [`Counter::wait_until_timeout`](crate::Counter::wait_until_timeout),
    /// [`AtomicArray::wait_while_eq_timeout`](crate::AtomicArray::wait_while_eq_timeout),
    /// [`Until::wait_timeout`].
    pub enum NumberTimeoutError {
        /// The timeout passed, and the number had no such value.
        Timeout => "the number had no such value at the deadline",
    }
}

impl<T: Atomic, F: Fn(T) -> bool> Source for Until<'_, T, F> {
    fn is_ready(&self) -> bool {
        self.value().is_some()
    }

    fn event(&self) -> &EventCount {
        self.waiters
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(&self.waits.0[1])
    }

    /// A notification wakes all.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.member.tag().map_err(|_| NotMember::UNJOINED)?;
        let others = self.member.liveness(me);
        others.reap(false);
        NotMember::unless(others.is_member(), me)
    }
}

impl<T: Atomic, F: Fn(T) -> bool> waitable::HasSource for Until<'_, T, F> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.member.lost(why)
    }
}

impl<T: Atomic, F: Fn(T) -> bool> Waitable for Until<'_, T, F> {}

/// Never blocks.
impl<T: Atomic, F: Fn(T) -> bool> fmt::Debug for Until<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until")
            .field("value", self.element)
            .field("holds", &self.value().is_some())
            .finish_non_exhaustive()
    }
}
