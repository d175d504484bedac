//! What the parent knows of the workers.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::sys::limits::oom_kills;

/// The wait before a worker is started again after a failure; twice as long after each further one.
const BACK_OFF: Duration = Duration::from_millis(10);
/// The pause between looks for what has no event: room for a message that is sent again, and a
/// letter that a dead worker has left.
pub(super) const LOOK: Duration = Duration::from_millis(2);
/// The first one for what a fork server is about to tell.
const LOOK_FIRST: Duration = Duration::from_micros(100);
/// The most, to which it grows while the memory of a worker outlives it.
const LOOK_MOST: Duration = Duration::from_millis(64);
const SIGKILL: i32 = 9;
/// A worker that ended before it was ready weighs so much, and a worker killed by SIGKILL,
/// which may have had nothing to do with it, one.
pub(super) const FAILURE: u32 = 20;
/// With so much weight in a row the pool is broken.
const MOST_FAILURES: u32 = 5 * FAILURE;

/// How a worker ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exit {
    pub(super) signal: Option<i32>,
    pub(super) code: Option<i32>,
    /// Whether it was for want of memory, if that is known.
    pub(super) oom: Option<bool>,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        Self {
            signal: status.signal(),
            code: status.code(),
            oom: (status.signal() != Some(SIGKILL)).then_some(false),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.signal, self.code) {
            (Some(signal), _) => write!(f, "its process was killed by signal {signal}"),
            (None, Some(code)) => write!(f, "its process exited with code {code}"),
            (None, None) => f.write_str("its process ended"),
        }
    }
}

/// Workers that are, or were, in their places.
type Processes = Vec<Arc<Process<()>>>;

/// The place of a worker.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) process: Option<Arc<Process<()>>>,
    pub(super) ready: bool,
    /// The process has exited, and its fork server has not told how.
    pub(super) untold: bool,
    /// How the last process ended, until the next one is started.
    pub(super) exit: Option<Exit>,
}

/// The places of the workers, and the failures of those that were to take them.
pub(super) struct Workers {
    pub(super) seats: Vec<Seat>,
    /// Whether the pool waits for its first workers: one failure is enough then.
    pub(super) building: bool,
    /// The weight of the workers that ended before they were ready, since the last that was.
    failures: u32,
    /// What the last of them said.
    failure: Option<String>,
    pub(super) restart_at: Option<Instant>,
    pub(super) last_exit: Exit,
    /// The places whose exits were found, and may be those of workers that were ready: the replies
    /// were not looked at since.
    unjudged: Vec<usize>,
    /// The process ids of those that exited, while the segment's registry may list them: another
    /// process may be in the memory of one a while longer, and the message that it held comes back
    /// after that.
    lingering: Vec<u32>,
    /// The pause until the next look for them.
    look: Duration,
    /// How many have ended.
    pub(super) ended: u64,
    /// Whether what they have started ends with them.
    kill_groups: bool,
    /// The kills for want of memory that the cgroup had counted when it was last asked.
    oom_kills: Option<u64>,
}

impl Workers {
    pub(super) fn new(places: u32, kill_groups: bool) -> Self {
        Self {
            seats: (0..places).map(|_| Seat::default()).collect(),
            building: true,
            failures: 0,
            failure: None,
            restart_at: None,
            last_exit: Exit::default(),
            unjudged: Vec::new(),
            lingering: Vec::new(),
            look: LOOK,
            ended: 0,
            kill_groups,
            oom_kills: oom_kills(),
        }
    }

    /// The worker of a place is ready.
    pub(super) fn record_ready(&mut self, place: u32) {
        let seat = usize::try_from(place).ok();
        if let Some(seat) = seat.and_then(|at| self.seats.get_mut(at)) {
            seat.ready = true;
            // Of the first workers each has to be ready.
            if !self.building {
                (self.failures, self.failure) = (0, None);
            }
        }
    }

