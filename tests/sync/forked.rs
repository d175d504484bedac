//! Forks with guards, memberships and handles at hand.

use std::mem::forget;
use std::sync::atomic::{AtomicBool, Ordering};

use crossdock::sync::{LockError, TryLockError};
use crossdock::{Mutex, SegmentOptions};

use crate::support::process::{Line, child, exit, holder, in_child};
use crate::support::watch;
use crate::{Came, WAYS, lock, sample};

#[test]
fn dropping_an_inherited_guard_does_nothing() {
    let (_segment, mutex) = sample();
    let guard = mutex.lock().unwrap();
    let mut inherited = Some(guard);
    in_child(|| {
        drop(inherited.take());
        assert!(mutex.is_locked());
    });
    assert!(mutex.is_locked());
    in_child(|| {
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ))
    });
    drop(inherited);
    in_child(|| assert!(mutex.try_lock().is_ok()));
}

#[test]
fn dropping_an_inherited_guard_after_joining_does_nothing() {
    let (_segment, mutex) = sample();
    let mut guard = Some(mutex.lock().unwrap());
    in_child(|| {
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ));
        drop(guard.take());
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ));
    });
    *guard.unwrap() += 1;
    assert_eq!(*mutex.lock().unwrap(), 1);
}

#[test]
fn dropping_an_inherited_guard_while_panicking_does_not_poison() {
    let (_segment, mutex) = sample();
    let mut guard = Some(mutex.lock().unwrap());
    in_child(|| {
        let inherited = guard.take();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _inherited = inherited;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
    });
    drop(guard);
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
}

#[test]
fn answering_for_a_dead_owner_through_an_inherited_guard_does_nothing() {
    let (_segment, mutex) = sample();
    holder(|| mutex.lock().unwrap()).kill();
    let Came::OwnerDied(mut guard) = lock(&mutex, WAYS[0]) else {
        panic!("not told")
    };
    in_child(|| guard.mark_consistent());
    drop(guard);
    assert!(matches!(lock(&mutex, WAYS[0]), Came::OwnerDied(_)));
}

#[test]
fn a_forked_child_is_a_participant_of_its_own() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let parent = segment.participants();
    let line = Line::new();
    in_child(|| {
        assert_eq!(
            segment.participants().iter().filter(|p| p.is_self).count(),
            0
        );
        *mutex.lock().unwrap() += 1;
        let own = segment
            .participants()
            .into_iter()
            .find(|p| p.is_self)
            .unwrap();
        assert_eq!(own.pid, std::process::id());
        line.say(own.index.into());
    });
    assert_ne!(line.hear(), u64::from(parent[0].index));
    assert!(parent[0].is_self);
}

#[test]
fn a_forked_childs_death_is_recovered_and_its_parents_lock_is_not() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let own = segment.create::<Mutex<u64>>("own", 0).unwrap();
    let guard = own.lock().unwrap();
    holder(|| mutex.lock().unwrap()).kill();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::OwnerDied(_)));
    assert_eq!(segment.reap().freed, 1);
    in_child(|| {
        assert!(matches!(
            own.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ))
    });
    drop(guard);
}

#[test]
fn a_forked_child_that_lives_on_does_not_keep_its_parent_alive() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let (line, end) = (Line::new(), Line::new());
    let parent = child(|| {
        forget(mutex.lock().unwrap());
        let grandchild = child(|| {
            // Outlives its parent.
            // SAFETY: takes back the wish to die with it.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
            line.say(1);
            end.hear();
            line.say(2);
        });
        forget(grandchild);
        end.sleep_until_killed();
    });
    line.hear();
    parent.kill();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::OwnerDied(_)));
    assert_eq!(segment.reap().freed, 1);
    end.say(1);
    assert_eq!(line.hear(), 2);
}

#[test]
fn a_grandchild_is_a_participant_too() {
    let _watch = watch();
    let (segment, mutex) = sample();
    in_child(|| {
        *mutex.lock().unwrap() += 1;
        in_child(|| {
            *mutex.lock().unwrap() += 1;
            in_child(|| {
                *mutex.lock().unwrap() += 1;
                assert_eq!(segment.participants().len(), 4);
            });
        });
    });
    assert_eq!(*mutex.lock().unwrap(), 3);
}

#[test]
fn a_child_that_drops_all_that_it_inherited_takes_nothing_from_its_parent() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let guard = mutex.lock().unwrap();
    let mut handles = Some((segment.clone(), mutex.clone()));
    in_child(|| {
        drop(handles.take());
        exit(0);
    });
    assert!(segment.participants()[0].alive);
    in_child(|| {
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ))
    });
    drop(guard);
}

#[test]
fn forking_while_other_threads_lock_leaves_a_child_that_works() {
    let _watch = watch();
    in_child(|| {
        let (segment, mutex) = sample();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        *mutex.lock().unwrap() += 1;
                        // Takes and gives back what a fork waits for.
                        drop(SegmentOptions::new().size(1 << 16).anonymous());
                    }
                });
            }
            for _ in 0..100 {
                in_child(|| {
                    *mutex.lock_or_repair(|_| ()).unwrap() += 1;
                    let own = SegmentOptions::new().size(1 << 16);
                    drop(
                        own.anonymous()
                            .unwrap()
                            .create::<Mutex<u8>>("m", 1)
                            .unwrap()
                            .lock(),
                    );
                });
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(segment.reap().stuck, 0);
        assert!(matches!(mutex.lock(), Ok(_) | Err(LockError::OwnerDied(_))));
    });
}

#[test]
fn a_child_of_a_bare_clone_acts_as_itself() {
    let _watch = watch();
    // Alone in a process: no other thread holds a lock that nobody gives back in the clone.
    in_child(|| {
        let (_segment, mutex) = sample();
        let guard = mutex.lock().unwrap();
        // No handlers run; the kernel wipes the tag nevertheless.
        // SAFETY: as fork(2), but for the handlers; the child makes one attempt and ends.
        let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if pid == 0 {
            let busy = matches!(mutex.try_lock(), Err(TryLockError::WouldBlock { .. }));
            exit(if busy { 0 } else { 1 });
        }
        let mut status = 0;
        let pid = libc::pid_t::try_from(pid).unwrap();
        // SAFETY: the child is this process's own, and `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        drop(guard);
        assert!(mutex.lock().is_ok());
    });
}

/// Not a test of its own: what the test below runs, in a program that has used nothing before.
#[test]
fn use_for_the_first_time_and_fork() {
    let Ok(pause) = std::env::var("CROSSDOCK_TEST_PAUSE") else {
        return;
    };
    let _watch = watch();
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(2)
        .entries(2);
    let begun = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            begun.store(true, Ordering::Relaxed);
            drop(options.anonymous().unwrap());
        });
        while !begun.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        for _ in 0..pause.parse().unwrap() {
            std::hint::spin_loop();
        }
        in_child(|| drop(options.anonymous().unwrap()));
    });
}

#[test]
fn a_child_forked_while_another_thread_makes_the_first_use_works() {
    let _watch = watch();
    for number in 0..40 {
        let output = std::process::Command::new("/proc/self/exe")
            .args(["--exact", "forked::use_for_the_first_time_and_fork"])
            .env("CROSSDOCK_TEST_PAUSE", (number * 37 % 1000).to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }
}
