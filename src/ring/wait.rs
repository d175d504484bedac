//! Waiting at a side of a ring that several share.
//!
//! # State
//!
//! A [`bell`](super::bell), by which those who want the same sleep.
//!
//! # Protocol
//!
//! Try; spin some microseconds; then, until it works: look after the dead, sleep by the bell for a
//! slice, try. One that slept and got what it wanted rings its own bell again if the next one would get
//! something as well: commits come in any order, and two wakes may have gone to one that could not
//! use the first. One that slept and is told of the end wakes all: they may have looked before it, and
//! sleep because this one has armed the bell once more.
//!
//! # Crash
//!
//! A waiter holds nothing. Killed after it was woken, it leaves others that needed the wake asleep
//! until their slices end. Whom it waits for may be dead: at the end of each slice it looks.
//!
//! # Ordering
//!
//! That of [`bell`](super::bell).

use core::time::Duration;

use crate::facade::{Backoff, Deadline, Left, Pace, mutation};
use crate::raw::Peers;
use crate::ring::bell::Bell;

/// How long a waiter sleeps before it looks again: the first slice, and the longest.
const SLICES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// Why nothing was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room, or no item.
    Nothing,
    /// Somebody alive is at work on what would be next.
    Busy,
    /// There is none, and never will be.
    Over,
    /// The words cannot be a ring's.
    Corrupt,
}

/// Why a wait ended without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There is nothing, and never will be.
    Over,
    /// The deadline has passed.
    Timeout,
    /// The words cannot be a ring's.
    Corrupt,
    /// This process is no participant any more.
    Expelled,
}

/// What is done while waiting.
pub(crate) trait Quest {
    /// What is wanted.
    type Found;

    /// Tries to get it.
    fn attempt(&mut self) -> Result<Self::Found, Refused>;

    /// Whether an attempt may get it, or say something else than that there is nothing.
    fn is_ready(&mut self) -> bool;

    /// Whether another one that wants the same would get it.
    fn leaves_more(&mut self) -> bool;

    /// Finds out who is dead, and gives back what they held.
    fn look_after_the_dead(&mut self);
}

/// Waits until an attempt gets what is wanted.
pub(crate) fn wait<Q: Quest>(
    quest: &mut Q,
    bell: &Bell,
    peers: &impl Peers,
    deadline: &Deadline,
    pace: Pace,
) -> Result<Q::Found, Ended> {
    let mut backoff = Backoff::of(pace);
    let mut slice = SLICES.0;
    let mut slept = false;
    loop {
        match quest.attempt() {
            Ok(found) => {
                if slept && !mutation(118) && quest.leaves_more() {
                    bell.ring();
                }
                return Ok(found);
            }
            Err(Refused::Over) => {
                if slept && !mutation(205) {
                    bell.ring_all();
                }
                return Err(Ended::Over);
            }
            Err(Refused::Corrupt) => return Err(Ended::Corrupt),
            Err(Refused::Nothing | Refused::Busy) => {}
        }
        if backoff.spin() {
            continue;
        }
        let sleep = match deadline.left() {
            Left::Forever => slice,
            Left::For(left) => slice.min(left),
            Left::Passed => return Err(Ended::Timeout),
        };
        if !peers.am_alive() {
            return Err(Ended::Expelled);
        }
        quest.look_after_the_dead();
        if !backoff.spin_on(sleep) {
            bell.sleep(sleep, || quest.is_ready());
            slept = true;
            backoff = Backoff::of(pace);
        }
        slice = (slice * 2).min(SLICES.1);
    }
}
