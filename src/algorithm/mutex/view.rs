//! A mutex as it is seen from outside.

use super::{CONTENDED, MutexState, MutexStatus};
use crate::algorithm::look::{Look, Sight};

/// A mutex, and the value that it protects.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let word = look.u32(0)?;
    let status = MutexStatus::of(word);
    let payload = look.payload();
    let data = (size_of::<MutexState>() as u64).checked_next_multiple_of(payload.align().max(1))?;
    Some(
        Sight::new()
            .with("holder", look.tag(word))
            .with("contended", word & CONTENDED != 0)
            .with("owner died", status.owner_died)
            .with("poisoned", status.poisoned)
            .value("value", data, payload.size()),
    )
}
