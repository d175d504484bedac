//! A semaphore as it is seen from outside.

use core::mem::offset_of;

use super::layout::{PermitState, WORDS, entry_len};
use super::{CLOSED, SemaphoreState};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};
use crate::participant::Tag;

/// The permits and their holders.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let [permits, most, ..] = look.record.config;
    entry_len(permits, most)?;
    let (mut free, mut held, mut corrupt) = (0_u64, 0_u64, 0_u64);
    let mut holders = Vec::<(Tag, u64)>::new();
    let all = look.each(most, |number| {
        match PermitState::of(look.u32(WORDS + number * 4)?, look.participants) {
            PermitState::Free => free += 1,
            PermitState::Held(tag) => {
                held += 1;
                match holders.iter_mut().find(|(holder, _)| *holder == tag) {
                    Some((_, count)) => *count += 1,
                    None => holders.push((tag, 1)),
                }
            }
            PermitState::Absent => {}
            PermitState::Corrupt => corrupt += 1,
        }
        Some(())
    })?;
    let mut rows = Rows::default();
    for (holder, count) in holders {
        rows.push([field("holder", holder), field("permits", count)]);
    }
    let flags = look.word(offset_of!(SemaphoreState, 0.0.flags))?;
    let waits = look.has_waiters(offset_of!(SemaphoreState, 0.0.single))?
        || look.has_waiters(offset_of!(SemaphoreState, 0.0.many))?;
    let sight = Sight::new()
        .with("free", free)
        .with("held", held)
        .with("most", most)
        .with("waited for", waits)
        .with("closed", flags & CLOSED != 0);
    Some(counted(sight, all, corrupt).rows("held by", rows))
}
