//! A thread that hears of peers' deaths at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::facade::Ordering::Relaxed;
use crate::facade::{Deadline, Left};
use crate::layout::Tag;
use crate::segment::Segment;
use crate::segment::error::MonitorError;
use crate::segment::mapping::Mapping;
use crate::segment::membership::Membership;
use crate::sys::events::{Poller, Signal};
use crate::sys::fork::ForkPage;
use crate::sys::{identity, pidfd, signals};

/// Makes this process's waiters hear of an owner's death in a fraction of a millisecond instead of
/// some milliseconds.
///
/// A thread sleeps on the pidfds of those peers that somebody in this process has waited for. When
/// one ends, the thread asks the segment's registry whether the participant is dead, as a waiter
/// does; if so, it gives back what it held, in every entry, and wakes who waits for that. It never
/// decides by a process id: a number that was reused, or that means another process, costs a look.
///
/// Nothing depends on it. Without one, and for peers that it cannot watch, waiters look again
/// every 1 to 4 ms as always: peers in another PID namespace, a system without /proc, a process that
/// has run out of descriptors. It uses one descriptor for each peer that was waited for.
///
/// One serves a whole process, for as many segments as it is told to [`watch`](Self::watch), until
/// it is dropped. A forked child has none: there, the one that it inherited does nothing.
///
/// # Examples
///
/// ```
/// use crossdock::{Mutex, Segment, segment::Monitor};
///
/// let segment = Segment::anonymous()?;
/// let monitor = Monitor::start()?;
/// monitor.watch(&segment)?;
/// let stock = segment.create::<Mutex<u64>>("stock", 0)?;
/// *stock.lock_or_repair(|_| ())? += 1;
/// # Ok::<(), crossdock::Error>(())
/// ```
#[must_use = "it watches until it is dropped"]
pub struct Monitor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Reads 0 in a forked child, which has no such thread.
    here: ForkPage,
}

struct Shared {
    signal: Arc<Signal>,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    segments: Vec<Weak<Mapping>>,
    stop: bool,
}

