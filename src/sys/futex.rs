//! futex(2) and futex_waitv(2), shared between processes.
//!
//! A wait may return early for any reason; callers look at their words again in any case, so why it
//! returned is not told. But a call that the kernel refuses is no sleep: a caller that looks and
//! waits in turn would burn a processor. Only EAGAIN, EINTR and ETIMEDOUT count as having slept;
//! after any other error [`wait_any`] sleeps in another way.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::clock;

/// How many words [`wait_any`] can wait for at once.
const MOST: usize = libc::FUTEX_WAITV_MAX as usize;
/// How long [`wait_any`] sleeps at most where the kernel cannot wait for several words.
const LOOK: Duration = Duration::from_millis(1);

/// How often this process has slept, and how often until the time was up.
static SLEPT: AtomicU64 = AtomicU64::new(0);
static TIMED_OUT: AtomicU64 = AtomicU64::new(0);
/// Whether the time was up when the last of its sleeps ended.
static LAST_TIMED_OUT: AtomicBool = AtomicBool::new(false);

/// How a process has slept: how often, how often until the time was up, and whether the last time
/// was.
pub(crate) fn slept() -> (u64, u64, bool) {
    // ORDERING: Relaxed; counts that order nothing, here and in `note`.
    let [all, timed_out] = [&SLEPT, &TIMED_OUT].map(|count| count.load(Ordering::Relaxed));
    (all, timed_out, LAST_TIMED_OUT.load(Ordering::Relaxed))
}

/// Counts a sleep that ended with `errno`, if it was one.
fn note(errno: Option<i32>) {
    if errno == Some(libc::EAGAIN) {
        return;
    }
    let timed_out = errno == Some(libc::ETIMEDOUT);
    SLEPT.fetch_add(1, Ordering::Relaxed);
    TIMED_OUT.fetch_add(timed_out.into(), Ordering::Relaxed);
    LAST_TIMED_OUT.store(timed_out, Ordering::Relaxed);
}

/// What a call that returned `result` failed with.
fn errno_of(result: libc::c_long) -> Option<i32> {
    let failed = (result == -1).then(std::io::Error::last_os_error);
    failed.and_then(|error| error.raw_os_error())
}

/// futex(2), `FUTEX_WAIT`: sleeps while `word` is `expected`, for `timeout` at most.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timespec = timeout.map(super::timespec);
    let timespec = timespec
        .as_ref()
        .map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `word` and `timespec` outlive the call, which only reads them.
    let woken = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            timespec,
        )
    };
    note(errno_of(woken));
}

/// futex(2), `FUTEX_WAKE`: wakes up to `count` sleepers on `word`, and returns how many
/// there were to wake.
pub(crate) fn wake(word: &AtomicU32, count: u32) -> u32 {
    // To the kernel the count is signed, and a negative one means 1.
    let count = count.min(i32::MAX.cast_unsigned());
    // SAFETY: FUTEX_WAKE takes the word's address as a key and does not touch it.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}

/// futex_waitv(2): sleeps while each word is what stands beside it, for `timeout` at most. Returns
/// at once if there is no word; only the first 128 count.
///
/// One wake of one word ends it. Others may come before it runs, and are taken, too: it can use up
/// as many wakes as there are words, and does not tell which.
///
/// Where the kernel refuses the call (before 5.16, under a filter, for want of memory), it sleeps
/// on the first word, for 1 ms at most: callers then look at all words at that rate.
pub(crate) fn wait_any<'a>(
    words: impl IntoIterator<Item = (&'a AtomicU32, u32)>,
    timeout: Option<Duration>,
) {
    static MISSING: AtomicBool = AtomicBool::new(false);
    let words = WaitWords::of(words);
    // ORDERING: Relaxed; the flag is all there is, here and below.
    if MISSING.load(Ordering::Relaxed) {
        return words.look(timeout);
    }
    match words.sleep(timeout) {
        Slept::Done => return,
        Slept::Refused(Refusal::ForNow) => {}
        Slept::Refused(Refusal::ForGood) => MISSING.store(true, Ordering::Relaxed),
    }
    words.look(timeout);
}

/// What futex_waitv(2) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slept {
    /// Woken, or not; or a word had another value.
    Done,
    /// It did not sleep.
    Refused(Refusal),
}

