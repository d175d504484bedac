//! The settings in which the queues are measured, and what was found in them.

use std::time::Duration;

use crate::queues::{self, Idle, Kind, Plan, Row, TripRow};
use crate::ratio::Ratio;
use crossdock_cli::Failure;
use crossdock_cli::pin::Pin;
use serde::Serialize;

use super::entrants::{CAPACITY, ENTRANTS, MINIMAL, NAIVE, PIPE, PYTHON, Sort, entrant};
use crate::study::Effort;

/// How many items those pass at once that pass several.
const BATCH: u32 = 32;
/// The size of the items of round trips, in bytes.
const TRIP_SIZE: u32 = 8;

/// What is measured together.
struct Way {
    pairs: &'static [(u32, u32)],
    sizes: &'static [u32],
    idle: Idle,
}

const WAYS: &[Way] = &[
    Way {
        pairs: &[(1, 1)],
        sizes: &[8, 64, 1024],
        idle: Idle::Spin,
    },
    Way {
        pairs: &[(2, 2), (16, 1)],
        sizes: &[8, 64],
        idle: Idle::Spin,
    },
    Way {
        pairs: &[(1, 1)],
        sizes: &[8],
        idle: Idle::Park,
    },
];
const TRIPS: [Idle; 2] = [Idle::Spin, Idle::Park];

/// What was found for one entrant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) kind: &'static str,
    pub(crate) sort: Sort,
    pub(crate) ns_per_item: f64,
    /// The least and the most of any run.
    pub(crate) ns_min: f64,
    pub(crate) ns_max: f64,
    pub(crate) mitems: f64,
    pub(crate) lost: u64,
    pub(crate) wrong: u64,
    /// What it took in each round.
    #[serde(skip)]
    pub(crate) ns_by_round: Vec<Option<f64>>,
    /// How many times as fast it is as the minimal ring here, as the naive one, and as a pipe.
    pub(crate) to_minimal: Option<Ratio>,
    pub(crate) to_naive: Option<Ratio>,
    pub(crate) to_pipe: Option<Ratio>,
}

/// One setting of throughput.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) title: String,
    pub(crate) producers: u32,
    pub(crate) consumers: u32,
    pub(crate) size: u32,
    pub(crate) idle: Idle,
    pub(crate) figures: Vec<Figure>,
}

/// What was found for one entrant's round trips.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trip {
    pub(crate) kind: &'static str,
    pub(crate) sort: Sort,
    pub(crate) trips: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p999_ns: u64,
    /// The median of each round.
    #[serde(skip)]
    pub(crate) p50_by_round: Vec<Option<f64>>,
    /// How many times as long that is as that of the naive ring, and as that of a pipe.
    pub(crate) to_naive: Option<Ratio>,
    pub(crate) to_pipe: Option<Ratio>,
}

/// One setting of round trips.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TripSetting {
    pub(crate) title: &'static str,
    pub(crate) idle: Idle,
    pub(crate) trips: Vec<Trip>,
}

/// All that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Found {
    pub(crate) settings: Vec<Setting>,
    pub(crate) round_trips: Vec<TripSetting>,
}

impl Figure {
    /// How many times as fast it is as `other` of the same setting.
    pub(crate) fn rate_over(&self, other: &Self) -> Option<Ratio> {
        other.time_over(self)
    }

    /// How many times as long an item takes as in `other` of the same setting.
    pub(crate) fn time_over(&self, other: &Self) -> Option<Ratio> {
        Ratio::by_round(&self.ns_by_round, &other.ns_by_round)
    }
}

impl Trip {
    /// How many times as long it takes as `other` of the same setting.
    pub(crate) fn time_over(&self, other: &Self) -> Option<Ratio> {
        Ratio::by_round(&self.p50_by_round, &other.p50_by_round)
    }
}

impl Setting {
    pub(crate) fn figure(&self, kind: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.kind == kind)
    }

    /// Holds each figure beside those that others are measured by.
    pub(crate) fn compare(&mut self) {
        let of = |kind| self.figure(kind).cloned();
        let (minimal, naive, pipe) = (of(MINIMAL), of(NAIVE), of(PIPE));
        for figure in &mut self.figures {
            let over = |other: &Option<Figure>| figure.rate_over(other.as_ref()?);
            let ratios = (over(&minimal), over(&naive), over(&pipe));
            (figure.to_minimal, figure.to_naive, figure.to_pipe) = ratios;
        }
    }
}

impl TripSetting {
    pub(crate) fn trip(&self, kind: &str) -> Option<&Trip> {
        self.trips.iter().find(|trip| trip.kind == kind)
    }

