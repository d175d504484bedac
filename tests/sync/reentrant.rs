//! Reentrant mutexes whose owners are killed, stopped, forked and replaced by threads of the same
//! number.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::Segment;
use crossdock::segment::{Fault, Kind};
use crossdock::sync::{Holder, LockError, LockTimeoutError, ReentrantMutex, TryLockError};

use crate::support::careless::lose_membership;
use crate::support::image::Window;
use crate::support::process::{Line, asleep, child, holder, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

fn sample() -> (Segment, ReentrantMutex<u64>) {
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<ReentrantMutex<u64>>("r", 0).unwrap();
    (segment, mutex)
}

/// Adds to the value, with `depth` guards at the same time.
fn add(mutex: &ReentrantMutex<u64>, depth: u32) {
    let value = mutex.lock().unwrap();
    if depth > 1 {
        add(mutex, depth - 1);
    }
    value.set(value.get() + 1);
}

fn is_free_for_others(mutex: &ReentrantMutex<u64>) -> bool {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| mutex.try_lock().is_ok());
        other.join().unwrap()
    })
}

#[test]
fn the_owner_locks_again_and_unlocks_with_its_last_guard() {
    let (_segment, mutex) = sample();
    let first = mutex.lock().unwrap();
    let second = mutex.try_lock().unwrap();
    let third = mutex.lock_timeout(SHORT).unwrap();
    let fourth = mutex.lock_or_repair(|_| panic!("no owner died")).unwrap();
    fourth.set(5);
    assert_eq!((first.get(), second.get(), third.get()), (5, 5, 5));
    assert!(mutex.is_held_by_this_thread() && mutex.is_locked());
    // In any order.
    drop(first);
    drop(third);
    drop(fourth);
    assert!(mutex.is_held_by_this_thread() && !is_free_for_others(&mutex));
    drop(second);
    assert!(!mutex.is_locked() && !mutex.is_held_by_this_thread());
    assert!(is_free_for_others(&mutex));
}

#[test]
fn another_thread_and_another_process_wait() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let guard = mutex.lock().unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert!(!mutex.is_held_by_this_thread());
            let late = mutex.lock_timeout(SHORT).unwrap_err().without_guard();
            let holder = Holder::ThisProcess;
            assert_eq!(late, LockTimeoutError::Timeout { holder });
        });
        other.join().unwrap();
    });
    in_child(|| {
        // The child's main thread is the fork of the owner, and holds nothing.
        assert!(!mutex.is_held_by_this_thread());
        let refused = mutex.try_lock();
        assert!(matches!(refused, Err(TryLockError::WouldBlock { .. })));
        assert!(!mutex.is_held_by_this_thread());
    });
    let waiter = asleep(|| add(&mutex, 3));
    drop(guard);
    waiter.join();
    assert_eq!(mutex.lock().unwrap().get(), 3);
}

#[test]
fn no_addition_is_lost_between_threads_of_processes() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let children = [(); 3].map(|()| {
        child(|| {
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| (0..2000).for_each(|_| add(&mutex, 2)));
                }
            });
        })
    });
    children.into_iter().for_each(|child| child.join());
    assert_eq!(mutex.lock().unwrap().get(), 3 * 2 * 2000 * 2);
}

#[test]
fn a_killed_owner_is_told_however_deep_it_was() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let owner = holder(|| (mutex.lock().unwrap(), mutex.lock().unwrap()));
    let waiter = asleep(|| {
        let Err(LockError::OwnerDied(guard)) = mutex.lock() else {
            panic!("the owner was killed");
        };
        // It holds the lock once, whatever the dead owner's count was.
        let Err(LockError::OwnerDied(mut again)) = mutex.lock() else {
            panic!("it is told until it has answered");
        };
        again.mark_consistent();
        assert!(!guard.owner_died() && mutex.lock().is_ok());
        drop((guard, again));
        assert!(!mutex.is_locked());
    });
    owner.kill();
    waiter.join();
    add(&mutex, 2);
}

#[test]
fn the_data_is_repaired_by_the_next_owner() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let owner = holder(|| {
        let guard = mutex.lock().unwrap();
        guard.set(13);
        guard
    });
    owner.kill();
    let guard = mutex.lock_or_repair(|value| value.set(value.get() - 13));
    assert_eq!(guard.unwrap().get(), 0);
    assert!(mutex.lock().is_ok());
}

