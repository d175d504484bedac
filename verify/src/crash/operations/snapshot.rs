//! Operations on snapshots: whatever is read is whole and was published, and the role and the seats
//! change hands.

use std::mem::forget;

use crossdock::segment::ClaimError;
use crossdock::snapshot::{Reader, ReaderError, Writer};
use crossdock::{Snapshot, SnapshotOptions};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, End, Rig, forked};

/// A value of some words: what is not whole shows.
type Value = [u64; 8];
type Board = Snapshot<Value>;

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Publishes 2 after 1, which it published before.
    Publish,
    /// The same, by a change of what is there.
    Update,
    /// Becomes the writer, after one that died in the middle of writing 2.
    Claim,
    /// Gives the writer's role back, after publishing 1.
    Leave,
    /// Reads something newer than what it has.
    Read,
    /// Takes a seat for a moment.
    Load,
    /// Takes a seat of a dead process.
    Sit,
    /// Gives a seat back.
    Rise,
}

/// So many can read at once.
const SEATS: u64 = 2;
/// What the third party publishes beside a reader: more often than there are buffers.
const LATER: [u64; 5] = [3, 4, 5, 6, 7];
/// What no value is made of.
const TORN: u64 = 200;
/// What the seeded bugs publish.
const WRONG: u64 = 100;
/// What is published in the end.
const LAST: u64 = 9;

impl Verb {
    fn writes(self) -> bool {
        matches!(
            self,
            Self::Publish | Self::Update | Self::Claim | Self::Leave
        )
    }

    /// What is published before the victim's first step, and what when it has done what it does.
    fn values(self) -> (u64, u64) {
        match self {
            Self::Publish | Self::Update => (1, 2),
            _ => (1, 1),
        }
    }
}

/// The number that a value is made of.
fn number(value: &Value) -> u64 {
    let whole = value.iter().all(|word| *word == value[0]);
    if whole { value[0] } else { TORN }
}

struct Showing {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    board: Board,
}

#[derive(Default)]
struct Seen {
    /// What a third party read beside a stopped victim.
    read: Vec<u64>,
    /// What it published.
    published: u64,
    /// The victim had the writer's role when it was stopped.
    had: bool,
}

/// What a victim has before its first step.
enum Hand {
    Nothing,
    Writer(Box<Writer<Value>>),
    Reader(Box<Reader<Value>>),
}

/// Two halves of what may be two values.
fn half_and_half(first: Value, second: Value) -> Value {
    std::array::from_fn(|at| if at < 4 { first[at] } else { second[at] })
}

/// What any process can read.
fn load(board: &Board, scene: &mut Scene) -> Option<u64> {
    match board.load() {
        Ok(value) => Some(number(&value)),
        Err(ReaderError::NoFreeSlot { .. }) => {
            scene.stuck("a seat is no process's and cannot be had");
            None
        }
        Err(error) => {
            scene.lost(format!("nothing can be read: {error}"));
            None
        }
    }
}

impl Showing {
    fn prepare(&self, world: &World) -> Option<Hand> {
        match self.verb {
            Verb::Publish | Verb::Update | Verb::Leave => {
                let mut writer = world.board.writer().ok()?;
                writer.publish([1; 8]).ok()?;
                Some(Hand::Writer(Box::new(writer)))
            }
            Verb::Read | Verb::Rise => {
                let mut reader = world.board.reader().ok()?;
                reader.load().ok()?;
                // It knows of something that it has not read.
                let mut writer = world.board.writer().ok()?;
                writer.publish([1; 8]).ok()?;
                drop(writer);
                Some(Hand::Reader(Box::new(reader)))
            }
            Verb::Claim | Verb::Load | Verb::Sit => {
                world.base.join();
                Some(Hand::Nothing)
            }
        }
    }

