//! The kernel: the only place that names libc, nix and memmap2.
//!
//! EINTR, errno and timeouts are handled here. Descriptors are owned or borrowed, never bare
//! numbers; errors are [`std::io::Error`] with the errno kept.

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little"
)))]
compile_error!("crossdock supports 64-bit little-endian Linux only");

pub(crate) mod barrier;
#[cfg(feature = "process")]
pub(crate) mod board;
#[cfg(feature = "process")]
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod events;
#[cfg(feature = "process")]
pub(crate) mod exe;
#[cfg(test)]
pub(crate) mod filter;
pub(crate) mod fork;
#[cfg(feature = "process")]
pub(crate) mod forked;
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod limits;
#[cfg(feature = "process")]
pub(crate) mod local;
pub(crate) mod locks;
pub(crate) mod mmap;
pub(crate) mod pidfd;
#[cfg(feature = "process")]
pub(crate) mod private;
pub(crate) mod probe;
#[cfg(feature = "process")]
pub(crate) mod process;
#[cfg(feature = "process")]
pub(crate) mod schedule;
pub(crate) mod shm;
pub(crate) mod signals;
#[cfg(feature = "process")]
pub(crate) mod socket;
#[cfg(feature = "process")]
pub(crate) mod standing;
#[cfg(feature = "process")]
pub(crate) mod start;
#[cfg(feature = "process")]
pub(crate) mod surroundings;
pub(crate) mod timens;

/// The value of a C call that reports failure as -1, or errno.
fn checked<N: PartialEq + From<i8>>(result: N) -> std::io::Result<N> {
    if result == N::from(-1) {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A time span as the kernel has it.
fn timespec(time: std::time::Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// Repeats a C call while a signal interrupts it.
fn restarted<N: PartialEq + From<i8>>(mut call: impl FnMut() -> N) -> std::io::Result<N> {
    loop {
        match checked(call()) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
