//! An event as it is seen from outside.

use core::mem::offset_of;

use super::{EventState, ONE_MORE, Sets};
use crate::algorithm::look::{Look, Sight};

/// Whether it is set, and how often it was.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let sets = Sets(look.long(offset_of!(EventState, 0.0.word))?);
    Some(
        Sight::new()
            .with("set", sets.is_set())
            .with("times set", sets.0 / ONE_MORE)
            .with(
                "waited for",
                look.has_waiters(offset_of!(EventState, 0.0.waiters))?,
            ),
    )
}
