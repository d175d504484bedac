//! The passes over one walk: record, kill, stop; and the same for its seeded bug.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal;

use crate::crash::judge;
use crate::crash::operation::{Complaint, Fate, Owned, Scene};
use crate::crash::sweep::{Listed, PATIENCE, Row, SHORT_PATIENCE, THIN, WATCHDOG, caught};
use crate::crash::victim::Victim;
use crate::crash::walk::cases::{Case, Target};
use crate::crash::walk::family::{Family, ITEMS, Note};
use crate::crash::walk::pool::Known;
use crate::crash::walk::roles::{BEGIN_OF_WALK, END_OF_WALK, meaning};
use crate::crash::walk::tracee::{Place, Step, Tracee, Way};
use crate::process::{Broken, Child, End, Rig, has_state, take_served_by_slice, until, watch_over};

/// After this the second is over.
const SOON: Duration = Duration::from_secs(1);
/// System calls that no other process sees anything of: in a thin sweep one in so many is a point.
const STRIDE: usize = 16;
/// How many stores between two system calls are points.
const STORES: usize = 24;
/// The same of a pool's, where all that a worker does with a task may lie between two calls.
const STORES_OF_POOLS: usize = 200;
/// At one in so many points a waiting receiver has to notice the deaths by itself, which takes
/// longer.
const WAITS_EVERY: usize = 10;
/// A walk that has not ended after so many steps never will.
const ENDLESS: usize = 100_000;

/// A point of a walk.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// How many system calls were made before.
    calls: usize,
    /// It is after a store, where the instruction at this address is next, and was reached so often
    /// since the last call.
    store: Option<Place>,
}

/// One walk from its start to its end.
#[derive(Default)]
struct Record {
    /// The numbers of the system calls.
    calls: Vec<u64>,
    /// Where something was stored: after how many calls, and the place.
    stores: Vec<(usize, Place)>,
}

/// Sweeps a walk, then its seeded bug.
pub(super) fn sweep(listed: &Listed, case: &Case, full: bool) -> Rig<Row> {
    let begun = Instant::now();
    // Orphans come to this process, which so knows when the last has ended.
    set_child_subreaper(true)?;
    // A place is found again in another process if both have the program at the same address.
    // SAFETY: takes a number, and changes only how later programs are loaded.
    unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    let mut row = Row {
        name: listed.name.into(),
        seed: listed.seed.into(),
        ..Row::default()
    };
    let record = Record::of(case, false)?;
    take_served_by_slice()?;
    row.steps = record.calls.len();
    row.changes = record.stores.len();
    for (number, point) in record.points(full).into_iter().enumerate() {
        for fate in fates(case, number, full) {
            let scene = pass(case, false, point, fate, PATIENCE)?;
            row.add(point.calls, scene);
        }
    }
    row.by_slice = take_served_by_slice()?;
    row.caught = caught(&|| complaint(case))?;
    row.took = begun.elapsed();
    Ok(row)
}

/// What happens at a point: a kill, and one of two ways to be stopped at every other one.
fn fates(case: &Case, number: usize, full: bool) -> Vec<Fate> {
    let stops = [Fate::Suspended, Fate::KilledAmongOthers];
    match number % 4 {
        _ if case.is_stopped => vec![Fate::Suspended],
        _ if full => [&[Fate::KilledAlone], &stops[..]].concat(),
        1 => vec![Fate::KilledAlone, stops[0]],
        3 => vec![Fate::KilledAlone, stops[1]],
        _ => vec![Fate::KilledAlone],
    }
}

/// Where the judge first complains about a seeded bug.
fn complaint(case: &Case) -> Rig<Option<(usize, Complaint)>> {
    let record = Record::of(case, true)?;
    for point in record.points(false) {
        for fate in [Fate::KilledAlone, Fate::Suspended] {
            let scene = pass(case, true, point, fate, SHORT_PATIENCE)?;
            if let Some(complaint) = scene.complaints.into_iter().next() {
                return Ok(Some((point.calls, complaint)));
            }
        }
    }
    Ok(None)
}

/// Whether no other process can see that this call was made, and it creates nothing that can be
/// left behind.
fn is_private(call: u64) -> bool {
    let private = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_statfs,
        libc::SYS_fstatfs,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_readlinkat,
        libc::SYS_getdents64,
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_arch_prctl,
        libc::SYS_set_tid_address,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_prlimit64,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getppid,
        libc::SYS_geteuid,
        libc::SYS_getresuid,
        libc::SYS_getresgid,
        libc::SYS_sched_getaffinity,
        libc::SYS_membarrier,
        libc::SYS_uname,
    ];
    i64::try_from(call).is_ok_and(|call| private.contains(&call))
}

