//! Locks of readers and writers: two words that are equal, but while a process writes or has died
//! at it.
//!
//! A process that writes finds two equal words or is told that a writer died; repairs; counts both
//! up. A process that reads looks twice, and finds the same.
//!
//! Unlike the rows of `locks`, these have no specification: whether others are refused depends on
//! steps inside of the victim's operation, which it would have to repeat.

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::time::Duration;

use crossdock::sync::{
    LockError, LockTimeoutError, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::operations::shelf::{CELLS, Entered, GENERATION, Peer, Shelf, WRITING};
use crate::crash::sweep::Listed;
use crate::process::{End, Rig};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Reads by a cell that it has used before.
    Read,
    /// Reads for the first time.
    ReadFirst,
    /// Reads, and never leaves.
    ReadOn,
    /// Reads data that is poisoned: by the door.
    ReadDoor,
    /// Leaves, while a writer sleeps.
    Leave,
    Write,
    /// Leaves, while a reader and a writer sleep.
    Unlock,
    Downgrade,
    /// Writes where no process has read.
    WriteUnread,
    /// The same, and goes on to read.
    DowngradeUnread,
    /// Writes after a writer that died where no process has read.
    RepairUnread,
    TryRead,
    TryWrite,
    ReadTimeout,
    WriteTimeout,
    /// Waits for its turn, behind a writer that unlocks and before one that comes later.
    ReadTurn,
    ReadOrRepair,
    WriteOrRepair,
    /// Gives back what a writer and a reader have left that died.
    Reap,
}

/// An operation on a lock of readers and writers.
struct Using {
    verb: Verb,
    seeded: bool,
}

/// The operations on locks of readers and writers.
pub(crate) const LISTED: &[Listed] = listed! {
    Using::new;
    "RwLock::read, leave" Read "it reads on after it has left"
    "RwLock::read, the first time" ReadFirst "it reads on after it has left"
    "RwLock::read, never left" ReadOn "a count in the cell of one that lives"
    "RwLock::read, poisoned" ReadDoor "it reads on after it has left"
    "RwLock::read, left beside a sleeping writer" Leave "it reads on after it has left"
    "RwLock::write, update, unlock" Write "the second word is written after the unlock"
    "RwLock::write, unlocked beside sleepers" Unlock "the second word is written after the unlock"
    "RwLockWriteGuard::downgrade" Downgrade "it unlocks, and then reads"
    "RwLock::write, where no process has read" WriteUnread "the second word is written after the unlock"
    "RwLockWriteGuard::downgrade, where no process has read" DowngradeUnread "it unlocks, and then reads"
    "RwLock::write_or_repair, where no process has read" RepairUnread "a repair that is made later"
    "RwLock::try_read beside a writer" TryRead "what is busy is changed all the same"
    "RwLock::try_write beside a reader" TryWrite "what is busy is changed all the same"
    "RwLock::read_timeout" ReadTimeout "what is busy is changed all the same"
    "RwLock::write_timeout" WriteTimeout "what is busy is changed all the same"
    "RwLock::read_timeout, its turn before a later writer" ReadTurn "its turn never ends"
    "RwLock::read_or_repair" ReadOrRepair "a repair that is made later"
    "RwLock::write_or_repair" WriteOrRepair "a repair that is made later"
    "RwLock, a writer and a reader reaped" Reap "a dead writer's tag is wiped away"
};

/// What others did while the victim was stopped.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often a process has written besides the victim.
    written: u64,
    /// Whether the process that had the lock has ended.
    peer_ended: bool,
}

impl Using {
    fn new(verb: Verb, seeded: bool) -> Self {
        Self { verb, seeded }
    }

    /// Whether there are torn words, and a dead writer, before the victim.
    fn begins_torn(&self) -> bool {
        matches!(
            self.verb,
            Verb::ReadOrRepair | Verb::WriteOrRepair | Verb::RepairUnread | Verb::Reap
        )
    }

    /// Whether the victim may die as a writer.
    fn writes(&self) -> bool {
        matches!(
            self.verb,
            Verb::Write | Verb::Unlock | Verb::Downgrade | Verb::ReadOrRepair | Verb::WriteOrRepair
        ) || self.is_unread()
    }

    /// Whether no process has read before.
    fn is_unread(&self) -> bool {
        matches!(
            self.verb,
            Verb::WriteUnread | Verb::DowngradeUnread | Verb::RepairUnread
        )
    }

    /// How much one whole operation adds to the words.
    fn adds(&self) -> u64 {
        u64::from(self.writes() && self.verb != Verb::ReadOrRepair)
    }

