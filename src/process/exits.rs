//! Exits as events that [`wait_any`](crate::queue::wait_any()) sleeps on.
//!
//! The kernel cannot wait for futex words and pidfds in one call. So one thread of the waiting
//! process, started at the first such wait, polls the pidfds, and notifies the event count of each
//! process that has exited. It ends when no process is left to poll for.
//!
//! The thread only saves time: a waiter also asks each pidfd itself whenever a slice of its sleep
//! ends. So an exit is found where the thread cannot be started, in a forked child, and where other
//! code has closed one of the descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::facade::{AtomicU32, Ordering};
use crate::sys::events::{self, Descriptor, Here, Polled, Signal};
use crate::sys::fork::{Guarded, exclusive};
use crate::sys::{child, signals};
use crate::wait::event_count::EventCount;
use crate::wait::select::{NotMember, Source};

/// The longest sleep of the thread, which bounds for how long it may miss that other code has
/// closed its descriptors.
const HEARTBEAT: Duration = Duration::from_secs(3600);
const STACK: usize = 64 << 10;

/// The exit of one process.
pub(super) struct ExitEvent {
    pidfd: Arc<OwnedFd>,
    event: EventCount,
    /// Not 0 once the process is known to have exited.
    exited: AtomicU32,
    /// The poll that has the pidfd, once there is one.
    poll: Mutex<Option<Arc<Poll>>>,
}

impl ExitEvent {
    pub(super) fn new(pidfd: Arc<OwnedFd>) -> Arc<Self> {
        Arc::new(Self {
            pidfd,
            event: EventCount::new(),
            exited: AtomicU32::new(0),
            poll: Mutex::new(None),
        })
    }

    /// Asks the kernel, and has the pidfd polled if the process is running.
    pub(super) fn watch(self: &Arc<Self>) {
        if self.ask() {
            return;
        }
        // A lock that a fork has left locked is not waited for: the waiters' slices go on without.
        let Ok(mut poll) = self.poll.try_lock() else {
            return;
        };
        if poll.as_ref().is_some_and(|poll| poll.runs()) {
            return;
        }
        *poll = Poll::add(self).ok();
    }

    /// Asks the kernel whether the process has exited.
    fn ask(&self) -> bool {
        // After an error the process counts as running.
        if child::has_ended(self.pidfd.as_fd()).unwrap_or(false) {
            self.record_exit();
        }
        self.is_ready()
    }

    fn record_exit(&self) {
        // ORDERING: Release; a waiter that reads it (Acquire) finds the exit in the kernel, too.
        self.exited.store(1, Ordering::Release);
        self.event.notify_all();
    }
}

impl Drop for ExitEvent {
    fn drop(&mut self) {
        let poll = self.poll.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(poll) = poll {
            // The thread forgets the process.
            poll.signal.raise();
        }
    }
}

impl Source for ExitEvent {
    fn is_ready(&self) -> bool {
        self.exited.load(Ordering::Acquire) != 0
    }

    fn event(&self) -> &EventCount {
        &self.event
    }

    /// All waiters are notified.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        self.ask();
        Ok(())
    }
}

/// The state that the thread shares with those that add processes.
struct Poll {
    here: Here,
    signal: Signal,
    additions: Mutex<Additions>,
}

#[derive(Default)]
struct Additions {
    added: Vec<(Descriptor, Weak<ExitEvent>)>,
    /// The thread takes no more processes.
    ended: bool,
}

/// The poll of this process, if its thread runs.
static POLL: Guarded<Option<Arc<Poll>>> = Guarded::new(None);

impl Poll {
    /// Whether its thread runs, in this process.
    fn runs(&self) -> bool {
        let ended = self
            .additions
            .try_lock()
            .is_ok_and(|additions| additions.ended);
        self.here.is_here() && !ended
    }

    /// Has the process of `exit` polled by the thread, which is started if there is none.
    fn add(exit: &Arc<ExitEvent>) -> io::Result<Arc<Self>> {
        let known = POLL.get(&mut exclusive()).clone();
        if let Some(poll) = &known
            && poll.takes(exit)?
        {
            return Ok(Arc::clone(poll));
        }
        let here = Here::new()?;
        let poll = Arc::new(Self {
            signal: Signal::new(&here)?,
            here,
            additions: Mutex::default(),
        });
        poll.push(exit)?;
        let mut exclusive = exclusive();
        let place = POLL.get(&mut exclusive);
        // Another thread may have made one meanwhile.
        if place.as_ref().map(Arc::as_ptr) != known.as_ref().map(Arc::as_ptr) {
            let other = place.clone();
            drop(exclusive);
            return match other {
                Some(other) if other.takes(exit)? => Ok(other),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let before = place.replace(Arc::clone(&poll));
        // Descriptors are closed under the exclusion, so not before this.
        drop(exclusive);
        drop((before, known));
        let thread = thread::Builder::new()
            .name("crossdock-exits".to_owned())
            .stack_size(STACK);
        let polled = Arc::clone(&poll);
        if let Err(error) = signals::blocked(|| thread.spawn(move || polled.run())) {
            poll.lock().ended = true;
            return Err(error);
        }
        Ok(poll)
    }

    /// Gives the thread a process. Returns false if it is not this process's, or takes no more.
    fn takes(&self, exit: &Arc<ExitEvent>) -> io::Result<bool> {
        Ok(self.here.is_here() && self.signal.is_there() && self.push(exit)?)
    }

    fn lock(&self) -> MutexGuard<'_, Additions> {
        self.additions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the thread a process. Returns false if the thread takes no more.
    fn push(&self, exit: &Arc<ExitEvent>) -> io::Result<bool> {
        let pidfd = Descriptor::new(exit.pidfd.try_clone()?, &self.here)?;
        let mut additions = self.lock();
        if additions.ended {
            return Ok(false);
        }
        additions.added.push((pidfd, Arc::downgrade(exit)));
        drop(additions);
        self.signal.raise();
        Ok(true)
    }

    fn run(&self) {
        let mut polled: Vec<(Descriptor, Weak<ExitEvent>)> = Vec::new();
        loop {
            // Cleared before the additions is read: a later request raises it again.
            self.signal.clear();
            polled.retain(|(_, exit)| exit.strong_count() > 0);
            {
                let mut additions = self
                    .additions
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                polled.append(&mut additions.added);
                if polled.is_empty() || !self.signal.is_there() {
                    additions.ended = true;
                    return;
                }
            }
            let descriptors = polled.iter().map(|(pidfd, _)| pidfd);
            let descriptors = std::iter::once(self.signal.descriptor()).chain(descriptors);
            let Ok(said) = events::wait(descriptors, HEARTBEAT) else {
                self.lock().ended = true;
                return;
            };
            let mut said = said.into_iter().skip(1);
            polled.retain(|(_, exit)| match said.next() {
                Some(Polled::Quiet) | None => true,
                Some(Polled::Ready | Polled::Closed) => {
                    // A number that means another file may be readable, too.
                    if let Some(exit) = exit.upgrade() {
                        exit.ask();
                    }
                    false
                }
            });
        }
    }
}
