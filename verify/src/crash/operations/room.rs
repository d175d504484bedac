//! The world of the locks: two words that must be equal, behind a lock of some kind.

use std::cell::RefCell;
use std::io::{PipeWriter, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crossdock::sync::{LockError, LockTimeoutError, ReentrantMutex, TryLockError};
use crossdock::{Counter, Mutex};
use nix::unistd::Pid;

use crate::crash::operation::Base;
use crate::crash::operations::naive::FutexWord;
use crate::process::{Broken, Child, Rig, forked, wait_readable};

/// Which lock guards the words. The last two are what the library must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Mutex,
    /// A [`Mutex<()>`], and two counters as the words.
    Raw,
    /// A [`ReentrantMutex<()>`], and two counters as the words.
    Reentrant,
    /// 1 is locked, 0 is free: no process can tell whose it is.
    Ownerless,
    /// A futex without owner or time limit.
    Futex,
}

/// The two words, their locks, and the processes that had to be there before the victim.
pub(crate) struct Room {
    pub(crate) base: Base,
    pub(crate) guard: Guard,
    pub(crate) mutex: Mutex<[u64; 2]>,
    /// For victims to go through their motions with, before they are stepped.
    pub(crate) spare: Mutex<[u64; 2]>,
    /// One of the two, as there is room for no more.
    pub(crate) raw: Option<Mutex<()>>,
    pub(crate) reentrant: Option<ReentrantMutex<()>>,
    pub(crate) words: [Counter; 2],
    pub(crate) ownerless: Counter,
    pub(crate) futex: Option<FutexWord>,
    pub(crate) holder: Option<Holder>,
}

/// What an attempt to enter the room came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// A live process has the lock.
    Busy,
    /// The lock was had; the words as they were found, before they were repaired and counted up.
    In { owner_died: bool, words: [u64; 2] },
}

