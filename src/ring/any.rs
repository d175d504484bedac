//! Waiting for several things at once, of which each has a bell.
//!
//! # State
//!
//! None of its own: the words of the [`bell`](super::bell)s.
//!
//! # Protocol
//!
//! - Look at each, from the first to the last: the first that is ready is the answer.
//! - Otherwise spin some microseconds. Then, until one is ready: look after the dead that each waits for,
//!   arm all bells, one heavy barrier, look at each once more, sleep on all words for a slice.
//! - One that has armed the bells hands on what wakes it owes: it rings the bell of each that is
//!   ready and that others sleep by as well. Ringing wakes one, and this one goes away to do what it
//!   likes: perhaps it takes something else, or nothing. It may have been woken by several bells at
//!   once, so all that are ready count, and not the answer only. And it need not have slept: a bell
//!   that it armed may have been disarmed just before, for one that had looked already and was
//!   about to sleep, and now does.
//!
//! The kernel takes 128 words at a time. Of more, each slice sleeps on the next 128.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | before it arms | nothing | - |
//! | armed or asleep | armed bells | the next to ring each of them, who wakes nobody and disarms it |
//! | armed or woken, before it has handed on | wakes that others needed | they, when their slices end |
//!
//! One that is stopped there delays others by their slices. Those who ring wait for nobody.
//!
//! # Ordering
//!
//! That of [`bell`](super::bell), for each: one barrier stands between all the arming and all the last
//! looks.
//!
//! # Trade-offs
//!
//! A bell for each set that somebody waits for, registered at each source (as in select of Go and of
//! crossbeam), needs memory for the sets and a list at each source that the dead have to be removed
//! from. Here a source does not know who waits for it, or for what else.

use core::time::Duration;

use crate::facade::{Backoff, Deadline, Futex, Left, heavy_barrier, mutation};
use crate::ring::bell::{ARMED, Bell};

/// How long a waiter sleeps before it looks again: the first slice, and the longest.
const SLICES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(4));

/// How many words the kernel waits for at a time.
const AT_ONCE: usize = 128;

/// Something to wait for.
pub(crate) trait Source {
    /// Whether an operation on it has something to do, or to say, at once.
    fn is_ready(&self) -> bool;

    /// What is rung when it may have become ready.
    fn bell(&self) -> &Bell;

    /// Whether others sleep by the same bell.
    fn is_shared(&self) -> bool;

    /// Asks whether those that could make it ready live. It is ready if that is what its operations
    /// will say. False if this process is no participant any more.
    fn look_after_the_dead(&self) -> bool;
}

/// A source, for traits that others can see and cannot use.
pub struct Seen<'a>(pub(crate) &'a dyn Source);

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// That one is ready, and none before it.
    Ready(usize),
    /// None is ready, and the deadline has passed.
    Timeout,
    /// This process does not take part in the segment of that one any more.
    Expelled(usize),
}

/// Waits until one of the sources is ready; there is one at least.
pub(crate) fn wait<S: Source + ?Sized>(sources: &[&S], deadline: &Deadline) -> Waited {
    let mut backoff = Backoff::new();
    let mut slice = SLICES.0;
    let mut window = 0;
    let mut announced = false;
    loop {
        if let Some(ready) = look(sources, announced) {
            return Waited::Ready(ready);
        }
        if backoff.spin() {
            continue;
        }
        if !mutation(96) {
            let is_member = |source: &&S| source.look_after_the_dead();
            if let Some(index) = sources.iter().position(|source| !is_member(source)) {
                return Waited::Expelled(index);
            }
        }
        let sleep = match deadline.left() {
            Left::Forever => slice,
            Left::For(left) => slice.min(left),
            Left::Passed => {
                // The dead have been looked after since the last look.
                let ready = look(sources, announced);
                return ready.map_or(Waited::Timeout, Waited::Ready);
            }
        };
        let armed = if mutation(94) { 1 } else { sources.len() };
        for source in &sources[..armed] {
            source.bell().arm();
        }
        if !mutation(92) {
            heavy_barrier();
        }
        announced |= !mutation(98);
        if mutation(93) || !sources.iter().any(|source| source.is_ready()) {
            sleep_on(sources, window, sleep);
            window = (window + AT_ONCE) % sources.len();
            announced = true;
        }
        slice = (slice * 2).min(SLICES.1);
        backoff = Backoff::new();
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
                source.bell().ring();
            }
        }
    }
    Some(first)
}

/// Sleeps on the words from the one at `window` on, as many as can be at a time.
fn sleep_on<S: Source + ?Sized>(sources: &[&S], window: usize, slice: Duration) {
    let mut words = [(sources[window].bell().word(), ARMED); AT_ONCE];
    let from = sources[window..].iter().chain(&sources[..window]);
    for (word, source) in words.iter_mut().zip(from) {
        word.0 = source.bell().word();
    }
    let count = if mutation(95) { 1 } else { sources.len() };
    Futex::wait_any(&words[..count.min(AT_ONCE)], slice);
}

#[cfg(test)]
pub(crate) mod tests;
