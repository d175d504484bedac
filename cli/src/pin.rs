//! Which core a worker runs on.

use std::fmt;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::Failure;

/// Where workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// Each on a core of its own; when there are more of them than cores, they go round.
    Cores,
    /// All on the same core.
    Same,
    /// Where the kernel puts them.
    Free,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cores => "cores",
            Self::Same => "same",
            Self::Free => "free",
        })
    }
}

impl Pin {
    /// The core of worker number `worker`, counted from 0; none if it may run anywhere.
    ///
    /// `cores` are those of [`cores`].
    pub fn core(self, worker: u32, cores: &[usize]) -> Option<usize> {
        match self {
            Self::Cores => cores.get(worker as usize % cores.len().max(1)).copied(),
            Self::Same => cores.first().copied(),
            Self::Free => None,
        }
    }
}

/// The cores that this process may use.
///
/// # Errors
///
/// [`Failure::Io`] if the system does not say.
pub fn cores() -> Result<Vec<usize>, Failure> {
    let set = sched_getaffinity(Pid::from_raw(0))
        .map_err(|errno| Failure::io("sched_getaffinity")(errno.into()))?;
    let allowed = |core: &usize| set.is_set(*core).unwrap_or(false);
    Ok((0..CpuSet::count()).filter(allowed).collect())
}

/// Keeps the calling thread on `core`.
///
/// # Errors
///
/// [`Failure::Io`] if the system refuses.
pub fn pin(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|errno| Failure::io("sched_setaffinity")(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_go_round_the_cores() {
        let cores = [3, 5];
        let on = |pin: Pin| [0, 1, 2].map(|worker| pin.core(worker, &cores));
        assert_eq!(on(Pin::Cores), [Some(3), Some(5), Some(3)]);
        assert_eq!(on(Pin::Same), [Some(3); 3]);
        assert_eq!(on(Pin::Free), [None; 3]);
    }

    #[test]
    fn a_pinned_thread_may_use_one_core() {
        std::thread::spawn(|| {
            let last = *cores().unwrap().last().unwrap();
            pin(last).unwrap();
            assert_eq!(cores().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }
}
