//! A promise as it is seen from outside.

use core::mem::offset_of;

use super::{PromiseState, PromiseStatus, PromiseWord};
use crate::algorithm::look::{Look, Seen, Sight};

/// Whether it is set, and which participant has the claim.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let word = PromiseWord(look.long(offset_of!(PromiseState, word))?);
    let (state, claimer) = match word.status(look.participants) {
        PromiseStatus::Unset => ("empty", Seen::None),
        PromiseStatus::Abandoned => ("abandoned", Seen::None),
        PromiseStatus::Claimed(tag) => ("claimed", tag.into()),
        PromiseStatus::Set => ("set", Seen::None),
        PromiseStatus::Corrupt => ("corrupt", Seen::None),
    };
    let payload = look.payload();
    let first = size_of::<PromiseState>() as u64;
    let value = first.checked_next_multiple_of(payload.align().max(1))?;
    let sight = Sight::new()
        .with("state", state)
        .with("claimed by", claimer)
        .with("claimers that died", word.0 >> 32)
        .with(
            "waited for",
            look.has_waiters(offset_of!(PromiseState, waiters))?,
        );
    Some(if state == "set" {
        sight.value("value", value, payload.size())
    } else {
        sight
    })
}
