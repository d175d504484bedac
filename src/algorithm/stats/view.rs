//! The counters of a segment as they are seen from outside.

use super::ROW;
use crate::algorithm::look::{Look, Sight, counted};
use crate::algorithm::region::WORD;
use crate::participant::SlowEvent;

/// The sums of all participants' rows.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let mut sums = [0_u64; SlowEvent::ALL.len()];
    let all = look.each(look.participants.into(), |index| {
        for (event, sum) in SlowEvent::ALL.into_iter().zip(&mut sums) {
            let word = look.u64((index * ROW + event as u64) * WORD)?;
            *sum = sum.wrapping_add(word);
        }
        Some(())
    })?;
    let mut sight = Sight::new();
    for (event, sum) in SlowEvent::ALL.into_iter().zip(sums) {
        sight = sight.with(event.name(), sum);
    }
    Some(counted(sight, all, 0))
}
