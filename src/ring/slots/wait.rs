//! Waiting at either side of a slot ring.
//!
//! # State
//!
//! The two bells of [`slots`](super): senders sleep by `room`, receivers by `items`.
//!
//! # Protocol
//!
//! Try; spin some microseconds; then, until it works: look after the dead, sleep by the own bell for
//! a slice, try. One that slept and got a slot rings its own bell again if the next slot is to be had
//! as well: items are committed in any order, and two wakes may have gone to one that could not use the
//! first.
//!
//! # Crash
//!
//! A waiter holds nothing. Killed after it was woken, it leaves others that needed the wake asleep
//! until their slices end. Whom it waits for may be dead: at the end of each slice it reaps, and
//! settles whether anybody is left at the other side.
//!
//! # Ordering
//!
//! That of [`bell`](crate::ring::bell).

use core::time::Duration;

use super::{Claim, Cursor, Refused, Ring, Slots};
use crate::facade::{Backoff, Deadline, Left, Pace, mutation};
use crate::layout::Tag;
use crate::raw::Peers;
use crate::ring::ends::Side;

/// How long a waiter sleeps before it looks again: the first slice, and the longest.
const SLICES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// Why a wait ended without a slot.
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

impl<S: Slots> Ring<'_, S> {
    /// Waits for a slot to send.
    pub(crate) fn wait_send(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Peers,
        deadline: &Deadline,
        pace: Pace,
    ) -> Result<Claim, Ended> {
        let attempt = |cursor: &mut Cursor| self.claim_send(cursor, me, peers);
        let ready = |cursor: &mut Cursor| self.is_ready(Side::Sender, cursor);
        self.wait(
            Side::Sender,
            cursor,
            peers,
            (deadline, pace),
            attempt,
            ready,
        )
    }

    /// Waits for an item.
    pub(crate) fn wait_recv(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Peers,
        deadline: &Deadline,
        pace: Pace,
    ) -> Result<Claim, Ended> {
        let attempt = |cursor: &mut Cursor| match self.claim_recv(cursor, me, peers) {
            Err(Refused::Nothing) => self.nothing(cursor, me, peers),
            other => other,
        };
        let ready = |cursor: &mut Cursor| self.is_ready(Side::Receiver, cursor);
        self.wait(
            Side::Receiver,
            cursor,
            peers,
            (deadline, pace),
            attempt,
            ready,
        )
    }

    /// Waits until the slot at the tail is free, or has an item in it that is to be replaced.
    pub(crate) fn wait_replace(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Peers,
        pace: Pace,
    ) -> Result<(Claim, bool), Ended> {
        let attempt = |cursor: &mut Cursor| self.claim_replace(cursor, me, peers);
        let how = (&Deadline::never(), pace);
        let ready = |cursor: &mut Cursor| self.is_ready_to_replace(cursor);
        self.wait(Side::Sender, cursor, peers, how, attempt, ready)
    }

    fn wait<R>(
        &self,
        side: Side,
        cursor: &mut Cursor,
        peers: &impl Peers,
        (deadline, pace): (&Deadline, Pace),
        attempt: impl Fn(&mut Cursor) -> Result<R, Refused>,
        is_ready: impl Fn(&mut Cursor) -> bool,
    ) -> Result<R, Ended> {
        let mut backoff = Backoff::of(pace);
        let mut slice = SLICES.0;
        let mut slept = false;
        loop {
            match attempt(cursor) {
                Ok(got) => {
                    if slept && !mutation(118) {
                        self.pass_on(side, cursor);
                    }
                    return Ok(got);
                }
                Err(Refused::Over) => return Err(Ended::Over),
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
            self.look_after_the_dead(side, peers);
            if !backoff.spin_on(sleep) {
                let bell = self.state.bell(side);
                bell.sleep(sleep, || is_ready(cursor));
                slept = true;
                backoff = Backoff::of(pace);
            }
            slice = (slice * 2).min(SLICES.1);
        }
    }

    /// Gives back what dead participants hold, and finds out whether anybody is left at the other
    /// side.
    pub(crate) fn look_after_the_dead(&self, side: Side, peers: &impl Peers) {
        peers.reap(&self.state.common.0.reaped, false);
        let is_there = |tag| {
            peers.sleeps_for(tag);
            peers.is_alive(tag)
        };
        if self.ends().settle(side.other(), is_there) {
            self.wake_all();
        }
    }

    /// Wakes another sleeper if the next slot is to be had.
    fn pass_on(&self, side: Side, cursor: &mut Cursor) {
        if self.is_ready(side, cursor) {
            self.state.bell(side).ring();
        }
    }
}