    /// Judges what a process found.
    fn inspect(&self, entered: Entered, may_report: bool, scene: &mut Scene) {
        let Entered::In { owner_died, words } = entered else {
            return;
        };
        if words[0] != words[1] && !owner_died {
            scene.lost(format!(
                "torn words {words:?}, and no writer is said to have died"
            ));
        }
        if owner_died && !may_report {
            scene.duplicated("a writer is said to have died, and none did");
        }
    }

    /// Has the process that has the lock leave and end, if there is one.
    fn let_go(&self, shelf: &Shelf, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let Some(peer) = shelf.peer.as_ref().filter(|_| !seen.peer_ended) else {
            return Ok(());
        };
        seen.peer_ended = true;
        match peer.go_on(scene.patience)? {
            Some(End::Exited(0)) => {}
            Some(End::Exited(1)) => scene.duplicated("words changed that another had locked"),
            Some(other) => scene.lost(format!("one that has the lock fails: {other:?}")),
            None => scene.stuck("one that has the lock cannot leave"),
        }
        Ok(())
    }

    /// The writer unlocks, and one that comes later writes: a reader that is stopped in its turn
    /// keeps it waiting for milliseconds at most.
    fn pass_turn(&self, shelf: &Shelf, seen: &mut Seen, scene: &mut Scene) -> Rig {
        self.let_go(shelf, seen, scene)?;
        let written = shelf.write(Some(scene.patience))?;
        self.inspect(written, false, scene);
        match written {
            Entered::In { .. } => seen.written += 1,
            _ => scene.stuck("a later writer waits for a reader that is stopped in its turn"),
        }
        Ok(())
    }

    /// Has the others end, which must not wait forever.
    fn dismiss(&self, shelf: &Shelf, seen: &mut Seen, scene: &mut Scene) -> Rig {
        self.let_go(shelf, seen, scene)?;
        for sleeper in &shelf.sleepers {
            match sleeper.wakes_and_ends(scene.patience)? {
                Some(End::Exited(code @ (0 | 1))) => {
                    seen.written += u64::from(sleeper.writes);
                    scene.outcome(if code == 0 { "sleeper" } else { "sleeper told" });
                    if code == 1 && !self.writes() {
                        scene.duplicated("a sleeper was told of a dead writer, and none was there");
                    }
                }
                Some(other) => scene.lost(format!("a sleeper fails: {other:?}")),
                None => scene.stuck("a sleeper never gets the lock"),
            }
        }
        Ok(())
    }

    /// Two more that read, and two that write: the first of each may be told of the death.
    fn survivors(
        &self,
        shelf: &Shelf,
        may_report: bool,
        whole: (u64, u64),
        scene: &mut Scene,
    ) -> Rig {
        let (mut report, (mut least, mut most)) = (may_report, whole);
        for round in 0..2 {
            let read = shelf.read(Some(scene.patience))?;
            self.inspect(read, report, scene);
            let written = shelf.write(Some(scene.patience))?;
            self.inspect(written, report, scene);
            let (Entered::In { .. }, Entered::In { owner_died, words }) = (read, written) else {
                scene.stuck("the lock is never free again");
                return Ok(());
            };
            if round == 0 {
                scene.outcome(if owner_died { "owner died" } else { "clean" });
            }
            if words[0] < least {
                scene.lost(format!("{} writes are counted, not {least}", words[0]));
            }
            if words[0] > most {
                scene.duplicated(format!("{} writes are counted, not {most}", words[0]));
            }
            (report, least, most) = (false, words[0] + 1, words[0] + 1);
        }
        Ok(())
    }
}

impl Operation for Using {
    type World = Shelf;
    type Seen = Seen;

    fn world(&self) -> Rig<Shelf> {
        let mut shelf = Shelf::new()?;
        if !self.is_unread() {
            shelf.has_read()?;
        }
        match self.verb {
            Verb::ReadDoor => shelf.poison()?,
            Verb::TryRead | Verb::ReadTimeout => {
                shelf.peer = Some(Peer::holding(&shelf.lock, true)?);
            }
            Verb::ReadTurn => shelf.peer = Some(Peer::holding_later(&shelf.lock)?),
            Verb::TryWrite | Verb::WriteTimeout => {
                shelf.peer = Some(Peer::holding(&shelf.lock, false)?);
            }
            Verb::Leave => shelf.sleepers = vec![Peer::waiting(&shelf.lock, true)?],
            Verb::Unlock => {
                let waiting = |writes| Peer::waiting(&shelf.lock, writes);
                shelf.sleepers = vec![waiting(false)?, waiting(true)?];
            }
            Verb::Reap => shelf.leave_a_dead_reader()?,
            _ => {}
        }
        if self.begins_torn() {
            shelf.leave_a_dead_writer()?;
        }
        Ok(shelf)
    }

