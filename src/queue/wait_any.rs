//! Waiting for several queues and processes at once.

use crate::facade::Deadline;
use crate::segment::Fault;
pub use crate::segment::Waitable;
use crate::segment::fault::plain_errors;
pub(crate) use crate::segment::waitable as sealed;
use crate::wait::select::{self, SourceRef, Waited};

/// Blocks until one of several queues has an item, or has none and never will, and returns its
/// index: the lowest, if several are ready.
///
/// It receives nothing. Another receiver may be faster, so call `try_recv`, and wait again if the
/// queue is empty; a ring has one consumer, so its `pop` returns at once.
///
/// The lowest index wins, so a queue that never runs empty starves those behind it. To give all
/// queues their turn, rotate the list, or look at the others when one was ready.
///
/// Spins for some microseconds, then sleeps. The queues may be in different segments, and other
/// processes may wait for the same ones, by `recv` or by `wait_any`: a waiter that took another
/// waiter's wake passes it on. The first wait for a process starts a thread, which polls the pidfds
/// of all processes that this one waits for, uses no processor meanwhile, and ends when there are
/// none; without it (no thread or descriptor can be had) an exit is noticed within a second.
///
/// One system call waits for up to 128 queues. Of a longer list each 128 have their turn, for a few
/// milliseconds, so an item may be noticed that much later; before kernel 5.16, a millisecond
/// later. The kernel is asked whether the senders live as [`Wait`](super::Wait) says.
///
/// A process that is killed while it waits leaves nothing. If it is stopped, or killed, just when
/// it was woken, it may have taken the wake of another waiter, which then finds its item when it
/// next looks by itself: after a wait of a second or more, a second later at most.
///
/// # Errors
///
/// [`WaitAnyError`]; not `Timeout`.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{Queue, TryRecvError, wait_any};
///
/// let segment = Segment::anonymous()?;
/// let urgent = segment.create::<Queue<u32>>("urgent", 8)?;
/// let normal = segment.create::<Queue<u32>>("normal", 8)?;
/// normal.send(2)?;
/// urgent.send(1)?;
/// urgent.close();
/// normal.close();
///
/// let (mut queues, mut got) = (vec![&urgent, &normal], Vec::new());
/// while !queues.is_empty() {
///     let list: Vec<_> = queues.iter().map(|queue| *queue as _).collect();
///     let ready = wait_any(&list)?;
///     match queues[ready].try_recv() {
///         Ok(order) => got.push(order),
///         Err(TryRecvError::Empty | TryRecvError::Busy) => {} // another was faster
///         Err(TryRecvError::Disconnected) => drop(queues.remove(ready)),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert_eq!(got, [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_any(sources: &[&dyn Waitable]) -> Result<usize, WaitAnyError> {
    wait_until(sources, &Deadline::never())
}

/// As [`wait_any`], until the deadline at the latest: a [`Duration`](std::time::Duration) from now,
/// or an [`Instant`](std::time::Instant). If the deadline has passed, it looks, and asks which
/// peers live.
///
/// # Errors
///
/// [`WaitAnyError`].
pub fn wait_any_timeout(
    sources: &[&dyn Waitable],
    timeout: impl Into<Deadline>,
) -> Result<usize, WaitAnyError> {
    wait_until(sources, &timeout.into())
}

fn wait_until(sources: &[&dyn Waitable], deadline: &Deadline) -> Result<usize, WaitAnyError> {
    if sources.is_empty() {
        return Err(WaitAnyError::NoSources);
    }
    let list: Vec<SourceRef<'_>> = sources.iter().map(|source| source.source()).collect();
    let list: Vec<&SourceRef<'_>> = list.iter().collect();
    loop {
        match select::wait(&list, deadline) {
            Waited::Ready(index) => return Ok(index),
            Waited::TimedOut => return Err(WaitAnyError::Timeout),
            Waited::MembershipLost(index, why) => {
                if let Some(fault) = sources[index].lost(why) {
                    return Err(WaitAnyError::Fault { index, fault });
                }
            }
        }
    }
}

plain_errors! {
    /// Why [`wait_any`] did not wait, or found no queue ready.
    pub enum WaitAnyError {
        /// The list is empty, so no queue would ever be ready.
        NoSources => "expected queues to wait for, found an empty list",
        /// The deadline passed while none of the queues was ready.
        Timeout => "none of the queues was ready at the deadline",
        /// What can happen to every operation, at one of the queues.
        Fault {
            /// The position of the queue in the list.
            index: usize,
            /// What happened.
            fault: Fault
        } => "queue {index} of the list: {fault}",
    }
}
