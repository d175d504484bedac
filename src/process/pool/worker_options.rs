//! How a worker runs, beside its tasks: what the options of the pool say of each of them.

use std::os::fd::{AsFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::segment::PoolSegment;
use crate::facade::{AtomicU32, Ordering};
use crate::process::{bound, own};
use crate::sys::{child, pidfd, process, schedule};

/// What a worker does when the process of its pool ends, by an exit, a panic of main or a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OnParentDeath {
    /// It ends as if killed: at once, wherever its task is.
    #[default]
    Exit,
    /// It finishes the item that it runs, whose result is lost, and exits. It takes no other task.
    FinishTask,
}

/// The options of a worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct WorkerOptions {
    /// The number of items after which the worker leaves; 0 for none.
    pub(super) max_tasks: u64,
    /// The bytes of its own that it has more than at its start before it leaves; 0 for none.
    pub(super) max_memory: u64,
    pub(super) kill_group: bool,
    /// The sets of processors, which the places have in turn.
    pub(super) affinity: Vec<Vec<usize>>,
    pub(super) nice: i32,
    pub(super) on_parent_death: OnParentDeath,
}

/// Set by the thread that waits for the parent's end.
static IS_ORPHAN: AtomicU32 = AtomicU32::new(0);

/// What a worker knows of its pool's process.
pub(super) struct PoolsProcess {
    /// For a worker that outlives it.
    pidfd: Option<OwnedFd>,
}

impl PoolsProcess {
    pub(super) fn of(options: &WorkerOptions) -> Self {
        let outlived = options.on_parent_death == OnParentDeath::FinishTask;
        let parent = own::parent().filter(|_| outlived);
        Self {
            // A process that has the number later is none that has ended.
            pidfd: parent.and_then(|parent| pidfd::open(parent.id).ok()),
        }
    }

    /// Whether it has ended, so that the worker takes no more tasks. Where the descriptor was
    /// closed by other code, that is known a moment later.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        // ORDERING: Relaxed; nothing else is known by it.
        IS_ORPHAN.load(Ordering::Relaxed) != 0
            || self
                .pidfd
                .as_ref()
                .is_some_and(|pidfd| child::has_ended(pidfd.as_fd()).unwrap_or(false))
    }
}

impl WorkerOptions {
    /// Applies the options to this process, the worker of a place, before anything else runs there.
    pub(super) fn apply(&self, place: u32, shared: &PoolSegment) -> Result<(), String> {
        if self.kill_group {
            schedule::lead_group()
                .map_err(|error| format!("the worker has no process group of its own: {error}"))?;
        }
        self.prepare_for_parents_end(shared);
        if !self.affinity.is_empty() {
            let place = usize::try_from(place).unwrap_or(0);
            let processors = &self.affinity[place % self.affinity.len()];
            schedule::set_affinity(processors).map_err(|error| {
                format!("the worker cannot run on the processors {processors:?}: {error}")
            })?;
        }
        if self.nice != 0 {
            schedule::add_nice(self.nice).map_err(|error| {
                format!(
                    "the worker's nice value cannot grow by {}: {error}",
                    self.nice
                )
            })?;
        }
        Ok(())
    }

    fn prepare_for_parents_end(&self, shared: &PoolSegment) {
        match (self.on_parent_death, self.kill_group) {
            (OnParentDeath::Exit, false) => {}
            (OnParentDeath::Exit, true) => bound::at_parents_end(|| {
                schedule::kill_own_group();
                process::end_now();
            }),
            (OnParentDeath::FinishTask, _) => {
                let shared = shared.clone();
                bound::at_parents_end(move || {
                    // ORDERING: Relaxed; as in `has_ended`.
                    IS_ORPHAN.store(1, Ordering::Relaxed);
                    shared.close();
                });
            }
        }
    }

    /// The last act of a worker that leaves.
    pub(super) fn leave(&self, pools: &PoolsProcess) {
        if self.kill_group && pools.has_ended() {
            schedule::kill_own_group();
        }
    }
}

/// The memory that a worker may grow by.
pub(super) struct MemoryLimit {
    /// The most bytes; `None` for no limit.
    most: Option<u64>,
}

impl MemoryLimit {
    /// The limit of this process, which has its initial memory now.
    pub(super) fn from_now(options: &WorkerOptions) -> Self {
        let most = (options.max_memory != 0)
            .then(schedule::own_memory)
            .flatten()
            .map(|now| now.saturating_add(options.max_memory));
        Self { most }
    }

    /// Whether this process has more.
    pub(super) fn is_exceeded(&self) -> bool {
        let Some(most) = self.most else {
            return false;
        };
        schedule::own_memory().is_some_and(|now| now > most)
    }
}
