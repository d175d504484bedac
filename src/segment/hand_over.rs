//! Taking over an end of an entry, whatever its kind and the type of its values.

use super::mapping::EntryBytes;
use super::membership::{Membership, SegmentLiveness};
use super::{MembershipError, Segment, recover};
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::hand_over::{HandOver, HandOverStep, TakeOverError};

/// Why an end was not taken over.
pub(crate) enum TakeOverFailure {
    /// Its giver has died, and others may have been told that the end is gone.
    Over,
    /// This process is counted at that endpoint as often as it can be.
    TooMany,
    /// This process is not a participant.
    Membership(MembershipError),
    /// The entry has no such end.
    Corrupt,
}

impl Segment {
    /// Takes over an end of the entry at `index` from another process, which waits meanwhile.
    /// Returns the tag by which this process has it.
    pub(crate) fn take_over_end(&self, index: u32, end: HandOver) -> Result<Tag, TakeOverFailure> {
        let me = Membership::tag(&self.mapping).map_err(TakeOverFailure::Membership)?;
        let taken = self.perform(index, HandOverStep::TakeOver(end), me);
        taken.map(|()| me).map_err(|error| match error {
            TakeOverError::Over => TakeOverFailure::Over,
            TakeOverError::TooMany => TakeOverFailure::TooMany,
            TakeOverError::MembershipLost => {
                TakeOverFailure::Membership(Membership::membership_lost(&self.mapping, me))
            }
            TakeOverError::Corrupt => TakeOverFailure::Corrupt,
        })
    }

    /// Gives up an end that this process took over as `me`, unless it is another process by now.
    pub(crate) fn give_up_end(&self, index: u32, endpoint: Endpoint, me: Tag) {
        if self.mapping.membership().current() == Some(me) {
            let _ = self.perform(index, HandOverStep::GiveUp(endpoint), me);
        }
    }

    fn perform(&self, index: u32, step: HandOverStep, me: Tag) -> Result<(), TakeOverError> {
        let found = self.mapping.directory().at(index);
        let record = found.map_err(|_| TakeOverError::Corrupt)?.record;
        let entry = EntryBytes::located(&self.mapping, &record);
        let peers = SegmentLiveness::new(&self.mapping, self.mapping.participants(), me);
        recover::perform(&entry, step, &peers)
    }
}
