//! Operations on arrays: leases of chunks, and the lock beside them.
//!
//! A chunk is two words, which are equal but while a process is at work on it or has died at it. So
//! a chunk that is half filled must be to do, and its holder's death be told; and each is filled by
//! a process.
//!
//! Which chunk a lease takes is the array's choice, so what is left to do is counted, and there is
//! no specification of each step.

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::Array;
use crossdock::array::{ArrayOptions, Init, Lease, LeaseTimeoutError, TryLeaseError};
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::operations::hand::Hand;
use crate::crash::sweep::Listed;
use crate::process::{Broken, Rig, forked};

/// The operations on arrays.
pub(crate) const LISTED: &[Listed] = listed! { Leasing::new;
    "Array::lease_chunk, closed, fill, finish" Open "a chunk that is finished before it is filled"
    "Array::lease_chunk, open, fill, finish" Next "a chunk that is filled before it is leased"
    "Array::lease, fill, finish" This "a chunk that is filled after it was finished"
    "Array::lease, fill, Lease::drop" Drop "a half-filled chunk that is finished"
    "Array::lease from a dead holder" TakeOver "a chunk that is finished as it was found"
    "Array::read beside leases" Read "a reader that writes"
    "Array::write beside leases" Write "the second words are written after the unlock"
    "Array::copy_from" Copy "the second words are copied by themselves"
    "Array::read_timeout beside a lease" Wait "a time-out that takes a chunk from its holder"
    "Array::restart" Restart "chunks that are made to do one after the other"
    "Segment::reap of a holder" Reap "a chunk that is given back without a word of the death"
};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Open,
    Next,
    This,
    Drop,
    TakeOver,
    Read,
    Write,
    Copy,
    Wait,
    Restart,
    Reap,
}

const CHUNKS: usize = 3;
const WORDS: usize = 2;
const PARTICIPANTS: u32 = 4;
/// Where in its entry the word of the first chunk is: behind lock, grid, and a cell for each
/// participant.
const CHUNK_WORDS: u64 = 256 + 128 + PARTICIPANTS as u64 * 128;
/// A chunk that may be leased, and that no process has. See `docs/design.md`.
const OPEN: u32 = 1 << 31;
/// A few of a waiter's slices, at the pace of a process that is stepped.
const SLICES: Duration = Duration::from_millis(100);

/// An array and, for the victim's motions before it is stepped, another.
struct World {
    base: Base,
    array: Array<u64>,
    spare: Array<u64>,
    holder: Option<Hand>,
}

/// What the third party did.
#[derive(Default)]
struct Seen {
    finished: usize,
}

struct Leasing {
    verb: Verb,
    seeded: bool,
}

/// Makes both words one more than the larger one was, one after the other.
fn fill(chunk: &mut [u64]) {
    let next = chunk[0].max(chunk[1]) + 1;
    chunk[0] = next;
    black_box(&mut *chunk);
    chunk[1] = next;
}

fn half_fill(chunk: &mut [u64]) {
    chunk[0] = chunk[0].max(chunk[1]) + 1;
}

/// Leases chunk 0, and no other: with `open`, the grid is open from then on.
fn put_back(array: &Array<u64>) -> Rig {
    drop(array.lease(0)?);
    Ok(())
}

impl World {
    /// Overwrites the word of chunk 0.
    fn overwrite(&self, word: u32) -> Rig {
        let at = self.base.offset_of("array")? + CHUNK_WORDS;
        Ok(self.base.file().write_all_at(&word.to_le_bytes(), at)?)
    }

    /// Finishes a chunk that was leased, filled.
    fn finish(mut lease: Lease<'_, u64>, scene: &mut Scene) {
        if lease[0] != lease[1] && !lease.holder_died() {
            scene.lost(format!(
                "chunk {} is half filled, and no holder is said to have died",
                lease.index()
            ));
        }
        if lease.holder_died() {
            scene.outcome("told");
        }
        fill(&mut lease);
        if lease.finish().is_err() {
            scene.lost("a survivor's chunk is not its own");
        }
    }

