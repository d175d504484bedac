//! The endpoint counts of a queue as they are seen from outside.

use super::{CLOSED, Endpoint, owner};
use crate::participant::Tag;

/// What the word of a queue's endpoints and the participants' cells say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndpointsSeen {
    pub(crate) closed: bool,
    pub(crate) senders: u64,
    pub(crate) receivers: u64,
    /// Each participant that is counted, with its senders and receivers.
    pub(crate) counted: Vec<(Tag, u64, u64)>,
}

impl EndpointsSeen {
    pub(crate) fn of(word: u64) -> Self {
        Self {
            closed: word & CLOSED != 0,
            ..Self::default()
        }
    }

    /// Adds the cell of a participant.
    pub(crate) fn add(&mut self, cell: u64, participants: u32) {
        let Some(tag) = Tag::in_word(owner(cell), participants) else {
            return;
        };
        let senders = Endpoint::Sender.count(cell);
        let receivers = Endpoint::Receiver.count(cell);
        if senders + receivers > 0 {
            self.senders += senders;
            self.receivers += receivers;
            self.counted.push((tag, senders, receivers));
        }
    }
}
