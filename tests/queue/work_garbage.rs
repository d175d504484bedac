//! The work queue, over words of participants who never were, hints and times that cannot be.

use std::time::Duration;

use crossdock::Fault;
use crossdock::queue::{WorkOptions, WorkQueue};

use crate::support::garbage::{Garbage, SHORT};
use crate::support::watch;
use crate::work::goes_on;

/// How long it may keep a cell whose owner nobody is.
const PATIENT: Duration = Duration::from_secs(20);
/// Where the slots begin in an entry, where the cells do, and how far they are apart.
const SLOTS: usize = 512;
const CELLS: usize = 640;
const STRIDE: usize = 64;

fn entry(capacity: u64) -> Garbage<WorkQueue<u64>> {
    let place = Garbage::of(WorkOptions::new(capacity).max_attempts(3));
    let cells = STRIDE * usize::try_from(capacity).unwrap();
    assert_eq!(place.bytes.len(), CELLS + cells);
    place
}

/// Generation 77 of the last participant, who never was.
const NOBODY: u64 = 77 << 10 | 3;
const LOANED: u64 = 1 << 29;
const SENDING: u64 = 2 << 29;
const HELD: u64 = 4 << 29;
const FREEING: u64 = 7 << 29;

#[test]
fn what_nobody_holds_comes_again_and_what_nobody_loaned_is_free() {
    let _watch = watch();
    // Bits of nobody, of no participant, and of none.
    for owner in [NOBODY, 1 << 10 | 1000, 0] {
        let place = entry(2);
        let queue = place.fresh();
        queue.send(5).unwrap();
        queue.send(6).unwrap();
        let word = place.read(CELLS);
        assert_eq!(word >> 29 & 15, 2, "sending");
        place.write(CELLS, 1 << 33 | HELD | owner);
        assert_eq!(crate::work::done(&queue), (6, 1));
        let again = queue.recv_timeout(PATIENT).unwrap();
        assert_eq!((*again, again.attempt()), (5, 2));
        again.ack().unwrap();
        for state in [LOANED, SENDING, FREEING] {
            for cell in [0, 1] {
                place.write(CELLS + cell * STRIDE, 9 << 40 | state | owner);
            }
            queue.send_timeout(7, PATIENT).unwrap();
            assert_eq!(crate::work::done(&queue), (7, 1));
        }
        goes_on(&queue);
    }
}

#[test]
fn a_slot_that_names_no_cell_is_corrupt_and_a_hint_that_nobody_passed_is() {
    use crossdock::queue::{RecvError, TryRecvError, TrySendError};
    let _watch = watch();
    let place = entry(2);
    let queue = place.fresh();
    // Of two cells the third.
    place.write(SLOTS, 3 << 20);
    assert!(matches!(
        queue.try_recv(),
        Err(TryRecvError::Fault(Fault::Corrupt { .. }))
    ));
    assert!(matches!(
        queue.recv(),
        Err(RecvError::Fault(Fault::Corrupt { .. }))
    ));
    let place = entry(3);
    for hint in [1, 5, u64::MAX] {
        let queue = place.fresh();
        queue.send(1).unwrap();
        place.write(128, hint << 2 | 1);
        place.write(256, hint << 2 | 1);
        let fresh = place.open();
        assert!(matches!(
            fresh.try_send(2),
            Err(TrySendError::Fault(2, Fault::Corrupt { .. }))
        ));
        assert_eq!(crate::work::done(&fresh), (1, 1), "it is there");
        assert!(matches!(
            fresh.recv(),
            Err(RecvError::Fault(Fault::Corrupt { .. }))
        ));
        assert_eq!(fresh.free_capacity(), 3, "no place is lost");
    }
    goes_on(&place.fresh());
}

#[test]
fn a_delay_that_nobody_asked_for_does_not_outlast_the_message() {
    let _watch = watch();
    let place = entry(2);
    let queue = place.fresh();
    for cell in [0, 1] {
        place.write(CELLS + cell * STRIDE + 8, u64::MAX);
    }
    goes_on(&queue);
    queue.send(1).unwrap();
    drop(queue.recv().unwrap());
    assert_eq!(crate::work::done(&queue), (1, 2));
}

/// Thirty days, in nanoseconds.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1_000_000_000;

/// The monotonic clock, in nanoseconds.
fn now() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to `now`, which outlives the call.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(read, 0);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}

#[test]
fn a_time_that_no_delay_is_long_enough_for_is_no_time() {
    let _watch = watch();
    let place = entry(2);
    let queue = place.fresh();
    for garbage in [u64::MAX, u64::MAX >> 1, now() + 2 * LONGEST] {
        queue.send(1).unwrap();
        drop(queue.recv().unwrap());
        place.write(CELLS + 8, garbage);
        place.write(CELLS + STRIDE + 8, garbage);
        assert_eq!(crate::work::done(&queue), (1, 2), "{garbage}");
    }
}

#[test]
fn a_delay_is_as_long_as_the_longest_at_most() {
    let _watch = watch();
    let place = entry(1);
    let queue = place.fresh();
    for delay in [Duration::MAX, Duration::from_secs(31 * 24 * 60 * 60)] {
        queue.send(1).unwrap();
        queue.recv().unwrap().nack(delay).unwrap();
        let due = place.read(CELLS + 8);
        assert!((now()..=now() + LONGEST).contains(&due), "{due}");
        assert!(matches!(
            queue.recv_timeout(SHORT),
            Err(crossdock::queue::RecvTimeoutError::Timeout)
        ));
        // The word keeps the time as well, in steps of 8 ms.
        let (now, kept) = (now(), (1 << 29) - 1);
        place.write(CELLS, place.read(CELLS) & !kept | now >> 23 & kept);
        place.write(CELLS + 8, now);
        assert_eq!(crate::work::done(&queue), (1, 2));
    }
}

/// One word that is garbage is no reason to give up what else this process has.
#[test]
fn a_loan_whose_word_is_garbage_is_corrupt_and_its_process_stays() {
    use crossdock::queue::SendError;
    let _watch = watch();
    let place = entry(2);
    let queue = place.fresh();
    queue.send(5).unwrap();
    let held = queue.recv().unwrap();
    let loan = queue.loan().unwrap();
    let at = (0..2).map(|cell| CELLS + cell * STRIDE);
    let at = at.into_iter().find(|at| place.read(*at) >> 29 & 15 == 1);
    let at = at.expect("a loan");
    let word = place.read(at);
    place.write(at, word ^ 1 << 40);
    assert!(matches!(
        loan.send(),
        Err(SendError::Fault((), Fault::Corrupt { .. }))
    ));
    held.ack().expect("it is still this process's");
    place.write(at, 0);
    goes_on(&queue);
}
