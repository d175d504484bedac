//! What the rig must know of an operation to kill and stop it everywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::{Counter, Segment, SegmentOptions, ShardedCounter};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::process::{Broken, Child, End, Rig};

/// A victim's copy of its world, which ends with the process: dropping it would be a leave.
pub(crate) type Owned<T> = std::mem::ManuallyDrop<T>;

/// What went wrong for the survivors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Harm {
    /// A process waits forever, or something is never given back.
    Stuck,
    /// An effect, a value, or the report of a death is missing, or is another than the
    /// specification says.
    Lost,
    /// An effect was made twice, something has two owners, or a death was reported that was none.
    Duplicated,
}

/// One finding of a judge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Complaint {
    pub(crate) harm: Harm,
    pub(crate) what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harm = match self.harm {
            Harm::Stuck => "stuck",
            Harm::Lost => "lost",
            Harm::Duplicated => "duplicated",
        };
        write!(f, "{harm}: {}", self.what)
    }
}

/// What happens to the victim at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Others act while it is stopped, then it is killed.
    KilledAmongOthers,
    /// It is killed, and no process has done anything meanwhile.
    KilledAlone,
    /// Others act while the tracer has it stopped; then it goes on.
    Stopped,
    /// As `Stopped`, by a real SIGSTOP and SIGCONT.
    Suspended,
}

/// What the judges say about one point.
pub(crate) struct Scene {
    pub(crate) fate: Fate,
    pub(crate) victim: Pid,
    /// How long a survivor may take before it counts as stuck.
    pub(crate) patience: Duration,
    pub(crate) complaints: Vec<Complaint>,
    /// The victim had ended before its point: no process was killed or stopped.
    pub(crate) ended: bool,
    /// How often the victim would still have changed what can be seen; `None` if it took another
    /// way than the one that was recorded.
    pub(crate) left: Option<usize>,
    outcomes: BTreeMap<&'static str, u64>,
}

impl Scene {
    pub(crate) fn new(fate: Fate, victim: Pid, patience: Duration) -> Self {
        Self {
            fate,
            victim,
            patience,
            complaints: Vec::new(),
            ended: false,
            left: None,
            outcomes: BTreeMap::new(),
        }
    }

    pub(crate) fn stuck(&mut self, what: impl Into<String>) {
        self.complain(Harm::Stuck, what.into());
    }

    pub(crate) fn lost(&mut self, what: impl Into<String>) {
        self.complain(Harm::Lost, what.into());
    }

    pub(crate) fn duplicated(&mut self, what: impl Into<String>) {
        self.complain(Harm::Duplicated, what.into());
    }

    pub(crate) fn complain(&mut self, harm: Harm, what: String) {
        self.complaints.push(Complaint { harm, what });
    }

    /// Waits until a waiter has ended by itself, and returns with what. Complains if it failed, or
    /// sleeps on.
    pub(crate) fn code_of(&mut self, mut waiter: Child) -> Rig<Option<u8>> {
        match waiter.end_within(self.patience)? {
            Some(End::Exited(code)) => return Ok(Some(code)),
            Some(other) => self.lost(format!("the waiter failed: {other:?}")),
            None => self.stuck("the waiter sleeps on"),
        }
        Ok(None)
    }

    /// Counts what the point came to, for the table.
    pub(crate) fn outcome(&mut self, what: &'static str) {
        *self.outcomes.entry(what).or_default() += 1;
    }

    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.outcomes.iter().map(|(what, count)| (*what, *count))
    }
}

/// What every operation's world has: a segment, and entries that the victim has no business with.
pub(crate) struct Base {
    pub(crate) segment: Segment,
    pub(crate) bystander: Counter,
    pub(crate) cells: ShardedCounter,
    file: File,
}

impl Base {
    /// A fresh anonymous segment; the rig is its first participant.
    pub(crate) fn new(participants: u32) -> Rig<Self> {
        Self::of_size(participants, 8192)
    }

    /// The same, with so many bytes: each step looks at all of them.
    pub(crate) fn of_size(participants: u32, bytes: u64) -> Rig<Self> {
        const ENTRIES: u32 = 8;
        let segment = SegmentOptions::new()
            .size(bytes)
            .participants(participants)
            .entries(ENTRIES)
            .anonymous()?;
        let bystander = segment.create("bystander", 0)?;
        let cells = segment.create("cells", ())?;
        let file = File::from(segment.as_fd().try_clone_to_owned()?);
        Ok(Self {
            segment,
            bystander,
            cells,
            file,
        })
    }

