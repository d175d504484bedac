//! Large messages that are not copied: what it costs to pass one that is not touched, and one that
//! is written and read where it is.

mod in_place;
mod untouched;

use std::time::Duration;

use crate::ratio::Ratio;
use crate::study::Effort;
use crossdock_cli::Failure;
use crossdock_cli::rounds::interleave;
use crossdock_cli::stats::{median, range};
use serde::Serialize;

/// A way to hand messages over, and how it is measured once: nanoseconds for each message.
pub(crate) struct Way {
    pub(crate) kind: &'static str,
    pub(crate) label: &'static str,
    pub(crate) once: fn(Duration) -> Result<f64, Failure>,
}

/// What one way came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) kind: &'static str,
    #[serde(skip)]
    pub(crate) label: &'static str,
    /// For a message: the median, the least and the most of any run.
    pub(crate) ns: f64,
    pub(crate) ns_min: f64,
    pub(crate) ns_max: f64,
    #[serde(skip)]
    ns_by_round: Vec<Option<f64>>,
}

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    /// Small ones first.
    pub(crate) untouched: Vec<Figure>,
    /// The yardstick first.
    pub(crate) in_place: Vec<Figure>,
}

/// How many bytes are written and read in place.
pub(crate) const BLOCK: usize = in_place::BLOCK;

impl Figure {
    fn of(way: &Way, ns_by_round: Vec<Option<f64>>) -> Self {
        let all = || ns_by_round.iter().flatten().copied();
        let (ns_min, ns_max) = range(all()).unwrap_or_default();
        Self {
            kind: way.kind,
            label: way.label,
            ns: median(all()),
            ns_min,
            ns_max,
            ns_by_round,
        }
    }

    /// How many times as long it takes as another one.
    pub(crate) fn time_over(&self, other: &Self) -> Option<Ratio> {
        Ratio::by_round(&self.ns_by_round, &other.ns_by_round)
    }
}

/// How many measurements that is.
pub(crate) fn count(effort: &Effort) -> u64 {
    let ways = untouched::WAYS.len() + in_place::WAYS.len();
    ways as u64 * u64::from(effort.runs)
}

/// Measures every way; `step` is called before each measurement.
pub(crate) fn run(effort: &Effort, mut step: impl FnMut()) -> Result<Found, Failure> {
    Ok(Found {
        untouched: figures(untouched::WAYS, effort, &mut step)?,
        in_place: figures(in_place::WAYS, effort, &mut step)?,
    })
}

/// Measures some ways in turn, run after run; `step` is called before each measurement.
pub(crate) fn figures(
    ways: &[Way],
    effort: &Effort,
    mut step: impl FnMut(),
) -> Result<Vec<Figure>, Failure> {
    let time = Duration::from_secs_f64(effort.secs);
    let rounds = interleave(
        ways,
        |_| effort.runs,
        |way, _| {
            step();
            (way.once)(time)
        },
    )?;
    let figures = ways.iter().zip(rounds);
    Ok(figures.map(|(way, ns)| Figure::of(way, ns)).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn figure(kind: &'static str, ns: [f64; 3]) -> Figure {
        let way = Way {
            kind,
            label: kind,
            once: |_| Ok(0.0),
        };
        Figure::of(&way, ns.map(Some).to_vec())
    }

    pub(crate) fn found() -> Found {
        let figure = |kind, by: f64| figure(kind, [2.0, 8.0, 1.0].map(|ns| ns * by));
        Found {
            untouched: vec![figure("small", 1.0), figure("large", 1.25)],
            in_place: vec![
                figure("ring", 1.0),
                figure("work", 1.0),
                figure("bytes", 2.0),
            ],
        }
    }

    #[test]
    fn figures_are_medians_and_ratios_those_of_a_round() {
        let found = found();
        let (small, large) = (&found.untouched[0], &found.untouched[1]);
        assert_eq!((small.ns, small.ns_min, small.ns_max), (2.0, 1.0, 8.0));
        let ratio = large.time_over(small).expect("both were measured");
        assert_eq!((ratio.ratio, ratio.ratio_range), (1.25, (1.25, 1.25)));
    }
}
