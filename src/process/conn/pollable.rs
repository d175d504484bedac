//! An end of a pipe with a descriptor for poll(2), which says when there is something to receive.
//!
//! What a receiver waits for is a word of memory, and the kernel has no descriptor for that. So one
//! thread of the process, started for the first such end, waits for all of them, as
//! [`wait_any`](crate::queue::wait_any()) does, and makes the eventfd of each readable that has
//! become ready. It ends with the last of them.
//!
//! # Protocol
//!
//! The thread watches an end while it is *armed*, that is, not ready and not borrowed. Nothing can
//! be received then, so an end that becomes ready stays so. Under a lock of each end:
//!
//! - borrow: disarm. The thread changes the eventfd no more, whatever it saw before.
//! - give back: look. If the end is ready, raise the eventfd; else clear it and arm, and wake the
//!   thread.
//! - the thread: if the end is armed and ready, raise the eventfd and disarm.
//!
//! So while an end is not borrowed its descriptor is readable exactly if it is ready, but for the
//! time that the thread takes: at once after a message, within half a second of a death.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::reader::FrameReader;
use super::{Conn, PipeReceiver};
use crate::facade::Deadline;
use crate::process::notice::Notice;
use crate::queue::spsc::EndWatch;
use crate::segment::SystemError;
use crate::sys::events::{EventFd, Here};
use crate::sys::fork::{Guarded, exclusive};
use crate::sys::signals;
use crate::wait::select::{self, Source, Waited};

const STACK: usize = 64 << 10;

/// An end of a pipe or connection with a descriptor for poll(2) and its like; made by
/// [`PipeReceiver::pollable`] and [`Conn::pollable`].
///
/// The descriptor ([`AsFd`]) is readable while an attempt to receive returns at once: there is a
/// message, or none will come. There is nothing to read from it. To receive, borrow the end
/// ([`get_mut`](Self::get_mut)); the descriptor is as before until that is given back, and says
/// what is so then. As with [`wait_any`](crate::queue::wait_any()), a part of a large message makes
/// it readable, too: `try_recv` takes the part, and returns `Empty`.
///
/// # What it costs
///
/// One eventfd for each, and one thread for all of a process, which ends with the last of them.
/// Each time that the descriptor becomes readable takes the wake-up of that thread, a write, and
/// the wake-up of the thread that polls: some 10 to 100 us, where `recv` takes one wake-up. Each
/// borrow that leaves the end empty wakes the thread. It wakes up 2.5 times a second meanwhile, for
/// all ends together, to ask whether their peers live. With more than 127 ends that wait it looks
/// at the next 127 every few milliseconds. Where a thread can wait for pipes, queues and processes
/// alone, [`wait_any`](crate::queue::wait_any()) is cheaper.
///
/// In a forked child the descriptor is the parent's, and the end receives nothing.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
///
/// use crossdock::process;
/// # fn poll(_: std::os::fd::BorrowedFd<'_>) {}
///
/// let (mut sender, receiver) = process::pipe::<String>()?;
/// let mut pollable = receiver.pollable()?;
/// sender.send(&"hello".to_owned())?;
/// poll(pollable.as_fd()); // beside sockets, timers and signals
/// let mut receiver = pollable.get_mut();
/// while let Ok(message) = receiver.try_recv() {
///     assert_eq!(message, "hello");
/// }
/// drop(receiver); // from here on the descriptor tells of the next message
/// # Ok::<(), crossdock::Error>(())
/// ```
pub struct Pollable<C> {
    end: C,
    frames: fn(&C) -> &FrameReader,
    // Dropped in this order.
    watched: Arc<PolledEnd>,
    watcher: WakesOnDrop,
}

/// Has the thread forget what is gone by then.
struct WakesOnDrop(Arc<PollWatcher>);

impl Drop for WakesOnDrop {
    fn drop(&mut self) {
        self.0.notice.raise();
    }
}

impl<T> PipeReceiver<T> {
    /// Gives the end a descriptor for poll(2): see [`Pollable`].
    ///
    /// # Errors
    ///
    /// [`SystemError`] if the system refuses a descriptor or a thread. The end is dropped then.
    pub fn pollable(self) -> Result<Pollable<Self>, SystemError> {
        Pollable::new(self, |receiver| &receiver.frames)
    }
}

