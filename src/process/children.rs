//! The children of this process: each is known here until its exit status was taken, also when its
//! [`Process`](super::Process) was dropped.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fork_server::Relay;
use super::trace;
use crate::facade::{AtomicU32, Ordering};
use crate::sys::child::{self, Child};
use crate::sys::clock::Deadline;
use crate::sys::events::Here;
use crate::sys::fork::{Guarded, exclusive};

/// The exit of a process that was reaped.
#[derive(Clone, Copy)]
pub(super) enum ExitRecord {
    With(ExitStatus),
    /// Other code reaped it.
    Reaped,
    /// The fork server that had started it died before it told.
    Lost,
}

/// How long a question for an exit waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReapWait {
    /// Not at all.
    Nothing,
    /// Until the fork server of a process that has exited has told, and not long.
    Moment,
    /// Until the process has exited.
    Exit,
}

/// What this process knows of a child.
pub(super) struct ChildRecord {
    pub(super) id: u32,
    pub(super) name: String,
    /// Shared with the thread that polls for exits.
    pub(super) pidfd: Arc<OwnedFd>,
    /// Those that it is among until its exit status was taken.
    family: Arc<Family>,
    ended: Mutex<Option<ExitRecord>>,
    /// For a process that a fork server started, and waits for.
    relay: Option<Relay>,
    /// Not 0 once no handle is left, so that a later start has to reap it.
    detached: AtomicU32,
    /// Not 0 between the moment when the exit status is taken and that when it is told.
    untold: AtomicU32,
}

impl ChildRecord {
    /// Returns the record of a child that was just started, which is among the children from now
    /// on.
    pub(super) fn of_started(
        family: &Arc<Family>,
        id: u32,
        name: String,
        pidfd: OwnedFd,
        relay: Option<Relay>,
    ) -> Arc<Self> {
        let record = Arc::new(Self {
            id,
            name,
            pidfd: Arc::new(pidfd),
            family: Arc::clone(family),
            ended: Mutex::new(None),
            relay,
            detached: AtomicU32::new(0),
            untold: AtomicU32::new(0),
        });
        family.children().push(Arc::clone(&record));
        record
    }

    /// Returns whether the child is running; after an error it counts as running.
    pub(super) fn is_alive(&self) -> bool {
        !child::has_ended(self.pidfd.as_fd()).unwrap_or(false)
    }

    /// Blocks until the child has exited or the deadline has passed; returns whether it has exited.
    pub(super) fn ends_by(&self, deadline: Deadline) -> io::Result<bool> {
        child::wait(self.pidfd.as_fd(), deadline)
    }

    /// Takes the exit status once and keeps it; the child is none of this process's then.
    pub(super) fn reap(&self, block: bool) -> io::Result<Option<ExitRecord>> {
        self.reap_with(match block {
            true => ReapWait::Exit,
            false => ReapWait::Moment,
        })
    }

    /// As [`reap`](Self::reap), and waits for nothing, not even for the moment in which a fork
    /// server learns of the end. The caller [tells](Self::tell) of it, when it has no lock.
    pub(super) fn reap_at_once(&self) -> io::Result<Option<ExitRecord>> {
        self.reap_untold(ReapWait::Nothing)
    }

    /// Tells of the exit, unless that was told. Other code runs here, and may ask for it.
    pub(super) fn tell(&self) {
        // ORDERING: Relaxed; the lock passes the status on.
        let is_untold = self.untold.load(Ordering::Relaxed) != 0 && self.family.here.is_here();
        if !is_untold || self.untold.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        let ended = *self.ended();
        if let Some(ExitRecord::With(status)) = ended {
            trace::exited(&self.name, self.id, status);
        }
    }

    fn ended(&self) -> MutexGuard<'_, Option<ExitRecord>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a process that was forked from the parent knows of the end. It never blocks: a thread
    /// of the parent that had the lock when the process was forked is not there to unlock it.
    fn end_of_parents_child(&self) -> io::Result<Option<ExitRecord>> {
        if let Ok(ended) = self.ended.try_lock()
            && ended.is_some()
        {
            return Ok(*ended);
        }
        let has_ended = child::has_ended(self.pidfd.as_fd())?;
        Ok(has_ended.then_some(ExitRecord::Reaped))
    }

    fn reap_with(&self, wait: ReapWait) -> io::Result<Option<ExitRecord>> {
        let reaped = self.reap_untold(wait);
        self.tell();
        reaped
    }

    fn reap_untold(&self, wait: ReapWait) -> io::Result<Option<ExitRecord>> {
        if !self.family.here.is_here() {
            if wait == ReapWait::Exit {
                child::wait(self.pidfd.as_fd(), Deadline::never())?;
            }
            return self.end_of_parents_child();
        }
        // A server tells every thread, so it is waited for without the lock: a stopped one holds up
        // none that does not wait.
        let mut told = None;
        if let Some(relay) = &self.relay
            && self.ended().is_none()
        {
            told = relay.end(self.pidfd.as_fd(), wait)?;
        }
        // Under the lock, so that of two threads neither takes the other for other code.
        let mut ended = self.ended();
        if ended.is_none() {
            *ended = match &self.relay {
                Some(_) => told,
                None => self.reap_child(wait == ReapWait::Exit)?,
            };
            if ended.is_some() {
                // ORDERING: Relaxed; as in `tell`.
                self.untold.store(1, Ordering::Relaxed);
                self.family.remove(self);
            }
        }
        Ok(*ended)
    }