    /// A third party leases what can be had, without waiting.
    fn work(&self, seen: &mut Seen, scene: &mut Scene) {
        match self.array.try_lease_chunk() {
            Ok(Some(lease)) => {
                Self::finish(lease, scene);
                seen.finished += 1;
            }
            Ok(None) | Err(TryLeaseError::WouldBlock) => {}
            Err(error) => scene.lost(format!("try_lease_chunk: {error}")),
        }
    }

    /// Reads; whether all is whole. Repairs what a dead writer left, and says so.
    fn inspect(&self, scene: &mut Scene) -> Option<bool> {
        match self.array.read_timeout(scene.patience) {
            Ok(values) => Some(values.chunks(WORDS).all(|chunk| chunk[0] == chunk[1])),
            Err(LockTimeoutError::Lock(LockError::OwnerDied(values))) => {
                drop(values);
                scene.outcome("writer died");
                match self
                    .array
                    .write_or_repair(|values| values.chunks_mut(WORDS).for_each(fill))
                {
                    Ok(_) => Some(true),
                    Err(error) => {
                        scene.lost(format!("write_or_repair: {error}"));
                        None
                    }
                }
            }
            Err(LockTimeoutError::Timeout { .. }) => {
                scene.stuck("the array can never be read");
                None
            }
            Err(error) => {
                scene.lost(format!("read: {error}"));
                None
            }
        }
    }

    /// Does what is left, and looks whether all of it is whole; how many chunks were left.
    fn settle(&self, scene: &mut Scene) -> Option<usize> {
        self.inspect(scene)?;
        let mut left = 0;
        loop {
            match self.array.lease_chunk_timeout(scene.patience) {
                Ok(Some(lease)) => Self::finish(lease, scene),
                Ok(None) => break,
                Err(LeaseTimeoutError::Timeout) => {
                    scene.stuck("a chunk is never given back");
                    return None;
                }
                Err(error) => {
                    scene.lost(format!("lease_chunk: {error}"));
                    return None;
                }
            }
            left += 1;
        }
        if self.inspect(scene)? {
            return Some(left);
        }
        scene.lost("all chunks are done, and not all are whole");
        None
    }
}

impl Leasing {
    fn new(verb: Verb, seeded: bool) -> Self {
        Self { verb, seeded }
    }

    /// What the victim does with an array; `begin` is called when it is about to.
    fn act(&self, array: &Array<u64>, world: &World, begin: &mut dyn FnMut()) -> Rig {
        match self.verb {
            Verb::Open | Verb::Next => {
                begin();
                // Others leave one to do.
                let Some(mut chunk) = array.lease_chunk()? else {
                    return Err(Broken("nothing is to do".into()));
                };
                fill(&mut chunk);
                Ok(chunk.finish()?)
            }
            Verb::This => {
                begin();
                let mut chunk = array.lease(0)?;
                fill(&mut chunk);
                Ok(chunk.finish()?)
            }
            Verb::Drop => {
                begin();
                let mut chunk = array.lease(0)?;
                fill(&mut chunk);
                drop(chunk);
                Ok(())
            }
            Verb::TakeOver => {
                begin();
                let mut chunk = array.lease(0)?;
                fill(&mut chunk);
                Ok(chunk.finish()?)
            }
            Verb::Read => {
                begin();
                match array.read() {
                    Ok(values) => black_box(values[0]),
                    Err(_) => return Err(Broken("read".into())),
                };
                Ok(())
            }
            Verb::Write => {
                begin();
                match array.write() {
                    Ok(mut values) => values.chunks_mut(WORDS).for_each(fill),
                    Err(_) => return Err(Broken("write".into())),
                }
                Ok(())
            }
            Verb::Copy => {
                begin();
                Ok(array.copy_from(0, &[1000; CHUNKS * WORDS])?)
            }
            Verb::Wait => {
                begin();
                match array.read_timeout(SLICES) {
                    // Of the spare one no process has anything.
                    Ok(_) | Err(LockTimeoutError::Timeout { .. }) => Ok(()),
                    Err(_) => Err(Broken("read_timeout".into())),
                }
            }
            Verb::Restart => {
                begin();
                // A third party may have a chunk just now.
                Ok(array.restart()?)
            }
            Verb::Reap => {
                begin();
                world.base.segment.reap();
                Ok(())
            }
        }
    }

