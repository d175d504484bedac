//! How models are explored: every interleaving within a bound, and a death at every step.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::{DEATHS, DEATHS_OF, SOFT_FAULTS};

/// Whether the models may take as long as they like (`cargo xtask models --full`).
fn full() -> bool {
    static FULL: OnceLock<bool> = OnceLock::new();
    *FULL.get_or_init(|| std::env::var_os("CROSSDOCK_MODEL_FULL").is_some())
}

/// Whether models of two deaths explore every pair of steps (`cargo xtask models --deaths 2`).
fn every_pair() -> bool {
    static EVERY: OnceLock<bool> = OnceLock::new();
    *EVERY.get_or_init(|| std::env::var_os("CROSSDOCK_MODEL_DEATHS").is_some_and(|two| two == "2"))
}

/// Of the pairs of steps at which two processes die, a bounded run explores one in this many.
const PAIRS_APART: u32 = 3;

/// The default number of preemptions that a run explores: every further one multiplies the
/// interleavings by ten and more, so the full run too has an end.
const PREEMPTIONS_FULL: usize = 4;

/// How many deaths and soft faults happened in the interleavings of one exploration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explored {
    pub(crate) deaths: u64,
    /// Of process 1, 2 and 3.
    deaths_of: [u64; 3],
    pub(crate) soft_faults: u64,
}

/// Explores `body` and prints how many interleavings that took.
pub(crate) fn explore(body: impl Fn() + Sync + Send + 'static) -> Explored {
    explore_at_least(0, body)
}

/// As [`explore`], with `preemptions` at least: some bugs do not show with fewer.
pub(crate) fn explore_at_least(
    preemptions: usize,
    body: impl Fn() + Sync + Send + 'static,
) -> Explored {
    explore_within("", &|bound| bound.max(preemptions), Arc::new(body))
}

/// As [`explore`], with one preemption fewer: for three that block, each of which multiplies the
/// interleavings.
pub(crate) fn explore_one_less(body: impl Fn() + Sync + Send + 'static) -> Explored {
    explore_within("", &one_less, Arc::new(body))
}

fn one_less(bound: usize) -> usize {
    bound.saturating_sub(1)
}

/// `part` says which part of the model it is, after a comma, or is empty. This is built once, and
/// what loom does with a model with it, not once for each model: that would take longer than what
/// the models themselves are.
fn explore_within(
    part: &str,
    limit: &dyn Fn(usize) -> usize,
    body: Arc<dyn Fn() + Sync + Send>,
) -> Explored {
    DEATHS.store(0, Relaxed);
    DEATHS_OF.iter().for_each(|deaths| deaths.store(0, Relaxed));
    SOFT_FAULTS.store(0, Relaxed);
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    let bound = builder
        .preemption_bound
        .or_else(|| full().then_some(PREEMPTIONS_FULL));
    builder.preemption_bound = bound.map(limit);
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        body();
    });
    let thread = std::thread::current();
    let model = thread.name().unwrap_or_default();
    println!("model {model}{part}: {} interleavings", runs.load(Relaxed));
    Explored {
        deaths: DEATHS.load(Relaxed),
        deaths_of: DEATHS_OF.each_ref().map(|deaths| deaths.load(Relaxed)),
        soft_faults: SOFT_FAULTS.load(Relaxed),
    }
}

/// Explores `body(None)` and then `body(Some(k))` for every step k at which its victim can die.
pub(crate) fn explore_deaths(body: impl Fn(Option<u32>) + Sync + Send + 'static) {
    explore_deaths_at_least(0, body);
}

/// As [`explore_deaths`], with `preemptions` at least.
pub(crate) fn explore_deaths_at_least(
    preemptions: usize,
    body: impl Fn(Option<u32>) + Sync + Send + 'static,
) {
    explore_steps(
        ["", "killed"],
        &|bound| bound.max(preemptions),
        Arc::new(body),
    );
}

/// As [`explore_deaths`], with one preemption fewer: for a victim of many steps beside two others.
pub(crate) fn explore_deaths_one_less(body: impl Fn(Option<u32>) + Sync + Send + 'static) {
    explore_steps(["", "killed"], &one_less, Arc::new(body));
}

/// Explores `body(Some(k))` for every step k before which its process can be
/// [stopped](super::stopped_process). `part` says which part of the model it is, after a comma.
pub(crate) fn explore_stops(part: &str, body: impl Fn(Option<u32>) + Sync + Send + 'static) {
    explore_steps([part, "stopped"], &|bound| bound, Arc::new(body));
}

fn explore_steps(
    [part, what]: [&str; 2],
    limit: &dyn Fn(usize) -> usize,
    body: Arc<dyn Fn(Option<u32>) + Sync + Send>,
) {
    let at = |k| {
        let body = body.clone();
        Arc::new(move || body(k))
    };
    explore_within(&format!("{part}, not {what}"), limit, at(None));
    for k in 0.. {
        assert!(k < 500, "the victim never survives");
        let part = format!("{part}, {what} before step {k}");
        let explored = explore_within(&part, limit, at(Some(k)));
        if explored.deaths == 0 {
            assert!(k > 0, "the victim has no step to die at");
            return;
        }
    }
}

/// Explores `body([k, j])` for the pairs of steps at which process 1 and process 2 can die, both in
/// one run: every pair in a run of `--deaths 2`, else one in [`PAIRS_APART`], with one preemption
/// fewer.
///
/// Neither has more than 60 steps, so that the pairs stay few; 20 are better.
pub(crate) fn explore_two_deaths(body: impl Fn([Option<u32>; 2]) + Sync + Send + 'static) {
    two_deaths(Arc::new(body));
}

fn two_deaths(body: Arc<dyn Fn([Option<u32>; 2]) + Sync + Send>) {
    const MOST: u32 = 60;
    let (apart, fewer) = if every_pair() {
        (1, 0)
    } else {
        (PAIRS_APART, 1)
    };
    let limit = move |bound: usize| bound.saturating_sub(fewer);
    let at = |pair| {
        let body = body.clone();
        Arc::new(move || body(pair))
    };
    let mut both = 0;
    for k in 0.. {
        assert!(k < MOST, "process 1 never survives");
        let one = format!(", process 1 killed before step {k}");
        let explored = explore_within(&one, &limit, at([Some(k), None]));
        if explored.deaths_of[0] == 0 {
            assert!(both > 0, "no two processes die");
            return;
        }
        for j in (k % apart..).step_by(apart as usize) {
            assert!(j < MOST, "process 2 never survives");
            let two = format!("{one}, process 2 before step {j}");
            let explored = explore_within(&two, &limit, at([Some(k), Some(j)]));
            if explored.deaths_of[1] == 0 {
                break;
            }
            both += 1;
        }
    }
}

/// Explores `body(k)` for every k at which an operation can fail without cause.
pub(crate) fn explore_soft_faults(body: impl Fn(Option<u32>) + Sync + Send + 'static) {
    soft_faults(Arc::new(body));
}

fn soft_faults(body: Arc<dyn Fn(Option<u32>) + Sync + Send>) {
    for k in 0.. {
        assert!(k < 500, "soft faults never end");
        let part = format!(", soft fault {k}");
        let body = body.clone();
        let explored = explore_within(&part, &|bound| bound, Arc::new(move || body(Some(k))));
        if explored.soft_faults == 0 {
            assert!(k > 0, "no operation can fail without cause");
            return;
        }
    }
}