    fn reap_child(&self, block: bool) -> io::Result<Option<ExitRecord>> {
        Ok(match child::reap(self.pidfd.as_fd(), block)? {
            Child::Runs => None,
            Child::Ended(status) => Some(ExitRecord::With(status)),
            // A live process is the child of the process that this one was forked from.
            Child::Unknown => child::has_ended(self.pidfd.as_fd())?.then_some(ExitRecord::Reaped),
        })
    }

    /// Kills the process group that the child leads or led, and the child, whose group that may not
    /// be yet.
    ///
    /// Kernels before 6.9 cannot tell whose a group is; there it is killed while the child runs.
    pub(super) fn kill_group(&self) {
        // What cannot be killed has ended, or is another user's by now.
        if child::kill_group(self.pidfd.as_fd()).is_err() && self.is_alive() {
            let _ = child::kill_group_of(self.id);
        }
        let _ = child::kill(self.pidfd.as_fd());
    }

    /// Whether it was started by a fork server that has died.
    pub(super) fn has_lost_its_server(&self) -> bool {
        self.relay.as_ref().is_some_and(Relay::is_lost)
    }

    /// Whether a fork server waits for it, and this process does not.
    pub(super) fn is_relayed(&self) -> bool {
        self.relay.is_some()
    }

    /// Leaves the child to a later start, unless it has exited.
    pub(super) fn detach(&self) {
        // ORDERING: Relaxed; the kernel says what there is to reap.
        self.detached.store(1, Ordering::Relaxed);
        let _ = self.reap_with(ReapWait::Nothing);
    }
}

/// The children of one process, which a process forked from it has not.
pub(super) struct Family {
    here: Here,
    /// Those that were not reaped, in the order of their starts.
    children: Mutex<Vec<Arc<ChildRecord>>>,
}

/// That of this process, once it has one; in a forked child its parent's, which another thread may
/// have been changing.
static FAMILY: Guarded<Option<Arc<Family>>> = Guarded::new(None);

impl Family {
    /// Returns that of this process, if it has one.
    fn known() -> Option<Arc<Self>> {
        let known = FAMILY.get(&mut exclusive()).clone();
        known.filter(|family| family.here.is_here())
    }

    /// Returns that of this process, made at the first call.
    pub(super) fn current() -> io::Result<Arc<Self>> {
        if let Some(family) = Self::known() {
            return Ok(family);
        }
        let fresh = Arc::new(Self {
            here: Here::new()?,
            children: Mutex::default(),
        });
        let mut exclusive = exclusive();
        let place = FAMILY.get(&mut exclusive);
        // Another thread may have made it meanwhile.
        if let Some(family) = place.as_ref().filter(|family| family.here.is_here()) {
            let family = Arc::clone(family);
            drop(exclusive);
            return Ok(family);
        }
        let parents = place.replace(Arc::clone(&fresh));
        drop(exclusive);
        std::mem::forget(parents);
        Ok(fresh)
    }

    fn children(&self) -> MutexGuard<'_, Vec<Arc<ChildRecord>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, record: &ChildRecord) {
        // In a forked child they are the parent's, and may be locked.
        if self.here.is_here() {
            self.children()
                .retain(|child| !std::ptr::eq(&raw const **child, record));
        }
    }

    /// Reaps the children of this process without a handle that have exited. Does not block.
    pub(super) fn reap_detached() {
        let mut children = Self::known().map_or(Vec::new(), |family| family.children().clone());
        // ORDERING: Relaxed; the kernel says what there is to reap.
        children.retain(|child| child.detached.load(Ordering::Relaxed) != 0);
        for child in children {
            let _ = child.reap_with(ReapWait::Nothing);
        }
    }
}

/// Returns the running children of this process that [`spawn`](super::spawn()) and its like have
/// started, in the order of their starts. Does not block.
///
/// Those are listed, too, whose [`Process`](super::Process) was dropped. Children that have exited
/// are reaped, so none stays a zombie; a `Process` still gives its status and its result.
///
/// # Examples
/// ```
/// use crossdock::process::{self, Builder, active_children};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     let park = |()| std::thread::park();
///     let _clerk = Builder::new().name("clerk").daemon(true).spawn(park, ())?;
///     for child in active_children() {
///         println!("{} has the id {}", child.name(), child.id());
///         child.terminate()?;
///     }
///     Ok(())
/// }
/// ```
pub fn active_children() -> Vec<ActiveChild> {
    let family = Family::known();
    let mut children = family.map_or(Vec::new(), |family| family.children().clone());
    // After an error it counts as running.
    children.retain(|child| !matches!(child.reap(false), Ok(Some(_))));
    children.into_iter().map(ActiveChild).collect()
}

/// A child of this process that was running when [`active_children`] listed it.
///
/// It is identified by a file descriptor, so it is never mistaken for a later process.
#[derive(Clone)]
pub struct ActiveChild(Arc<ChildRecord>);

impl ActiveChild {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the process id, as [`Process::id`](super::Process::id) does.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Returns whether the process is still running. Does not block.
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    /// Interrupts the process, as [`Process::interrupt`](super::Process::interrupt) does.
    ///
    /// # Errors
    /// As there.
    pub fn interrupt(&self) -> io::Result<()> {
        child::interrupt(self.0.pidfd.as_fd())
    }

    /// Asks the process to end, as [`Process::terminate`](super::Process::terminate) does.
    ///
    /// # Errors
    /// As there.
    pub fn terminate(&self) -> io::Result<()> {
        child::terminate(self.0.pidfd.as_fd())
    }

    /// Kills the process, as [`Process::kill`](super::Process::kill) does.
    ///
    /// # Errors
    /// As there.
    pub fn kill(&self) -> io::Result<()> {
        child::kill(self.0.pidfd.as_fd())
    }
}

debug!(ActiveChild, |this| { name: this.name(), id: this.id() });