    fn compare(&mut self) {
        let of = |kind| self.trip(kind).cloned();
        let (naive, pipe) = (of(NAIVE), of(PIPE));
        for trip in &mut self.trips {
            let over = |other: &Option<Trip>| trip.time_over(other.as_ref()?);
            (trip.to_naive, trip.to_pipe) = (over(&naive), over(&pipe));
        }
    }
}

fn plans(effort: &Effort) -> Vec<Plan> {
    let kinds: Vec<Kind> = ENTRANTS.iter().filter_map(|one| one.kind().ok()).collect();
    let plan = |kinds: Vec<Kind>| Plan {
        kinds,
        sizes: vec![TRIP_SIZE],
        capacity: CAPACITY,
        batch: BATCH,
        pairs: Vec::new(),
        idle: Idle::Spin,
        round_trips: Vec::new(),
        runs: effort.runs,
        pin: Pin::Cores,
        time: Duration::from_secs_f64(effort.secs),
    };
    let ways = WAYS.iter().map(|way| Plan {
        sizes: way.sizes.to_vec(),
        pairs: way.pairs.to_vec(),
        idle: way.idle,
        ..plan(kinds.clone())
    });
    let trips = TRIPS.into_iter().map(|idle| {
        let plays = |kind: &&Kind| idle == Idle::Park || kind.name != PYTHON;
        Plan {
            round_trips: vec![idle],
            ..plan(kinds.iter().filter(plays).copied().collect())
        }
    });
    ways.chain(trips).collect()
}

/// How many measurements that is.
pub(crate) fn count(effort: &Effort) -> u64 {
    plans(effort).iter().map(|plan| plan.runs() as u64).sum()
}

/// Measures every setting; `step` is called before each measurement.
pub(crate) fn run(effort: &Effort, mut step: impl FnMut()) -> Result<Found, Failure> {
    let mut found = Found::default();
    for plan in plans(effort) {
        let measured = queues::run(&plan, &mut |_| step())?;
        for row in &measured.throughput {
            add(&mut found.settings, row);
        }
        for row in &measured.round_trips {
            add_trip(&mut found.round_trips, row);
        }
    }
    found.settings.iter_mut().for_each(Setting::compare);
    found.round_trips.iter_mut().for_each(TripSetting::compare);
    Ok(found)
}

fn noun(count: u32, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

fn title(row: &Row) -> String {
    let size = if row.size < 1024 {
        format!("{} bytes", row.size)
    } else {
        format!("{} KiB", row.size >> 10)
    };
    format!(
        "{}, {}: {size}{}",
        noun(row.producers, "producer"),
        noun(row.consumers, "consumer"),
        if row.idle == Idle::Park {
            ", waiting"
        } else {
            ""
        },
    )
}

fn add(settings: &mut Vec<Setting>, row: &Row) {
    let Some(entrant) = entrant(row.kind) else {
        return;
    };
    let figure = Figure {
        kind: entrant.name,
        sort: entrant.sort,
        ns_per_item: row.ns_per_item,
        ns_min: row.ns_per_item_range.0,
        ns_max: row.ns_per_item_range.1,
        mitems: row.mitems,
        lost: row.lost,
        wrong: row.wrong,
        ns_by_round: row.ns_by_round.clone(),
        to_minimal: None,
        to_naive: None,
        to_pipe: None,
    };
    let title = title(row);
    if let Some(setting) = settings.iter_mut().find(|setting| setting.title == title) {
        setting.figures.push(figure);
    } else {
        settings.push(Setting {
            title,
            producers: row.producers,
            consumers: row.consumers,
            size: row.size,
            idle: row.idle,
            figures: vec![figure],
        });
    }
}

fn add_trip(settings: &mut Vec<TripSetting>, row: &TripRow) {
    let (Some(entrant), Some(p50_ns), Some(p99_ns), Some(p999_ns)) =
        (entrant(row.kind), row.p50_ns, row.p99_ns, row.p999_ns)
    else {
        return;
    };
    let trip = Trip {
        kind: entrant.name,
        sort: entrant.sort,
        trips: row.trips,
        p50_ns,
        p99_ns,
        p999_ns,
        p50_by_round: row.p50_by_round.clone(),
        to_naive: None,
        to_pipe: None,
    };
    if let Some(setting) = settings.iter_mut().find(|one| one.idle == row.idle) {
        setting.trips.push(trip);
    } else {
        let title = match row.idle {
            Idle::Spin => "round trip of 8 bytes, spinning",
            Idle::Park => "round trip of 8 bytes, waiting",
        };
        settings.push(TripSetting {
            title,
            idle: row.idle,
            trips: vec![trip],
        });
    }
}
