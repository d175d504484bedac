//! Recovery: the owner of a lock is killed; how long until a waiter has it.
//!
//! Each round has an owner and a waiter, both processes of their own. The owner locks and sleeps.
//! When the waiter sleeps in its wait for the lock, and has slept for a given time or up to twice
//! as long, spread evenly so that no rhythm of the waiter's is met, the driver takes the time and
//! sends SIGKILL. The waiter takes the time when it has the lock.
//!
//! The owner can be given memory of its own. The kernel frees that before it drops the owner's
//! locks of files, and after it has walked the owner's robust list, so it is part of the one time
//! and not of the other.

mod kinds;
mod round;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crossdock_cli::Failure;
use crossdock_cli::stats::percentile;

pub use kinds::KINDS;

/// A lock that tells its next owner that the last one died.
pub trait Lock: Sized + 'static {
    /// What owner and waiter get: it travels to their processes.
    type Handle: Clone + Serialize + DeserializeOwned + 'static;
    /// What a waiter keeps while it waits.
    type Waiting;

    /// The kind's name, for options and for programs that read the result.
    const NAME: &'static str;

    /// Makes the lock, free.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    fn create() -> Result<Self::Handle, Failure>;

    /// Locks, for the owner, which never unlocks.
    ///
    /// # Errors
    ///
    /// If it is not locked then.
    fn hold(handle: &Self::Handle) -> Result<(), Failure>;

    /// Called by the waiter before it waits.
    ///
    /// # Errors
    ///
    /// If it cannot wait as this kind does.
    fn prepare(handle: &Self::Handle) -> Result<Self::Waiting, Failure>;

    /// Waits for the lock, calls `have` when it is there, settles the owner's death, and unlocks;
    /// whether it was told of the death.
    ///
    /// # Errors
    ///
    /// If the lock was not to be had.
    fn take(handle: &Self::Handle, have: impl FnOnce()) -> Result<bool, Failure>;
}

/// A lock in a plan, whatever its type.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// One round: kills an owner with so many bytes of memory after so long, and returns how long
    /// the waiter had to wait from then on.
    pub round: fn(Duration, usize) -> Result<Duration, Failure>,
}

impl Kind {
    /// The kind of a lock.
    pub const fn of<L: Lock>(about: &'static str) -> Self {
        Self {
            name: L::NAME,
            about,
            round: round::round::<L>,
        }
    }
}

/// What a kind came to, in microseconds from the kill to the lock.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The kind.
    pub kind: &'static str,
    /// How many owners were killed.
    pub rounds: usize,
    /// Half of the waiters had the lock by then.
    pub p50_us: f64,
    /// 9 in 10.
    pub p90_us: f64,
    /// 99 in 100.
    pub p99_us: f64,
    /// All of them.
    pub max_us: f64,
    /// [`p50_us`](Self::p50_us) as a multiple of that of `pthread-robust`, if that was measured.
    pub p50_ratio: Option<f64>,
    /// The same of [`p99_us`](Self::p99_us).
    pub p99_ratio: Option<f64>,
}

/// The kind that others are compared with.
pub const YARDSTICK: &str = "pthread-robust";

/// How long a waiter has slept at least before the kill, unless the caller says otherwise.
pub const ASLEEP: Duration = Duration::from_millis(10);
/// The most that is added: a slice is no longer.
const MOST_SPREAD: Duration = Duration::from_secs(1);

/// Kills `rounds` owners of each kind, one kind after the other in each round, each when its waiter
/// has slept for `asleep` at least, and with `memory` bytes that it has written to. `progress` is
/// told how many have been killed, before each.
///
/// # Errors
///
/// [`Failure`] of the first round that fails.
pub fn run(
    kinds: &[Kind],
    rounds: u32,
    asleep: Duration,
    memory: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Row>, Failure> {
    let mut times: Vec<Vec<f64>> = kinds.iter().map(|_| Vec::new()).collect();
    let mut done = 0;
    for round in 0..rounds {
        for (kind, times) in kinds.iter().zip(&mut times) {
            progress(done);
            let time = (kind.round)(pause(round, asleep), memory)?;
            times.push(time.as_secs_f64() * 1e6);
            done += 1;
        }
    }
    let mut rows: Vec<Row> = kinds
        .iter()
        .zip(times)
        .map(|(kind, times)| row(kind.name, times))
        .collect();
    let yardstick = rows.iter().find(|row| row.kind == YARDSTICK).cloned();
    if let Some(yardstick) = yardstick {
        for row in &mut rows {
            row.p50_ratio = Some(row.p50_us / yardstick.p50_us);
            row.p99_ratio = Some(row.p99_us / yardstick.p99_us);
        }
    }
    Ok(rows)
}

/// How long to wait before the kill of a round: spread evenly, and the same for all kinds.
fn pause(round: u32, asleep: Duration) -> Duration {
    // The golden ratio's multiples are spread as evenly as can be, whatever their number.
    let spread = f64::from(round) * 0.618_033_988_749_895;
    asleep + asleep.min(MOST_SPREAD).mul_f64(spread.fract())
}

fn row(kind: &'static str, mut times: Vec<f64>) -> Row {
    times.sort_by(f64::total_cmp);
    let at = |q| percentile(&times, q).unwrap_or(f64::NAN);
    Row {
        kind,
        rounds: times.len(),
        p50_us: at(0.5),
        p90_us: at(0.9),
        p99_us: at(0.99),
        max_us: at(1.0),
        p50_ratio: None,
        p99_ratio: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_evenly() {
        for (asleep, spread) in [(ASLEEP, ASLEEP), (60 * MOST_SPREAD, MOST_SPREAD)] {
            let mut pauses: Vec<_> = (0..100).map(|round| pause(round, asleep)).collect();
            pauses.sort();
            assert!(pauses[0] >= asleep && pauses[99] < asleep + spread);
            assert!(pauses.windows(2).all(|two| two[1] - two[0] < spread / 50));
        }
    }

    #[test]
    fn rows_are_compared_with_the_yardstick_of_the_same_run() {
        let kind = |name, round| Kind {
            name,
            about: "",
            round,
        };
        let kinds = [
            kind("slow", |_, _| Ok(Duration::from_micros(300))),
            kind(YARDSTICK, |_, _| Ok(Duration::from_micros(100))),
        ];
        let mut steps = Vec::new();
        let rows = run(&kinds, 3, ASLEEP, 0, &mut |done| steps.push(done)).unwrap();
        assert_eq!(steps, [0, 1, 2, 3, 4, 5]);
        assert_eq!(rows[0].rounds, 3);
        assert!((rows[0].p50_ratio.unwrap() - 3.0).abs() < 1e-9);
        assert!((rows[1].p99_ratio.unwrap() - 1.0).abs() < 1e-9);
        let alone = run(&kinds[..1], 1, ASLEEP, 0, &mut |_| ()).unwrap();
        assert_eq!(alone[0].p50_ratio, None);
    }
}
