//! The table of what a lock says of its last owner.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossdock::sync::{Holder, LockError, LockTimeoutError, TryLockError};
use crossdock::{Mutex, RwLock};

use crate::support::process::holder;
use crate::{Came, WAYS, lock, sample};

/// Panics while it holds the lock, without a word on standard error.
fn poison(mutex: &Mutex<u64>) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = match mutex.lock() {
            Ok(guard) | Err(LockError::OwnerDied(guard) | LockError::Poisoned(guard)) => guard,
            Err(error) => panic!("{error}"),
        };
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
}

/// A child takes the lock and is killed.
fn die(mutex: &Mutex<u64>) {
    holder(|| match mutex.lock() {
        Ok(guard) | Err(LockError::OwnerDied(guard) | LockError::Poisoned(guard)) => guard,
        Err(error) => panic!("{error}"),
    })
    .kill();
}

#[test]
fn a_clean_lock_is_ok_in_every_way() {
    let (_segment, mutex) = sample();
    for way in WAYS {
        assert!(matches!(lock(&mutex, way), Came::Clean(_)), "{way:?}");
    }
    let guard = mutex.lock_or_repair(|_| panic!("nothing to repair"));
    assert!(!guard.as_ref().unwrap().owner_died());
    assert!(!guard.unwrap().is_poisoned());
}

#[test]
fn a_dead_owner_is_told_in_every_way_until_somebody_answers_for_it() {
    let (_segment, mutex) = sample();
    die(&mutex);
    for way in [WAYS, WAYS].concat() {
        let Came::OwnerDied(guard) = lock(&mutex, way) else {
            panic!("{way:?}")
        };
        assert!(guard.owner_died() && !guard.is_poisoned());
    }
    let Came::OwnerDied(mut guard) = lock(&mutex, WAYS[0]) else {
        panic!("forgotten")
    };
    guard.mark_consistent();
    assert!(!guard.owner_died());
    drop(guard);
    for way in WAYS {
        assert!(matches!(lock(&mutex, way), Came::Clean(_)), "{way:?}");
    }
}

#[test]
fn a_poisoned_lock_is_told_in_every_way_until_it_is_cleared() {
    let (_segment, mutex) = sample();
    poison(&mutex);
    assert!(mutex.is_poisoned());
    for way in WAYS {
        let Came::Poisoned(guard) = lock(&mutex, way) else {
            panic!("{way:?}")
        };
        assert!(guard.is_poisoned() && !guard.owner_died());
    }
    mutex.clear_poison();
    assert!(!mutex.is_poisoned());
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
}

#[test]
fn a_dead_owner_and_poison_are_told_as_the_dead_owner_who_is_poisoned() {
    let (_segment, mutex) = sample();
    poison(&mutex);
    die(&mutex);
    for way in WAYS {
        let Came::OwnerDied(guard) = lock(&mutex, way) else {
            panic!("{way:?}")
        };
        assert!(guard.is_poisoned() && guard.owner_died());
    }
}

#[test]
fn of_a_dead_owner_and_poison_each_is_answered_for_by_itself() {
    let (_segment, mutex) = sample();
    poison(&mutex);
    die(&mutex);
    let Came::OwnerDied(mut guard) = lock(&mutex, WAYS[0]) else {
        panic!("not told")
    };
    guard.mark_consistent();
    assert!(guard.is_poisoned());
    drop(guard);
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Poisoned(_)));

    die(&mutex);
    mutex.clear_poison();
    let Came::OwnerDied(guard) = lock(&mutex, WAYS[0]) else {
        panic!("not told")
    };
    assert!(!guard.is_poisoned());
}

#[test]
fn lock_or_repair_repairs_after_a_dead_owner_and_only_once() {
    let (_segment, mutex) = sample();
    die(&mutex);
    let mut guard = mutex.lock_or_repair(|value| *value = 42).unwrap();
    assert!(!guard.owner_died());
    assert_eq!(*guard, 42);
    *guard = 43;
    drop(guard);
    let again = mutex.lock_or_repair(|_| panic!("was repaired")).unwrap();
    assert_eq!(*again, 43);
}

