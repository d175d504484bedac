//! Other code of a process that closes, or takes for itself, the descriptors of a segment, or unmaps what
//! keeps it a participant.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use crossdock::segment::MembershipError;
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};
use crossdock::{Fault, Mutex, Segment, SegmentOptions};

use crate::support::careless::{close_all_from_3, lose_membership};
use crate::support::image::unsealed;
use crate::support::names::Unique;
use crate::support::process::{Line, child, holder, in_child};
use crate::support::watch;
use crate::{Came, WAYS, lock, sample};

const SHORT: Duration = Duration::from_millis(20);
const EXPELLED: &str = "other code has unmapped the page that kept this process a participant";

/// Runs `body` in a child whose mutex `theirs` another process holds.
fn with_a_lock_of_another(body: impl FnOnce(&Segment, &Mutex<u64>, &Mutex<u64>)) {
    let (segment, mine) = sample();
    let theirs = segment.create::<Mutex<u64>>("theirs", 0).unwrap();
    let other = holder(|| theirs.lock().unwrap());
    in_child(|| body(&segment, &mine, &theirs));
    other.release();
    assert!(theirs.lock().is_ok(), "it was taken from its owner");
}

#[test]
fn who_was_taken_for_dead_is_told_once_when_it_waits_and_joins_anew() {
    let _watch = watch();
    with_a_lock_of_another(|segment, mine, theirs| {
        drop(mine.lock().unwrap());
        let before = segment
            .participants()
            .into_iter()
            .find(|p| p.is_self)
            .unwrap();
        lose_membership(segment);
        let error = theirs.lock_timeout(SHORT).unwrap_err();
        assert_eq!(error.to_string(), EXPELLED);
        assert!(matches!(
            error,
            LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(MembershipError::Lost)))
        ));
        assert!(matches!(
            theirs.lock_timeout(SHORT),
            Err(LockTimeoutError::Timeout { .. })
        ));
        let after = segment
            .participants()
            .into_iter()
            .find(|p| p.is_self)
            .unwrap();
        assert_ne!(before.index, after.index);
        assert_eq!(segment.reap().freed, 1);
    });
}

#[test]
fn a_wait_without_end_is_told_too() {
    let _watch = watch();
    with_a_lock_of_another(|segment, mine, theirs| {
        drop(mine.lock().unwrap());
        lose_membership(segment);
        assert!(matches!(
            theirs.lock(),
            Err(LockError::Fault(Fault::NotMember(MembershipError::Lost)))
        ));
    });
}

#[test]
fn what_the_expelled_held_is_recovered_while_it_lives() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let (line, end) = (Line::new(), Line::new());
    let careless = child(|| {
        let guard = mutex.lock().unwrap();
        lose_membership(&segment);
        line.say(1);
        end.hear();
        // Another's by now: not this one's to free.
        drop(guard);
        line.say(2);
        end.hear();
    });
    line.hear();
    let Came::OwnerDied(guard) = lock(&mutex, WAYS[0]) else {
        panic!("not recovered")
    };
    end.say(1);
    line.hear();
    assert!(mutex.is_locked());
    in_child(|| {
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ))
    });
    drop(guard);
    assert!(segment.reap().freed > 0);
    end.say(1);
    careless.join();
}

#[test]
fn an_expelled_process_finds_its_own_old_lock_like_any_other() {
    let _watch = watch();
    with_a_lock_of_another(|segment, mine, theirs| {
        let old = mine.lock().unwrap();
        lose_membership(segment);
        assert!(theirs.lock_timeout(SHORT).is_err());
        let Came::OwnerDied(new) = lock(mine, WAYS[0]) else {
            panic!("not recovered")
        };
        drop(old);
        assert!(mine.is_locked());
        drop(new);
        assert!(!mine.is_locked());
    });
}

#[test]
fn answering_for_a_dead_owner_after_the_lock_was_taken_over_does_nothing() {
    let _watch = watch();
    let (segment, mutex) = sample();
    holder(|| mutex.lock().unwrap()).kill();
    let (line, end) = (Line::new(), Line::new());
    let careless = child(|| {
        let Came::OwnerDied(mut guard) = lock(&mutex, WAYS[0]) else {
            panic!("not told")
        };
        lose_membership(&segment);
        line.say(1);
        end.hear();
        guard.mark_consistent();
        line.say(2);
        end.hear();
    });
    line.hear();
    let Came::OwnerDied(guard) = lock(&mutex, WAYS[0]) else {
        panic!("not recovered")
    };
    end.say(1);
    line.hear();
    drop(guard);
    assert!(matches!(lock(&mutex, WAYS[0]), Came::OwnerDied(_)));
    end.say(1);
    careless.join();
}

