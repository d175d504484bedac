//! What is measured, how often, and what it came to.

use std::time::Duration;

use serde::Serialize;

use super::{Idle, Kind, Sample, Setting, Shape, Trips};
use crate::Failure;
use crate::pin::Pin;
use crate::rounds::interleave;
use crate::stats::{median, range};
use crate::times::Times;

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
    /// How often each; the runs of all are interleaved.
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
    /// The same as a multiple of that of the first kind of the same setting: the median of the ratios
    /// in each round.
    pub ratio: Option<f64>,
    /// How many items were received, in all runs.
    pub items: u64,
    /// How many were sent and never received.
    pub lost: u64,
    /// How many were not what their consumer expected: out of order, doubled, behind a gap, or torn.
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
    /// [`p50_ns`](Self::p50_ns) as a multiple of that of the first kind of the same setting.
    pub ratio: Option<f64>,
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

/// What one run of a cell came to.
enum Outcome {
    Throughput(Sample),
    Trips(Trips),
}

impl Plan {
    /// How many runs there will be.
    pub fn runs(&self) -> usize {
        self.cells().len() * self.runs as usize
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

/// Measures what the plan says, one run of each kind in each setting after the other, and that so
/// often; each round begins with another one. `progress` is told before every run.
///
/// # Errors
///
/// [`Failure`] of the first run that fails.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(Step)) -> Result<Measured, Failure> {
    let cells = plan.cells();
    let of = plan.runs();
    let outcomes = interleave(&cells, plan.runs, |cell, done| {
        let Cell { kind, setting, .. } = cell;
        progress(Step {
            kind: kind.name,
            size: setting.size,
            done,
            of,
        });
        if cell.trips {
            (kind.round_trip)(setting).map(Outcome::Trips)
        } else {
            (kind.throughput)(setting).map(Outcome::Throughput)
        }
    })?;
    let mut measured = Measured {
        throughput: Vec::new(),
        round_trips: Vec::new(),
    };
    let mut firsts: Vec<(Row, Vec<f64>)> = Vec::new();
    for (cell, outcomes) in cells.iter().zip(outcomes) {
        let (mut samples, mut trips) = (Vec::new(), Times::default());
        for outcome in outcomes {
            match outcome {
                Outcome::Throughput(sample) => samples.push(sample),
                Outcome::Trips(some) => trips.add(&some.times),
            }
        }
        if cell.trips {
            let mut row = trip_row(cell, &trips);
            let mut before = measured.round_trips.iter();
            let first = before.find(|first| first.is_beside(&row)).unwrap_or(&row);
            row.ratio = ratio_of(row.p50_ns, first.p50_ns);
            measured.round_trips.push(row);
        } else {
            let mut row = row(cell, &samples);
            let times: Vec<f64> = samples.iter().map(Sample::ns_per_item).collect();
            if !firsts.iter().any(|(first, _)| first.is_beside(&row)) {
                firsts.push((row.clone(), times.clone()));
            }
            let first = firsts.iter().find(|(first, _)| first.is_beside(&row));
            row.ratio = first.and_then(|(_, first)| ratio_by_round(first, &times));
            measured.throughput.push(row);
        }
    }
    Ok(measured)
}

/// The median over the rounds of how many times as fast it was.
fn ratio_by_round(first: &[f64], times: &[f64]) -> Option<f64> {
    let ratios = first.iter().zip(times).map(|(first, time)| first / time);
    Some(median(ratios)).filter(|ratio| ratio.is_finite())
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds for a ratio")]
fn ratio_of(time: Option<u64>, first: Option<u64>) -> Option<f64> {
    let ratio = time? as f64 / first? as f64;
    Some(ratio).filter(|ratio| ratio.is_finite())
}

fn row(cell: &Cell, samples: &[Sample]) -> Row {
    let Setting {
        shape,
        size,
        batch,
        pin,
        ..
    } = cell.setting;
    let ns_per_item = median(samples.iter().map(Sample::ns_per_item));
    let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum();
    Row {
        kind: cell.kind.name,
        size,
        producers: shape.producers,
        consumers: shape.consumers,
        batch,
        idle: shape.idle,
        pin,
        ns_per_item,
        ns_per_item_range: range(samples.iter().map(Sample::ns_per_item)).unwrap_or_default(),
        mitems: 1e3 / ns_per_item,
        ratio: None,
        items: sum(|sample| sample.received),
        lost: sum(|sample| sample.sent.saturating_sub(sample.received)),
        wrong: sum(|sample| sample.wrong),
    }
}

fn trip_row(cell: &Cell, times: &Times) -> TripRow {
    TripRow {
        kind: cell.kind.name,
        size: cell.setting.size,
        idle: cell.setting.shape.idle,
        pin: cell.setting.pin,
        trips: times.len(),
        p50_ns: times.at(0.5),
        p99_ns: times.at(0.99),
        p999_ns: times.at(0.999),
        ratio: None,
    }
}
