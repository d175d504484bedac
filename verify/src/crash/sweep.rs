//! The passes over one operation: record, kill, stop; and the same for its seeded bug.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::crash::judge;
use crate::crash::operation::{Complaint, Fate, Harm, Operation, Owned, Scene};
use crate::crash::trail::Trail;
use crate::crash::victim::{Step, Victim, exit_code, resume};
use crate::process::{Broken, PANICKED, Rig, take_served_by_slice, watch_over};

/// Whether those of more than [`VERY_FEW_STEPS`] are killed at every seventh of the steps between
/// changes.
pub(crate) static THIN: AtomicBool = AtomicBool::new(false);
const VERY_FEW_STEPS: usize = 150;
const STRIDE: usize = 7;
/// How long a survivor may take: thousands of slices of a waiter, since a busy machine may leave
/// one without a processor for seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The same where a bug is expected, and waiting for nothing.
pub(crate) const SHORT_PATIENCE: Duration = Duration::from_millis(200);
/// Every how many stop points a real SIGSTOP is sent.
const SUSPEND_EVERY: usize = 5;
/// Seconds that one point may take before the rig gives itself up.
pub(crate) const WATCHDOG: u32 = 120;
/// An operation that has not ended after so many steps never will.
const ENDLESS: usize = 3_000_000;

/// An operation in the table: what it is called, and how to make it.
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    /// What the seeded bug does.
    pub(crate) seed: &'static str,
    pub(crate) sweep: fn(&Self, bool) -> Rig<Row>,
}

/// What came of sweeping one operation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Where it stands in the table.
    pub(crate) place: usize,
    pub(crate) name: Cow<'static, str>,
    pub(crate) seed: Cow<'static, str>,
    pub(crate) steps: usize,
    pub(crate) changes: usize,
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    /// How many survivors were served only after the end of a slice: no wake ended their last
    /// sleep.
    pub(crate) by_slice: u64,
    pub(crate) outcomes: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) complaints: Vec<(usize, Complaint)>,
    /// At which step the seeded bug was caught, and what the judge said.
    pub(crate) caught: Option<(usize, Complaint)>,
    pub(crate) took: Duration,
}

impl Row {
    pub(crate) fn count(&self, harm: Harm) -> usize {
        let complaints = self.complaints.iter();
        complaints.filter(|(_, one)| one.harm == harm).count()
    }

    pub(crate) fn add(&mut self, k: usize, scene: Scene) {
        match scene.fate {
            _ if scene.ended => {}
            Fate::KilledAmongOthers | Fate::KilledAlone => self.kills += 1,
            Fate::Stopped | Fate::Suspended => self.stops += 1,
        }
        for (what, count) in scene.outcomes() {
            *self.outcomes.entry(what.into()).or_default() += count;
        }
        let complaints = scene.complaints.into_iter();
        self.complaints.extend(complaints.map(|one| (k, one)));
    }
}

/// Sweeps an operation, then its seeded bug. It is built once for each type of operation, and not
/// for each row.
pub(crate) fn sweep<O: Operation>(
    listed: &Listed,
    full: bool,
    make: &dyn Fn(bool) -> O,
) -> Rig<Row> {
    let begun = Instant::now();
    let mut row = Row {
        name: listed.name.into(),
        seed: listed.seed.into(),
        ..Row::default()
    };
    let operation = make(false);
    let record = Record::of(&operation)?;
    take_served_by_slice()?;
    row.steps = record.steps;
    row.changes = record.changes.len();
    for point in record.points(full) {
        for scene in passes(&operation, &record, point, PATIENCE)? {
            row.add(point.0, scene);
        }
    }
    row.by_slice = take_served_by_slice()?;
    row.caught = caught(&|| complaint(&make(true)))?;
    row.took = begun.elapsed();
    Ok(row)
}

/// Looks for a seeded bug, up to three times: the question is whether the judge can see it, and a
/// busy machine may have others come too late to meet it.
pub(crate) fn caught(
    look: &dyn Fn() -> Rig<Option<(usize, Complaint)>>,
) -> Rig<Option<(usize, Complaint)>> {
    const PASSES: usize = 3;
    let mut looks = (0..PASSES).map(|_| look());
    looks
        .find(|found| !matches!(found, Ok(None)))
        .unwrap_or(Ok(None))
}

/// Where the judge first complains about a seeded bug.
fn complaint<O: Operation>(seeded: &O) -> Rig<Option<(usize, Complaint)>> {
    let record = Record::of(seeded)?;
    for point in record.points(false) {
        let scenes = passes(seeded, &record, point, SHORT_PATIENCE)?.into_iter();
        if let Some(complaint) = scenes.flat_map(|scene| scene.complaints).next() {
            return Ok(Some((point.0, complaint)));
        }
    }
    Ok(None)
}

/// One run of an operation from its start to its end, and what could be seen of it.
struct Record {
    steps: usize,
    /// The steps after which the image was another.
    changes: BTreeSet<usize>,
    /// The steps that were system calls.
    calls: BTreeSet<usize>,
    /// Whether the steps before changes are points.
    before_changes: bool,
    trail: Trail,
    /// Whether it is killed after each of the steps.
    is_short: bool,
}

