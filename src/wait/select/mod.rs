//! Waiting for several sources at once, each of which has an event count.
//!
//! # State
//!
//! None of its own: the words of the [event count](crate::wait::event_count)s.
//!
//! # Protocol
//!
//! - Check each source, from the first to the last: the first that is ready is the answer.
//! - Otherwise spin some microseconds. Then, until one is ready: reap the dead that each source
//!   waits for, announce a sleeper at all event counts, one heavy barrier, check each source once
//!   more, sleep on all words for a slice.
//! - A waiter that has announced itself passes on the wakes that it owes: it notifies the event
//!   count of each source that is ready and that has other waiters. A notification wakes one, and
//!   this waiter leaves: perhaps it takes something else, or nothing. It may have been woken by
//!   several event counts at once, so all ready sources count, not the answer only. A waiter that
//!   announced itself and did not sleep owes nothing: a sleeper that checked before WAITERS was
//!   cleared does not sleep in the next generation.
//!
//! The kernel takes 128 words at a time. Of more, each slice sleeps on the next 128.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before it announces itself | nothing | - |
//! | announced or asleep | WAITERS in each event count | the next notifier of each, which wakes none and clears it |
//! | announced or woken, before it has passed on | wakes that others needed | they, when their slices end |
//!
//! A waiter that is stopped there delays others by their slices. Notifiers wait for no waiter.
//!
//! # Ordering
//!
//! That of the [event count](crate::wait::event_count), for each: one barrier stands between all
//! announcements and all last checks.
//!
//! # Trade-offs
//!
//! An event count for each set that a waiter waits for, registered at each source (as in select of
//! Go and of crossbeam), needs memory for the sets and a list at each source from which the dead
//! must be removed. Here a source knows neither its waiters nor what else they wait for.

use core::time::Duration;

use crate::facade::{Deadline, Futex, Pace, WaitHistory, mutation};
use crate::participant::Tag;
use crate::wait::event_count::{EventCount, WaitKey, waiter_barrier};
use crate::wait::on_event::longest;
use crate::wait::{
    AT_ONCE, LONGEST_UNTOLD, SleepOn, Step, Stepped, WaitError, WaitMode, WaitOp, block_on,
};

/// By how much the time until a source becomes ready differs if it was learned anew.
const TICK: Duration = Duration::from_millis(3);

/// A source of something to wait for.
pub(crate) trait Source {
    /// Returns whether an operation on it would return at once.
    fn is_ready(&self) -> bool;

    /// As [`is_ready`](Self::is_ready), for a wait that began when the source had this mark.
    fn is_ready_since(&self, _mark: u64) -> bool {
        self.is_ready()
    }

    /// The event count that is notified when it may have become ready.
    fn event(&self) -> &EventCount;

    /// The record of its handle's waits for several sources.
    fn history(&self) -> Option<&WaitHistory> {
        None
    }

    /// The progress of its handle: how much it has received.
    fn progress(&self) -> u64 {
        0
    }

    /// The time until it may become ready without a notification.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// The longest slice of a waiter for it.
    fn longest(&self) -> Duration {
        longest()
    }

    /// Returns whether others sleep by the same event count.
    fn is_shared(&self) -> bool;

    /// Reaps the processes that could make it ready. It is ready if their death is what its
    /// operations return. Fails if this process is not a participant any more.
    fn reap_dead(&self) -> Result<(), NotMember>;
}

/// This process is not the participant that it was, or could not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotMember {
    /// The tag by which it asked. Another thread may have joined anew since.
    pub(crate) was: Option<Tag>,
}

impl NotMember {
    /// It could not join.
    pub(crate) const UNJOINED: Self = Self { was: None };

    /// Fails unless this process still is the participant `me`, as `is_member` says.
    pub(crate) fn unless(is_member: bool, me: Tag) -> Result<(), Self> {
        let was = Some(me);
        if is_member { Ok(()) } else { Err(Self { was }) }
    }
}

/// A source, and its mark when a wait for it began; for public traits that only this crate can use.
pub struct SourceRef<'a> {
    source: &'a dyn Source,
    mark: u64,
}

impl<'a> SourceRef<'a> {
    /// A source that is ready or not, whenever it is asked.
    pub(crate) fn of(source: &'a dyn Source) -> Self {
        Self::since(source, 0)
    }

    /// A source that was ready if it has another mark now.
    pub(crate) fn since(source: &'a dyn Source, mark: u64) -> Self {
        Self { source, mark }
    }
}

impl Source for SourceRef<'_> {
    fn is_ready(&self) -> bool {
        self.source.is_ready_since(self.mark)
    }
    fn event(&self) -> &EventCount {
        self.source.event()
    }
    fn history(&self) -> Option<&WaitHistory> {
        self.source.history()
    }
    fn progress(&self) -> u64 {
        self.source.progress()
    }
    fn due(&self) -> Option<Duration> {
        self.source.due()
    }
    fn longest(&self) -> Duration {
        self.source.longest()
    }
    fn is_shared(&self) -> bool {
        self.source.is_shared()
    }
    fn reap_dead(&self) -> Result<(), NotMember> {
        self.source.reap_dead()
    }
}