    fn operate(&self, world: &World, hand: Hand) -> Option<u8> {
        let code = match (self.verb, hand) {
            (Verb::Publish, Hand::Writer(mut writer)) => {
                let mut value = [2; 8];
                if self.seeded {
                    value[7] = 0;
                }
                writer.publish(value).ok()?;
                forget(writer);
                0
            }
            (Verb::Update, Hand::Writer(mut writer)) => {
                if self.seeded {
                    writer.publish([WRONG; 8]).ok()?;
                }
                writer.update(|value| *value = [2; 8]).ok()?;
                forget(writer);
                0
            }
            (Verb::Claim, _) => {
                let mut claimed = world.board.writer().ok();
                if let (Some(writer), true) = (&mut claimed, self.seeded) {
                    writer.publish([WRONG; 8]).ok()?;
                }
                let had = claimed.is_some();
                forget(claimed);
                u64::from(had)
            }
            (Verb::Leave, Hand::Writer(mut writer)) => {
                if self.seeded {
                    writer.publish([WRONG; 8]).ok()?;
                }
                drop(writer);
                0
            }
            (Verb::Read, Hand::Reader(mut reader)) => {
                let mut value = reader.load().ok()?;
                if self.seeded {
                    value = half_and_half(value, reader.load().ok()?);
                }
                forget(reader);
                number(&value)
            }
            (Verb::Load, _) => {
                let mut value = world.board.load().ok()?;
                if self.seeded {
                    value = half_and_half(value, world.board.load().ok()?);
                }
                number(&value)
            }
            (Verb::Sit, _) => {
                let reader = world.board.reader().ok()?;
                if self.seeded {
                    forget(world.board.reader().ok()?);
                }
                forget(reader);
                0
            }
            (Verb::Rise, Hand::Reader(reader)) => {
                if self.seeded {
                    forget((world.board.reader().ok()?, reader));
                    return Some(0);
                }
                drop(reader);
                0
            }
            _ => return None,
        };
        code.to_le_bytes().first().copied()
    }

    /// What there may be to read, beside a victim that has not ended.
    fn judge_read(&self, read: u64, scene: &mut Scene) {
        let (before, after) = self.verb.values();
        if read == TORN {
            scene.lost("half a value was read");
        } else if read != before && read != after {
            scene.duplicated(format!("{read} was read, which no process published"));
        }
    }

    /// Publishes beside a reader, which has a buffer or is about to.
    fn publish_beside(&self, board: &Board, seen: &mut Seen, scene: &mut Scene) {
        let mut writer = match board.writer() {
            Ok(writer) => writer,
            Err(error) => return scene.stuck(format!("no writer beside a reader: {error}")),
        };
        for later in LATER {
            if let Err(error) = writer.publish([later; 8]) {
                scene.stuck(format!("a writer beside a reader: {error}"));
            }
            // There is a seat more than the victim's.
            if let Some(read) = load(board, scene)
                && read != later
            {
                scene.lost(format!("{read} was read after {later} was published"));
            }
        }
        seen.published = LATER[LATER.len() - 1];
    }

    /// Whatever happened, the role and every seat can be had, and what is published is read.
    fn works(&self, world: &World, seen: &Seen, code: Option<u8>, scene: &mut Scene) {
        let (before, after) = self.verb.values();
        let found = load(&world.board, scene).unwrap_or(TORN);
        let expected = match (seen.published, code) {
            (0, Some(_)) => vec![after],
            (0, None) => vec![before, after],
            (published, _) => vec![published],
        };
        let oldest = seen.read.iter().copied().max().unwrap_or(0);
        if found == TORN {
            scene.lost("half a value was published");
        } else if !expected.contains(&found) {
            scene.duplicated(format!("{found} is published, and not one of {expected:?}"));
        } else if found < oldest {
            scene.lost(format!(
                "{found} is published, and {oldest} was read before"
            ));
        } else if self.verb.writes() {
            scene.outcome(if found == after { "made" } else { "not made" });
        }
        let mut readers = Vec::new();
        for _ in 0..SEATS {
            match world.board.reader() {
                Ok(reader) => readers.push(reader),
                Err(error) => scene.stuck(format!("a seat of the dead: {error}")),
            }
        }
        match world.board.writer() {
            Ok(mut writer) => {
                let version = writer.version();
                let updated = writer.update(|value| {
                    if number(value) != found {
                        *value = [TORN; 8];
                        return;
                    }
                    *value = [LAST; 8];
                });
                if updated != Ok(version + 1) {
                    scene.stuck(format!("a new writer's update came to {updated:?}"));
                }
            }
            Err(error) => scene.stuck(format!("no process can write: {error}")),
        }
        for reader in &mut readers {
            let read = reader.load().map(|value| number(&value));
            if read != Ok(LAST) {
                scene.lost(format!("a new writer's value was read as {read:?}"));
            }
        }
    }
}