    /// A worker said why it is not going to be ready.
    pub(super) fn record_failure(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// A worker could not be started.
    pub(super) fn record_refusal(&mut self, why: String) {
        self.failures += FAILURE;
        self.failure = Some(why);
    }

    pub(super) fn are_ready(&self) -> bool {
        self.seats.iter().all(|seat| seat.ready)
    }

    /// Why no more workers are started: too many have failed.
    pub(super) fn defeat(&self) -> Option<String> {
        let most = if self.building { 1 } else { MOST_FAILURES };
        (self.failures >= most).then(|| self.failure.clone().unwrap_or_default())
    }

    /// A worker was started. It may have said that it is ready before this is recorded.
    pub(super) fn record_start(&mut self, place: usize, process: Process<()>) {
        let seat = &mut self.seats[place];
        seat.exit = None;
        seat.process = Some(Arc::new(process));
    }

    pub(super) fn kill(&self, place: u32) {
        let seat = usize::try_from(place)
            .ok()
            .and_then(|at| self.seats.get(at));
        if let Some(process) = seat.and_then(|seat| seat.process.as_ref()) {
            self.kill_process(process);
        }
    }

    fn kill_process(&self, process: &Process<()>) {
        if self.kill_groups {
            process.spawned().record().kill_group();
        } else {
            // A worker that cannot be killed has exited.
            let _ = process.kill();
        }
    }

    /// Has the next workers started later if the last ones failed.
    pub(super) fn back_off(&mut self) {
        let failures = self.failures / FAILURE;
        if failures > 0 {
            self.restart_at = Some(Instant::now() + BACK_OFF * (1 << (failures - 1).min(6)));
        }
    }

    /// Records the exits of workers, to be [judged](Self::judge_exits). Returns their processes,
    /// whose exits are to be told without the lock.
    pub(super) fn record_exits(&mut self) -> Processes {
        let (mut found, mut killed) = (Vec::new(), Vec::new());
        for (place, seat) in self.seats.iter_mut().enumerate() {
            let Some(process) = &seat.process else {
                continue;
            };
            let exit = match process.exit_status_at_once() {
                Ok(None) => {
                    let record = process.spawned().record();
                    let untold = record.is_relayed() && !record.is_alive();
                    if untold && !seat.untold {
                        self.look = LOOK_FIRST;
                    }
                    seat.untold = untold;
                    continue;
                }
                Ok(Some(status)) => status.into(),
                // Other code took the status, or the system does not tell.
                Err(_) if process.is_alive() => continue,
                Err(_) => Exit::default(),
            };
            if self.kill_groups {
                process.spawned().record().kill_group();
            }
            self.last_exit = exit;
            if exit.signal == Some(SIGKILL) {
                killed.push(place);
            }
            seat.untold = false;
            self.lingering.push(process.id());
            self.look = LOOK;
            seat.exit = Some(exit);
            found.extend(seat.process.take());
            self.unjudged.push(place);
            self.ended += 1;
        }
        let oom = self.was_for_memory(killed.len());
        for place in killed {
            if let Some(exit) = &mut self.seats[place].exit {
                exit.oom = oom;
                self.last_exit = *exit;
            }
        }
        found
    }

    /// Keeps those of the workers that exited which the segment's registry lists, as it was looked
    /// at after their exits.
    pub(super) fn keep_lingering(&mut self, is_listed: impl Fn(u32) -> bool) {
        self.lingering.retain(|id| is_listed(*id));
    }

    /// Whether the message of a worker that has exited may come back later.
    pub(super) fn may_leave_letters(&self) -> bool {
        !self.lingering.is_empty()
    }

    /// The pause until the next look for such messages, and for what fork servers have not told, if
    /// there may be any: longer each time.
    pub(super) fn next_look(&mut self) -> Option<Duration> {
        let look = self.look;
        self.look = LOOK_MOST.min(2 * look);
        let is_due = self.may_leave_letters() || self.seats.iter().any(|seat| seat.untold);
        is_due.then_some(look)
    }

    /// The processes whose exits are events, and those that have exited and are not told of.
    pub(super) fn awaited(&self) -> (Processes, Processes) {
        let seats = self.seats.iter();
        let (untold, awaited): (Vec<_>, Vec<_>) = seats.partition(|seat| seat.untold);
        let of = |seats: Vec<&Seat>| {
            let processes = seats.into_iter().filter_map(|seat| seat.process.clone());
            processes.collect()
        };
        (of(awaited), of(untold))
    }

    /// Counts the workers among those that ended which never were ready. All replies that were sent
    /// before their exits have been taken since the exits were recorded: in the other order, a
    /// worker that is ready, works and leaves between the two looks would count as a failure.
    pub(super) fn judge_exits(&mut self) {
        for place in std::mem::take(&mut self.unjudged) {
            let seat = &mut self.seats[place];
            let exit = seat.exit.unwrap_or_default();
            if !std::mem::take(&mut seat.ready) {
                self.failures += match exit.signal {
                    Some(SIGKILL) => 1,
                    _ => FAILURE,
                };
                if self.failure.is_none() {
                    self.failure = Some(exit.to_string());
                }
            }
        }
    }

    /// Whether so many workers, killed since the last look, were killed for want of memory, if that
    /// is known. The kernel counts such a kill before it sends the signal.
    fn was_for_memory(&mut self, killed: usize) -> Option<bool> {
        if killed == 0 {
            return None;
        }
        let now = oom_kills();
        let before = std::mem::replace(&mut self.oom_kills, now)?;
        match (now?.checked_sub(before)?, killed) {
            (0, _) => Some(false),
            (1, 1) => Some(true),
            _ => None,
        }
    }

    pub(super) fn kill_all(&self) {
        for process in self.seats.iter().filter_map(|seat| seat.process.as_ref()) {
            self.kill_process(process);
        }
    }

    pub(super) fn processes(&self) -> Processes {
        let processes = self.seats.iter();
        processes.filter_map(|seat| seat.process.clone()).collect()
    }
}