impl<S, R> Conn<S, R> {
    /// Gives the end a descriptor for poll(2), which says when there is something to receive: see
    /// [`Pollable`].
    ///
    /// # Errors
    ///
    /// [`SystemError`] if the system refuses a descriptor or a thread. The end is dropped then.
    pub fn pollable(self) -> Result<Pollable<Self>, SystemError> {
        Pollable::new(self, |conn| &conn.directions().1.frames)
    }
}

impl<C> Pollable<C> {
    fn new(end: C, frames: fn(&C) -> &FrameReader) -> Result<Self, SystemError> {
        let refused = |what| move |error: io::Error| SystemError::new(what, &error);
        let watched = PolledEnd::new().map_err(refused("making an eventfd"))?;
        let watcher =
            PollWatcher::add(&watched).map_err(refused("starting a thread that waits"))?;
        let pollable = Self {
            end,
            frames,
            watched,
            watcher: WakesOnDrop(watcher),
        };
        pollable.give_back();
        Ok(pollable)
    }

    /// Borrows the end to receive from it, or to send.
    pub fn get_mut(&mut self) -> PollableMut<'_, C> {
        self.watched.disarm();
        PollableMut { pollable: self }
    }

    /// Returns the end, without a descriptor.
    pub fn into_inner(self) -> C {
        let Self {
            end,
            watched,
            watcher,
            ..
        } = self;
        watched.disarm();
        drop((watched, watcher));
        end
    }

    /// Has the descriptor say what is so now.
    fn give_back(&self) {
        if self.watched.set((self.frames)(&self.end)) {
            self.watcher.0.notice.raise();
        }
    }
}

impl<C> AsFd for Pollable<C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.flag.as_fd()
    }
}

debug!([C: fmt::Debug] Pollable<C>, |this| { end: this.end, .. });

/// A borrowed end of a [`Pollable`], whose descriptor says what is so when this is dropped.
#[must_use = "the descriptor says nothing new until it is dropped"]
pub struct PollableMut<'a, C> {
    pollable: &'a mut Pollable<C>,
}

impl<C> Deref for PollableMut<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.pollable.end
    }
}

impl<C> DerefMut for PollableMut<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.pollable.end
    }
}

impl<C> Drop for PollableMut<'_, C> {
    fn drop(&mut self) {
        self.pollable.give_back();
    }
}

impl<C: fmt::Debug> fmt::Debug for PollableMut<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pollable.end.fmt(f)
    }
}

/// What the thread knows of an end.
struct PolledEnd {
    here: Here,
    flag: EventFd,
    state: Mutex<PolledState>,
}

#[derive(Default)]
struct PolledState {
    /// Whether the eventfd is readable.
    is_raised: bool,
    /// The end, while the thread is to watch it.
    armed: Option<Arc<EndWatch<u64>>>,
}

impl PolledEnd {
    fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            here: Here::new()?,
            flag: EventFd::new()?,
            state: Mutex::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, PolledState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a forked child the thread, the eventfd and the lock are the parent's.
    fn is_here(&self) -> bool {
        self.here.is_here()
    }

    fn disarm(&self) {
        if self.is_here() {
            self.state().armed = None;
        }
    }

    /// Raises or clears the eventfd; arms the end, and returns true, if it is not ready.
    fn set(&self, frames: &FrameReader) -> bool {
        if !self.is_here() {
            return false;
        }
        let mut state = self.state();
        let is_ready = frames.is_ready();
        if is_ready {
            state.raise(&self.flag);
        } else {
            if std::mem::take(&mut state.is_raised) {
                self.flag.clear();
            }
            state.armed = Some(Arc::new(frames.ring.watch()));
        }
        !is_ready
    }

    /// Raises the eventfd of an armed end that is ready; returns the end if it is not.
    fn look(&self) -> Option<Arc<EndWatch<u64>>> {
        let mut state = self.state();
        let armed = state.armed.take_if(|end| end.is_ready());
        if armed.is_some() {
            state.raise(&self.flag);
        }
        state.armed.clone()
    }

