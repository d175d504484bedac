//! Owners and waiters that are killed, and what the others get.

use std::mem::forget;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crossdock::sync::{LockError, TryLockError};
use crossdock::{Mutex, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{Line, child, holder, in_child};
use crate::support::watch;
use crate::{Came, WAYS, lock, sample};

#[test]
fn owner_killed_in_critical_section_is_reported() {
    let _watch = watch();
    for way in WAYS {
        let (_segment, mutex) = sample();
        let holder = holder(|| {
            let mut guard = mutex.lock().unwrap();
            *guard = 7;
            guard
        });
        holder.kill();
        let Came::OwnerDied(guard) = lock(&mutex, way) else {
            panic!("{way:?}: not told")
        };
        assert_eq!(*guard, 7, "what it wrote is there");
    }
}

#[test]
fn who_waits_already_when_the_owner_is_killed_takes_over() {
    let _watch = watch();
    for way in WAYS.into_iter().filter(|way| *way != crate::Way::Try) {
        let (_segment, mutex) = sample();
        let holder = holder(|| mutex.lock().unwrap());
        let line = Line::new();
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                child(|| {
                    line.say(1);
                    match lock(&mutex, way) {
                        Came::OwnerDied(mut guard) | Came::Clean(mut guard) => *guard += 1,
                        other => panic!("{other:?}"),
                    }
                })
            })
            .collect();
        for _ in &waiters {
            line.hear();
        }
        holder.kill();
        waiters.into_iter().for_each(|waiter| waiter.join());
        let Came::OwnerDied(guard) = lock(&mutex, way) else {
            panic!("nobody has answered for the dead one")
        };
        assert_eq!(*guard, 3);
    }
}

#[test]
fn a_killed_waiter_takes_nothing_along() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    for _ in 0..20 {
        let guard = mutex.lock().unwrap();
        let line = Line::new();
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                child(|| {
                    line.say(1);
                    drop(mutex.lock());
                })
            })
            .collect();
        for _ in &waiters {
            line.hear();
        }
        waiters.into_iter().for_each(|waiter| waiter.kill());
        drop(guard);
        // One of them may have had it for a moment.
        let again = mutex.lock_or_repair(|_| ()).unwrap();
        drop(again);
    }
}

#[test]
fn the_lock_of_a_killed_owner_is_free_after_reaping() {
    let (segment, mutex) = sample();
    holder(|| mutex.lock().unwrap()).kill();
    assert!(mutex.is_locked());
    assert_eq!(segment.reap().freed, 1);
    assert!(!mutex.is_locked());
    assert!(matches!(
        mutex.try_lock(),
        Err(TryLockError::Lock(LockError::OwnerDied(_)))
    ));
}

#[test]
fn an_owner_that_nobody_has_waited_for_is_dead() {
    let (_segment, mutex) = sample();
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.kill_to_zombie();
    assert!(matches!(
        mutex.try_lock(),
        Err(TryLockError::Lock(LockError::OwnerDied(_)))
    ));
}

#[test]
fn every_lock_that_a_killed_process_held_is_given_back() {
    let (segment, _mutex) = sample();
    let locks: Vec<Mutex<u64>> = (0..20)
        .map(|number| segment.create(&format!("lock {number}"), number).unwrap())
        .collect();
    holder(|| {
        let guards = locks.iter().map(|mutex| mutex.lock().unwrap());
        guards.collect::<Vec<_>>()
    })
    .kill();
    for mutex in &locks {
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::Lock(LockError::OwnerDied(_)))
        ));
    }
}

#[test]
fn a_leaked_guard_is_given_back_when_the_last_handle_is_dropped() {
    let name = Unique::new();
    let kept = SegmentOptions::new().create_new(&name).unwrap();
    kept.create::<Mutex<u64>>("m", 0).unwrap();
    drop(kept);
    let (line, end) = (Line::new(), Line::new());
    let leaker = child(|| {
        let segment = SegmentOptions::new().open(&name).unwrap();
        let mutex = segment.open::<Mutex<u64>>("m").unwrap();
        forget(mutex.lock().unwrap());
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ));
        drop((segment, mutex));
        line.say(1);
        end.hear();
    });
    line.hear();
    let segment = SegmentOptions::new().open(&name).unwrap();
    let mutex = segment.open::<Mutex<u64>>("m").unwrap();
    assert!(!mutex.is_locked());
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    assert!(segment.participants().iter().all(|p| p.is_self));
    end.say(1);
    leaker.join();
}

#[test]
fn a_guard_that_a_thread_has_leaked_is_the_processs_until_that_ends() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    in_child(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| forget(mutex.lock().unwrap()));
        });
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ));
        in_child(|| {
            assert!(matches!(
                mutex.try_lock(),
                Err(TryLockError::WouldBlock { .. })
            ))
        });
    });
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn the_main_threads_end_is_no_death_while_others_run() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let (line, end) = (Line::new(), Line::new());
    let owner = child(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let guard = mutex.lock().unwrap();
                line.say(1);
                end.hear();
                drop(guard);
                crate::support::process::exit(0);
            });
            // SAFETY: ends this thread only; what it has borrowed is never freed by a child.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
    });
    line.hear();
    assert!(matches!(
        mutex.try_lock(),
        Err(TryLockError::WouldBlock { .. })
    ));
    assert_eq!(segment.reap().freed, 0);
    end.say(1);
    owner.join();
    assert!(mutex.lock().is_ok());
}

/// Not a test of its own: what the program becomes that execs in the test below.
#[test]
fn become_another_program() {
    if let Ok(lines) = std::env::var("CROSSDOCK_TEST_LINES") {
        let (ready, end) = lines.split_once(';').unwrap();
        Line::inherited(ready).say(1);
        Line::inherited(end).sleep_until_killed();
    }
}

#[test]
fn an_owner_that_becomes_another_program_is_dead() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let (ready, end) = (Line::new(), Line::new());
    let owner = child(|| {
        forget(mutex.lock().unwrap());
        let error = Command::new("/proc/self/exe")
            .args(["--exact", "death::become_another_program", "--nocapture"])
            .env(
                "CROSSDOCK_TEST_LINES",
                format!("{};{}", ready.numbers(), end.numbers()),
            )
            .exec();
        panic!("{error}");
    });
    ready.hear();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    assert_eq!(segment.reap().freed, 1);
    owner.kill();
}
