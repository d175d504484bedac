//! futex(2), shared between processes.

use core::sync::atomic::AtomicU32;
use std::time::Duration;

/// futex(2), `FUTEX_WAIT`: sleeps while `word` is `expected`, for `timeout` at most.
///
/// It may return early for any reason; callers look at their word again in any case, so why it
/// returned is not told.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timespec = timeout.map(|timeout| libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timespec = timespec
        .as_ref()
        .map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `word` and `timespec` outlive the call, which only reads them.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            timespec,
        )
    };
}

/// futex(2), `FUTEX_WAKE`: wakes up to `count` of those who sleep on `word`.
pub(crate) fn wake(word: &AtomicU32, count: u32) {
    // SAFETY: FUTEX_WAKE takes the word's address as a key and does not touch it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering;

    #[test]
    fn a_changed_word_is_not_slept_on() {
        wait(&AtomicU32::new(1), 0, None);
    }

    #[test]
    fn a_slice_ends() {
        wait(&AtomicU32::new(0), 0, Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_wake_ends_a_wait_without_timeout() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, None);
                }
            });
            word.store(1, Ordering::Release);
            wake(&word, 1);
        });
    }
}