impl Record {
    fn of(case: &Case, seeded: bool) -> Rig<Self> {
        let mut record = Self::default();
        // First where something was stored, then how often: a single step takes as long as a
        // thousand instructions.
        let mut stored = Vec::new();
        let mut walk = Walk::start(case, seeded)?;
        let mut image = walk.family.image()?;
        loop {
            let step = walk.walked.step()?;
            let ends = matches!(step, Step::Ended(_) | Step::Call(END_OF_WALK));
            if image.has_changed(&walk.family)? && step == Step::Entry {
                stored.push(record.calls.len());
            }
            match step {
                _ if ends => break,
                Step::Call(call) => record.calls.push(call),
                _ => {}
            }
            if record.calls.len() > ENDLESS {
                return Err(Broken("a walk does not end".into()));
            }
        }
        walk.abandon()?;
        let mut walk = Walk::start(case, seeded)?;
        let mut done = 0;
        for at in stored {
            let calls = at - done;
            // This time it may make fewer calls: those of waits depend on the time.
            if !walk.follow(Point { calls, store: None })? {
                break;
            }
            done = at;
            let places = walk.stores(if case.pool.is_some() {
                STORES_OF_POOLS
            } else {
                STORES
            })?;
            record.stores.extend(places.map(|place| (at, place)));
        }
        walk.abandon()?;
        Ok(record)
    }

    /// Where the target is killed and stopped.
    fn points(&self, full: bool) -> Vec<Point> {
        let thin = !full && THIN.load(Relaxed);
        let mut stores = self.stores.iter().peekable();
        let mut points = Vec::new();
        for calls in 0..=self.calls.len() {
            let last = calls.checked_sub(1).and_then(|last| self.calls.get(last));
            let far = !last.is_some_and(|call| is_private(*call)) || calls.is_multiple_of(STRIDE);
            if !thin || far {
                points.push(Point { calls, store: None });
            }
            while let Some((_, place)) = stores.next_if(|(at, _)| *at == calls) {
                let store = Some(*place);
                points.push(Point { calls, store });
            }
        }
        points
    }
}

/// A family under way, and the process of it that is walked.
struct Walk {
    family: Family,
    first: Child,
    walked: Tracee,
    /// Whether the walked process is the first, or a thread of it is walked.
    is_first: bool,
    is_thread: bool,
    /// Whether other threads of the walked process run its code meanwhile.
    has_threads: bool,
    /// Whether the rig reaps at the end; otherwise a receiver that waits has to.
    reaps: bool,
    /// What the others knew of their tasks while the walked process was stopped.
    known: Known,
}

impl Walk {
    fn start(case: &Case, seeded: bool) -> Rig<Self> {
        watch_over(WATCHDOG)?;
        let mut world = Some(Family::new()?);
        let subject = case.subject;
        let victim = Victim::start(|begin| match world.take() {
            Some(family) => {
                let family = Owned::new(family);
                family.enter();
                subject(&family, seeded, begin)
            }
            None => crate::process::PANICKED,
        })?;
        // The child has taken its copy; this one is still here.
        let mut family = world.ok_or_else(|| Broken("the family is gone".into()))?;
        family.has_begun();
        let first = victim.into_child();
        let mut walked = Tracee::new(first.pid())?;
        for way in case.path {
            walked = walked.descend(*way)?;
        }
        if case.is_marked {
            walked.run_to_call(BEGIN_OF_WALK)?;
        }
        if case.pool.is_some() {
            family.watch_pool_of(first.pid())?;
        }
        let is_thread = matches!(case.path, [Way::Thread(_)]);
        Ok(Self {
            family,
            first,
            walked,
            is_first: is_thread || case.path.is_empty(),
            is_thread,
            has_threads: case.pool.is_some(),
            reaps: true,
            known: Known::default(),
        })
    }

    /// Walks on to a point. Returns false if the process ends before.
    fn follow(&mut self, point: Point) -> Rig<bool> {
        for _ in 0..point.calls {
            loop {
                match self.walked.step()? {
                    Step::Call(_) => break,
                    Step::Ended(end) => {
                        self.note(end);
                        return Ok(false);
                    }
                    Step::Entry | Step::Instruction => {}
                }
            }
        }
        let step = match point.store {
            Some(place) if self.has_threads => self.walked.step_to(place)?,
            Some(place) => self.walked.run_to(place)?,
            None => return Ok(true),
        };
        if let Step::Ended(end) = step {
            self.note(end);
            return Ok(false);
        }
        Ok(true)
    }

    /// Lets the process execute instructions until it makes a system call. Returns the places
    /// behind stores.
    fn stores(&mut self, most: usize) -> Rig<impl Iterator<Item = Place> + use<>> {
        let mut image = self.family.image()?;
        let mut visits = HashMap::<u64, u32>::new();
        let mut places = Vec::new();
        while self.walked.instruct()? == Step::Instruction {
            let address = self.walked.address()?;
            let before_this = visits.entry(address).or_default();
            if image.has_changed(&self.family)? {
                places.push((address, *before_this));
            }
            *before_this += 1;
        }
        Ok(places.into_iter().take(most))
    }