    /// Raises the eventfd of an end whose operations fail, if it is armed still.
    fn lost(&self, end: &Arc<EndWatch<u64>>) {
        let mut state = self.state();
        if state
            .armed
            .take_if(|armed| Arc::ptr_eq(armed, end))
            .is_some()
        {
            state.raise(&self.flag);
        }
    }
}

impl PolledState {
    fn raise(&mut self, flag: &EventFd) {
        if !std::mem::replace(&mut self.is_raised, true) {
            flag.raise();
        }
    }
}

/// The thread that waits, as those that have it watch ends know it.
struct PollWatcher {
    here: Here,
    notice: Notice,
    list: Mutex<WatchList>,
}

#[derive(Default)]
struct WatchList {
    watched: Vec<Weak<PolledEnd>>,
    /// The thread takes no more ends.
    ended: bool,
}

/// The watcher of this process, if its thread runs.
static WATCHER: Guarded<Option<Arc<PollWatcher>>> = Guarded::new(None);

impl PollWatcher {
    /// Has the thread watch an end, once that is armed. The thread is started if there is none.
    fn add(watched: &Arc<PolledEnd>) -> io::Result<Arc<Self>> {
        loop {
            let known = WATCHER.get(&mut exclusive()).clone();
            if let Some(watcher) = &known
                && watcher.takes(watched)
            {
                return Ok(Arc::clone(watcher));
            }
            let fresh = Arc::new(Self {
                here: Here::new()?,
                notice: Notice::new(),
                list: Mutex::default(),
            });
            fresh.takes(watched);
            let thread = thread::Builder::new()
                .name("crossdock-polls".to_owned())
                .stack_size(STACK);
            let runs = Arc::clone(&fresh);
            // Before other threads find it: what they add to it is watched.
            signals::blocked(|| thread.spawn(move || runs.run()))?;
            let mut exclusive = exclusive();
            let place = WATCHER.get(&mut exclusive);
            // Another thread may have made one meanwhile.
            if place.as_ref().map(Arc::as_ptr) != known.as_ref().map(Arc::as_ptr) {
                drop(exclusive);
                fresh.list().watched.clear();
                fresh.notice.raise();
                continue;
            }
            let before = place.replace(Arc::clone(&fresh));
            drop(exclusive);
            drop((before, known));
            return Ok(fresh);
        }
    }

    fn list(&self) -> MutexGuard<'_, WatchList> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an end. Returns false if the thread is another process's, or takes no more.
    fn takes(&self, watched: &Arc<PolledEnd>) -> bool {
        if !self.here.is_here() {
            return false;
        }
        let mut list = self.list();
        if !list.ended {
            list.watched.push(Arc::downgrade(watched));
        }
        !list.ended
    }

    /// Returns the ends that there are; `None` if there are none, and the thread is to end.
    fn ends(&self) -> Option<Vec<Arc<PolledEnd>>> {
        let mut list = self.list();
        list.watched.retain(|watched| watched.strong_count() > 0);
        list.ended = list.watched.is_empty();
        (!list.ended).then(|| list.watched.iter().filter_map(Weak::upgrade).collect())
    }

    fn run(&self) {
        loop {
            // Cleared before the ends are looked at: a later change raises it again.
            self.notice.clear();
            let Some(ends) = self.ends() else { return };
            let armed: Vec<_> = ends
                .iter()
                .filter_map(|watched| Some((Arc::downgrade(watched), watched.look()?)))
                .collect();
            // An end whose last handle is dropped meanwhile is not held by this.
            drop(ends);
            let mut sources: Vec<&dyn Source> = vec![&self.notice];
            sources.extend(armed.iter().map(|(_, end)| &**end as &dyn Source));
            let waited = select::wait(&sources, &Deadline::never());
            if let Waited::MembershipLost(index, _) = waited
                && let Some((watched, end)) = index.checked_sub(1).and_then(|at| armed.get(at))
                && let Some(watched) = watched.upgrade()
            {
                watched.lost(end);
            }
        }
    }
}