#[test]
fn lock_or_repair_repairs_nothing_while_the_lock_is_poisoned() {
    let (_segment, mutex) = sample();
    poison(&mutex);
    let error = mutex.lock_or_repair(|_| panic!("nobody died")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a thread panicked while it held the lock, and clear_poison was not called since"
    );
    assert!(matches!(error, LockError::Poisoned(())));
    die(&mutex);
    let error = mutex.lock_or_repair(|_| panic!("poisoned")).unwrap_err();
    assert!(matches!(error, LockError::Poisoned(())));
    assert!(!mutex.is_locked());
    mutex.clear_poison();
    assert_eq!(*mutex.lock_or_repair(|value| *value = 9).unwrap(), 9);
}

#[test]
fn a_repair_that_panics_leaves_a_dead_owner_and_poison() {
    let (_segment, mutex) = sample();
    die(&mutex);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        drop(mutex.lock_or_repair(|_| resume_unwind(Box::new(()))));
    }));
    assert!(panicked.is_err() && !mutex.is_locked());
    let Came::OwnerDied(guard) = lock(&mutex, WAYS[0]) else {
        panic!("forgotten")
    };
    assert!(guard.is_poisoned());
}

#[test]
fn a_repairer_that_is_killed_leaves_the_repair_to_the_next() {
    let (_segment, mutex) = sample();
    die(&mutex);
    let line = crate::support::process::Line::new();
    let never = crate::support::process::Line::new();
    let repairer = crate::support::process::child(|| {
        drop(mutex.lock_or_repair(|value| {
            *value = 1;
            line.say(1);
            never.sleep_until_killed();
        }));
    });
    line.hear();
    repairer.kill();
    assert_eq!(*mutex.lock_or_repair(|value| *value += 10).unwrap(), 11);
}

#[test]
fn a_guard_taken_while_panicking_does_not_poison() {
    struct LocksInDrop<'a>(&'a Mutex<u64>);
    impl Drop for LocksInDrop<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let (_segment, mutex) = sample();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _locks = LocksInDrop(&mutex);
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err() && !mutex.is_poisoned());
    assert_eq!(*mutex.lock().unwrap(), 1);
}

#[test]
fn poison_that_is_cleared_while_the_lock_is_held_stays_cleared() {
    let (_segment, mutex) = sample();
    poison(&mutex);
    let Came::Poisoned(guard) = lock(&mutex, WAYS[0]) else {
        panic!("not told")
    };
    mutex.clear_poison();
    assert!(!guard.is_poisoned() && mutex.is_locked());
    drop(guard);
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
}

#[test]
fn poison_and_a_dead_owner_are_seen_through_every_handle() {
    let (segment, mutex) = sample();
    let other = segment.open::<Mutex<u64>>("m").unwrap();
    let third = other.clone();
    poison(&mutex);
    assert!(other.is_poisoned() && third.is_poisoned());
    die(&other);
    assert!(matches!(lock(&third, WAYS[0]), Came::OwnerDied(_)));
}

#[test]
fn a_mutex_without_data_tells_the_same_things() {
    let (segment, _mutex) = sample();
    let raw = segment.create::<Mutex<()>>("raw", ()).unwrap();
    holder(|| raw.lock().unwrap()).kill();
    assert!(matches!(
        raw.try_lock(),
        Err(TryLockError::Lock(LockError::OwnerDied(_)))
    ));
    assert!(matches!(
        raw.lock_timeout(crate::support::PATIENCE),
        Err(LockTimeoutError::Lock(LockError::OwnerDied(_)))
    ));
    let Err(LockError::OwnerDied(mut guard)) = raw.lock() else {
        panic!("not told")
    };
    guard.mark_consistent();
    assert!(!guard.owner_died() && !guard.is_poisoned());
    drop(guard);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = raw.lock().unwrap();
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err() && raw.is_poisoned());
    let error = raw.lock_or_repair(|_| panic!("poisoned")).unwrap_err();
    assert!(matches!(error, LockError::Poisoned(())));
    raw.clear_poison();
    holder(|| raw.lock().unwrap()).kill();
    let mut repaired = false;
    drop(raw.lock_or_repair(|_| repaired = true).unwrap());
    assert!(repaired && raw.lock().is_ok());
}