impl Shared {
    fn inbox(&self) -> std::sync::MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`MonitorError::Io`] if the system refuses a thread or a descriptor.
    pub fn start() -> Result<Self, MonitorError> {
        let io = |what| move |source| MonitorError::Io { what, source };
        let here = ForkPage::new().map_err(io("a page that fork wipes"))?;
        here.words()[0].store(1, Relaxed);
        let signal = Arc::new(Signal::new().map_err(io("an eventfd"))?);
        let poller = Poller::new().map_err(io("an epoll descriptor"))?;
        poller
            .add(signal.as_fd(), SIGNAL)
            .map_err(io("epoll_ctl"))?;
        let shared = Arc::new(Shared {
            signal,
            inbox: Mutex::default(),
        });
        let watcher = Watcher {
            shared: Arc::clone(&shared),
            poller,
            pid_namespace: identity::own().pid_namespace,
            segments: Vec::new(),
            peers: BTreeMap::new(),
            next: SIGNAL + 1,
            late: Vec::new(),
        };
        let builder = thread::Builder::new().name("crossdock-monitor".to_owned());
        let thread = signals::blocked(|| builder.spawn(move || watcher.run()));
        Ok(Self {
            shared,
            thread: Some(thread.map_err(io("a thread"))?),
            here,
        })
    }

    /// Watches the peers of `segment` from now on, as long as this process has it open.
    ///
    /// A segment that another monitor of this process watched is this one's then.
    ///
    /// # Errors
    ///
    /// [`MonitorError::Inherited`] in a forked child.
    pub fn watch(&self, segment: &Segment) -> Result<(), MonitorError> {
        if !self.is_here() {
            return Err(MonitorError::Inherited);
        }
        let mapping = segment.mapping();
        self.shared.inbox().segments.push(Arc::downgrade(mapping));
        let signal = Arc::clone(&self.shared.signal);
        let participants = mapping.geometry().participants;
        mapping
            .attention()
            .begin(mapping.membership(), participants, signal);
        self.shared.signal.raise();
        Ok(())
    }

    fn is_here(&self) -> bool {
        self.here.words()[0].load(Relaxed) != 0
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if !self.is_here() {
            // The parent's: neither to be joined nor to be detached here.
            std::mem::forget(thread);
            return;
        }
        self.shared.inbox().stop = true;
        self.shared.signal.raise();
        if let Some(thread) = thread {
            // A thread that panicked has said so; the waiters' slices go on without it.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// The key of the signal; peers have those above it.
const SIGNAL: u64 = 0;

/// A segment, and the tags of those peers in it that need no second look.
struct Watched {
    mapping: Weak<Mapping>,
    known: BTreeSet<u32>,
}

/// A peer that somebody waits for.
#[derive(Clone)]
struct Peer {
    segment: Weak<Mapping>,
    tag: Tag,
}

/// A peer whose process has ended, and whose lock is still held: the kernel takes both away a moment
/// apart. Or a copy of its descriptor lives on in a child, and then it counts as alive.
struct Late {
    peer: Peer,
    tries: u32,
    due: Deadline,
}

/// How often the lock of a peer is asked for right after its process has ended, before the thread
/// sleeps in between.
const PROMPT: u32 = 100;
/// How often after that, 1, 2, 4 .. ms apart, before it is left to the waiters' slices.
const LATE: u32 = 8;

/// What the thread has.
struct Watcher {
    shared: Arc<Shared>,
    poller: Poller,
    pid_namespace: u64,
    segments: Vec<Watched>,
    peers: BTreeMap<u64, (Peer, OwnedFd)>,
    next: u64,
    late: Vec<Late>,
}

impl Watcher {
    fn run(mut self) {
        // Fails if other code has closed the descriptor: then there is no monitor any more.
        while let Ok(keys) = self.poller.wait(self.patience()) {
            for key in keys.iter().filter(|key| **key != SIGNAL) {
                if let Some((peer, pidfd)) = self.peers.remove(key) {
                    self.poller.remove(pidfd.as_fd());
                    self.ended(peer);
                }
            }
            if keys.contains(&SIGNAL) {
                // Cleared before the look: what is told after it raises it again.
                self.shared.signal.clear();
                if !self.take_orders() {
                    break;
                }
            }
            self.try_late();
        }
        for mapping in self.segments.iter().filter_map(|it| it.mapping.upgrade()) {
            let membership = mapping.membership();
            mapping.attention().end_of(membership, &self.shared.signal);
        }
    }

    fn patience(&self) -> Option<Duration> {
        let left = self.late.iter().map(|late| match late.due.left() {
            Left::For(left) => left,
            Left::Passed | Left::Forever => Duration::ZERO,
        });
        left.min()
    }

    /// Looks at the inbox and at what the waiters want; false if it is time to stop.
    fn take_orders(&mut self) -> bool {
        let fresh = {
            let mut inbox = self.shared.inbox();
            if inbox.stop {
                return false;
            }
            std::mem::take(&mut inbox.segments)
        };
        for mapping in fresh {
            // One that is watched again is looked at anew.
            self.segments.retain(|it| !it.mapping.ptr_eq(&mapping));
            self.segments.push(Watched {
                mapping,
                known: BTreeSet::new(),
            });
        }
        self.forget_the_closed();
        for place in 0..self.segments.len() {
            self.look(place);
        }
        true
    }

    /// Gives the descriptors of peers back whose segment is no longer open.
    fn forget_the_closed(&mut self) {
        self.segments.retain(|it| it.mapping.strong_count() > 0);
        let poller = &self.poller;
        self.peers.retain(|_, (peer, pidfd)| {
            let open = peer.segment.strong_count() > 0;
            if !open {
                poller.remove(pidfd.as_fd());
            }
            open
        });
    }

    /// Begins to watch those peers of a segment that are new.
    fn look(&mut self, place: usize) {
        let Some(mapping) = self.segments[place].mapping.upgrade() else {
            return;
        };
        for tag in mapping.attention().wanted() {
            if self.segments[place].known.insert(tag.bits()) {
                let segment = self.segments[place].mapping.clone();
                self.watch(&mapping, Peer { segment, tag });
            }
        }
    }

    /// Begins to watch a peer. If it cannot be, the waiters' slices do.
    fn watch(&mut self, mapping: &Mapping, peer: Peer) {
        let Some(pid) = Membership::pid_of(mapping, peer.tag, self.pid_namespace) else {
            return;
        };
        let opened = pidfd::open(pid);
        // Asked after the descriptor was opened: if it lives now, the number was its own then.
        if reaped(mapping, peer.tag) {
            return;
        }
        let Ok(pidfd) = opened else { return };
        if self.poller.add(pidfd.as_fd(), self.next).is_ok() {
            self.peers.insert(self.next, (peer, pidfd));
            self.next += 1;
        }
    }

    /// A process has ended; whether the participant is dead, the registry says.
    fn ended(&mut self, peer: Peer) {
        let Some(mapping) = peer.segment.upgrade() else {
            return;
        };
        for _ in 0..PROMPT {
            if reaped(&mapping, peer.tag) {
                return;
            }
            thread::yield_now();
        }
        self.late.push(Late {
            peer,
            tries: 0,
            due: Deadline::after(Duration::from_millis(1)),
        });
    }

    fn try_late(&mut self) {
        self.late.retain_mut(|late| {
            if late.due.left() != Left::Passed {
                return true;
            }
            late.tries += 1;
            late.due = Deadline::after(Duration::from_millis(1 << late.tries));
            let mapping = late.peer.segment.upgrade();
            late.tries < LATE && mapping.is_some_and(|mapping| !reaped(&mapping, late.peer.tag))
        });
    }
}

/// Reaps the participant if it is dead; whether it is gone.
fn reaped(mapping: &Mapping, tag: Tag) -> bool {
    Membership::reap_at(mapping, tag.index());
    !mapping.registry().is_live(tag)
}
