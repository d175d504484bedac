//! Waiting for several queues at once.

use crate::facade::Deadline;
use crate::segment::Fault;
use crate::segment::fault::plain_errors;
use crate::wait::select::{self, Source, Waited};

/// What [`wait_any`] can wait for: a [`Queue`](super::Queue), a [`Receiver`](super::Receiver) of one, a
/// [`Consumer`](super::spsc::Consumer) of a ring.
///
/// It is ready when there is an item, and when there is none and none will come: receiving, or
/// popping, says so then. Only this crate implements it.
pub trait Waitable: sealed::Sealed {}

pub(crate) mod sealed {
    use crate::segment::Fault;
    use crate::wait::select::SourceRef;

    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Sealed {
        #[doc(hidden)]
        fn source(&self) -> SourceRef<'_>;
        /// Why this process cannot wait for it; `None` if its operations say so.
        #[doc(hidden)]
        fn lost(&self) -> Option<Fault>;
    }
}

/// Waits until one of several queues has an item, or has none and never will, and returns its index:
/// the lowest, if several are ready.
///
/// It takes nothing. Another receiver may be faster, so ask by `try_recv` and wait again if there is
/// nothing; of a ring, which has one consumer, `pop` gives the item, or says why there is none, at
/// once.
///
/// As the lowest index wins, a queue that never runs empty hides those behind it: that makes an
/// order of importance. Where all are to have their turn, turn the list, or look at the others
/// when one was ready.
///
/// Spins some microseconds, then sleeps. The queues may be in different segments, and others may
/// wait for the same ones, by `recv` or by `wait_any`: where one of those was to be woken and this one
/// was instead, it wakes the next. One system call waits for up to 128 queues; of more, each 128 have
/// their turn, a few milliseconds each, so that an item can be noticed that much later. So can it before
/// kernel 5.16, by a millisecond. Whether those who could send live is asked of the kernel as
/// [`Wait`](super::Wait) says.
///
/// A process that is killed while it waits leaves nothing. One that is stopped, or killed, just when it
/// was woken can have had the wake of another, who then finds its item when it next looks by itself: after a
/// wait of a second or more, a second later at most.
///
/// # Errors
///
/// [`WaitAnyError`], but not `Timeout`.
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

/// As [`wait_any`], until the deadline at the latest: a [`Duration`](std::time::Duration) from now, or
/// an [`Instant`](std::time::Instant). If the deadline has passed, it looks, and asks who lives.
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
    let list: Vec<&dyn Source> = sources.iter().map(|source| source.source().0).collect();
    match select::wait(&list, deadline) {
        Waited::Ready(index) => Ok(index),
        Waited::TimedOut => Err(WaitAnyError::Timeout),
        Waited::MembershipLost(index) => match sources[index].lost() {
            Some(fault) => Err(WaitAnyError::Fault { index, fault }),
            None => Ok(index),
        },
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
