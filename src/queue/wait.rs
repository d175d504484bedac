//! How a blocking operation waits.

use crate::facade::Pace;

/// How the blocking operations of a handle wait. A matter of the handle alone: others may wait
/// otherwise for the same thing.
///
/// A waiter that sleeps is woken by what it waits for. It also wakes by itself, to ask the kernel whether a
/// process has died: after 5 ms at first, then whenever it has waited twice as long, once a second in the end. A
/// handle that gets nothing goes on so over several calls: `recv_timeout` in a loop is no different from one
/// long `recv`. So an idle receiver costs one wake-up a second, and a death that was not told otherwise is
/// noticed after twice the time that was waited before it, or a second more.
///
/// However it waits, a blocking operation returns when what it waits for comes, when it cannot come
/// any more because those who could bring it have left or died, when its deadline has passed, and
/// when this process was [lost](crate::segment::MembershipError::Lost) from the segment.
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
    /// Spins for some microseconds, then sleeps. The other side has to make a system call to wake it, if it
    /// sleeps. A handle whose spins were in vain several times in a row sleeps at once, and tries again after
    /// some waits: both sides may share a processor.
    #[default]
    Adaptive,
    /// Spins, and never sleeps: the shortest delay, for a processor that has nothing else to do. It
    /// keeps that processor busy as long as it waits.
    ///
    /// It asks from time to time, as often as a sleeper, whether it waits in vain. It calls sched_yield(2)
    /// after 1 us, and again after 2, 4 .. 32 us: where more processes spin than there are processors, the one
    /// that it waits for may have none, and would get one only when the scheduler takes this one away, after
    /// some milliseconds.
    Spin,
    /// Sleeps at once: no time of a processor is used up by waiting, and each wait costs this
    /// process a sleep and the other a wake.
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
