//! Waiting for several things at once, of which each has an event count.
//!
//! # State
//!
//! None of its own: the words of the [event count](crate::wait::event_count)s.
//!
//! # Protocol
//!
//! - Look at each, from the first to the last: the first that is ready is the answer.
//! - Otherwise spin some microseconds. Then, until one is ready: look after the dead that each
//!   waits for, arm all event counts, one heavy barrier, look at each once more, sleep on all words
//!   for a slice.
//! - One that has armed the event counts hands on what wakes it owes: it rings the event count of
//!   each that is ready and that others sleep by as well. Ringing wakes one, and this one goes away
//!   to do what it likes: perhaps it takes something else, or nothing. It may have been woken by
//!   several event counts at once, so all that are ready count, and not the answer only. One that
//!   armed event counts and did not sleep owes nothing: a sleeper that looked before an event count
//!   was disarmed does not sleep by its next generation.
//!
//! The kernel takes 128 words at a time. Of more, each slice sleeps on the next 128.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before it arms | nothing | - |
//! | armed or asleep | armed event counts | the next to ring each of them, who wakes nobody and disarms it |
//! | armed or woken, before it has handed on | wakes that others needed | they, when their slices end |
//!
//! One that is stopped there delays others by their slices. Those who ring wait for nobody.
//!
//! # Ordering
//!
//! That of [event count](crate::wait::event_count), for each: one barrier stands between all the
//! arming and all the last looks.
//!
//! # Trade-offs
//!
//! An event count for each set that somebody waits for, registered at each source (as in select of
//! Go and of crossbeam), needs memory for the sets and a list at each source that the dead have to
//! be removed from. Here a source does not know who waits for it, or for what else.

use core::time::Duration;

use crate::facade::{Deadline, Futex, Pace, WaitHistory, mutation};
use crate::wait::event_count::{EventCount, WaitKey, waiter_barrier};
use crate::wait::on_event::longest;
use crate::wait::{
    AT_ONCE, LONGEST_UNTOLD, SleepOn, Step, Stepped, WaitError, WaitMode, WaitOp, block_on,
};

/// Something to wait for.
pub(crate) trait Source {
    /// Whether an operation on it has something to do, or to say, at once.
    fn is_ready(&self) -> bool;

    /// What is rung when it may have become ready.
    fn event(&self) -> &EventCount;

    /// What its handle remembers of waits for several.
    fn history(&self) -> Option<&WaitHistory> {
        None
    }

    /// How far its handle has come: what it got counts.
    fn progress(&self) -> u64 {
        0
    }

    /// In what time it may become ready, though its event count is not rung.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Whether others sleep by the same event count.
    fn is_shared(&self) -> bool;

    /// Asks whether those that could make it ready live. It is ready if that is what its operations
    /// will say. False if this process is no participant any more.
    fn reap_dead(&self) -> bool;
}

/// A source, for traits that others can see and cannot use.
pub struct SourceRef<'a>(pub(crate) &'a dyn Source);

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// That one is ready, and none before it.
    Ready(usize),
    /// None is ready, and the deadline has passed.
    TimedOut,
    /// This process does not take part in the segment of that one any more.
    MembershipLost(usize),
}

impl From<WaitError> for Waited {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            // Each source is asked for itself.
            WaitError::MembershipLost => Self::MembershipLost(0),
        }
    }
}

/// Waits until one of the sources is ready; there is one at least.
pub(crate) fn wait<S: Source + ?Sized>(sources: &[&S], deadline: &Deadline) -> Waited {
    let mut any = Any {
        sources,
        armed: [None; AT_ONCE],
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
struct Any<'a, S: ?Sized> {
    sources: &'a [&'a S],
    /// Those that are slept on, and their words.
    armed: [Option<WaitKey<'a>>; AT_ONCE],
    words: [(&'a Futex, u32); AT_ONCE],
    /// The first source of those that are slept on next.
    window: usize,
    /// Whether this waiter has armed the event counts.
    announced: bool,
}

impl<S: Source + ?Sized> WaitOp for Any<'_, S> {
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
        let is_member = |source: &&S| source.reap_dead();
        match self.sources.iter().position(|source| !is_member(source)) {
            Some(index) => Err(Waited::MembershipLost(index)),
            None => Ok(Step::Blocked),
        }
    }

    const REAPS_FIRST: bool = false;

    /// Asked of each source when the dead are reaped.
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
            longest()
        }
    }

    fn due(&self) -> Option<Duration> {
        self.sources.iter().filter_map(|source| source.due()).min()
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let sources = self.sources;
        let (mut count, mut needs_barrier) = (0, false);
        let from = sources[self.window..].iter().chain(&sources[..self.window]);
        for source in from.take(if mutation(94) { 1 } else { sources.len() }) {
            let armed = source.event().prepare_wait();
            needs_barrier |= armed.needs_barrier;
            if count < AT_ONCE {
                self.armed[count] = Some(armed);
                count += 1;
            }
        }
        let armed = self.armed[..count].iter().flatten().copied();
        if !mutation(92) {
            waiter_barrier(needs_barrier, armed.clone());
        }
        if !mutation(93) && sources.iter().any(|source| source.is_ready()) {
            return None;
        }
        for (word, armed) in self.words.iter_mut().zip(armed) {
            *word = armed.on();
        }
        self.window = (self.window + AT_ONCE) % sources.len();
        self.announced = true;
        Some(SleepOn::Any(
            &self.words[..if mutation(95) { 1 } else { count }],
        ))
    }

    /// The dead have been looked after since the last attempt.
    fn timed_out(&mut self) -> Result<usize, Waited> {
        look(self.sources, self.announced).ok_or(Waited::TimedOut)
    }
}

/// The first that is ready. One that has `announced` itself hands on the wakes that it owes.
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