/// The outcome of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The source at this index is ready, and none before it.
    Ready(usize),
    /// The deadline passed while none was ready.
    TimedOut,
    /// This process is not a participant of the segment of the source at this index any more.
    MembershipLost(usize, NotMember),
}

impl From<WaitError> for Waited {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            // Each source is asked for itself.
            WaitError::MembershipLost => Self::MembershipLost(0, NotMember::UNJOINED),
        }
    }
}

/// Blocks until one of the sources is ready; there must be one at least.
pub(crate) fn wait<S: Source + ?Sized>(sources: &[&S], deadline: &Deadline) -> Waited {
    let mut any = AnySource {
        sources,
        keys: [None; AT_ONCE],
        words: [(sources[0].event().word(), 0); AT_ONCE],
        window: 0,
        announced: false,
    };
    let mode = match sources[0].history() {
        Some(history) => WaitMode::new(Pace::Adaptive, history),
        None => Pace::Adaptive.into(),
    };
    match block_on(&mut any, deadline, mode) {
        Ok(ready) => Waited::Ready(ready),
        Err(waited) => waited,
    }
}

/// The first of several sources that is ready.
struct AnySource<'a, S: ?Sized> {
    sources: &'a [&'a S],
    /// The sources that are slept on, and their words.
    keys: [Option<WaitKey<'a>>; AT_ONCE],
    words: [(&'a Futex, u32); AT_ONCE],
    /// The first of the sources that are slept on next.
    window: usize,
    /// Whether this waiter has announced itself.
    announced: bool,
}

impl<S: Source + ?Sized> WaitOp for AnySource<'_, S> {
    type Output = usize;
    type Error = Waited;

    fn attempt(&mut self) -> Stepped<Self> {
        let ready = look(self.sources, self.announced);
        Ok(ready.map_or(Step::Blocked, Step::Done))
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        if mutation(96) {
            return Ok(Step::Blocked);
        }
        for (index, source) in self.sources.iter().enumerate() {
            let reaped = source.reap_dead();
            reaped.map_err(|why| Waited::MembershipLost(index, why))?;
        }
        Ok(Step::Blocked)
    }

    const REAPS_FIRST: bool = false;

    /// Each source answers this when the dead are reaped.
    fn is_member(&self) -> bool {
        true
    }

    fn progress(&self) -> u64 {
        let each = self.sources.iter().map(|source| source.progress());
        each.fold(0, u64::wrapping_add)
    }

    fn longest(&self) -> Duration {
        if self.sources.len() > AT_ONCE {
            LONGEST_UNTOLD
        } else {
            let each = self.sources.iter().map(|source| source.longest());
            each.min().unwrap_or_else(longest)
        }
    }

    fn due(&self) -> Option<Duration> {
        self.sources.iter().filter_map(|source| source.due()).min()
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let sources = self.sources;
        let due = self.due();
        let (mut count, mut needs_barrier) = (0, false);
        let from = sources[self.window..].iter().chain(&sources[..self.window]);
        for source in from.take(if mutation(94) { 1 } else { sources.len() }) {
            let keys = source.event().prepare_wait();
            needs_barrier |= keys.needs_barrier;
            if count < AT_ONCE {
                self.keys[count] = Some(keys);
                count += 1;
            }
        }
        let keys = self.keys[..count].iter().flatten().copied();
        if !mutation(92) {
            waiter_barrier(needs_barrier, keys.clone());
        }
        if !mutation(93) && sources.iter().any(|source| source.is_ready()) {
            return None;
        }
        // The slice was chosen before a source learned that it may become ready by itself.
        let is_earlier = |now: Duration| due.is_none_or(|before| now + TICK < before);
        if self.due().is_some_and(is_earlier) {
            return None;
        }
        for (word, keys) in self.words.iter_mut().zip(keys) {
            *word = keys.on();
        }
        self.window = (self.window + AT_ONCE) % sources.len();
        self.announced = true;
        Some(SleepOn::Any(
            &self.words[..if mutation(95) { 1 } else { count }],
        ))
    }

    /// The dead have been reaped since the last attempt.
    fn timed_out(&mut self) -> Result<usize, Waited> {
        look(self.sources, self.announced).ok_or(Waited::TimedOut)
    }
}

/// Returns the first ready source. A waiter that has `announced` itself passes on the wakes that it
/// owes.
fn look<S: Source + ?Sized>(sources: &[&S], announced: bool) -> Option<usize> {
    let first = sources.iter().position(|source| source.is_ready())?;
    if announced && !mutation(90) {
        let rest = if mutation(91) {
            first + 1
        } else {
            sources.len()
        };
        for source in &sources[first..rest] {
            if source.is_shared() && source.is_ready() {
                source.event().notify();
            }
        }
    }
    Some(first)
}

#[cfg(test)]
pub(crate) mod tests;