    /// The same, as it must not be.
    fn act_wrongly(&self, world: &World, begin: &mut dyn FnMut()) -> Rig {
        let array = &world.array;
        begin();
        match self.verb {
            Verb::Open | Verb::This => {
                let mut chunk = array.lease(0)?;
                if self.verb == Verb::This {
                    half_fill(&mut chunk);
                }
                let values = chunk.as_mut_ptr();
                chunk.finish()?;
                // SAFETY: the world keeps the words mapped; that they may be another's is the bug.
                let values = unsafe { std::slice::from_raw_parts_mut(values, WORDS) };
                fill(values);
            }
            Verb::Next => {
                let mut chunk = array.lease(0)?;
                let values = chunk.as_mut_ptr();
                drop(chunk);
                // SAFETY: as above.
                let values = unsafe { std::slice::from_raw_parts_mut(values, WORDS) };
                half_fill(values);
                let mut chunk = array.lease(0)?;
                chunk[1] = chunk[0];
                chunk.finish()?;
            }
            Verb::Drop => {
                let mut chunk = array.lease(0)?;
                half_fill(&mut chunk);
                chunk.finish()?;
            }
            Verb::TakeOver => array.lease(0)?.finish()?,
            Verb::Read => {
                let Ok(values) = array.read() else {
                    return Err(Broken("read".into()));
                };
                let first = values.as_ptr().cast_mut();
                // SAFETY: the guard keeps the word mapped; that one that reads writes is the bug.
                let found = unsafe { first.read_volatile() };
                // SAFETY: as above.
                unsafe { first.write_volatile(found + 1) };
            }
            Verb::Write => {
                let Ok(mut values) = array.write() else {
                    return Err(Broken("write".into()));
                };
                values.chunks_mut(WORDS).for_each(half_fill);
                let late = std::ptr::from_mut(&mut *values);
                drop(values);
                // SAFETY: the world keeps the words mapped; that they may be others' is the bug.
                let late = unsafe { &mut *late };
                late.chunks_mut(WORDS).for_each(|chunk| chunk[1] = chunk[0]);
            }
            Verb::Copy => {
                for chunk in 0..CHUNKS {
                    array.copy_from(chunk * WORDS, &[1000])?;
                    array.copy_from(chunk * WORDS + 1, &[1000])?;
                }
            }
            Verb::Wait => {
                if let Err(LockTimeoutError::Timeout { .. }) = array.read_timeout(SLICES) {
                    world.overwrite(OPEN)?;
                }
            }
            Verb::Restart => {
                for chunk in 0..CHUNKS {
                    drop(array.lease(chunk)?);
                }
            }
            Verb::Reap => world.overwrite(OPEN)?,
        }
        Ok(())
    }

    /// How many chunks are to do at first.
    fn first(&self) -> usize {
        if self.verb == Verb::Restart {
            0
        } else {
            CHUNKS
        }
    }

    /// How many can be left: with the victim's operation not made, and made.
    fn left(&self, seen: &Seen) -> Vec<usize> {
        let untouched = self.first().saturating_sub(seen.finished);
        match self.verb {
            // Made again or not, before the third party or after it.
            Verb::Restart => vec![0, CHUNKS, CHUNKS - seen.finished],
            // A chunk that the third party has finished is to do again in between.
            Verb::This | Verb::Drop | Verb::TakeOver => {
                vec![untouched, untouched.saturating_sub(1), untouched + 1]
            }
            Verb::Open | Verb::Next => vec![untouched, untouched.saturating_sub(1)],
            Verb::Read | Verb::Write | Verb::Copy | Verb::Wait | Verb::Reap => vec![untouched],
        }
    }

