//! The world of the locks of readers and writers: two words, and the processes that had to be there
//! before the victim.

use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::RwLock;
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};

use crate::crash::operation::Base;
use crate::process::{Broken, Child, End, Rig, exit_now, forked, wait_readable};

/// Where words of the lock are, for victims that write to them as no user can (see
/// `docs/design.md`).
pub(crate) const WRITING: u64 = 4;
/// The cell of the rig, which is the first participant, in an entry with 16 bytes of data.
pub(crate) const CELLS: u64 = 384;
/// What is in the cell of a first generation.
pub(crate) const GENERATION: u32 = 1 << 13;

type Words = RwLock<[u64; 2]>;

/// The words, the lock, and the others.
pub(crate) struct Shelf {
    pub(crate) base: Base,
    pub(crate) lock: Words,
    /// For victims to go through their motions with, before they are stepped.
    pub(crate) spare: Words,
    /// One that has the lock from before the victim.
    pub(crate) peer: Option<Peer>,
    /// Those that are to sleep for it.
    pub(crate) sleepers: Vec<Peer>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// A live process has the lock, or is at its door.
    Busy,
    /// The lock was had; the words as they were found, before a writer repaired and counted them
    /// up.
    In { owner_died: bool, words: [u64; 2] },
}

impl Shelf {
    pub(crate) fn new() -> Rig<Self> {
        let base = Base::of_size(6, 16_384)?;
        let lock = base.segment.create::<Words>("words", [0, 0])?;
        let spare = base.segment.create::<Words>("spare", [0, 0])?;
        Ok(Self {
            base,
            lock,
            spare,
            peer: None,
            sleepers: Vec::new(),
        })
    }

    /// Gives the rig a cell, which every writer has to bar.
    pub(crate) fn has_read(&self) -> Result<(), Broken> {
        drop(
            self.lock
                .read()
                .map_err(|error| Broken(error.to_string()))?,
        );
        Ok(())
    }

