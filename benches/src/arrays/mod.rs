//! Arrays: copies of many values beside plain ones, and work on leased chunks by one process and by
//! two.

mod copies;
mod kernel;

use crossdock_cli::Failure;
use serde::Serialize;

use crate::study::Effort;
use crate::work::{Figure, Way, figures};

/// All that was found; in each the yardstick is the first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    /// Of 64 KiB, and of 1 MiB.
    pub(crate) copies: [Vec<Figure>; 2],
    pub(crate) atomics: Vec<Figure>,
    /// By one process, and by two.
    pub(crate) kernel: Vec<Figure>,
}

/// How many measurements that is.
pub(crate) fn count(effort: &Effort) -> u64 {
    let copies = copies::SMALL.len() + copies::LARGE.len() + copies::ATOMICS.len();
    (copies + kernel::WAYS.len()) as u64 * u64::from(effort.runs)
}

/// Measures every way; `step` is called before each measurement.
pub(crate) fn run(effort: &Effort, mut step: impl FnMut()) -> Result<Found, Failure> {
    let mut measure = |ways: &[Way]| figures(ways, effort, &mut step);
    Ok(Found {
        copies: [measure(copies::SMALL)?, measure(copies::LARGE)?],
        atomics: measure(copies::ATOMICS)?,
        kernel: measure(kernel::WAYS)?,
    })
}