    fn base<'a>(&self, shelf: &'a Shelf) -> &'a Base {
        &shelf.base
    }

    fn victim(&self, shelf: Owned<Shelf>, begin: &mut dyn FnMut()) -> u8 {
        let done = match self.verb {
            Verb::Read | Verb::ReadDoor => read(&shelf, self.seeded, true, begin),
            Verb::ReadFirst => read(&shelf, self.seeded, false, begin),
            Verb::ReadOn => read_on(&shelf, self.seeded, begin),
            Verb::Leave => leave(&shelf, self.seeded, begin),
            Verb::Write | Verb::WriteUnread => write(&shelf, self.seeded, begin),
            Verb::Unlock => unlock(&shelf, self.seeded, begin),
            Verb::Downgrade | Verb::DowngradeUnread => downgrade(&shelf, self.seeded, begin),
            Verb::TryRead | Verb::TryWrite | Verb::ReadTimeout | Verb::WriteTimeout => {
                find_busy(&shelf, self.verb, self.seeded, begin)
            }
            Verb::ReadTurn => take_turn(&shelf, self.seeded, begin),
            Verb::ReadOrRepair => read_or_repair(&shelf, self.seeded, begin),
            Verb::WriteOrRepair | Verb::RepairUnread => write_or_repair(&shelf, self.seeded, begin),
            Verb::Reap => reap(&shelf, self.seeded, begin),
        };
        u8::from(done.is_none())
    }

    fn assemble(&self, shelf: &Shelf, _seen: &mut Seen) -> Rig {
        if self.verb == Verb::ReadTurn {
            shelf.peer.iter().try_for_each(Peer::hold)?;
        }
        shelf.sleepers.iter().try_for_each(Peer::fall_asleep)
    }

    fn meanwhile(&self, shelf: &Shelf, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if self.verb == Verb::ReadTurn {
            return self.pass_turn(shelf, seen, scene);
        }
        let report = self.begins_torn();
        let read = shelf.read(None)?;
        self.inspect(read, report, scene);
        let written = shelf.write(None)?;
        self.inspect(written, report, scene);
        let is_in = |entered| matches!(entered, Entered::In { .. });
        seen.written += u64::from(is_in(written));
        if let Some(peer) = &shelf.peer
            && (is_in(written) || is_in(read) && peer.writes)
        {
            scene.duplicated("a lock was had that another has");
        }
        Ok(())
    }

    fn after_kill(&self, shelf: &Shelf, mut seen: Seen, scene: &mut Scene) -> Rig {
        self.dismiss(shelf, &mut seen, scene)?;
        let first = u64::from(self.begins_torn()) + seen.written;
        let may_report = self.writes() || self.begins_torn();
        self.survivors(shelf, may_report, (first, first + self.adds()), scene)
    }

    fn after_end(&self, shelf: &Shelf, mut seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        if code != 0 {
            scene.lost(format!("the victim went on and failed, code {code}"));
        }
        self.dismiss(shelf, &mut seen, scene)?;
        let total = u64::from(self.begins_torn()) + seen.written + self.adds();
        let may_report = self.verb == Verb::Reap;
        self.survivors(shelf, may_report, (total, total), scene)
    }
}

type Reads<'a> = RwLockReadGuard<'a, [u64; 2]>;

/// A guard, whatever it says of a panic.
fn guard(shelf: &Shelf) -> Option<Reads<'_>> {
    match shelf.lock.read() {
        Ok(guard) | Err(LockError::Poisoned(guard)) => Some(guard),
        Err(_) => None,
    }
}

/// Looks at the words twice; `None` if they are not what they were, or not equal.
fn look(words: *const [u64; 2]) -> Option<[u64; 2]> {
    // SAFETY: the shelf keeps the words mapped; that others may be writing them is the bug.
    let first = unsafe { words.read_volatile() };
    black_box(&first);
    // SAFETY: as above.
    let second = unsafe { words.read_volatile() };
    (first == second && first[0] == first[1]).then_some(first)
}

/// Looks, leaves, and, as a bug, looks again at what is another's by then.
fn look_and_leave(shelf: &Shelf, guard: Reads<'_>, seeded: bool) -> Option<()> {
    let words = ptr::from_ref(&*guard);
    let seen = look(words)?;
    drop(guard);
    if seeded {
        // Changes what can be seen, so that a process acts here.
        drop(shelf.spare.read().ok()?);
        return (look(words)? == seen).then_some(());
    }
    Some(())
}

fn read(shelf: &Shelf, seeded: bool, again: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.read().ok()?);
    if again {
        drop(guard(shelf)?);
    }
    begin();
    look_and_leave(shelf, guard(shelf)?, seeded)
}