#[test]
fn a_leaked_guard_lets_no_stranger_in() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let (line, never) = (Line::new(), Line::new());
    let owner = child(|| {
        std::thread::scope(|scope| {
            let leaking = scope.spawn(|| std::mem::forget(mutex.lock().unwrap()));
            leaking.join().unwrap();
        });
        // Threads that begin now get the stack, the thread id and the storage of the one that
        // ended.
        for _ in 0..10 {
            std::thread::scope(|scope| {
                let stranger = scope.spawn(|| {
                    assert!(!mutex.is_held_by_this_thread());
                    assert!(mutex.try_lock().is_err());
                });
                stranger.join().unwrap();
            });
        }
        line.say(1);
        never.sleep_until_killed();
    });
    line.hear();
    assert!(mutex.is_locked());
    owner.kill();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn a_panic_under_the_inner_guard_poisons_the_lock() {
    let (_segment, mutex) = sample();
    let outer = mutex.lock().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _inner = mutex.lock().unwrap();
        panic!("on purpose");
    }));
    assert!(panicked.is_err() && outer.is_poisoned() && mutex.is_poisoned());
    let again = mutex.lock_or_repair(|_| ()).unwrap_err();
    assert_eq!(again, LockError::Poisoned(()));
    drop(outer);
    let Err(LockError::Poisoned(guard)) = mutex.lock() else {
        panic!("it is poisoned");
    };
    mutex.clear_poison();
    assert!(!guard.is_poisoned() && mutex.lock().is_ok());
}

#[test]
fn without_data_it_is_a_lock_by_itself() {
    let (segment, _) = sample();
    let lock = segment.create::<ReentrantMutex<()>>("l", ()).unwrap();
    let (_first, _second) = (lock.lock().unwrap(), lock.lock().unwrap());
    assert!(lock.is_held_by_this_thread());
}

#[test]
fn a_stopped_owner_keeps_the_lock() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let (line, never) = (Line::new(), Line::new());
    let owner = child(|| {
        let _guards = (mutex.lock().unwrap(), mutex.lock().unwrap());
        line.say(1);
        never.sleep_until_killed();
    });
    line.hear();
    owner.stop();
    let late = mutex.lock_timeout(SHORT);
    assert!(matches!(late, Err(LockTimeoutError::Timeout { .. })));
    owner.kill();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn an_owner_whose_membership_is_lost_holds_nothing_and_is_told() {
    let _watch = watch();
    let (segment, mutex) = sample();
    in_child(|| {
        let guard = mutex.lock().unwrap();
        lose_membership(&segment);
        in_child(|| {
            let taken_over = mutex.lock();
            assert!(matches!(taken_over, Err(LockError::OwnerDied(_))));
        });
        assert!(!mutex.is_held_by_this_thread());
        assert!(matches!(mutex.lock(), Err(LockError::Fault(_))));
        drop(guard);
        assert!(!mutex.is_held_by_this_thread());
    });
}

#[test]
fn all_handles_in_a_process_are_of_one_lock() {
    let (segment, mutex) = sample();
    let other = segment.open::<ReentrantMutex<u64>>("r").unwrap();
    let first = mutex.lock().unwrap();
    let second = other.lock().unwrap();
    assert!(other.clone().is_held_by_this_thread());
    drop(first);
    assert!(mutex.is_held_by_this_thread() && !is_free_for_others(&mutex));
    drop(second);
    assert!(is_free_for_others(&mutex));
}

#[test]
fn a_lock_where_an_unmapped_one_was_is_another_lock() {
    let _watch = watch();
    for _ in 0..20 {
        // Its guard is leaked. The next segment may be mapped where this one was, with the same
        // tag.
        std::mem::forget(sample().1.lock().unwrap());
        let (_segment, mutex) = sample();
        assert!(!mutex.is_held_by_this_thread());
        std::thread::scope(|scope| {
            let (hold, held) = std::sync::mpsc::channel::<()>();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let mutex = &mutex;
            scope.spawn(move || {
                let _guard = mutex.lock().unwrap();
                hold.send(()).unwrap();
                ended.recv().unwrap();
            });
            held.recv().unwrap();
            assert!(!mutex.is_held_by_this_thread() && mutex.try_lock().is_err());
            end.send(()).unwrap();
        });
    }
}

#[test]
fn a_thread_holds_many_locks_at_a_time() {
    let (segment, _) = sample();
    let locks: Vec<_> = (0..9)
        .map(|number| segment.create::<ReentrantMutex<u64>>(&format!("r{number}"), 0))
        .collect::<Result<_, _>>()
        .unwrap();
    let outer: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
    locks.iter().for_each(|lock| add(lock, 3));
    assert!(locks.iter().all(|lock| !is_free_for_others(lock)));
    drop(outer);
    assert!(locks.iter().all(is_free_for_others));
}

#[test]
fn any_bytes_are_the_word_of_a_mutex() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let window = Window::of(&segment);
    let offset = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    for garbage in [u32::MAX, 1, 1 << 29, 1 << 31] {
        window.word(offset).store(garbage, Relaxed);
        assert!(!mutex.is_held_by_this_thread());
        match mutex.try_lock() {
            Ok(_) | Err(TryLockError::Lock(LockError::Poisoned(_) | LockError::OwnerDied(_))) => {}
            Err(TryLockError::Lock(LockError::Fault(Fault::Corrupt { kind, .. }))) => {
                assert_eq!(kind, Kind::ReentrantMutex);
            }
            Err(other) => panic!("{other:?}"),
        }
        window.word(offset).store(0, Relaxed);
        drop(mutex.lock().unwrap());
    }
}