    /// Reads, waiting for `patience`, or not at all.
    pub(crate) fn read(&self, patience: Option<Duration>) -> Rig<Entered> {
        let came = match patience {
            None => match self.lock.try_read() {
                Ok(guard) | Err(TryLockError::Lock(LockError::Poisoned(guard))) => {
                    Ok((guard, false))
                }
                Err(TryLockError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(TryLockError::WouldBlock { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(Broken(format!("try_read: {other}"))),
            },
            Some(patience) => match self.lock.read_timeout(patience) {
                Ok(guard) | Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => {
                    Ok((guard, false))
                }
                Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(LockTimeoutError::Timeout { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(Broken(format!("read_timeout: {other}"))),
            },
        };
        let (guard, owner_died) = came?;
        Ok(Entered::In {
            owner_died,
            words: *guard,
        })
    }

    /// Writes, waiting for `patience`, or not at all.
    pub(crate) fn write(&self, patience: Option<Duration>) -> Rig<Entered> {
        let came = match patience {
            None => match self.lock.try_write() {
                Ok(guard) | Err(TryLockError::Lock(LockError::Poisoned(guard))) => {
                    Ok((guard, false))
                }
                Err(TryLockError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(TryLockError::WouldBlock { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(Broken(format!("try_write: {other}"))),
            },
            Some(patience) => match self.lock.write_timeout(patience) {
                Ok(guard) | Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => {
                    Ok((guard, false))
                }
                Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Ok((guard, true)),
                Err(LockTimeoutError::Timeout { .. }) => return Ok(Entered::Busy),
                Err(other) => Err(Broken(format!("write_timeout: {other}"))),
            },
        };
        let (mut guard, owner_died) = came?;
        let words = *guard;
        *guard = [words[0] + 1; 2];
        if owner_died {
            guard.mark_consistent();
        }
        Ok(Entered::In { owner_died, words })
    }

    /// Leaves the lock poisoned, as a thread that panics with it does.
    pub(crate) fn poison(&self) -> Rig {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = self.lock.write();
            std::panic::resume_unwind(Box::new(()));
        }));
        match result {
            Err(_) if self.lock.is_poisoned() => Ok(()),
            _ => Err(Broken("a panic does not poison the lock".into())),
        }
    }

    /// Leaves a lock in a dead one's hands, between the two words.
    pub(crate) fn leave_a_dead_writer(&self) -> Rig {
        self.die(|| {
            let Ok(mut guard) = self.lock.write() else {
                exit_now(1)
            };
            guard[0] += 1;
            exit_now(0)
        })
    }

    /// Leaves a count of a dead one.
    pub(crate) fn leave_a_dead_reader(&self) -> Rig {
        self.die(|| {
            let _guard = self.lock.read();
            exit_now(0)
        })
    }

    fn die(&self, body: impl FnOnce() -> u8) -> Rig {
        match forked(body)?.end_within(Duration::from_secs(10))? {
            Some(End::Exited(0)) => Ok(()),
            other => Err(Broken(format!("one that was to die: {other:?}"))),
        }
    }

    /// Writes a word of the lock to the file, whatever is there.
    pub(crate) fn put(&self, at: u64, word: u32) -> Option<()> {
        let at = self.base.offset_of("words").ok()? + at;
        let written = self.base.file().write_all_at(&word.to_le_bytes(), at);
        written.ok()
    }
}

/// Another process, that has the lock or wants it.
pub(crate) struct Peer {
    pub(crate) writes: bool,
    child: RefCell<Child>,
    tell: PipeWriter,
    ready: PipeReader,
}

/// Waits for a byte, no longer than `patience`; whether it came.
fn hear(mut pipe: &PipeReader, patience: Duration) -> Rig<bool> {
    Ok(wait_readable(pipe, patience)? && pipe.read(&mut [0])? == 1)
}

impl Peer {
    /// One that has the lock until it is told to leave, and then fails with 1 if the words have
    /// changed.
    pub(crate) fn holding(lock: &Words, writes: bool) -> Rig<Self> {
        Self::start(writes, |ready, go| {
            if writes {
                let Ok(guard) = lock.write() else { return 2 };
                let words = *guard;
                ready();
                go();
                u8::from(*guard != words)
            } else {
                let Ok(guard) = lock.read() else { return 2 };
                let words = *guard;
                ready();
                go();
                u8::from(*guard != words)
            }
        })
    }

    /// One that writes when it is told to, and else as [`holding`](Self::holding).
    pub(crate) fn holding_later(lock: &Words) -> Rig<Self> {
        Self::start(true, |ready, go| {
            ready();
            go();
            let Ok(guard) = lock.write() else { return 2 };
            let words = *guard;
            ready();
            go();
            u8::from(*guard != words)
        })
    }

    /// One that has read before, and locks when it is told to; it fails with 1 if it is told of a
    /// death, and with 3 if the words are torn and it is not.
    pub(crate) fn waiting(lock: &Words, writes: bool) -> Rig<Self> {
        Self::start(writes, |ready, go| {
            drop(lock.read());
            ready();
            go();
            let (words, died) = if writes {
                let (mut guard, died) = match lock.write() {
                    Ok(guard) => (guard, false),
                    Err(LockError::OwnerDied(guard)) => (guard, true),
                    Err(_) => return 2,
                };
                let words = *guard;
                *guard = [words[0] + 1; 2];
                guard.mark_consistent();
                (words, died)
            } else {
                match lock.read() {
                    Ok(guard) => (*guard, false),
                    Err(LockError::OwnerDied(guard)) => (*guard, true),
                    Err(_) => return 2,
                }
            };
            // It stays, so that no process counts it among those who died meanwhile.
            ready();
            go();
            match died {
                true => 1,
                false if words[0] != words[1] => 3,
                false => 0,
            }
        })
    }

    fn start(
        writes: bool,
        body: impl FnOnce(&mut dyn FnMut(), &mut dyn FnMut()) -> u8,
    ) -> Rig<Self> {
        let (told, tell) = std::io::pipe()?;
        let (ready, mut done) = std::io::pipe()?;
        let child = forked(|| {
            let mut say = || {
                let _ = done.write_all(b"!");
            };
            let mut hear = || {
                let _ = hear(&told, Duration::from_secs(600));
            };
            body(&mut say, &mut hear)
        })?;
        if !hear(&ready, Duration::from_secs(10))? {
            return Err(Broken("another process does not come to the lock".into()));
        }
        Ok(Self {
            writes,
            child: RefCell::new(child),
            tell,
            ready,
        })
    }

    /// Has it go on, and waits until it has the lock.
    pub(crate) fn hold(&self) -> Rig {
        self.tell()?;
        let holds = hear(&self.ready, Duration::from_secs(10))?;
        let why = "another process does not get the lock";
        holds.then_some(()).ok_or_else(|| Broken(why.into()))
    }

    /// Has it go on, and waits until it sleeps.
    pub(crate) fn fall_asleep(&self) -> Rig {
        self.tell()?;
        let sleeps = self
            .child
            .borrow()
            .sleeps_on_a_futex(Duration::from_secs(10));
        sleeps
            .then_some(())
            .ok_or_else(|| Broken("the sleeper does not sleep".into()))
    }

    /// Has it go on, and end; `None` if it does not.
    pub(crate) fn go_on(&self, patience: Duration) -> Rig<Option<End>> {
        self.tell()?;
        self.child.borrow_mut().end_within(patience)
    }

    /// Has one that slept end, when it has had the lock; `None` if it does not get it.
    pub(crate) fn wakes_and_ends(&self, patience: Duration) -> Rig<Option<End>> {
        if !hear(&self.ready, patience)? {
            return Ok(None);
        }
        self.go_on(patience)
    }

    fn tell(&self) -> Rig {
        // A byte and not a closed pipe: others that were forked have the pipe too.
        Ok((&self.tell).write_all(b"!")?)
    }
}
