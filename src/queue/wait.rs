//! How a blocking operation waits.

use crate::facade::Pace;

/// How the blocking operations of a handle wait. It concerns that handle alone: other waiters may
/// wait for the same event in another way.
///
/// A sleeping waiter is woken by the event that it waits for. It also wakes by itself, to ask the
/// kernel whether a process has died: after 5 ms at first, then each time that it has waited twice
/// as long, in the end once a second, or every 0.4 s if the death of a counted peer would be an
/// end. A handle that gets nothing continues so over several calls: `recv_timeout` in a loop is no
/// different from one long `recv`. So a waiter is told of an end within half a second, however long
/// it has waited; other deaths that are not notified are detected after a second at most.
///
/// A blocking operation returns when its event comes; when it cannot come any more, because the
/// processes that could cause it have left or died; when its deadline has passed; and when this
/// process was [lost](crate::segment::MembershipError::Lost) from the segment.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{Wait, spsc::Spsc};
///
/// let segment = Segment::anonymous()?;
/// let ring = segment.create::<Spsc<u64>>("ring", 16)?;
/// let mut push = ring.producer()?;
/// let mut pop = ring.consumer()?.with_wait(Wait::Spin);
/// push.push(1)?;
/// assert_eq!(pop.pop()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Spins for some microseconds, then sleeps. The peer makes a system call to wake it only if it
    /// sleeps. A handle whose spins were in vain several times in a row sleeps at once, and tries
    /// again after some waits: both peers may share a processor.
    #[default]
    Adaptive,
    /// Spins, and never sleeps: the shortest delay, for a processor that has nothing else to do. It
    /// keeps that processor busy as long as it waits.
    ///
    /// It asks from time to time, as often as a sleeper, whether it waits in vain. It calls
    /// sched_yield(2) after 1 us, and again after 2, 4 .. 32 us: where more processes spin than
    /// there are processors, the peer may have none, and would get one only when the scheduler
    /// preempts this process, after some milliseconds.
    Spin,
    /// Sleeps at once: waiting uses no processor time, and each wait costs this process a sleep and
    /// its peer a wake.
    Park,
}

impl Wait {
    pub(super) const fn pace(self) -> Pace {
        match self {
            Self::Adaptive => Pace::Adaptive,
            Self::Spin => Pace::Spin,
            Self::Park => Pace::Park,
        }
    }
}
