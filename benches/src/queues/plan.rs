//! What is measured, how often, and what it came to.

use std::time::Duration;

use serde::Serialize;

use super::{Idle, Kind, Sample, Setting, Shape, Trips};
use crate::ratio::Ratio;
use crossdock_cli::Failure;
use crossdock_cli::pin::Pin;
use crossdock_cli::rounds::interleave;
use crossdock_cli::stats::{median, range};
use crossdock_cli::times::Times;

/// What is measured, how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which kinds. Each is left out of what it cannot do.
    pub kinds: Vec<Kind>,
    /// Sizes of items in bytes: of [`SIZES`](super::SIZES).
    pub sizes: Vec<u32>,
    /// How many items a queue holds.
    pub capacity: u32,
    /// How many items those send at once that send several.
    pub batch: u32,
    /// Numbers of producers and consumers, for throughput.
    pub pairs: Vec<(u32, u32)>,
    /// What workers do when they cannot, for throughput.
    pub idle: Idle,
    /// The same for round trips, one after the other; none are made without.
    pub round_trips: Vec<Idle>,
    /// In how many rounds: each kind is run once in each, or [at most so often](Kind::most_runs).
    /// Kinds that are compared should stand together, so that they are run close in time.
    pub runs: u32,
    /// Where workers run.
    pub pin: Pin,
    /// How long each run is measured.
    pub time: Duration,
}

/// A run that is about to begin.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The kind.
    pub kind: &'static str,
    /// The size of its items.
    pub size: u32,
    /// How many runs there were before.
    pub done: usize,
    /// How many there are in all.
    pub of: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Throughput.
    pub throughput: Vec<Row>,
    /// Round trips.
    pub round_trips: Vec<TripRow>,
}

/// What a kind came to in one setting: medians over the runs.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The kind.
    pub kind: &'static str,
    /// The size of an item in bytes.
    pub size: u32,
    /// How many processes sent.
    pub producers: u32,
    /// How many received.
    pub consumers: u32,
    /// How many items were sent at once, at most.
    pub batch: u32,
    /// What they did when they could not.
    pub idle: Idle,
    /// Where they ran.
    pub pin: Pin,
    /// Wall clock for each item received; infinite, which is null in JSON, if there was none in the
    /// time that was measured.
    pub ns_per_item: f64,
    /// The least and the greatest of that over the runs.
    pub ns_per_item_range: (f64, f64),
    /// Millions of items received in a second, by all consumers together.
    pub mitems: f64,
    /// The same as a multiple of that of the first kind of the same setting: the median of the
    /// ratios in each round.
    pub ratio: Option<f64>,
    /// The least and the greatest of those.
    pub ratio_range: Option<(f64, f64)>,
    /// [`ns_per_item`](Self::ns_per_item) in each round, or nothing where it was not run.
    #[serde(skip)]
    pub ns_by_round: Vec<Option<f64>>,
    /// How many items were received, in all runs.
    pub items: u64,
    /// How many were sent and never received.
    pub lost: u64,
    /// How many were not what their consumer expected: out of order, doubled, behind a gap, or
    /// torn.
    pub wrong: u64,
}

/// What a kind's round trips came to in one setting: of all runs together.
#[derive(Clone, Debug, Serialize)]
pub struct TripRow {
    /// The kind.
    pub kind: &'static str,
    /// The size of an item in bytes.
    pub size: u32,
    /// What the two did while they waited.
    pub idle: Idle,
    /// Where they ran.
    pub pin: Pin,
    /// How many trips there were.
    pub trips: u64,
    /// Nanoseconds there and back that half of them did not exceed; none if there were none.
    pub p50_ns: Option<u64>,
    /// The same of 99 in 100.
    pub p99_ns: Option<u64>,
    /// The same of 999 in 1,000.
    pub p999_ns: Option<u64>,
    /// The median of a run as a multiple of that of the first kind of the same setting: the median
    /// of the ratios in each round.
    pub ratio: Option<f64>,
    /// The least and the greatest of those.
    pub ratio_range: Option<(f64, f64)>,
    /// The median of the trips of each round, in nanoseconds; nothing where there were none.
    #[serde(skip)]
    pub p50_by_round: Vec<Option<f64>>,
}

impl Row {
    /// Whether both are of the same setting, and so can be compared.
    fn is_beside(&self, other: &Self) -> bool {
        let setting = |row: &Self| (row.size, row.producers, row.consumers);
        setting(self) == setting(other)
    }
}

impl TripRow {
    /// Whether both are of the same setting, and so can be compared.
    fn is_beside(&self, other: &Self) -> bool {
        (self.size, self.idle) == (other.size, other.idle)
    }
}

/// A kind in a setting.
#[derive(Clone, Copy)]
struct Cell {
    kind: Kind,
    setting: Setting,
    trips: bool,
}

impl Cell {
    /// A worker's failure, with whose and in which setting.
    #[cold]
    fn named(&self, failure: Failure) -> Failure {
        let Failure::Worker(message) = failure else {
            return failure;
        };
        let Setting { shape, size, .. } = self.setting;
        let Shape {
            producers,
            consumers,
            idle,
            ..
        } = shape;
        let trips = if self.trips { ", round trips" } else { "" };
        Failure::Worker(format!(
            "{}, {producers}x{consumers}, {size} bytes, {idle:?}{trips}: {message}",
            self.kind.name
        ))
    }
}

/// What one run of a cell came to.
enum Outcome {
    Throughput(Sample),
    Trips(Trips),
}

impl Outcome {
    fn sample(&self) -> Option<&Sample> {
        match self {
            Self::Throughput(sample) => Some(sample),
            Self::Trips(_) => None,
        }
    }

