//! The queues that crossdock's are held beside, and what each of them is.

#[cfg(boost)]
pub(crate) mod boost;
pub(crate) mod contest;
pub(crate) mod entrants;
#[cfg(feature = "foreign")]
pub(crate) mod iceoryx2;
#[cfg(feature = "foreign")]
pub(crate) mod ipc_channel;
pub(crate) mod named;
pub(crate) mod posix_mq;
mod python;
pub(crate) mod threads;

use std::time::{Duration, UNIX_EPOCH};

/// An end of another library's queue.
pub(crate) struct End<T>(T);

/// The time in so long on the clock that POSIX takes deadlines on, which may be set meanwhile.
#[expect(
    clippy::disallowed_types,
    reason = "mq_timedsend and mq_timedreceive know no other clock"
)]
fn wall_clock(time: Duration) -> libc::timespec {
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    let until = now.unwrap_or_default() + time;
    libc::timespec {
        tv_sec: libc::time_t::try_from(until.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: until.subsec_nanos().into(),
    }
}