/// Whether a refused call is to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The kernel had no memory for it.
    ForNow,
    /// The kernel has no such call, or a filter forbids it, with any error.
    ForGood,
}

/// The words of a wait.
struct WaitWords<'a> {
    first: Option<(&'a AtomicU32, u32)>,
    list: [libc::futex_waitv; MOST],
    count: u32,
}

impl<'a> WaitWords<'a> {
    fn of(words: impl IntoIterator<Item = (&'a AtomicU32, u32)>) -> Self {
        let mut taken = Self {
            first: None,
            // SAFETY: a list of integers, of which all zeros is one.
            list: unsafe { core::mem::zeroed() },
            count: 0,
        };
        for (place, (word, expected)) in taken.list.iter_mut().zip(words) {
            taken.first.get_or_insert((word, expected));
            place.val = expected.into();
            place.uaddr = word.as_ptr().expose_provenance() as u64;
            place.flags = libc::FUTEX2_SIZE_U32.cast_unsigned();
            taken.count += 1;
        }
        taken
    }

    fn sleep(&self, timeout: Option<Duration>) -> Slept {
        if self.count == 0 {
            return Slept::Done;
        }
        // The kernel wants to know until when, not for how long.
        let end =
            timeout.map(|timeout| super::timespec(clock::monotonic().saturating_add(timeout)));
        let end = end.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
        // SAFETY: the list, its words and `end` outlive the call, which only reads them.
        let woken = unsafe {
            libc::syscall(
                libc::SYS_futex_waitv,
                self.list.as_ptr(),
                self.count,
                0,
                end,
                libc::CLOCK_MONOTONIC,
            )
        };
        let errno = errno_of(woken);
        match errno {
            None | Some(libc::EAGAIN | libc::EINTR | libc::ETIMEDOUT) => {
                note(errno);
                Slept::Done
            }
            Some(libc::ENOMEM) => Slept::Refused(Refusal::ForNow),
            Some(_) => Slept::Refused(Refusal::ForGood),
        }
    }

    /// What can be done without futex_waitv(2).
    fn look(&self, timeout: Option<Duration>) {
        if let Some((word, expected)) = self.first {
            wait(word, expected, Some(timeout.unwrap_or(LOOK).min(LOOK)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::filter;
    use std::time::Instant;

    const SLICE: Duration = Duration::from_millis(1);

    #[test]
    fn a_changed_word_is_not_slept_on() {
        wait(&AtomicU32::new(1), 0, None);
    }

    #[test]
    fn a_slice_ends() {
        wait(&AtomicU32::new(0), 0, Some(SLICE));
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

    /// Wakes one at a time until so many were woken, in all.
    fn wake_in_turn(word: &AtomicU32, wanted: u32) {
        let mut woken = 0;
        while woken < wanted {
            let one = wake(word, 1);
            assert!(one <= 1);
            woken += one;
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_wake_says_how_many_it_woke_and_wakes_no_more_than_asked_for() {
        let word = AtomicU32::new(0);
        assert_eq!(wake(&word, u32::MAX), 0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| wait(&word, 0, None));
            }
            wake_in_turn(&word, 3);
            assert_eq!(wake(&word, 1), 0);
        });
    }

    #[test]
    fn a_wake_of_all_wakes_more_than_one() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while word.load(Ordering::Acquire) == 0 {
                        wait(&word, 0, Some(SLICE));
                    }
                });
            }
            let several = (0..1_000_000).any(|_| {
                std::thread::yield_now();
                wake(&word, u32::MAX) > 1
            });
            word.store(1, Ordering::Release);
            assert!(several);
        });
    }

    #[test]
    fn of_several_words_a_changed_one_is_not_slept_on() {
        let words = [0, 0, 1].map(AtomicU32::new);
        wait_any(words.iter().map(|word| (word, 0)), None);
        let none: [(&AtomicU32, u32); 0] = [];
        wait_any(none, None);
    }

    #[test]
    fn a_slice_of_several_words_ends_and_not_before_its_time() {
        let words = [0, 0].map(AtomicU32::new);
        let begin = Instant::now();
        let slice = WaitWords::of(words.iter().map(|word| (word, 0))).sleep(Some(SLICE));
        assert!(slice != Slept::Done || begin.elapsed() >= SLICE);
    }

    #[test]
    fn a_wake_of_any_word_ends_a_wait_without_timeout() {
        for woken in 0..MOST {
            let words: [AtomicU32; MOST] = core::array::from_fn(|_| AtomicU32::new(0));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while words[woken].load(Ordering::Acquire) == 0 {
                        wait_any(words.iter().map(|word| (word, 0)), None);
                    }
                });
                words[woken].store(1, Ordering::Release);
                wake(&words[woken], 1);
            });
        }
    }

    #[test]
    fn a_sleeper_on_several_words_is_woken_once_by_one() {
        let words = [0, 0].map(AtomicU32::new);
        let sleeper = WaitWords::of(words.iter().map(|word| (word, 0)));
        if sleeper.sleep(Some(Duration::ZERO)) != Slept::Done {
            return;
        }
        std::thread::scope(|scope| {
            let sleeping = scope.spawn(|| sleeper.sleep(None));
            wake_in_turn(&words[1], 1);
            assert_eq!(sleeping.join().unwrap(), Slept::Done);
            assert_eq!(words.each_ref().map(|word| wake(word, u32::MAX)), [0, 0]);
        });
    }

    #[test]
    fn without_the_call_a_change_is_seen_at_the_next_look() {
        let words = [0, 0].map(AtomicU32::new);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while words[1].load(Ordering::Acquire) == 0 {
                    WaitWords::of(words.iter().map(|word| (word, 0))).look(None);
                }
            });
            words[1].store(1, Ordering::Release);
        });
    }

    #[test]
    fn a_refused_call_is_no_sleep_whatever_the_error() {
        let refusals = [
            (libc::ENOSYS, Refusal::ForGood),
            (libc::EPERM, Refusal::ForGood),
            (libc::EACCES, Refusal::ForGood),
            (libc::EINVAL, Refusal::ForGood),
            (libc::ENOMEM, Refusal::ForNow),
        ];
        for (errno, refusal) in refusals {
            let (slept, waited) = filter::refusing(libc::SYS_futex_waitv, errno, || {
                let words = [0, 0].map(AtomicU32::new);
                let pairs = || words.iter().map(|word| (word, 0));
                let slept = WaitWords::of(pairs()).sleep(Some(SLICE));
                let begin = Instant::now();
                wait_any(pairs(), Some(SLICE));
                (slept, begin.elapsed())
            });
            assert_eq!(slept, Slept::Refused(refusal), "errno {errno}");
            assert!(waited >= SLICE, "errno {errno}: {waited:?}");
        }
    }

    #[test]
    fn what_ends_a_wait_is_a_sleep() {
        for errno in [libc::EAGAIN, libc::EINTR, libc::ETIMEDOUT] {
            let slept = filter::refusing(libc::SYS_futex_waitv, errno, || {
                let words = [0, 0].map(AtomicU32::new);
                WaitWords::of(words.iter().map(|word| (word, 0))).sleep(Some(SLICE))
            });
            assert_eq!(slept, Slept::Done, "errno {errno}");
        }
    }

    #[test]
    fn more_words_than_the_kernel_takes_are_cut() {
        let words: [AtomicU32; MOST + 1] = core::array::from_fn(|_| AtomicU32::new(0));
        let taken = WaitWords::of(words.iter().map(|word| (word, 0)));
        assert_eq!(taken.count as usize, MOST);
        taken.sleep(Some(SLICE));
    }
}
