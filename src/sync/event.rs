//! The event.

use crate::Deadline;
use crate::algorithm::event::{EventState, Sets};
use crate::facade::{Pace, WaitHistory};
use crate::format::{Kind, PayloadShape};
use crate::participant::{Liveness, Tag};
use crate::segment::fault::errors;
use crate::segment::{
    Bytes, Entry, EntryRef, Fault, MembershipError, Placeable, Waitable, waitable,
};
use crate::wait::WaitMode;
use crate::wait::event_count::{EventCount, use_events};
use crate::wait::on_event::EventWaitError;
use crate::wait::select::{NotMember, Source, SourceRef};

/// A flag that processes set, clear and wait for: "the data is loaded", "stop".
///
/// [`set`](Self::set) wakes all waiters. A set that is cleared at once is not missed by a waiter: a
/// wait is over when the event is set, or was set since the wait began. A wait that begins after
/// the clear waits for the next set.
///
/// Setting and clearing are one atomic instruction each, and no system call unless a process
/// sleeps. A process that reads that the event is set sees all that its setter wrote before. No
/// operation holds anything: a process that is killed has set the event or has not, and waiters are
/// woken by the next set, or after as long as they have slept and a second at most.
///
/// An event cannot tell a waiter that no process is left to set it.
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, sync::Event};
///
/// let segment = Segment::anonymous()?;
/// let ready = segment.create::<Event>("ready", false)?;
/// let waiter = std::thread::spawn({
///     let ready = ready.clone();
///     move || ready.wait()
/// });
/// assert!(ready.set());
/// waiter.join().unwrap()?;
/// assert!(ready.is_set());
/// # Ok::<(), crossdock::Error>(())
/// ```
pub struct Event {
    state: EntryRef<EventState>,
    /// The history of waits for it, and for several sources.
    waits: [WaitHistory; 2],
}

impl Event {
    /// Sets the event, and wakes all waiters. Returns whether it was clear.
    ///
    /// Never blocks. What this process wrote before is seen by a process that finds the event set,
    /// also if it was set already.
    #[inline]
    #[doc(alias = "notify_all")]
    pub fn set(&self) -> bool {
        self.state.set()
    }

    /// Clears the event. Returns whether it was set. Never blocks.
    #[inline]
    pub fn clear(&self) -> bool {
        self.state.clear()
    }

    /// Returns whether the event is set. Never blocks. The answer may be stale when it is returned.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.state.load().is_set()
    }

    /// Blocks until the event is set, or was set since the call.
    ///
    /// Returns at once if it is set. It may be clear again when this returns.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    #[inline]
    pub fn wait(&self) -> Result<(), Fault> {
        let from = self.state.load();
        if from.is_set() {
            return Ok(());
        }
        match self.wait_from(from, &Deadline::never()) {
            // There is no deadline.
            Ok(()) | Err(EventTimeoutError::Timeout) => Ok(()),
            Err(EventTimeoutError::Fault(fault)) => Err(fault),
        }
    }

    /// Blocks as [`wait`](Self::wait) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`EventTimeoutError::Timeout`] if the event was not set until then;
    /// [`EventTimeoutError::Fault`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use crossdock::Segment;
    /// use crossdock::sync::{Event, EventTimeoutError};
    ///
    /// let stop = Segment::anonymous()?.create::<Event>("stop", false)?;
    /// let waited = stop.wait_timeout(Duration::from_millis(5));
    /// assert_eq!(waited, Err(EventTimeoutError::Timeout));
    /// stop.set();
    /// stop.wait_timeout(Duration::from_millis(5))?;
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn wait_timeout(&self, timeout: impl Into<Deadline>) -> Result<(), EventTimeoutError> {
        let from = self.state.load();
        if from.is_set() {
            return Ok(());
        }
        self.wait_from(from, &timeout.into())
    }

    #[cold]
    fn wait_from(&self, from: Sets, deadline: &Deadline) -> Result<(), EventTimeoutError> {
        let me = self.me()?;
        let (others, mode) = (
            self.state.liveness(me),
            WaitMode::new(Pace::Adaptive, &self.waits[0]),
        );
        let waited = self.state.wait(from, &others, deadline, mode);
        waited.map_err(|error| match error {
            EventWaitError::TimedOut => EventTimeoutError::Timeout,
            EventWaitError::MembershipLost => self.state.membership_lost(me).into(),
            // No word of an event is impossible.
            EventWaitError::Corrupt | EventWaitError::Disconnected => {
                Fault::corrupt(Kind::Event, from.0).into()
            }
        })
    }

    fn me(&self) -> Result<Tag, MembershipError> {
        use_events([self.state.waiters()]);
        self.state.tag()
    }
}

errors! {
    /// The error of [`Event::wait_timeout`].
    pub enum EventTimeoutError {
        /// The timeout passed, and the event was not set.
        Timeout => "the event was not set at the deadline",
    }
}

impl Source for Event {
    fn is_ready(&self) -> bool {
        self.is_set()
    }

    fn is_ready_since(&self, mark: u64) -> bool {
        self.state.load().has_come_since(Sets(mark))
    }

    fn event(&self) -> &EventCount {
        self.state.waiters()
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(&self.waits[1])
    }

    fn progress(&self) -> u64 {
        self.state.load().0
    }

    /// A set wakes all.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.state.liveness(me);
        others.reap(false);
        NotMember::unless(others.is_member(), me)
    }
}

impl waitable::HasSource for Event {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::since(self, self.state.load().0)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.state.lost(why)
    }
}

impl Waitable for Event {}

impl Clone for Event {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            waits: Default::default(),
        }
    }
}

debug!(
    /// Never blocks.
    Event, |this| { set: this.is_set(), .. }
);

impl Placeable for Event {
    /// Whether it is set at first.
    type Config = bool;

    const KIND: Kind = Kind::Event;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        (config == [0; 4]).then_some(size_of::<EventState>() as u64)
    }

    fn prepare(bytes: &Bytes<'_>, is_set: bool) {
        if let Some(state) = bytes.state::<EventState>() {
            state.prepare(is_set);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        let state: EntryRef<EventState> = EntryRef::new(entry)?;
        use_events([state.waiters()]);
        Some(Self {
            state,
            waits: Default::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
