//! What the figures of queues say: which goals hold, and where something else is faster.

use crate::queues::Idle;
use crate::ratio::Ratio;

use crate::peers::queues::contest::{Figure, Found, Setting, Trip, TripSetting};
use crate::peers::queues::entrants::{
    BOOST, ICEORYX2, MINIMAL, NAIVE, PIPE, QUEUE, QUEUE_ADAPTIVE, QUEUE_BATCH, SPSC, SPSC_ADAPTIVE,
    SPSC_BATCH, Sort, WORK, entrant,
};
use crate::report::verdict::Goal;

/// Something that was faster than ours.
pub(super) struct Lost {
    pub(super) faster: &'static str,
    pub(super) ours: &'static str,
    pub(super) setting: String,
    /// Our time over theirs.
    pub(super) ratio: Ratio,
}

/// Ours, whether it is for many, whether it passes several at once, and what it is where one waits.
const OURS: [(&str, bool, bool, Option<&str>); 4] = [
    (SPSC, false, false, Some(SPSC_ADAPTIVE)),
    (SPSC_BATCH, false, true, None),
    (QUEUE, true, false, Some(QUEUE_ADAPTIVE)),
    (QUEUE_BATCH, true, true, None),
];

/// Which of ours others are held beside, where workers idle so: its kind, and whether it fits
/// another.
fn ours(idle: Idle) -> impl Iterator<Item = (&'static str, impl Fn(&str) -> bool)> {
    OURS.into_iter()
        .filter_map(move |(kind, many, batched, waiting)| {
            let kind = match idle {
                Idle::Spin => kind,
                Idle::Park => waiting?,
            };
            let fits = move |other: &str| {
                let other = entrant(other).filter(|other| other.sort != Sort::Ours);
                let other = other.and_then(|other| other.kind().ok());
                other.is_some_and(|other| {
                    let for_many = other.can.producers > 1 && other.can.consumers > 1;
                    other.batched == batched && (for_many || !many)
                })
            };
            Some((kind, fits))
        })
}

pub(super) fn lost(setting: &Setting) -> Vec<Lost> {
    let (idle, title, all) = (setting.idle, &setting.title, &setting.figures);
    faster(idle, title, all, |one| one.kind, Figure::time_over)
}

pub(super) fn lost_trips(setting: &TripSetting) -> Vec<Lost> {
    let (idle, title, all) = (setting.idle, setting.title, &setting.trips);
    faster(idle, title, all, |one| one.kind, Trip::time_over)
}

/// Those of one setting that were faster than one of ours. `beside` says how many times as long
/// ours took as theirs.
fn faster<F>(
    idle: Idle,
    title: &str,
    all: &[F],
    kind: impl Fn(&F) -> &'static str,
    beside: impl Fn(&F, &F) -> Option<Ratio>,
) -> Vec<Lost> {
    let mut lost = Vec::new();
    for (ours, fits) in ours(idle) {
        let Some(ours) = all.iter().find(|one| kind(one) == ours) else {
            continue;
        };
        for theirs in all.iter().filter(|one| fits(kind(one))) {
            if let Some(ratio) = beside(ours, theirs).filter(|found| found.ratio > 1.0) {
                lost.push(Lost {
                    faster: kind(theirs),
                    ours: kind(ours),
                    setting: title.to_owned(),
                    ratio,
                });
            }
        }
    }
    lost
}

/// Producers, consumers, size, whose rate, over whose, at least.
const RATES: &[(u32, u32, u32, &str, &str, f64)] = &[
    (1, 1, 8, SPSC, MINIMAL, 1.0),
    (1, 1, 64, SPSC, MINIMAL, 1.0),
    (1, 1, 8, SPSC_BATCH, MINIMAL, 2.0),
    (1, 1, 8, QUEUE, NAIVE, 1.0),
    (1, 1, 64, QUEUE, NAIVE, 1.0),
    (2, 2, 8, QUEUE, NAIVE, 1.0),
    (2, 2, 64, QUEUE, NAIVE, 1.0),
    (16, 1, 8, QUEUE, NAIVE, 0.7),
    (16, 1, 64, QUEUE, NAIVE, 0.7),
    (1, 1, 8, QUEUE, BOOST, 6.0),
    (1, 1, 64, QUEUE, BOOST, 6.0),
    (1, 1, 8, QUEUE, ICEORYX2, 10.0),
    (1, 1, 64, QUEUE, ICEORYX2, 10.0),
    (1, 1, 64, WORK, PIPE, 2.0),
    (1, 1, 64, WORK, ICEORYX2, 3.0),
];