fn read_on(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.read().ok()?);
    begin();
    if seeded {
        return shelf.put(CELLS, GENERATION | 1);
    }
    let guard = guard(shelf)?;
    look(ptr::from_ref(&*guard))?;
    std::mem::forget(guard);
    Some(())
}

fn leave(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.read().ok()?);
    let guard = guard(shelf)?;
    begin();
    look_and_leave(shelf, guard, seeded)
}

/// The critical section: two stores, in this order.
fn count_up(words: &mut [u64; 2]) {
    words[0] += 1;
    black_box(&mut *words);
    words[1] += 1;
}

/// Counts up the first word, unlocks, and, as a bug, only then the second.
fn count_up_late(mut guard: RwLockWriteGuard<'_, [u64; 2]>) {
    guard[0] += 1;
    let second = ptr::from_mut(&mut guard[1]);
    drop(guard);
    // SAFETY: the shelf keeps the word mapped; that others may be writing it is the bug.
    let count = unsafe { second.read_volatile() };
    // SAFETY: as above.
    unsafe { second.write_volatile(count + 1) };
}

fn write(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.write().ok()?);
    begin();
    let mut guard = shelf.lock.write().ok()?;
    if seeded {
        count_up_late(guard);
    } else {
        count_up(&mut guard);
    }
    Some(())
}

fn unlock(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.write().ok()?);
    let mut guard = shelf.lock.write().ok()?;
    begin();
    if seeded {
        count_up_late(guard);
    } else {
        count_up(&mut guard);
    }
    Some(())
}

fn downgrade(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.write().ok()?);
    begin();
    let mut guard = shelf.lock.write().ok()?;
    count_up(&mut guard);
    let written = *guard;
    let guard = if seeded {
        drop(guard);
        shelf.lock.read().ok()?
    } else {
        guard.downgrade()
    };
    let seen = look(ptr::from_ref(&*guard))?;
    (seen == written).then_some(())
}

/// A few of a waiter's slices, at the pace of a process that is stepped.
const SLICES: Duration = Duration::from_millis(50);

fn find_busy(shelf: &Shelf, verb: Verb, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.write().ok()?);
    begin();
    let lock = &shelf.lock;
    let is_busy = match verb {
        Verb::TryRead => matches!(lock.try_read(), Err(TryLockError::WouldBlock { .. })),
        Verb::TryWrite => matches!(lock.try_write(), Err(TryLockError::WouldBlock { .. })),
        Verb::ReadTimeout => {
            let read = lock.read_timeout(SLICES);
            matches!(read, Err(LockTimeoutError::Timeout { .. }))
        }
        _ => {
            let written = lock.write_timeout(SLICES);
            matches!(written, Err(LockTimeoutError::Timeout { .. }))
        }
    };
    if seeded {
        let at = shelf.base.offset_of("words").ok()? + 256;
        shelf.base.file().write_all_at(&[7; 16], at).ok()?;
    }
    is_busy.then_some(())
}

/// Waits for its turn, which does not come unless others act meanwhile; and, as a bug, is counted
/// as a reader for good.
fn take_turn(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.read().ok()?);
    drop(guard(shelf)?);
    begin();
    if seeded {
        return shelf.put(CELLS, GENERATION | 1);
    }
    // Long enough to sleep in, at the pace of a process that is stepped.
    match shelf.lock.read_timeout(SLICES * 5) {
        Ok(guard) => look(ptr::from_ref(&*guard)).map(drop),
        Err(LockTimeoutError::Timeout { .. }) => Some(()),
        Err(_) => None,
    }
}

fn read_or_repair(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.write().ok()?);
    begin();
    let repair = |words: &mut [u64; 2]| {
        if !seeded {
            words[1] = words[0];
        }
    };
    let guard = shelf.lock.read_or_repair(repair).ok()?;
    if seeded {
        drop(guard);
        shelf.lock.write_or_repair(|_| ()).ok()?[1] = 1;
        return Some(());
    }
    look(ptr::from_ref(&*guard)).map(drop)
}

fn write_or_repair(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    drop(shelf.spare.write().ok()?);
    begin();
    if seeded {
        shelf.lock.write_or_repair(|_| ()).ok()?[0] += 1;
        let mut guard = shelf.lock.write_or_repair(|_| ()).ok()?;
        guard[1] = guard[0];
        return Some(());
    }
    let repaired = shelf.lock.write_or_repair(|words| words[1] = words[0]);
    count_up(&mut *repaired.ok()?);
    Some(())
}

fn reap(shelf: &Shelf, seeded: bool, begin: &mut dyn FnMut()) -> Option<()> {
    shelf.base.join();
    begin();
    if seeded {
        shelf.put(WRITING, 0)?;
    }
    // Others may have been faster.
    (shelf.base.segment.reap().stuck == 0).then_some(())
}
