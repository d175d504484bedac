//! A process that was reaped and does not know it, at locks: it is told, and harms no other.

use std::sync::atomic::Ordering::AcqRel;
use std::time::Duration;

use crossdock::segment::MembershipError;
use crossdock::sync::{LockError, LockTimeoutError, RwLock, TryLockError};
use crossdock::{Fault, Mutex, SegmentOptions};

use crate::support::careless::{Reaped, lose_membership};
use crate::support::image::{PARTICIPANT_LEN, REGISTRY, Window};
use crate::support::process::{Line, child, holder, in_child};
use crate::support::watch;
use crate::{Came, WAYS, lock, sample};

const SHORT: Duration = Duration::from_millis(20);
const LOST: MembershipError = MembershipError::Lost;

fn is_lost(error: &MembershipError) -> bool {
    error.to_string() == LOST.to_string()
}

#[test]
fn a_mutex_refuses_it_and_no_other_is_told_that_an_owner_died() {
    let _watch = watch();
    let (segment, mutex) = sample();
    type Way<'a> = &'a dyn Fn() -> Option<MembershipError>;
    let ways: [Way<'_>; 5] = [
        &|| match mutex.lock() {
            Err(LockError::Fault(Fault::NotMember(error))) => Some(error),
            _ => None,
        },
        &|| match mutex.lock_or_repair(|_| unreachable!("no owner died")) {
            Err(LockError::Fault(Fault::NotMember(error))) => Some(error),
            _ => None,
        },
        &|| match mutex.try_lock() {
            Err(TryLockError::Lock(LockError::Fault(Fault::NotMember(error)))) => Some(error),
            _ => None,
        },
        &|| match mutex.lock_timeout(SHORT) {
            Err(LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(error)))) => Some(error),
            _ => None,
        },
        &|| mutex.lock().is_err().then_some(LOST),
    ];
    for way in ways {
        let lost = Reaped::after(
            &segment,
            || drop(mutex.lock().unwrap()),
            |()| {
                assert!(way().as_ref().is_some_and(is_lost));
                assert!(way().is_none(), "it has joined anew");
            },
        );
        lost.goes_on();
        for way in WAYS {
            assert!(matches!(lock(&mutex, way), Came::Clean(_)));
        }
        lost.ends();
    }
}

/// As garbage in the registry has it, and no process has asked the kernel.
#[test]
fn garbage_in_its_registry_word_is_told_at_the_next_lock() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let rwlock = segment.create::<RwLock<u64>>("rwlock", 0).unwrap();
    let window = Window::of(&segment);
    let free = |index: u32| {
        let word = window.word(REGISTRY + index as usize * PARTICIPANT_LEN);
        word.fetch_and(!3, AcqRel)
    };
    in_child(|| {
        let index = || {
            let all = segment.participants();
            all.into_iter().find(|p| p.is_self).unwrap().index
        };
        drop(mutex.lock().unwrap());
        free(index());
        assert!(
            matches!(mutex.lock(), Err(LockError::Fault(Fault::NotMember(error))) if is_lost(&error))
        );
        drop(rwlock.read().unwrap());
        drop(rwlock.read().unwrap());
        free(index());
        assert!(
            matches!(rwlock.read(), Err(LockError::Fault(Fault::NotMember(error))) if is_lost(&error))
        );
        drop(rwlock.write().unwrap());
        free(index());
        assert!(
            matches!(rwlock.write(), Err(LockError::Fault(Fault::NotMember(error))) if is_lost(&error))
        );
        drop(rwlock.write().unwrap());
    });
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
    assert!(rwlock.write().is_ok());
}

/// Two places, so that the next to join has the index of the one that was reaped.
#[test]
fn no_writer_gets_in_beside_the_reader_that_has_its_index_by_now() {
    let _watch = watch();
    let segment = SegmentOptions::new().participants(2).anonymous().unwrap();
    let rwlock = segment.create::<RwLock<u64>>("rwlock", 1).unwrap();
    drop(rwlock.write().unwrap());
    let lost = Reaped::after(
        &segment,
        || drop(rwlock.read().unwrap()),
        |()| {
            assert!(
                matches!(rwlock.read(), Err(LockError::Fault(Fault::NotMember(error))) if is_lost(&error))
            );
            // There is no place left.
            assert!(matches!(
                rwlock.read(),
                Err(LockError::Fault(Fault::NotMember(
                    MembershipError::RegistryFull { participants: 2 }
                )))
            ));
        },
    );
    let reader = holder(|| rwlock.read().unwrap());
    lost.goes_on();
    assert!(matches!(
        rwlock.write_timeout(SHORT),
        Err(LockTimeoutError::Timeout { .. })
    ));
    reader.release();
    assert!(rwlock.write().is_ok());
    lost.ends();
}

/// What one that was found dead by a waiter, and was not reaped, does next.
#[test]
fn one_whose_lock_was_taken_over_does_not_get_the_next_one() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let (line, go) = (Line::new(), Line::new());
    let careless = child(|| {
        let guard = mutex.lock().unwrap();
        lose_membership(&segment);
        line.say(1);
        go.hear();
        drop(guard);
        assert!(
            matches!(mutex.lock(), Err(LockError::Fault(Fault::NotMember(error))) if is_lost(&error))
        );
        line.say(1);
        go.hear();
    });
    line.hear();
    let Came::OwnerDied(mut guard) = lock(&mutex, WAYS[0]) else {
        panic!("not recovered")
    };
    guard.mark_consistent();
    drop(guard);
    go.say(1);
    line.hear();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
    go.say(1);
    careless.join();
}

#[test]
fn a_thread_that_waits_is_told_of_what_another_thread_has_found_out() {
    let _watch = watch();
    let (segment, mine) = sample();
    let theirs = segment.create::<Mutex<u64>>("theirs", 0).unwrap();
    let other = holder(|| theirs.lock().unwrap());
    in_child(|| {
        drop(mine.lock().unwrap());
        let before = crossdock::sync::sleeps().all;
        std::thread::scope(|scope| {
            let waiter = scope
                .spawn(|| matches!(theirs.lock(), Err(LockError::Fault(Fault::NotMember(error))) if is_lost(&error)));
            // With the tag that is about to be lost.
            while crossdock::sync::sleeps().all == before {
                std::thread::yield_now();
            }
            lose_membership(&segment);
            // One of the two is told first, and has joined anew perhaps when the other asks.
            loop {
                match theirs.lock_timeout(SHORT) {
                    Err(LockTimeoutError::Lock(LockError::Fault(Fault::NotMember(error)))) => {
                        assert!(is_lost(&error))
                    }
                    Err(LockTimeoutError::Timeout { .. }) => break,
                    other => panic!("{other:?}"),
                }
            }
            drop(mine.lock().unwrap());
            assert!(waiter.join().unwrap(), "it was not told");
        });
    });
    other.release();
}