    fn times(&self) -> Option<&Times> {
        match self {
            Self::Throughput(_) => None,
            Self::Trips(trips) => Some(&trips.times),
        }
    }
}

impl Plan {
    /// How many runs there will be.
    pub fn runs(&self) -> usize {
        let cells = self.cells();
        cells.iter().map(|cell| self.runs_of(cell) as usize).sum()
    }

    fn runs_of(&self, cell: &Cell) -> u32 {
        self.runs.min(cell.kind.most_runs)
    }

    fn cells(&self) -> Vec<Cell> {
        let throughput = self.pairs.iter().map(|pair| (*pair, self.idle, false));
        let round_trips = self.round_trips.iter().map(|idle| ((1, 1), *idle, true));
        let mut cells = Vec::new();
        for ((producers, consumers), idle, trips) in throughput.chain(round_trips) {
            let takes = |kind: &&Kind| {
                kind.can.take(producers, consumers, idle) && !(trips && kind.batched)
            };
            for size in &self.sizes {
                let cell = |kind: &Kind| Cell {
                    kind: *kind,
                    setting: self.setting(kind, *size, (producers, consumers), idle),
                    trips,
                };
                cells.extend(self.kinds.iter().filter(takes).map(cell));
            }
        }
        cells
    }

    fn setting(
        &self,
        kind: &Kind,
        size: u32,
        (producers, consumers): (u32, u32),
        idle: Idle,
    ) -> Setting {
        Setting {
            shape: Shape {
                capacity: self.capacity,
                producers,
                consumers,
                idle,
            },
            size,
            batch: if kind.batched { self.batch } else { 1 },
            pin: self.pin,
            time: self.time,
        }
    }
}

/// Measures what the plan says in rounds: one run of each kind in each setting after the other, and
/// that so often; each round begins with another one. `progress` is told before every run.
///
/// # Errors
///
/// [`Failure`] of the first run that fails.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(Step)) -> Result<Measured, Failure> {
    let cells = plan.cells();
    let of = plan.runs();
    let outcomes = interleave(
        &cells,
        |cell| plan.runs_of(cell),
        |cell, done| {
            let Cell { kind, setting, .. } = cell;
            progress(Step {
                kind: kind.name,
                size: setting.size,
                done,
                of,
            });
            let outcome = if cell.trips {
                (kind.round_trip)(setting).map(Outcome::Trips)
            } else {
                (kind.throughput)(setting).map(Outcome::Throughput)
            };
            outcome.map_err(|failure| cell.named(failure))
        },
    )?;
    let mut measured = Measured {
        throughput: Vec::new(),
        round_trips: Vec::new(),
    };
    for (cell, outcomes) in cells.iter().zip(outcomes) {
        if cell.trips {
            let mut row = trip_row(cell, &outcomes);
            let mut before = measured.round_trips.iter();
            let first = before.find(|first| first.is_beside(&row)).unwrap_or(&row);
            let ratio = Ratio::by_round(&row.p50_by_round, &first.p50_by_round);
            (row.ratio, row.ratio_range) = parts(ratio);
            measured.round_trips.push(row);
        } else {
            let mut row = row(cell, &outcomes);
            let mut before = measured.throughput.iter();
            let first = before.find(|first| first.is_beside(&row)).unwrap_or(&row);
            // Of rates, so the other way round.
            let ratio = Ratio::by_round(&first.ns_by_round, &row.ns_by_round);
            (row.ratio, row.ratio_range) = parts(ratio);
            measured.throughput.push(row);
        }
    }
    Ok(measured)
}

fn parts(ratio: Option<Ratio>) -> (Option<f64>, Option<(f64, f64)>) {
    let parts = ratio.map(|Ratio { ratio, ratio_range }| (ratio, ratio_range));
    parts.unzip()
}

fn row(cell: &Cell, rounds: &[Option<Outcome>]) -> Row {
    let Setting {
        shape,
        size,
        batch,
        pin,
        ..
    } = cell.setting;
    let by_round = || rounds.iter().map(|round| round.as_ref()?.sample());
    let samples = || by_round().flatten();
    let ns_per_item = median(samples().map(Sample::ns_per_item));
    let sum = |of: fn(&Sample) -> u64| samples().map(of).sum();
    Row {
        kind: cell.kind.name,
        size,
        producers: shape.producers,
        consumers: shape.consumers,
        batch,
        idle: shape.idle,
        pin,
        ns_per_item,
        ns_per_item_range: range(samples().map(Sample::ns_per_item)).unwrap_or_default(),
        mitems: 1e3 / ns_per_item,
        ratio: None,
        ratio_range: None,
        ns_by_round: by_round()
            .map(|sample| sample.map(Sample::ns_per_item))
            .collect(),
        items: sum(|sample| sample.received),
        lost: sum(|sample| sample.sent.saturating_sub(sample.received)),
        wrong: sum(|sample| sample.wrong),
    }
}

fn trip_row(cell: &Cell, rounds: &[Option<Outcome>]) -> TripRow {
    let by_round = || rounds.iter().map(|round| round.as_ref()?.times());
    let mut all = Times::default();
    by_round().flatten().for_each(|times| all.add(times));
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds for a ratio")]
    let p50 = |times: &Times| times.at(0.5).map(|nanos| nanos as f64);
    TripRow {
        kind: cell.kind.name,
        size: cell.setting.size,
        idle: cell.setting.shape.idle,
        pin: cell.setting.pin,
        trips: all.len(),
        p50_ns: all.at(0.5),
        p99_ns: all.at(0.99),
        p999_ns: all.at(0.999),
        ratio: None,
        ratio_range: None,
        p50_by_round: by_round().map(|times| p50(times?)).collect(),
    }
}

#[cfg(test)]
mod tests;
