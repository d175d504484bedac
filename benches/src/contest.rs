//! The settings in which the locks are measured, and what was found in them.

use std::time::Duration;

use crossdock_cli::Failure;
use crossdock_cli::contention::{self, Kind, Plan, Row};
use crossdock_cli::pin::Pin;
use crossdock_cli::work::Speed;
use serde::Serialize;

use crate::peers::locks::{ENTRANTS, Entrant, OURS, ROBUST, Sort, entrant, python_version};
use crate::study::Effort;

/// A way to work, before it is known how many processes do.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    title: &'static str,
    pin: Pin,
    inside_ns: u64,
    outside_ns: u64,
    /// Which of the process counts that were asked for it is measured with.
    with: With,
}

#[derive(Clone, Copy, Debug)]
enum With {
    /// Each.
    All,
    /// Each that contends.
    Several,
    /// The smallest that contends.
    Fewest,
}

const WAYS: &[Way] = &[
    Way {
        name: "tight",
        title: "tight loop, pinned to the cores in turn",
        pin: Pin::Cores,
        inside_ns: 0,
        outside_ns: 0,
        with: With::All,
    },
    Way {
        name: "same-core",
        title: "tight loop, all on one core",
        pin: Pin::Same,
        inside_ns: 0,
        outside_ns: 0,
        with: With::Fewest,
    },
    Way {
        name: "work",
        title: "1 us of work under the lock, 1 us outside",
        pin: Pin::Cores,
        inside_ns: 1_000,
        outside_ns: 1_000,
        with: With::Several,
    },
    Way {
        name: "outside",
        title: "500 ns of work outside",
        pin: Pin::Cores,
        inside_ns: 0,
        outside_ns: 500,
        with: With::Fewest,
    },
];

impl Way {
    fn processes(&self, asked: &[u32]) -> Vec<u32> {
        let several = asked.iter().copied().filter(|count| *count > 1);
        match self.with {
            With::All => asked.to_vec(),
            With::Several => several.collect(),
            With::Fewest => several.min().into_iter().collect(),
        }
    }

    /// Whether an entrant can take part: work under a lock needs a lock, and the interpreter's own
    /// work would be of another size.
    fn takes(&self, entrant: &Entrant) -> bool {
        match entrant.sort {
            Sort::Lock | Sort::Threads => true,
            Sort::Number => self.inside_ns == 0,
            Sort::Interpreted => self.inside_ns == 0 && self.outside_ns == 0,
        }
    }
}

/// What was found for one entrant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) kind: &'static str,
    pub(crate) sort: Sort,
    pub(crate) ns_per_op: f64,
    /// The least and the most of any run.
    pub(crate) ns_min: f64,
    pub(crate) ns_max: f64,
    pub(crate) mops: f64,
    /// The worst share over the best.
    pub(crate) fairness: f64,
    pub(crate) lost: u64,
    /// Times what pthread robust takes here.
    pub(crate) to_robust: Option<f64>,
    /// Times what the fastest lock between processes takes here.
    pub(crate) to_best: Option<f64>,
}

/// One setting: so many processes at work in one way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) pin: Pin,
    pub(crate) inside_ns: u64,
    pub(crate) outside_ns: u64,
    pub(crate) processes: u32,
    pub(crate) figures: Vec<Figure>,
}

impl Setting {
    pub(crate) fn figure(&self, kind: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.kind == kind)
    }

    pub(crate) fn ours(&self) -> Option<&Figure> {
        self.figure(OURS)
    }

    fn compare(&mut self) {
        let robust = self.figure(ROBUST).map(|figure| figure.ns_per_op);
        let locks = self.figures.iter().filter(|f| f.sort == Sort::Lock);
        let best = locks.map(|figure| figure.ns_per_op).min_by(f64::total_cmp);
        for figure in &mut self.figures {
            figure.to_robust = robust.map(|robust| figure.ns_per_op / robust);
            figure.to_best = best.map(|best| figure.ns_per_op / best);
        }
    }
}

fn plan(way: &Way, effort: &Effort, speed: Speed) -> Plan {
    let python = python_version().is_some();
    let kinds: Vec<Kind> = ENTRANTS
        .iter()
        .filter(|entrant| way.takes(entrant))
        .filter(|entrant| python || entrant.sort != Sort::Interpreted)
        .filter_map(Entrant::kind)
        .collect();
    Plan {
        kinds,
        processes: way.processes(&effort.processes),
        pin: way.pin,
        time: Duration::from_secs_f64(effort.secs),
        runs: effort.runs,
        inside: speed.work(way.inside_ns),
        outside: speed.work(way.outside_ns),
        latency: false,
    }
}

fn plans(effort: &Effort) -> Vec<(&'static Way, Plan)> {
    let speed = Speed::measure();
    WAYS.iter()
        .map(|way| (way, plan(way, effort, speed)))
        .filter(|(_, plan)| !plan.processes.is_empty())
        .collect()
}

/// How many measurements that is.
pub(crate) fn count(effort: &Effort) -> u64 {
    plans(effort)
        .iter()
        .map(|(_, plan)| (plan.kinds.len() * plan.processes.len()) as u64 * u64::from(plan.runs))
        .sum()
}

/// Measures every setting; `step` is called after each measurement.
pub(crate) fn run(effort: &Effort, mut step: impl FnMut()) -> Result<Vec<Setting>, Failure> {
    let mut settings = Vec::new();
    for (way, plan) in plans(effort) {
        let rows = contention::run(&plan, &mut |_| step())?;
        for processes in &plan.processes {
            let mine = rows.iter().filter(|row| row.processes == *processes);
            let mut setting = Setting {
                name: way.name,
                title: title(way, *processes),
                pin: way.pin,
                inside_ns: way.inside_ns,
                outside_ns: way.outside_ns,
                processes: *processes,
                figures: mine.filter_map(figure).collect(),
            };
            setting.compare();
            settings.push(setting);
        }
    }
    Ok(settings)
}

fn title(way: &Way, processes: u32) -> String {
    let noun = if processes == 1 {
        "process"
    } else {
        "processes"
    };
    format!("{processes} {noun}: {}", way.title)
}

fn figure(row: &Row) -> Option<Figure> {
    let entrant = entrant(row.kind)?;
    Some(Figure {
        kind: entrant.name,
        sort: entrant.sort,
        ns_per_op: row.ns_per_op,
        ns_min: row.ns_per_op_range.0,
        ns_max: row.ns_per_op_range.1,
        mops: row.mops,
        fairness: row.fairness,
        lost: row.lost,
        to_robust: None,
        to_best: None,
    })
}