#[test]
fn an_error_gives_its_guard_or_drops_it_for_a_question_mark() {
    fn add(mutex: &Mutex<u64>) -> Result<(), crossdock::Error> {
        *mutex.lock()? += 1;
        Ok(())
    }
    fn add_boxed(mutex: &Mutex<u64>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        *mutex.lock_or_repair(|value| *value = 8)? += 1;
        Ok(())
    }
    let (_segment, mutex) = sample();
    add(&mutex).unwrap();
    die(&mutex);
    let told = add(&mutex).unwrap_err();
    let died = LockError::OwnerDied(());
    assert!(matches!(told, crossdock::Error::Lock(error) if error == died));
    assert!(!mutex.is_locked());
    let told: crossdock::Error = mutex.try_lock().unwrap_err().into();
    assert!(matches!(told, crossdock::Error::TryLock(TryLockError::Lock(error)) if error == died));
    let mut guard = mutex.lock().unwrap_err().into_guard().unwrap();
    assert!(mutex.is_locked());
    *guard = 7;
    drop(guard);
    let told: crossdock::Error = mutex.lock_timeout(Duration::ZERO).unwrap_err().into();
    assert_eq!(told.to_string(), died.to_string());
    add_boxed(&mutex).unwrap();
    assert_eq!(*mutex.lock().unwrap(), 9);
    let held = mutex.lock().unwrap();
    let told: crossdock::Error = mutex.try_lock().unwrap_err().into();
    assert_eq!(told.to_string(), "this process holds the lock");
    drop(held);
}

#[test]
fn the_words_of_each_outcome_are_the_documented_ones() {
    let (_segment, mutex) = sample();
    let holder = holder(|| mutex.lock().unwrap());
    let pid = holder.child.pid();
    assert_eq!(
        mutex.try_lock().unwrap_err().to_string(),
        format!("process {pid} holds the lock")
    );
    let timed = mutex.lock_timeout(Duration::ZERO);
    assert_eq!(
        timed.unwrap_err().to_string(),
        format!("process {pid} still holds the lock")
    );
    holder.kill();
    let error = mutex.lock().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the last owner died while it held the lock"
    );
    assert_eq!(format!("{error:?}"), "OwnerDied(..)");
}

/// A thread that locks twice is told that it is this process that it waits for.
#[test]
fn who_holds_the_lock_is_said_of_this_process_too() {
    let (segment, mutex) = sample();
    let guard = mutex.lock().unwrap();
    let error = mutex.lock_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "this process still holds the lock");
    let own = Holder::ThisProcess;
    assert!(matches!(error, LockTimeoutError::Timeout { holder: found, .. } if found == own));
    drop(guard);
    let lock = segment.create::<RwLock<u64>>("rw", 0).unwrap();
    let reading = lock.read().unwrap();
    let error = lock.try_write().unwrap_err();
    assert_eq!(error.to_string(), "this process holds the lock");
    drop(reading);
    let reader = holder(|| lock.read().unwrap());
    let pid = reader.child.pid();
    let error = lock.try_write().unwrap_err();
    assert_eq!(error.to_string(), format!("process {pid} holds the lock"));
    reader.release();
    let writer = holder(|| lock.write().unwrap());
    let pid = writer.child.pid();
    let error = lock.try_read().unwrap_err();
    assert_eq!(error.to_string(), format!("process {pid} holds the lock"));
    writer.release();
}