#[test]
fn closing_every_descriptor_is_an_error_of_who_waits_and_nobody_hangs() {
    let _watch = watch();
    with_a_lock_of_another(|_, mine, theirs| {
        drop(mine.lock().unwrap());
        close_all_from_3();
        // There is no way back to a segment without a name.
        for _ in 0..2 {
            assert!(matches!(
                theirs.lock_timeout(SHORT),
                Err(LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(
                    MembershipError::System(_)
                ))))
            ));
        }
        // What needs nobody else goes on.
        assert!(mine.lock().is_ok());
    });
}

#[test]
fn a_named_segment_is_opened_again_after_every_descriptor_was_closed() {
    let _watch = watch();
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let other = holder(|| mutex.lock().unwrap());
    in_child(|| {
        assert!(mutex.try_lock().is_err());
        let before = segment.participants();
        close_all_from_3();
        assert!(matches!(
            mutex.lock_timeout(SHORT),
            Err(LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(
                MembershipError::System(_)
            ))))
        ));
        let again = SegmentOptions::new().open(&name).unwrap();
        let same = again.open::<Mutex<u64>>("m").unwrap();
        // The handles that were there before can ask again as well.
        for mutex in [&same, &mutex] {
            assert!(matches!(
                mutex.lock_timeout(SHORT),
                Err(LockTimeoutError::Timeout { .. })
            ));
        }
        assert_eq!(again.participants(), before);
    });
    other.release();
}

#[test]
fn a_live_owner_is_not_taken_for_dead_through_a_number_that_means_another_file() {
    let _watch = watch();
    with_a_lock_of_another(|segment, mine, theirs| {
        drop(mine.lock().unwrap());
        let file = unsealed(&[0; 4096]);
        // SAFETY: what a careless library does that closes numbers and opens files of its own.
        let result = unsafe { libc::dup2(file.as_raw_fd(), segment.as_fd().as_raw_fd()) };
        assert!(result >= 0);
        for way in [crate::Way::Try, crate::Way::Try] {
            let came = lock(theirs, way);
            assert!(matches!(came, Came::Busy | Came::Refused(_)), "{came:?}");
        }
        for _ in 0..2 {
            assert!(matches!(
                theirs.lock_timeout(SHORT),
                Err(LockTimeoutError::Timeout { .. }
                    | LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(_))))
            ));
        }
        assert_eq!(segment.reap().freed, 0);
        assert!(segment.participants().iter().all(|p| p.alive));
    });
}

#[test]
fn nobody_joins_through_a_number_that_means_another_file() {
    let _watch = watch();
    let (segment, mutex) = sample();
    in_child(|| {
        let file = unsealed(&[0; 4096]);
        // SAFETY: as above.
        let result = unsafe { libc::dup2(file.as_raw_fd(), segment.as_fd().as_raw_fd()) };
        assert!(result >= 0);
        let error = mutex.lock().unwrap_err();
        assert!(
            matches!(
                error,
                LockError::Fault(Fault::NotMember(MembershipError::System(_)))
            ),
            "{error:?}"
        );
        assert_eq!(segment.participants().len(), 1);
    });
}

#[test]
fn a_number_that_means_another_file_is_not_closed_with_the_last_handle() {
    let _watch = watch();
    in_child(|| {
        let (segment, mutex) = sample();
        let probe = segment.as_fd().as_raw_fd();
        let file = unsealed(&[]);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), probe) }, probe);
        drop((segment, mutex));
        let path = format!("/proc/self/fd/{probe}");
        let there = std::fs::read_link(path).expect("it was closed");
        assert!(there.to_string_lossy().contains("crossdock-forged"));
        File::from(file).write_all(b"still open").unwrap();
    });
}

#[test]
fn who_lost_only_the_descriptor_that_probes_is_told_and_keeps_what_it_holds() {
    let _watch = watch();
    let (segment, mine) = sample();
    let theirs = segment.create::<Mutex<u64>>("theirs", 0).unwrap();
    let other = holder(|| theirs.lock().unwrap());
    let victim = holder(|| {
        let held = mine.lock().unwrap();
        let file = File::open("/dev/null").unwrap();
        // SAFETY: what a careless library does to a number that is not its own.
        let result = unsafe { libc::dup2(file.as_raw_fd(), segment.as_fd().as_raw_fd()) };
        assert_eq!(result, segment.as_fd().as_raw_fd());
        let error = theirs.lock_timeout(SHORT).unwrap_err();
        assert!(
            matches!(
                error,
                LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(
                    MembershipError::System(_)
                )))
            ),
            "{error}"
        );
        held
    });
    let busy = mine.try_lock().unwrap_err();
    assert!(matches!(busy, TryLockError::WouldBlock { .. }), "{busy}");
    victim.release();
    assert!(mine.lock().is_ok());
    other.release();
}