    fn judge(&self, world: &World, seen: &Seen, scene: &mut Scene) -> Rig {
        if let Some(holder) = &world.holder {
            if !matches!(world.array.try_read(), Err(TryLockError::WouldBlock { .. })) {
                scene.duplicated("the array is read beside a lease");
            }
            match holder.let_go(scene.patience)? {
                Some(0) => {}
                Some(_) => scene.duplicated("a chunk was taken from a living holder"),
                None => scene.stuck("a living holder cannot finish"),
            }
        }
        let mut allowed = self.left(seen);
        if world.holder.is_some() {
            allowed
                .iter_mut()
                .for_each(|left| *left = left.saturating_sub(1));
        }
        if let Some(left) = world.settle(scene) {
            scene.outcome(["0 left", "1 left", "2 left", "3 left"][left.min(CHUNKS)]);
            if !allowed.contains(&left) {
                let what = format!("{left} chunks are to do, and should be one of {allowed:?}");
                scene.lost(what);
            }
        }
        Ok(())
    }
}

impl Operation for Leasing {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(PARTICIPANTS)?;
        let make = |name| {
            let options = ArrayOptions::new(Init::zeroed(CHUNKS * WORDS)).chunk(WORDS);
            base.segment.create::<Array<u64>>(name, options)
        };
        let (array, spare) = (make("array")?, make("spare")?);
        if self.verb != Verb::Open {
            put_back(&array)?;
        }
        if self.verb == Verb::Restart {
            while let Some(mut chunk) = array.lease_chunk()? {
                fill(&mut chunk);
                chunk.finish()?;
            }
        }
        let mut holder = None;
        match self.verb {
            Verb::TakeOver | Verb::Reap => {
                let mut child = forked(|| match array.lease(0) {
                    Ok(mut chunk) => {
                        half_fill(&mut chunk);
                        std::mem::forget(chunk);
                        0
                    }
                    Err(_) => 1,
                })?;
                child.end_within(Duration::from_secs(10))?;
            }
            Verb::Wait => {
                holder = Some(Hand::hold(
                    || array.lease(0).ok(),
                    |chunk| chunk.finish().is_ok(),
                )?);
            }
            _ => {}
        }
        Ok(World {
            base,
            array,
            spare,
            holder,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        // The library's code is there before the first step; but reaping is done once only.
        if self.verb == Verb::Reap {
            world.base.join();
        } else if self.act(&world.spare, &world, &mut || ()).is_err() {
            return 2;
        }
        let done = if self.seeded {
            self.act_wrongly(&world, begin)
        } else {
            self.act(&world.array, &world, begin)
        };
        u8::from(done.is_err())
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        world.work(seen, scene);
        match world.array.try_read() {
            Ok(_) if world.holder.is_some() => {
                scene.duplicated("the array is read beside a lease");
            }
            Ok(_)
            | Err(TryLockError::WouldBlock { .. } | TryLockError::Lock(LockError::OwnerDied(_))) => {
            }
            Err(error) => scene.lost(format!("try_read: {error}")),
        }
        Ok(())
    }

    fn again(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        world.work(seen, scene);
        Ok(())
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        self.judge(world, &seen, scene)
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        if code != 0 {
            scene.lost(format!("the victim went on and failed, code {code}"));
        }
        if matches!(
            world.array.try_read(),
            Err(TryLockError::Lock(LockError::OwnerDied(_)))
        ) {
            scene.duplicated("a writer is said to have died, and none did");
        }
        self.judge(world, &seen, scene)
    }
}