    /// Has this process join, if it is no participant yet.
    pub(crate) fn join(&self) {
        self.cells.add(0);
    }

    /// Whether this process is a participant.
    pub(crate) fn is_member(&self) -> bool {
        self.segment.participants().iter().any(|one| one.is_self)
    }

    /// Every byte of the segment, and which participants are alive in the eyes of others.
    pub(crate) fn image(&self, image: &mut Vec<u8>) -> Rig {
        self.bytes(image)?;
        for one in self.segment.participants() {
            image.extend(one.index.to_le_bytes());
            image.extend(one.generation.to_le_bytes());
            image.push(one.alive.into());
        }
        Ok(())
    }

    /// Every byte of the segment: no process is asked for, and so found dead.
    pub(crate) fn bytes(&self, bytes: &mut Vec<u8>) -> Rig {
        bytes.resize(usize::try_from(self.segment.len())?, 0);
        Ok(self.file.read_exact_at(bytes, 0)?)
    }

    /// The segment's file, for victims that do what the library never would.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where the bytes of an entry are in the file.
    pub(crate) fn offset_of(&self, name: &str) -> Rig<u64> {
        let entries = self.segment.entries()?;
        let entry = entries.iter().find(|entry| entry.name == name);
        entry
            .map(|entry| entry.offset)
            .ok_or_else(|| Broken(format!("there is no entry {name}")))
    }
}

/// An operation, with the world it happens in and the judge of what is left of it.
///
/// The same judge sees the seeded bug: an operation made with `seeded` has a victim or survivors
/// that do it wrong, and must be complained about.
pub(crate) trait Operation {
    /// The segment, its handles, and processes that were there before the victim.
    type World;
    /// What others saw and did while the victim was stopped.
    type Seen: Default;

    /// With fewer steps than this it is killed after each of them.
    const FEW_STEPS: usize = 700;

    /// Makes a fresh world.
    fn world(&self) -> Rig<Self::World>;

    fn base<'a>(&self, world: &'a Self::World) -> &'a Base;

    /// What can be seen of the world from outside, to tell which steps change it.
    fn image(&self, world: &Self::World, image: &mut Vec<u8>) -> Rig {
        self.base(world).image(image)
    }

    /// The victim: prepares, calls `begin`, does the operation, and returns what came of it.
    fn victim(&self, world: Owned<Self::World>, begin: &mut dyn FnMut()) -> u8;

    /// Starts what must be under way before the victim's first step.
    fn assemble(&self, _world: &Self::World, _seen: &mut Self::Seen) -> Rig {
        Ok(())
    }

    /// What a third party does while the victim is stopped.
    fn meanwhile(&self, world: &Self::World, seen: &mut Self::Seen, scene: &mut Scene) -> Rig;

    /// A second look, after others have reaped, at a victim that will go on.
    fn again(&self, _world: &Self::World, _seen: &mut Self::Seen, _scene: &mut Scene) -> Rig {
        Ok(())
    }

    /// Judges what a victim has left that was killed, or that has `done` all and ended, where that
    /// is nearly the same.
    fn judge(
        &self,
        _world: &Self::World,
        _seen: Self::Seen,
        _done: bool,
        _scene: &mut Scene,
    ) -> Rig {
        Err(Broken("an operation has no judge".into()))
    }

    /// Judges what a killed victim has left.
    fn after_kill(&self, world: &Self::World, seen: Self::Seen, scene: &mut Scene) -> Rig {
        self.judge(world, seen, false, scene)
    }

    /// Judges what is there after a victim that went on has ended with `code`.
    fn after_end(&self, world: &Self::World, seen: Self::Seen, code: u8, scene: &mut Scene) -> Rig {
        if code != 0 {
            scene.lost(format!("the victim ended with {code}"));
        }
        self.judge(world, seen, true, scene)
    }

    /// Whether survivors reap at all: a seeded bug of the registry is that they do not.
    fn survivors_reap(&self) -> bool {
        true
    }

    /// Whether it matters what the victim has looked at before a change that it makes, as if others
    /// go on in its place: then it is stopped right before each of them as well.
    fn decides_before(&self) -> bool {
        false
    }

    /// Whether a victim that has ended must be gone from the registry before any process reaps.
    fn leaves(&self) -> bool {
        false
    }
}
