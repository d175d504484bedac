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
const NEAR: usize = 48;
/// Below this many steps a short cut does not pay.
const SHORT: usize = 200;

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

    /// Brings a victim that is at its start to the point after `k` steps.
    pub(crate) fn follow(&self, victim: &mut Victim, k: usize) -> Rig<Step> {
        let mut done = 0;
        if let Some((at, address, visits)) = self.short_cut(k) {
            if let Step::Ended(code) = victim.run_to(address, visits)? {
                return Ok(Step::Ended(code));
            }
            done = at;
        }
        while done < k {
            if let Step::Ended(code) = victim.step()? {
                return Ok(Step::Ended(code));
            }
            done += 1;
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

    /// The point near before `k` that was visited least before: its step, address and visits.
    fn short_cut(&self, k: usize) -> Option<(usize, u64, u32)> {
        if k < SHORT {
            return None;
        }
        let points = self.points.get(..=k)?;
        let near = points.iter().enumerate().skip(k - NEAR);
        let (at, (address, visits)) = near.min_by_key(|(at, (_, visits))| (*visits, k - at))?;
        let cheaper = usize::try_from(*visits).ok()?.saturating_mul(3) < k;
        (cheaper && is_ours(*address)).then_some((at, *address, *visits))
    }
}

/// Whether an address is the program's or a library's, and not the kernel's own page.
fn is_ours(address: u64) -> bool {
    address != 0 && address < 0x7ffc_0000_0000
}
