//! The way that a victim took, and the short cut to any point of it.
//!
//! Tens of thousands of single steps a second are too few for operations of tens of thousands of
//! instructions that are to be killed at hundreds of points. But a forked child runs the same code
//! at the same addresses, so a point that was recorded once is reached again by a breakpoint at an
//! instruction a few steps before it, hit as often as it was the first time.

use std::collections::HashMap;

use crate::crash::victim::{Step, Victim};
use crate::process::Rig;

/// How many single steps may follow a short cut.
const NEAR: usize = 256;
/// How many single steps take as long as a visit of a breakpoint.
const VISIT: usize = 8;

/// The instructions that a victim was about to execute, step by step.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The address after each step, from step 0; and how often it had been there before.
    points: Vec<(u64, u32)>,
    visits: HashMap<u64, u32>,
}

impl Trail {
    /// Notes where the victim is.
    pub(crate) fn note(&mut self, address: u64) {
        let visits = self.visits.entry(address).or_default();
        self.points.push((address, *visits));
        *visits += 1;
    }

    /// Brings a victim that is at its start to the point after `k` steps, by a short cut if it may.
    pub(crate) fn follow(&self, victim: &mut Victim, k: usize, by_short_cut: bool) -> Rig<Step> {
        let mut done = 0;
        let short_cut = self.short_cut(k).filter(|_| by_short_cut);
        if let Some((at, address, visits)) = short_cut {
            match victim.run_to(address, visits)? {
                Step::Stopped => done = at,
                other => return Ok(other),
            }
        }
        while done < k {
            match victim.step()? {
                Step::Stopped => done += 1,
                other => return Ok(other),
            }
        }
        Ok(Step::Stopped)
    }

    /// Whether the victim, after `k` instructions, is where the recorded one was.
    pub(crate) fn is_at(&self, victim: &Victim, k: usize) -> Rig<bool> {
        let (now, _) = victim.next()?;
        Ok(self
            .points
            .get(k)
            .is_none_or(|(address, _)| *address == now))
    }

    /// The point before `k` by which it is reached soonest: its step, address and visits. None if
    /// that takes longer than single steps.
    fn short_cut(&self, k: usize) -> Option<(usize, u64, u32)> {
        let points = self.points.get(..=k)?.iter().enumerate();
        let near = points.skip(k.saturating_sub(NEAR));
        let costs = near.filter_map(|(at, (address, visits))| {
            let breaks = usize::try_from(*visits).ok()?.checked_add(1)?;
            let cost = breaks.checked_mul(VISIT)? + (k - at);
            (is_ours(*address) && cost < k).then_some((cost, (at, *address, *visits)))
        });
        let (_, soonest) = costs.min_by_key(|(cost, _)| *cost)?;
        Some(soonest)
    }
}

/// Whether an address is the program's or a library's, and not the kernel's own page.
fn is_ours(address: u64) -> bool {
    address != 0 && address < 0x7ffc_0000_0000
}