/// What both do meanwhile, whose round trip, over whose, at most.
const ROUND_TRIPS: &[(Idle, &str, &str, f64)] = &[
    (Idle::Spin, SPSC, NAIVE, 1.5),
    (Idle::Spin, QUEUE, NAIVE, 1.5),
    (Idle::Park, SPSC, PIPE, 1.0),
    (Idle::Park, QUEUE, PIPE, 1.0),
];

/// The goals whose settings were measured.
pub(super) fn goals(found: &Found) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (producers, consumers, size, kind, over, least) in RATES {
        let setting = found.settings.iter().find(|one| {
            (one.producers, one.consumers, one.size) == (*producers, *consumers, *size)
                && one.idle == Idle::Spin
        });
        let rate = |s: &Setting| s.figure(kind)?.rate_over(s.figure(over)?);
        if let Some((setting, found)) = setting.and_then(|s| Some((s, rate(s)?))) {
            goals.push(Goal {
                what: format!("rate of `{kind}` over `{over}`"),
                setting: setting.title.clone(),
                at_most: false,
                goal: *least,
                found: found.ratio,
                found_range: Some(found.ratio_range),
            });
        }
    }
    for (idle, kind, beside, most) in ROUND_TRIPS {
        let setting = found.round_trips.iter().find(|one| one.idle == *idle);
        let time = |s: &TripSetting| s.trip(kind)?.time_over(s.trip(beside)?);
        if let Some((setting, found)) = setting.and_then(|s| Some((s, time(s)?))) {
            goals.push(Goal {
                what: format!("median of `{kind}` over `{beside}`"),
                setting: setting.title.to_owned(),
                at_most: true,
                goal: *most,
                found: found.ratio,
                found_range: Some(found.ratio_range),
            });
        }
    }
    goals
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn figure(kind: &'static str, ns: f64) -> Figure {
        Figure {
            kind,
            sort: entrant(kind).expect("an entrant").sort,
            ns_per_item: ns,
            ns_min: ns * 0.9,
            ns_max: ns * 1.1,
            mitems: 1e3 / ns,
            lost: 0,
            wrong: 0,
            ns_by_round: [1.0, 4.0, 0.5].map(|by| Some(ns * by)).to_vec(),
            to_minimal: None,
            to_naive: None,
            to_pipe: None,
        }
    }

    fn trip(kind: &'static str, p50_ns: u32) -> Trip {
        Trip {
            kind,
            sort: entrant(kind).expect("an entrant").sort,
            trips: 1,
            p50_ns: p50_ns.into(),
            p99_ns: p50_ns.into(),
            p999_ns: p50_ns.into(),
            p50_by_round: vec![Some(p50_ns.into()); 2],
            to_naive: None,
            to_pipe: None,
        }
    }

    pub(crate) fn found() -> Found {
        // In the last round, the machine turned slow behind all others.
        let mut minimal = figure(MINIMAL, 10.0);
        minimal.ns_by_round[2] = Some(10.0);
        let mut found = Found {
            settings: vec![Setting {
                title: "1 producer, 1 consumer: 8 bytes".into(),
                producers: 1,
                consumers: 1,
                size: 8,
                idle: Idle::Spin,
                figures: vec![
                    figure(SPSC, 12.0),
                    figure(SPSC_BATCH, 4.0),
                    minimal,
                    figure(QUEUE, 16.0),
                    figure("rtrb", 8.0),
                    figure("kanal", 15.0),
                    figure(PIPE, 400.0),
                ],
            }],
            round_trips: vec![TripSetting {
                title: "round trip",
                idle: Idle::Park,
                trips: vec![trip(SPSC, 3_000), trip(PIPE, 60_000)],
            }],
        };
        found.settings[0].compare();
        found
    }

    #[test]
    fn a_goal_is_held_against_what_was_found() {
        let all = goals(&found());
        assert_eq!(all.len(), 3, "{all:?}");
        assert!((all[0].found - 10.0 / 12.0).abs() < 1e-9 && !all[0].holds());
        assert!((all[1].found - 2.5).abs() < 1e-9 && all[1].holds());
        assert!((all[2].found - 0.05).abs() < 1e-9 && all[2].holds());
    }

    #[test]
    fn what_is_faster_than_ours_is_found() {
        let lost = lost(&found().settings[0]);
        let lost: Vec<_> = lost
            .iter()
            .map(|one| (one.ours, one.faster, one.ratio.ratio))
            .collect();
        let expected = [
            (SPSC, MINIMAL, 1.2),
            (SPSC, "rtrb", 1.5),
            (QUEUE, "kanal", 16.0 / 15.0),
        ];
        assert_eq!(lost, expected);
    }
}