impl Record {
    fn of<O: Operation>(operation: &O) -> Rig<Self> {
        watch_over(4 * WATCHDOG)?;
        let (world, mut victim) = start(operation)?;
        let mut seen = O::Seen::default();
        operation.assemble(&world, &mut seen)?;
        let mut record = Self {
            steps: 0,
            changes: BTreeSet::new(),
            calls: BTreeSet::new(),
            before_changes: operation.decides_before(),
            trail: Trail::default(),
            is_short: false,
        };
        let (mut before, mut now) = (Vec::new(), Vec::new());
        operation.image(&world, &mut before)?;
        loop {
            let (address, is_call) = victim.next()?;
            record.trail.note(address);
            if let Step::Ended(_) = victim.step()? {
                record.is_short = record.steps < O::FEW_STEPS;
                return Ok(record);
            }
            record.steps += 1;
            if is_call {
                record.calls.insert(record.steps);
            }
            operation.image(&world, &mut now)?;
            if now != before {
                record.changes.insert(record.steps);
                std::mem::swap(&mut now, &mut before);
            }
            if record.steps > ENDLESS {
                return Err(Broken("an operation does not end by itself".into()));
            }
        }
    }

    /// Where the victim is killed and stopped: everywhere, or around each change of the image and
    /// after each system call.
    fn points(&self, full: bool) -> impl Iterator<Item = (usize, Fate)> + '_ {
        let everywhere = full || self.is_short;
        let near = move |k: &usize| {
            let changed = self.changes.contains(k) || self.changes.contains(&(k.wrapping_sub(1)));
            let changes = self.before_changes && self.changes.contains(&(k + 1));
            *k == 0 || changed || changes || self.calls.contains(k)
        };
        let thin = !full && THIN.load(Relaxed) && self.steps > VERY_FEW_STEPS;
        let far = move |k: &usize| everywhere && (!thin || k.is_multiple_of(STRIDE));
        let ks = (0..=self.steps).filter(move |k| far(k) || near(k));
        ks.enumerate().flat_map(|(number, k)| {
            let stop = if number % SUSPEND_EVERY == 1 {
                Fate::Suspended
            } else {
                Fate::Stopped
            };
            [
                (k, Fate::KilledAmongOthers),
                (k, Fate::KilledAlone),
                (k, stop),
            ]
        })
    }
}

/// Makes a world, and a victim in it.
fn start<O: Operation>(operation: &O) -> Rig<(O::World, Victim)> {
    let mut world = Some(operation.world()?);
    let victim = Victim::start(|begin| match world.take() {
        Some(world) => operation.victim(Owned::new(world), begin),
        None => PANICKED,
    })?;
    // The child has taken its copy; this one is still here.
    let world = world.ok_or_else(|| Broken("the world is gone".into()))?;
    Ok((world, victim))
}

/// A victim by the short cut to its point; and, if it took another way and ended before, one that
/// is stepped there.
fn passes<O: Operation>(
    operation: &O,
    record: &Record,
    point: (usize, Fate),
    patience: Duration,
) -> Rig<Vec<Scene>> {
    /// Not behind so many steps: one that took so much longer when it was recorded is rare.
    const FAR: usize = 2000;
    let mut scenes = vec![pass(operation, record, point, patience, true)?];
    if point.0 < FAR && scenes.iter().all(|scene| scene.ended) {
        scenes.push(pass(operation, record, point, patience, false)?);
    }
    Ok(scenes)
}

/// One victim, its fate after `k` steps, and the judgement.
fn pass<O: Operation>(
    operation: &O,
    record: &Record,
    (k, fate): (usize, Fate),
    patience: Duration,
    by_short_cut: bool,
) -> Rig<Scene> {
    watch_over(WATCHDOG)?;
    let (world, mut victim) = start(operation)?;
    let base = operation.base(&world);
    let reaps = operation.survivors_reap();
    let mut seen = O::Seen::default();
    operation.assemble(&world, &mut seen)?;
    let mut scene = Scene::new(fate, victim.child().pid(), patience);
    match record.trail.follow(&mut victim, k, by_short_cut)? {
        Step::Stopped => {}
        // It was faster than the one that was recorded: an end like any other.
        Step::Ended(code) => {
            scene.ended = true;
            scene.outcome("ended before");
            operation.after_end(&world, seen, code, &mut scene)?;
            judge::after_death(base, &mut scene, reaps, operation.leaves())?;
            return Ok(scene);
        }
        Step::Astray => {
            scene.ended = true;
            scene.outcome("astray");
            victim.kill()?;
            operation.after_kill(&world, seen, &mut scene)?;
            judge::after_death(base, &mut scene, reaps, false)?;
            return Ok(scene);
        }
    }
    // An operation that depends on the time may take another way; it is judged all the same.
    if record.trail.is_at(&victim, k)? {
        scene.left = Some(record.changes.range(k + 1..).count());
    } else {
        scene.outcome("beside the trail");
    }
    if fate == Fate::KilledAlone {
        victim.kill()?;
        operation.after_kill(&world, seen, &mut scene)?;
        judge::after_death(base, &mut scene, reaps, false)?;
        return Ok(scene);
    }
    if fate == Fate::KilledAmongOthers {
        operation.meanwhile(&world, &mut seen, &mut scene)?;
        victim.kill()?;
        operation.after_kill(&world, seen, &mut scene)?;
        judge::after_death(base, &mut scene, reaps, false)?;
        return Ok(scene);
    }
    let mut others = |scene: &mut Scene| {
        operation.meanwhile(&world, &mut seen, scene)?;
        judge::while_stopped(base, scene, reaps)?;
        operation.again(&world, &mut seen, scene)
    };
    let mut child = if fate == Fate::Suspended {
        let child = victim.suspend()?;
        others(&mut scene)?;
        resume(child)?
    } else {
        others(&mut scene)?;
        victim.release()?
    };
    match exit_code(&mut child, patience)? {
        Some(code) => operation.after_end(&world, seen, code, &mut scene)?,
        None => {
            scene.stuck("the victim goes on and does not finish");
            child.kill()?;
        }
    }
    judge::after_death(base, &mut scene, reaps, operation.leaves())?;
    Ok(scene)
}
