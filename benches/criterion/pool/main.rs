//! What a task of a `process::Pool` costs, beside two pipes for each worker by hand and Python's
//! `multiprocessing.Pool`: one call after the other, single tasks, chunks of 100, and `map`; then
//! what starting a pool of four costs, and how often an idle one wakes up.
//!
//! ```text
//! cargo bench -p benches --bench pool
//! cargo bench -p benches --bench pool -- chunks 9    # subjects whose title has the word; runs
//! ```
//!
//! The subjects are taken in turn, so that a machine that is slower for a moment is so for all of
//! them. Printed are the medians of the runs, and the medians of each run's ratio to the pipes in
//! the same turn: above 1 is better than pipes. Python's takes part where `python3` is.

mod cores;
mod life;
mod ours;
mod pipes;
mod python;

use std::env;
use std::error::Error;

use cores::Cores;
use crossdock::process;

type Failed = Box<dyn Error>;

/// What all subjects compute of each item.
fn work(item: u64) -> u64 {
    item.wrapping_mul(item) ^ 7
}

/// What a subject does: so many items by so many workers, and where they run.
#[derive(Clone, Copy)]
struct Load {
    workers: usize,
    items: u64,
    cores: Cores,
}

/// The sum of the results of a load, by which the subjects are checked.
fn expected(load: Load) -> u64 {
    (0..load.items).map(work).fold(0, u64::wrapping_add)
}

/// A subject: its name, what part of the items it does, and its seconds and sum.
type Subject = (&'static str, u64, fn(Load) -> Result<(f64, u64), Failed>);

/// A comparison: its title, the items, the workers, and the subjects, whose first one is the pipes.
struct Comparison {
    title: &'static str,
    items: u64,
    subjects: &'static [Subject],
}

const COMPARISONS: [Comparison; 4] = [
    Comparison {
        title: "calls, one after the other",
        items: 20_000,
        subjects: &[
            ("pipes", 1, |load| pipes::run::<1>(load, 1)),
            ("Pool::call", 1, ours::calls),
            ("Python's apply", 10, |load| python::run("apply", load)),
        ],
    },
    Comparison {
        title: "single tasks, 256 in flight",
        items: 200_000,
        subjects: &[
            ("pipes", 1, |load| pipes::run::<1>(load, 256)),
            ("imap_unordered", 1, |load| ours::imap(load, 1, 256)),
            ("submit, wait", 1, ours::submits),
            ("Python's imap", 20, |load| python::run("imap", load)),
        ],
    },
    Comparison {
        title: "chunks of 100, 64 in flight",
        items: 4_000_000,
        subjects: &[
            ("pipes", 1, |load| pipes::run::<100>(load, 64)),
            ("imap_unordered", 1, |load| ours::imap(load, 100, 64)),
            ("Python's map, 100", 20, |load| python::run("map100", load)),
        ],
    },
    Comparison {
        title: "map, default chunks",
        items: 4_000_000,
        subjects: &[
            ("pipes, chunks of 100", 1, |load| {
                pipes::run::<100>(load, 64)
            }),
            ("Pool::map", 1, ours::map),
            ("Python's map", 10, |load| python::run("map", load)),
        ],
    },
];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of items are below 2^52"
)]
fn compare(comparison: &Comparison, runs: usize) -> Result<(), Failed> {
    let placings = [
        ("one core", 1, Some([0, 0])),
        ("two cores", 1, Some([0, 1])),
        ("not pinned", 1, None),
        ("not pinned", 2, None),
    ];
    for (placed, workers, cores) in placings {
        println!(
            "{}; workers: {workers}, {placed}: medians of {runs} runs",
            comparison.title
        );
        let mut took = vec![Vec::new(); comparison.subjects.len()];
        let mut ratios = vec![Vec::new(); comparison.subjects.len()];
        for _ in 0..runs {
            let mut first = None;
            for (at, (name, part, run)) in comparison.subjects.iter().enumerate() {
                let load = Load {
                    workers,
                    items: comparison.items / part,
                    cores,
                };
                let (seconds, sum) = run(load)?;
                cores::unpin();
                assert!(
                    sum == expected(load) || seconds.is_nan(),
                    "{name}: a wrong result"
                );
                let nanos = seconds * 1e9 / load.items as f64;
                took[at].push(nanos);
                ratios[at].push(*first.get_or_insert(nanos) / nanos);
            }
        }
        for ((name, ..), (took, ratios)) in
            comparison.subjects.iter().zip(took.into_iter().zip(ratios))
        {
            let (took, ratio) = (median(took), median(ratios));
            let rate = 1e3 / took;
            println!("  {name:<22} {took:>10.1} ns {rate:>9.3} M/s {ratio:>8.3} x");
        }
    }
    Ok(())
}

fn main() -> Result<(), Failed> {
    process::init();
    // Cargo adds one of its own.
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let filter = arguments.next().unwrap_or_default();
    let runs = arguments.next().map(|text| text.parse()).transpose()?;
    let runs = runs.unwrap_or(9);
    for comparison in &COMPARISONS {
        if comparison.title.contains(&filter) {
            compare(comparison, runs)?;
        }
    }
    if life::STARTING.contains(&filter) {
        life::starting(runs)?;
    }
    if life::IDLE.contains(&filter) {
        life::idle()?;
    }
    Ok(())
}
