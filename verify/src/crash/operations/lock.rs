//! Operations on locks, and on the registry beside a held lock, under one judge.
//!
//! A process that enters the room finds two equal words or is told that an owner died; repairs;
//! counts both up. So every entry is counted, every half-done one is told, and nothing else is.

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::operations::room::{Entered, Guard, Holder, Room};
use crate::process::{Broken, Child, End, Rig, forked_asleep};

/// Whom the victim finds in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// No process.
    Empty,
    /// A lock in a dead one's hands, between the two words.
    DeadOwner,
    /// As `DeadOwner`, and a registry with no other place than the rig's and the dead one's.
    FullOfDead,
    /// A lock in the hands of a process that lives.
    LiveOwner,
    /// A lock that is poisoned.
    Poisoned,
}

/// What the victim does, once it is stepped.
pub(crate) type Act = fn(Owned<Room>, &mut dyn FnMut()) -> u8;

/// An operation on a lock.
#[derive(Clone, Copy)]
pub(crate) struct Locking {
    pub(crate) guard: Guard,
    pub(crate) before: Before,
    pub(crate) participants: u32,
    pub(crate) act: Act,
    /// Whether the victim leaves torn words behind by itself, with the lock.
    pub(crate) tears: bool,
    /// How much one whole operation adds to the words.
    pub(crate) adds: u64,
    /// Whether the victim ends with the lock in its hands.
    pub(crate) ends_holding: bool,
    /// Whether the victim leaves the registry by itself.
    pub(crate) leaves: bool,
    /// Whether a sleeper waits for the lock from the start.
    pub(crate) sleeper: bool,
    /// Whether a process takes a freed place and the lock while the victim is stopped, to be
    /// disturbed by a victim that goes on too late.
    pub(crate) successor: bool,
    /// Whether survivors reap; without, the registry's judge must complain.
    pub(crate) reaps: bool,
}

impl Default for Locking {
    fn default() -> Self {
        Self {
            guard: Guard::Mutex,
            before: Before::Empty,
            participants: 4,
            act: |_, _| 1,
            tears: false,
            adds: 1,
            ends_holding: false,
            leaves: false,
            sleeper: false,
            successor: false,
            reaps: true,
        }
    }
}

/// What others did while the victim was stopped.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often the third party has entered.
    entered: u64,
    /// Whether the victim has the lock, if that was found out.
    holds: Option<bool>,
    /// The words as the third party left them.
    left: Option<u64>,
    sleeper: Option<Child>,
    successor: Option<Holder>,
}

impl Locking {
    /// What both words are before the victim: a dead owner's half-done entry counts when repaired.
    fn first(&self) -> u64 {
        let torn = matches!(self.before, Before::DeadOwner | Before::FullOfDead) || self.tears;
        u64::from(torn)
    }

    /// Whether a death may be told that is not the victim's at its point.
    fn owes_a_report(&self) -> bool {
        self.first() > 0
    }

    /// Judges what a process found on entering.
    fn inspect(&self, entered: Entered, may_report: bool, scene: &mut Scene) {
        let Entered::In { owner_died, words } = entered else {
            return;
        };
        if words[0] != words[1] && !owner_died {
            scene.lost(format!(
                "torn words {words:?}, and no owner is said to have died"
            ));
        }
        if owner_died && !may_report {
            scene.duplicated("an owner is said to have died, and none did holding the lock");
        }
    }

    /// Ends the sleeper and the successor, which must not wait forever.
    fn dismiss(&self, seen: &mut Seen, scene: &mut Scene) -> Rig<u64> {
        let mut entered = 0;
        if let Some(successor) = seen.successor.take()
            && !successor.let_go(scene.patience)?
        {
            scene.stuck("a successor cannot unlock");
        }
        if let Some(mut sleeper) = seen.sleeper.take() {
            match sleeper.end_within(scene.patience)? {
                Some(End::Exited(code @ (0 | 1))) => {
                    entered = 1;
                    scene.outcome(if code == 0 { "sleeper" } else { "sleeper told" });
                }
                Some(other) => scene.lost(format!("the sleeper failed: {other:?}")),
                None => scene.stuck("the sleeper never gets the lock"),
            }
        }
        Ok(entered)
    }

    fn release_holder(&self, room: &Room, scene: &mut Scene) -> Rig {
        let Some(holder) = &room.holder else {
            return Ok(());
        };
        if room.enter(None)? != Entered::Busy {
            scene.duplicated("the lock of a living owner was taken");
        }
        if !holder.let_go(scene.patience)? {
            scene.stuck("a living owner cannot unlock");
        }
        Ok(())
    }

    /// Two more entries: one that may be told of the death, and one that finds all in order.
    fn survivors(
        &self,
        room: &Room,
        seen: &Seen,
        died: Option<bool>,
        whole: (u64, u64),
        scene: &mut Scene,
    ) -> Rig {
        let first = room.enter(Some(scene.patience))?;
        let Entered::In { owner_died, words } = first else {
            scene.stuck("the lock is never free again");
            return Ok(());
        };
        let by_others = seen.entered == 0 && self.owes_a_report();
        self.inspect(first, died != Some(false) || by_others, scene);
        if died == Some(true) && !owner_died {
            scene.lost("the victim died with the lock, and that is not told");
        }
        scene.outcome(if owner_died { "owner died" } else { "clean" });
        let (least, most) = whole;
        if words[0] < least {
            scene.lost(format!("{} entries are counted, not {least}", words[0]));
        }
        if words[0] > most {
            scene.duplicated(format!("{} entries are counted, not {most}", words[0]));
        }
        let again = room.enter(Some(scene.patience))?;
        self.inspect(again, false, scene);
        let expected = [words[0] + 1; 2];
        match again {
            Entered::Busy => scene.stuck("the lock is not free after a clean unlock"),
            Entered::In { words, .. } if words != expected => {
                scene.lost(format!("{words:?} after {expected:?} were written"));
            }
            Entered::In { .. } => {}
        }
        Ok(())
    }
}

