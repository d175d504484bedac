//! A condition variable as it is seen from outside.

use core::mem::offset_of;

use super::CondvarState;
use crate::algorithm::look::{Look, Sight};

/// How often it was notified, and whether any thread waits.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let notifications = look.long(offset_of!(CondvarState, 0.0.notifications))?;
    Some(
        Sight::new()
            .with("notifications", notifications)
            .with(
                "waited for",
                look.has_waiters(offset_of!(CondvarState, 0.0.waiters))?,
            )
            .with(
                "mutex at byte",
                look.long(offset_of!(CondvarState, 0.0.mutex))?,
            ),
    )
}