    /// Lets the others act while the walked process is stopped.
    fn listen(&mut self, case: &Case, scene: &mut Scene) {
        match case.pool {
            Some(_) => self.known = self.family.tasks.meanwhile(case.is_stopped, scene),
            None => self.family.listen(scene),
        }
    }

    fn note(&mut self, end: End) {
        if self.is_first && !self.is_thread {
            self.first.has_ended(end);
        }
    }

    /// Ends the family without a judgement.
    fn abandon(mut self) -> Rig {
        self.walked.release()?;
        self.first.kill()?;
        let mut scene = Scene::new(Fate::KilledAlone, self.first.pid(), SHORT_PATIENCE);
        self.family.end(&mut scene).map(drop)
    }
}

/// One walk, the target's fate after `k` steps, and the judgement.
fn pass(case: &Case, seeded: bool, point: Point, fate: Fate, patience: Duration) -> Rig<Scene> {
    let mut walk = Walk::start(case, seeded)?;
    let target = match case.target {
        Target::Walked => walk.walked.pid(),
        Target::First => walk.first.pid(),
    };
    let mut scene = Scene::new(fate, target, patience);
    walk.reaps = !point.calls.is_multiple_of(WAITS_EVERY);
    let mut killed = false;
    if !walk.follow(point)? {
        scene.ended = true;
        scene.outcome("ended before");
    } else {
        killed = matches!(fate, Fate::KilledAlone | Fate::KilledAmongOthers);
        // Of a first process that is killed others hear while the walked one stands still: what was
        // on its way is over.
        let is_told = killed && fate != Fate::KilledAlone && case.target == Target::First;
        if is_told {
            kill(case, &mut walk)?;
            walk.family.base.segment.reap();
            walk.listen(case, &mut scene);
        } else if fate != Fate::KilledAlone {
            stop(case, &mut walk)?;
            walk.listen(case, &mut scene);
            let before = scene.complaints.len();
            judge::while_stopped(&walk.family.base, &mut scene, true)?;
            // What was ending by itself, as a fork server with its owner, has not stopped.
            if has_state(target, &['Z', 'X']) {
                scene.complaints.truncate(before);
                scene.ended = true;
                scene.outcome("ended before");
            }
        }
        match killed {
            true if is_told => {}
            true => kill(case, &mut walk)?,
            false => resume(case, &walk)?,
        }
    }
    walk.walked.release()?;
    conclude(case, walk, killed, &mut scene)?;
    Ok(scene)
}

fn stop(case: &Case, walk: &mut Walk) -> Rig {
    match case.target {
        Target::Walked => walk.walked.suspend(),
        // In the middle of a clone that shares its memory it stops when that is over.
        Target::First => walk.first.signal(Signal::SIGSTOP),
    }
}

fn resume(case: &Case, walk: &Walk) -> Rig {
    match case.target {
        Target::Walked => walk.walked.resume(),
        Target::First => walk.first.signal(Signal::SIGCONT),
    }
}

fn kill(case: &Case, walk: &mut Walk) -> Rig {
    match case.target {
        Target::First => walk.first.kill(),
        Target::Walked => {
            let end = walk.walked.kill()?;
            walk.note(end);
            // Its end is known once those of its threads are.
            if walk.is_thread {
                walk.first.kill()?;
            }
            Ok(())
        }
    }
}

/// Waits for the end of all, and judges what is left.
fn conclude(case: &Case, mut walk: Walk, killed: bool, scene: &mut Scene) -> Rig {
    let family = &walk.family;
    let first_was_killed = killed && (walk.is_first || case.target == Target::First);
    if case.bound && !first_was_killed {
        if !until(scene.patience, || family.notes.get(Note::Settled) > 0) {
            scene.stuck("the daemon does not go on");
        } else if family.notes.get(Note::Sent) != ITEMS {
            scene.lost("a sender is over, and its parent lives");
        }
        walk.first.kill()?;
    } else {
        match walk.first.end_within(scene.patience)? {
            Some(End::Exited(code)) if case.allows(code, killed) => scene.outcome(meaning(code)),
            Some(End::Killed(Signal::SIGKILL)) if first_was_killed => {}
            Some(other) => {
                let what = match other {
                    End::Exited(code) => meaning(code),
                    End::Killed(_) => "a signal",
                };
                scene.lost(format!("the first process: {other:?}, {what}"));
            }
            None => {
                scene.stuck("the first process does not end");
                walk.first.kill()?;
            }
        }
    }
    let took = family.end(scene)?;
    if took > SOON {
        scene.outcome("after more than a second");
    }
    if walk.reaps {
        family.base.segment.reap();
    }
    family.settle(scene);
    let (begun, started) = (
        family.notes.get(Note::Begun),
        family.notes.get(Note::Started),
    );
    if case.counts && begun != started {
        scene.duplicated(format!(
            "{started} starts succeeded, {begun} functions began"
        ));
    }
    if let Some(rules) = case.pool {
        family.tasks.judge(rules, &walk.known, scene);
    }
    judge::after_death(&family.base, scene, true, false)
}