impl Operation for Locking {
    type World = Room;
    type Seen = Seen;

    fn world(&self) -> Rig<Room> {
        let mut room = Room::new(self.participants, self.guard)?;
        match self.before {
            Before::Empty => {}
            Before::DeadOwner => room = room.with_a_dead_owner()?,
            Before::FullOfDead => room = room.with_a_dead_owner()?.with_a_dead_participant()?,
            Before::LiveOwner => room.holder = Some(Holder::start(&room.mutex)?),
            Before::Poisoned => poison(&room)?,
        }
        Ok(room)
    }

    fn base<'a>(&self, room: &'a Room) -> &'a Base {
        &room.base
    }

    fn victim(&self, room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
        (self.act)(room, begin)
    }

    fn assemble(&self, room: &Room, seen: &mut Seen) -> Rig {
        if self.sleeper {
            seen.sleeper = Some(forked_asleep(|| sleep_and_enter(room))?);
        }
        Ok(())
    }

    fn meanwhile(&self, room: &Room, seen: &mut Seen, scene: &mut Scene) -> Rig {
        let entered = room.enter(None)?;
        self.inspect(entered, self.owes_a_report(), scene);
        match entered {
            // With a sleeper or a holder about, another process may have it.
            Entered::Busy if self.sleeper || room.holder.is_some() => {}
            Entered::Busy => seen.holds = Some(true),
            Entered::In { words, .. } => {
                if room.holder.is_some() {
                    scene.duplicated("the lock of a living owner was taken");
                }
                seen.holds = Some(false);
                seen.entered += 1;
                seen.left = Some(words[0] + 1);
            }
        }
        if self.before == Before::FullOfDead {
            crate::crash::judge::newcomer(&room.base, scene)?;
        }
        Ok(())
    }

    fn again(&self, room: &Room, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if seen.holds == Some(true) && room.enter(None)? != Entered::Busy {
            scene.duplicated("the stopped victim's lock was taken over");
        }
        if self.sleeper && seen.holds == Some(false) {
            // The lock was let go: a stopped waker does not keep the sleeper from it.
            seen.entered += self.dismiss(seen, scene)?;
            seen.left = None;
        }
        if self.successor && seen.holds == Some(false) {
            seen.successor = Some(Holder::start(&room.mutex)?);
        }
        Ok(())
    }

    fn after_kill(&self, room: &Room, mut seen: Seen, scene: &mut Scene) -> Rig {
        self.release_holder(room, scene)?;
        let entered = self.dismiss(&mut seen, scene)? + seen.entered;
        let first = self.first();
        let whole = match seen.left {
            // The victim did not have the lock, and did nothing after the third party left.
            Some(left) if entered == seen.entered => (left, left),
            _ => (first + entered, first + entered + self.adds),
        };
        // A sleeper may have been told of the death in the survivors' place.
        let died = match room.holder {
            Some(_) => Some(false),
            None => seen.holds.filter(|_| !self.sleeper),
        };
        self.survivors(room, &seen, died, whole, scene)
    }

    fn after_end(&self, room: &Room, mut seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        if code != 0 {
            scene.lost(format!("the victim went on and failed, code {code}"));
        }
        if self.before == Before::Poisoned && room.mutex.is_poisoned() {
            scene.lost("the poison was cleared and is still there");
        }
        if let Some(successor) = &seen.successor {
            let pid = u32::try_from(successor.pid().as_raw())?;
            let listed = room.base.segment.participants();
            if !listed.iter().any(|one| one.pid == pid && one.alive) {
                scene.duplicated("a late victim has freed its successor's place");
            }
            if room.enter(None)? != Entered::Busy {
                scene.duplicated("a late victim has freed its successor's lock");
            }
        }
        self.release_holder(room, scene)?;
        let entered = self.dismiss(&mut seen, scene)? + seen.entered;
        let total = self.first() + entered + self.adds;
        let died = if self.ends_holding {
            Some(true)
        } else {
            Some(false)
        };
        let died = died.filter(|_| !self.sleeper && !self.tears);
        self.survivors(room, &seen, died, (total, total), scene)
    }

    fn survivors_reap(&self) -> bool {
        self.reaps
    }

    fn leaves(&self) -> bool {
        self.leaves
    }
}

/// Waits for the lock as long as it takes; 1 if it was told of a death.
fn sleep_and_enter(room: &Room) -> u8 {
    if let Some(word) = &room.futex {
        word.lock();
        let words = [room.words[0].load(), room.words[1].load()];
        room.words.iter().for_each(|word| word.store(words[0] + 1));
        word.unlock();
        return 0;
    }
    let (mut guard, died) = match room.mutex.lock() {
        Ok(guard) => (guard, 0),
        Err(crossdock::sync::LockError::OwnerDied(guard)) => (guard, 1),
        Err(_) => return 2,
    };
    *guard = [guard[0] + 1; 2];
    guard.mark_consistent();
    died
}

/// Leaves the mutex poisoned, as a thread that panics with it does.
fn poison(room: &Room) -> Rig {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = room.mutex.lock();
        std::panic::resume_unwind(Box::new(()));
    }));
    match result {
        Err(_) if room.mutex.is_poisoned() => Ok(()),
        _ => Err(Broken("a panic does not poison the lock".into())),
    }
}
