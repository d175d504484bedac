//! The ends of a ring that go from one participant to another.
//!
//! # State
//!
//! The [endpoint counts](crate::participant::endpoints) of the ring.
//!
//! # Protocol
//!
//! That of [`hand_over`](crate::participant::hand_over). All waiters are woken if the end that was
//! given up, or that was over, was the last.
//!
//! # Crash
//!
//! As in `endpoints`: a process that is killed between the counts and the wakes leaves sleepers
//! whose slices end.
//!
//! # Ordering
//!
//! (E1), (E4) and (E5) of `endpoints`.

use super::entry::{layout_of, view};
use super::{Ring, Slots};
use crate::algorithm::region::Region;
use crate::format::Record;
use crate::participant::endpoints::Endpoint;
use crate::participant::hand_over::{Ends, HandOver, HandOverStep, TakeOverError};
use crate::participant::{Liveness, Tag};

impl<S: Slots> Ends for Ring<'_, S> {
    fn take_over(
        &self,
        end: HandOver,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<(), TakeOverError> {
        let taken = self
            .endpoints()
            .take_over((end.endpoint, end.as_of), me, peers);
        taken.map_err(|(error, settled)| {
            if settled {
                self.wake_all();
            }
            error
        })
    }

    fn give_up(&self, endpoint: Endpoint, me: Tag, peers: &impl Liveness) {
        self.uncount(endpoint, me, peers);
    }
}

/// Takes over or gives up an end of the entry of a record; `None` if the entry is too short.
pub(crate) fn perform(
    record: &Record,
    participants: u32,
    region: &impl Region,
    step: HandOverStep,
    me: Tag,
    peers: &impl Liveness,
) -> Option<Result<(), TakeOverError>> {
    let layout = layout_of(record, participants)?;
    Some(view(region, &layout, participants)?.perform(step, me, peers))
}
