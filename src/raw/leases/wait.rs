//! Leasing a chunk, waiting for it if need be.
//!
//! # State
//!
//! That of [`leases`](super).
//!
//! # Protocol
//!
//! Walk over the chunks; if all that are to do are somebody's, spin some microseconds, ask whether their
//! holders live, make one of them `WANTED`, and sleep on its word for a slice. If some are closed, go by the
//! [`door`](super::door).
//!
//! # Crash
//!
//! A waiter holds nothing but, for a moment, the door; killed, it may leave a `WANTED` too many.
//!
//! # Ordering
//!
//! (L1), (L2), (L3) of [`leases`](super).

use core::time::Duration;

use super::door::Want;
use super::{Found, Grid, Leased, Leases, Look, NotLeased, RESTARTING, RESTARTS, Taken, WANTED};
use crate::facade::{Deadline, Ordering, mutation};
use crate::layout::Tag;
use crate::raw::Peers;
use crate::raw::vigil::Vigil;

impl Grid<'_> {
    /// Looks for what is wanted, and claims it if it can be had.
    #[inline(always)]
    pub(super) fn find(
        &self,
        want: Want,
        me: Tag,
        peers: &impl Peers,
        look: Look,
    ) -> Result<Found, NotLeased> {
        match want {
            Want::This(chunk) => self.claim(chunk, true, me, peers, look),
            Want::Any(from) => self.walk(from, me, peers, look),
        }
    }

    /// Sleeps until a chunk is back, as long as its word is as it was seen but for `WANTED`.
    pub(super) fn sleep_for(&self, taken: Taken, peers: &impl Peers, slice: Duration) {
        let Taken {
            chunk,
            word: seen,
            holder,
        } = taken;
        let word = &self.chunks[chunk];
        let wanted = if mutation(364) { seen } else { seen | WANTED };
        // ORDERING: Relaxed; the flag carries no data, the CAS that ends the lease reads the word.
        let (relaxed, said) = (Ordering::Relaxed, seen == wanted);
        if said
            || word
                .compare_exchange_weak(seen, wanted, relaxed, relaxed)
                .is_ok()
        {
            peers.sleeps_for(holder);
            word.wait(wanted, slice);
        }
    }
}

impl Leases<'_> {
    /// Leases a chunk that is to do, the first from `from` on, waiting until `deadline` while all that
    /// are left are in living hands; `None` if all are done. Without a deadline it does not wait.
    #[inline]
    pub(crate) fn lease_any(
        &self,
        from: usize,
        me: Tag,
        peers: &impl Peers,
        wait: Option<&Deadline>,
    ) -> Result<Option<Leased>, NotLeased> {
        match self.grid.walk(from, me, peers, Look::Passing)? {
            Found::Got(leased) => Ok(Some(leased)),
            found => self.wait_for_any(found, from, me, peers, wait),
        }
    }

    #[cold]
    fn wait_for_any(
        &self,
        mut found: Found,
        from: usize,
        me: Tag,
        peers: &impl Peers,
        wait: Option<&Deadline>,
    ) -> Result<Option<Leased>, NotLeased> {
        let grid = &self.grid;
        let mut vigil = Vigil::new();
        loop {
            match found {
                Found::Got(leased) => return Ok(Some(leased)),
                Found::Done => {
                    let word = grid.word();
                    if word & RESTARTING == 0 || mutation(365) {
                        found = grid.walk(from, me, peers, Look::Passing)?;
                        let restarts = (grid.word() ^ word) / RESTARTS;
                        if found == Found::Done && restarts == 0 {
                            return Ok(None);
                        }
                        continue;
                    }
                }
                Found::Closed => {}
                Found::Taken(_) if wait.is_some() && vigil.spin() => {
                    found = grid.walk(from, me, peers, Look::Passing)?;
                    continue;
                }
                Found::Taken(_) => {
                    // Asked before every sleep: a holder that dies costs its waiters one slice at most.
                    found = grid.walk(from, me, peers, Look::Asking)?;
                    if let Found::Taken(taken) = found {
                        let deadline = wait.ok_or(NotLeased::Busy)?;
                        let slice = vigil.slice(taken.holder, peers, deadline)?;
                        grid.sleep_for(taken, peers, slice);
                        vigil.slept();
                        found = grid.walk(from, me, peers, Look::Passing)?;
                    }
                    continue;
                }
            }
            found = self.by_the_door(Want::Any(from), me, peers, wait)?;
        }
    }

    /// Leases a chunk, done or not, unless a live participant has it; waits until `deadline` for those
    /// who read or write. Without a deadline it does not wait.
    #[inline]
    pub(crate) fn lease_this(
        &self,
        chunk: usize,
        me: Tag,
        peers: &impl Peers,
        wait: Option<&Deadline>,
    ) -> Result<Leased, NotLeased> {
        let grid = &self.grid;
        let mut found = grid.find(Want::This(chunk), me, peers, Look::Asking)?;
        loop {
            match found {
                Found::Got(leased) => return Ok(leased),
                Found::Taken(taken) => return Err(NotLeased::Leased(taken.holder)),
                Found::Closed | Found::Done => {
                    found = self.by_the_door(Want::This(chunk), me, peers, wait)?;
                }
            }
        }
    }
}