/// Enters by a lock without data, as [`Room::enter`] does.
macro_rules! enter_by {
    ($room:ident, $lock:ident, $patience:expr) => {{
        let lock = $room.$lock.as_ref().ok_or(Broken("no such lock".into()))?;
        let outcome = match $patience {
            None => match lock.try_lock() {
                Ok(guard) => Ok((guard, false)),
                Err(TryLockError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(TryLockError::WouldBlock { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(format!("try_lock: {other}")),
            },
            Some(patience) => match lock.lock_timeout(patience) {
                Ok(guard) => Ok((guard, false)),
                Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(LockTimeoutError::Timeout { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(format!("lock_timeout: {other}")),
            },
        };
        let (mut guard, owner_died) = outcome.map_err(Broken)?;
        let entered = $room.count_up(owner_died);
        if owner_died {
            guard.mark_consistent();
        }
        Ok(entered)
    }};
}

impl Room {
    pub(crate) fn new(participants: u32, guard: Guard) -> Rig<Self> {
        let base = Base::new(participants)?;
        let segment = &base.segment;
        let words = [segment.create("left", 0)?, segment.create("right", 0)?];
        let mutex = segment.create("words", [0, 0])?;
        let spare = segment.create("spare", [0, 0])?;
        let (raw, reentrant) = match guard {
            Guard::Reentrant => (None, Some(segment.create("reentrant", ())?)),
            _ => (Some(segment.create("raw", ())?), None),
        };
        let ownerless = segment.create("ownerless", 0)?;
        let futex = match guard {
            Guard::Futex => Some(FutexWord::map(base.file(), base.offset_of("ownerless")?)?),
            _ => None,
        };
        Ok(Self {
            guard,
            mutex,
            spare,
            raw,
            reentrant,
            words,
            ownerless,
            futex,
            holder: None,
            base,
        })
    }

    /// Adds a participant that died with the lock in its hands, between the two words.
    pub(crate) fn with_a_dead_owner(self) -> Rig<Self> {
        let mut child = forked(|| match self.mutex.lock() {
            Ok(mut guard) => {
                guard[0] += 1;
                std::mem::forget(guard);
                0
            }
            Err(_) => 1,
        })?;
        child.end_within(Duration::from_secs(10))?;
        Ok(self)
    }

    /// Adds a participant that died without anything in its hands.
    pub(crate) fn with_a_dead_participant(self) -> Rig<Self> {
        let mut child = forked(|| {
            self.base.join();
            0
        })?;
        child.end_within(Duration::from_secs(10))?;
        Ok(self)
    }

    /// Enters, repairs what a dead owner left, counts both words up by one, and goes out again.
    /// Waits as long as `patience`, or not at all.
    pub(crate) fn enter(&self, patience: Option<Duration>) -> Rig<Entered> {
        match self.guard {
            Guard::Mutex => self.enter_mutex(patience),
            Guard::Raw => enter_by!(self, raw, patience),
            Guard::Reentrant => enter_by!(self, reentrant, patience),
            Guard::Ownerless => Ok(poll(patience, || {
                let free = self.ownerless.compare_exchange(0, 1).is_ok();
                free.then(|| {
                    let entered = self.count_up(false);
                    self.ownerless.store(0);
                    entered
                })
            })),
            Guard::Futex => Ok(poll(patience, || {
                let word = self.futex.as_ref()?;
                word.try_lock().then(|| {
                    let entered = self.count_up(false);
                    word.unlock();
                    entered
                })
            })),
        }
    }

    fn enter_mutex(&self, patience: Option<Duration>) -> Rig<Entered> {
        let outcome = match patience {
            None => match self.mutex.try_lock() {
                Ok(guard) => Ok((guard, false)),
                Err(TryLockError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(TryLockError::Lock(LockError::Poisoned(guard))) => Ok((guard, false)),
                Err(TryLockError::WouldBlock { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(format!("try_lock: {other}")),
            },
            Some(patience) => match self.mutex.lock_timeout(patience) {
                Ok(guard) => Ok((guard, false)),
                Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => Ok((guard, false)),
                Err(LockTimeoutError::Timeout { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(format!("lock_timeout: {other}")),
            },
        };
        let (mut guard, owner_died) = outcome.map_err(Broken)?;
        let words = *guard;
        *guard = [words[0] + 1; 2];
        if owner_died {
            guard.mark_consistent();
        }
        Ok(Entered::In { owner_died, words })
    }

    /// Repairs and counts up the words that are counters.
    fn count_up(&self, owner_died: bool) -> Entered {
        let words = [self.words[0].load(), self.words[1].load()];
        self.words.iter().for_each(|word| word.store(words[0] + 1));
        Entered::In { owner_died, words }
    }

    /// Where the mutex's word is, for victims that write to it as no user can.
    pub(crate) fn mutex_word(&self) -> Rig<u64> {
        self.base.offset_of("words")
    }

    /// Reads the mutex's word from the file.
    pub(crate) fn read_word(&self, at: u64) -> std::io::Result<u32> {
        let mut bytes = [0; 4];
        self.base.file().read_exact_at(&mut bytes, at)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Writes the mutex's word to the file, whatever it holds by now.
    pub(crate) fn write_word(&self, at: u64, word: u32) -> std::io::Result<()> {
        self.base.file().write_all_at(&word.to_le_bytes(), at)
    }
}

/// Tries until it comes off, as long as `patience`, or once.
fn poll(patience: Option<Duration>, mut attempt: impl FnMut() -> Option<Entered>) -> Entered {
    let deadline = patience.map(|patience| Instant::now() + patience);
    loop {
        if let Some(entered) = attempt() {
            return entered;
        }
        if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            return Entered::Busy;
        }
        std::thread::yield_now();
    }
}

/// A process that holds the mutex until it is told to let go.
pub(crate) struct Holder {
    child: RefCell<Child>,
    tell: PipeWriter,
}

impl Holder {
    /// Starts one, and returns when it has the lock.
    pub(crate) fn start(mutex: &Mutex<[u64; 2]>) -> Rig<Self> {
        let (told, tell) = std::io::pipe()?;
        let (ready, mut done) = std::io::pipe()?;
        let child = forked(|| {
            let guard = match mutex.lock() {
                Ok(guard) | Err(LockError::Poisoned(guard)) => guard,
                Err(_) => return 1,
            };
            let heard = done
                .write_all(b"!")
                .is_ok_and(|()| wait_readable(&told, Duration::from_secs(600)).is_ok());
            drop(guard);
            u8::from(!heard)
        })?;
        if !wait_readable(&ready, Duration::from_secs(10))? {
            return Err(Broken("a holder does not get the lock".into()));
        }
        Ok(Self {
            child: RefCell::new(child),
            tell,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.child.borrow().pid()
    }

    /// Has it unlock and end; false if it does not.
    pub(crate) fn let_go(&self, patience: Duration) -> Rig<bool> {
        // A byte and not a closed pipe: others that were forked have the pipe too.
        (&self.tell).write_all(b"!")?;
        Ok(self.child.borrow_mut().end_within(patience)?.is_some())
    }
}