impl Operation for Showing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(4)?;
        let first = if self.verb == Verb::Claim || self.verb == Verb::Load || self.verb == Verb::Sit
        {
            1
        } else {
            0
        };
        let options = SnapshotOptions::new([first; 8]).readers(SEATS);
        let board: Board = base.segment.create("board", options)?;
        let dead = |body: &dyn Fn()| -> Rig {
            let mut child = forked(|| {
                body();
                0
            })?;
            match child.end_within(std::time::Duration::from_secs(5))? {
                Some(End::Exited(0)) => Ok(()),
                other => Err(Broken(format!("a process was to die in a role: {other:?}"))),
            }
        };
        match self.verb {
            Verb::Claim => dead(&|| {
                if let Ok(mut writer) = board.writer() {
                    let _ = writer.publish_with(|place| {
                        place[..4].fill(2);
                        crate::process::exit_now(0);
                    });
                }
            })?,
            // The dead one has all seats: two processes each with one would take longer.
            Verb::Sit => dead(&|| {
                forget([(); 2].map(|()| {
                    let mut reader = board.reader();
                    if let Ok(reader) = &mut reader {
                        let _ = reader.load();
                    }
                    reader
                }));
            })?,
            _ => {}
        }
        Ok(World { base, board })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        let Some(hand) = self.prepare(&world) else {
            return 250;
        };
        begin();
        self.operate(&world, hand).unwrap_or(251)
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if !self.verb.writes() {
            self.publish_beside(&world.board, seen, scene);
            return Ok(());
        }
        let mut reader = world.board.reader().ok();
        for _ in 0..2 {
            seen.read.extend(load(&world.board, scene));
            let read = reader.as_mut().and_then(|reader| reader.load().ok());
            seen.read.extend(read.map(|value| number(&value)));
        }
        if seen.read.len() != 4 {
            scene.stuck("nothing can be read beside a stopped writer");
        }
        for read in seen.read.clone() {
            self.judge_read(read, scene);
        }
        match world.board.writer() {
            // And leaves again.
            Ok(_) if matches!(self.verb, Verb::Claim | Verb::Leave) => {}
            Ok(_) => scene.duplicated("there are two writers"),
            Err(ClaimError::RoleTaken { .. }) => seen.had = true,
            Err(error) => scene.stuck(format!("the role cannot be claimed: {error}")),
        }
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        self.works(world, &seen, None, scene);
        Ok(())
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let all: Vec<u64> = [1].into_iter().chain(LATER).collect();
        match self.verb {
            Verb::Read | Verb::Load if u64::from(code) == TORN => {
                scene.lost("the victim has read half a value");
            }
            Verb::Read | Verb::Load if all.contains(&code.into()) => {
                scene.outcome(if code == 1 {
                    "read before"
                } else {
                    "read after"
                });
            }
            Verb::Read | Verb::Load => scene.lost(format!("the victim has read {code}")),
            // It had looked at the role before, or not: either way the other has left again.
            Verb::Claim if code == 1 || code == 0 && !seen.had => {}
            _ if code == 0 && self.verb != Verb::Claim => {}
            _ => scene.lost(format!("the victim ended with {code}")),
        }
        self.works(world, &seen, Some(code), scene);
        Ok(())
    }
}

/// The operations on snapshots.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Showing { verb, seeded };
    "Snapshot publish" Publish "a value that is torn"
    "Snapshot update" Update "a value that no process meant to publish before it"
    "Snapshot writer" Claim "a value published when claiming"
    "Snapshot writer leaves" Leave "a value published when leaving"
    "Snapshot read" Read "half of what was read first, half of what was read next"
    "Snapshot load" Load "half of what was read first, half of what was read next"
    "Snapshot reader" Sit "two seats taken for one"
    "Snapshot reader leaves" Rise "a seat taken when leaving, and both kept"
};
