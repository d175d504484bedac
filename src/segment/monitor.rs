//! The monitor: a thread that is notified as soon as a peer process dies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use crate::segment::error::MonitorError;
use crate::segment::mapping::Mapping;
use crate::segment::watcher::Watcher;
use crate::segment::{Segment, SystemError};
use crate::sys::events::{Here, Signal};
use crate::sys::signals;

/// Notifies this process's waiters of an owner's death within a fraction of a millisecond instead
/// of some milliseconds.
///
/// A thread sleeps on the pidfds of the peers that a thread of this process waits for, or has
/// waited for. When a peer exits, the thread asks the segment's registry whether the participant is
/// dead, as a waiter does. If so, it recovers what the participant held in every entry and wakes
/// the waiters. It never decides by a process id: a number that was reused, or that means another
/// process, costs one probe.
///
/// Nothing depends on it. Without a monitor, a waiter for a lock probes the owner every 1 to 50 ms;
/// while the owner is watched, once a second. The same intervals apply to peers that a monitor
/// cannot watch: those in another PID namespace, on a system without /proc, or while the process is
/// out of descriptors. They also apply to an owner that execs, which ends its participation and not
/// the process, and to an owner that acquired the lock while its waiters slept and that no waiter
/// has met before.
///
/// For sleepers at a queue, a ring or a snapshot it watches the other side: the counted senders
/// that receivers wait for, or the counted receivers; the owner of a ring's other endpoint; the
/// writer of a snapshot. It does not know which receiver holds a message of a work queue. A
/// receiver that waits for that message probes by itself, as [`Wait`](crate::queue::Wait)
/// describes. Each watched peer costs a descriptor and a wake-up of the thread each second.
///
/// It uses two descriptors, and one for each peer and segment that was waited for. No descriptor
/// outlives the peer's participation by more than a second. If other code closes its descriptors,
/// the monitor stops, and touches no file, pipe or socket that has their numbers then. Its thread
/// has the program's signals blocked.
///
/// One monitor serves a whole process, for any number of segments passed to [`watch`](Self::watch),
/// until it is dropped. A forked child has none: an inherited monitor does nothing there, and its
/// descriptors are closed.
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
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
    here: Here,
}

/// The state that a monitor and its thread share.
pub(super) struct Mailbox {
    pub(super) signal: Arc<Signal>,
    inbox: Mutex<Inbox>,
}

/// The requests to the thread.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) segments: Vec<Weak<Mapping>>,
    pub(super) stop: bool,
    /// The thread has ended.
    pub(super) ended: bool,
}

impl Mailbox {
    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`MonitorError::System`] if the system refuses a thread or a descriptor.
    pub fn start() -> Result<Self, MonitorError> {
        let io = |what| {
            move |error: std::io::Error| MonitorError::System(SystemError::new(what, &error))
        };
        let here = Here::new().map_err(io("mapping a page that fork wipes"))?;
        let signal = Signal::new(&here).map_err(io("making a pipe"))?;
        let mailbox = Arc::new(Mailbox {
            signal: Arc::new(signal),
            inbox: Mutex::default(),
        });
        let watcher = Watcher::new(Arc::clone(&mailbox), here.clone());
        let builder = thread::Builder::new().name("crossdock-monitor".to_owned());
        let thread = signals::blocked(|| builder.spawn(move || watcher.run()));
        Ok(Self {
            mailbox,
            thread: Some(thread.map_err(io("starting a thread"))?),
            here,
        })
    }

    /// Watches the peers of `segment` from now on, as long as this process has it open.
    ///
    /// Takes the segment over from another monitor of this process.
    ///
    /// # Errors
    ///
    /// [`MonitorError::Inherited`] in a forked child; [`MonitorError::Ended`] if other code has
    /// closed the monitor's descriptors.
    pub fn watch(&self, segment: &Segment) -> Result<(), MonitorError> {
        if !self.here.is_here() {
            return Err(MonitorError::Inherited);
        }
        let mapping = segment.mapping();
        let mut inbox = self.mailbox.inbox();
        if inbox.ended {
            return Err(MonitorError::Ended);
        }
        inbox.segments.push(mapping.downgrade());
        drop(inbox);
        let participants = mapping.geometry().participants;
        let watch_requests = mapping.watch_requests();
        watch_requests.begin(mapping.membership(), participants, &self.mailbox.signal);
        self.mailbox.signal.raise();
        Ok(())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if !self.here.is_here() {
            // The thread is the parent's: it can be neither joined nor detached here.
            std::mem::forget(thread);
            return;
        }
        self.mailbox.inbox().stop = true;
        self.mailbox.signal.raise();
        if let Some(thread) = thread {
            // Returns at once, or, if the signal is gone, after the thread's next heartbeat. A
            // panic of the thread was printed; the waiters' slices go on without it.
            let _ = thread.join();
        }
    }
}

debug!(Monitor);
