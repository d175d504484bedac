//! Readers and writers that are killed, stopped, forked or expelled, and what the others get.

use std::mem::forget;
use std::time::Duration;

use crossdock::segment::Monitor;
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};
use crossdock::{Counter, Fault, RwLock, SegmentOptions};

use crate::rwlock::{Came, WAYS, Way, poison, read, sample, write};
use crate::support::careless::lose_membership;
use crate::support::names::Unique;
use crate::support::process::{Line, asleep, child, holder, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_reader_that_is_killed_is_passed_over_and_nobody_is_told() {
    let _watch = watch();
    for way in WAYS {
        let (_segment, lock) = sample();
        let others = [
            holder(|| lock.read().unwrap()),
            holder(|| [lock.read().unwrap(), lock.read().unwrap()]),
        ];
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ));
        others.into_iter().for_each(|other| other.kill());
        assert!(matches!(write(&lock, way), Came::Clean(_)), "{way:?}");
        assert!(matches!(read(&lock, way), Came::Clean(_)), "{way:?}");
    }
}

#[test]
fn a_writer_that_waits_for_a_reader_that_is_killed_comes_in() {
    let _watch = watch();
    let (_segment, lock) = sample();
    for _ in 0..5 {
        let reader = holder(|| lock.read().unwrap());
        let writer = asleep(|| assert!(matches!(write(&lock, Way::Wait), Came::Clean(_))));
        reader.kill();
        writer.join();
    }
}

#[test]
fn a_writer_that_is_killed_is_told_in_every_way_until_a_writer_answers_for_it() {
    let _watch = watch();
    let (_segment, lock) = sample();
    drop(lock.read().unwrap());
    let writer = holder(|| {
        let mut guard = lock.write().unwrap();
        guard[0] = 7;
        guard
    });
    writer.kill();
    for way in [WAYS, WAYS].concat() {
        let Came::OwnerDied(guard) = read(&lock, way) else {
            panic!("{way:?}: not told")
        };
        assert!(guard.owner_died() && !guard.is_poisoned());
        assert_eq!(*guard, [7, 0], "what it wrote is there");
        drop(guard);
        let Came::OwnerDied(guard) = write(&lock, way) else {
            panic!("{way:?}: not told")
        };
        assert!(guard.owner_died() && !guard.is_poisoned());
        assert!(guard.downgrade().owner_died());
    }
    in_child(|| assert!(matches!(read(&lock, Way::Wait), Came::OwnerDied(_))));
    let Came::OwnerDied(mut guard) = write(&lock, Way::Wait) else {
        panic!("forgotten")
    };
    guard[1] = 7;
    guard.mark_consistent();
    assert!(!guard.owner_died());
    let guard = guard.downgrade();
    assert!(!guard.owner_died());
    drop(guard);
    for way in WAYS {
        assert!(matches!(read(&lock, way), Came::Clean(_)), "{way:?}");
        assert!(matches!(write(&lock, way), Came::Clean(_)), "{way:?}");
    }
}

#[test]
fn readers_that_wait_already_when_the_writer_is_killed_are_all_told() {
    let _watch = watch();
    for way in WAYS.into_iter().filter(|way| *way != Way::Try) {
        let (_segment, lock) = sample();
        drop(lock.read().unwrap());
        let writer = holder(|| lock.write().unwrap());
        let readers: Vec<_> = (0..3)
            .map(|_| asleep(|| assert!(matches!(read(&lock, way), Came::OwnerDied(_)))))
            .collect();
        let next = asleep(|| assert!(matches!(write(&lock, way), Came::OwnerDied(_))));
        writer.kill();
        readers.into_iter().for_each(|reader| reader.join());
        next.join();
    }
}

#[test]
fn a_writer_that_is_killed_while_it_waits_is_not_told() {
    let _watch = watch();
    let (_segment, lock) = sample();
    for _ in 0..5 {
        let reader = lock.read().unwrap();
        let writer = asleep(|| drop(lock.write()));
        let late = asleep(|| assert!(matches!(read(&lock, Way::Wait), Came::Clean(_))));
        writer.kill();
        late.join();
        assert!(matches!(read(&lock, Way::Wait), Came::Clean(_)));
        drop(reader);
        assert!(matches!(write(&lock, Way::Wait), Came::Clean(_)));
    }
}

#[test]
fn a_reader_that_is_killed_while_it_waits_takes_nothing_along() {
    let _watch = watch();
    let (_segment, lock) = sample();
    for _ in 0..10 {
        let guard = lock.write().unwrap();
        let waiters: Vec<_> = (0..3).map(|_| asleep(|| drop(lock.read()))).collect();
        waiters.into_iter().for_each(|waiter| waiter.kill());
        drop(guard);
        assert!(matches!(read(&lock, Way::Wait), Came::Clean(_)));
        assert!(matches!(write(&lock, Way::Wait), Came::Clean(_)));
    }
}

#[test]
fn read_or_repair_repairs_once_and_goes_on_to_read() {
    let _watch = watch();
    let (_segment, lock) = sample();
    holder(|| lock.write().unwrap()).kill();
    let guard = lock.read_or_repair(|pair| *pair = [4, 4]).unwrap();
    assert!(!guard.owner_died() && *guard == [4, 4]);
    assert!(!lock.is_write_locked());
    in_child(|| assert!(lock.read_or_repair(|_| panic!("was repaired")).is_ok()));
    drop(guard);
    holder(|| lock.write().unwrap()).kill();
    drop(lock.write_or_repair(|pair| pair[0] = 5).unwrap());
    assert_eq!(
        lock.read_or_repair(|_| panic!("was repaired")).unwrap()[0],
        5
    );
    poison(&lock);
    holder(|| match lock.write() {
        Err(LockError::Poisoned(guard)) => guard,
        other => panic!("{other:?}"),
    })
    .kill();
    for _ in 0..2 {
        let refused = lock.read_or_repair(|_| panic!("poisoned")).unwrap_err();
        assert!(matches!(refused, LockError::Poisoned(())));
    }
    assert!(!lock.is_locked());
    lock.clear_poison();
    assert_eq!(*lock.read_or_repair(|pair| *pair = [6, 6]).unwrap(), [6, 6]);
}

#[test]
fn many_that_repair_at_once_repair_once() {
    let _watch = watch();
    let (segment, lock) = sample();
    let repairs = segment.create::<Counter>("repairs", 0).unwrap();
    for round in 1..=10 {
        holder(|| lock.write().unwrap()).kill();
        let children: Vec<_> = (0..3)
            .map(|_| {
                child(|| {
                    let repair = |_: &mut [u64; 2]| {
                        repairs.add(1);
                    };
                    drop(lock.read_or_repair(repair).unwrap());
                })
            })
            .collect();
        children.into_iter().for_each(|child| child.join());
        assert_eq!(repairs.load(), round);
    }
}

#[test]
fn what_the_killed_held_is_given_back_by_reaping() {
    let _watch = watch();
    let (segment, lock) = sample();
    holder(|| lock.read().unwrap()).kill();
    assert!(lock.is_locked());
    assert_eq!((segment.reap().freed, segment.reap().stuck), (1, 0));
    assert!(!lock.is_locked());
    assert!(lock.try_write().is_ok());
    holder(|| lock.write().unwrap()).kill();
    assert_eq!(segment.reap().freed, 1);
    assert!(matches!(
        lock.try_read(),
        Err(TryLockError::Lock(LockError::OwnerDied(_)))
    ));
}

#[test]
fn guards_that_were_leaked_are_given_back_when_the_last_handle_is_dropped() {
    let _watch = watch();
    for writes in [false, true] {
        let name = Unique::new();
        let segment = SegmentOptions::new().create_new(&name).unwrap();
        let lock = segment.create::<RwLock<[u64; 2]>>("l", [0; 2]).unwrap();
        drop(lock.read().unwrap());
        let (line, go, end) = (Line::new(), Line::new(), Line::new());
        drop((segment, lock));
        let leaker = child(|| {
            let segment = SegmentOptions::new().open(&name).unwrap();
            let lock = segment.open::<RwLock<[u64; 2]>>("l").unwrap();
            if writes {
                forget(lock.write().unwrap());
            } else {
                forget(lock.read().unwrap());
            }
            line.say(1);
            go.hear();
            drop((segment, lock));
            end.hear();
        });
        line.hear();
        let segment = SegmentOptions::new().open(&name).unwrap();
        let lock = segment.open::<RwLock<[u64; 2]>>("l").unwrap();
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ));
        let waiter = asleep(|| match write(&lock, Way::Wait) {
            Came::OwnerDied(_) => assert!(writes),
            Came::Clean(_) => assert!(!writes),
            other => panic!("{other:?}"),
        });
        go.say(1);
        waiter.join();
        end.say(1);
        leaker.join();
    }
}

#[test]
fn a_monitor_hears_of_the_readers_and_writers_that_are_waited_for() {
    let _watch = watch();
    let (segment, lock) = sample();
    let monitor = Monitor::start().unwrap();
    monitor.watch(&segment).unwrap();
    for _ in 0..5 {
        let reader = holder(|| lock.read().unwrap());
        std::thread::scope(|scope| {
            let waiter =
                scope.spawn(|| drop(lock.write_or_repair(|_| panic!("nobody wrote")).unwrap()));
            while lock.try_read().is_ok() {
                std::thread::yield_now();
            }
            reader.kill();
            waiter.join().unwrap();
        });
    }
}

#[test]
fn a_stopped_reader_blocks_writers_and_no_reader_that_comes_before_one() {
    let _watch = watch();
    let (segment, lock) = sample();
    let reader = holder(|| lock.read().unwrap());
    reader.child.stop();
    for _ in 0..3 {
        drop(lock.read().unwrap());
        in_child(|| drop(lock.read().unwrap()));
        let refused = lock.write_timeout(SHORT);
        assert!(matches!(refused, Err(LockTimeoutError::Timeout { .. })));
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ));
    }
    segment.reap();
    let writer = asleep(|| drop(lock.write().unwrap()));
    // Behind one that waits to write, readers wait too, and no longer than they want.
    let refused = lock.read_timeout(SHORT);
    assert!(matches!(refused, Err(LockTimeoutError::Timeout { .. })));
    assert_eq!(segment.reap().freed, 0);
    reader.child.cont();
    reader.release();
    writer.join();
    assert!(lock.read().is_ok());
}

#[test]
fn a_stopped_writer_is_not_taken_for_dead() {
    let _watch = watch();
    let (segment, lock) = sample();
    drop(lock.read().unwrap());
    let writer = holder(|| lock.write().unwrap());
    writer.child.stop();
    for _ in 0..3 {
        assert!(matches!(
            lock.try_read(),
            Err(TryLockError::WouldBlock { .. })
        ));
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ));
        let refused = lock.read_timeout(SHORT);
        assert!(matches!(refused, Err(LockTimeoutError::Timeout { .. })));
        let refused = lock.write_timeout(SHORT);
        assert!(matches!(refused, Err(LockTimeoutError::Timeout { .. })));
        assert_eq!(segment.reap().freed, 0);
    }
    writer.child.cont();
    writer.release();
    assert!(matches!(read(&lock, Way::Wait), Came::Clean(_)));
}

#[test]
fn a_stopped_reader_that_waits_blocks_nobody() {
    let _watch = watch();
    let (_segment, lock) = sample();
    drop(lock.read().unwrap());
    let guard = lock.write().unwrap();
    let waiter = asleep(|| {
        // By a cell of its own, and then again.
        drop(lock.read().unwrap());
    });
    waiter.stop();
    drop(guard);
    for _ in 0..100 {
        drop(lock.write().unwrap());
        drop(lock.read().unwrap());
    }
    waiter.cont();
    waiter.join();
}

#[test]
fn inherited_guards_are_nobodys() {
    let _watch = watch();
    let (_segment, lock) = sample();
    let mut reading = Some(lock.read().unwrap());
    in_child(|| {
        drop(reading.take());
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ));
        drop(lock.read().unwrap());
    });
    in_child(|| {
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ))
    });
    drop(reading);
    in_child(|| assert!(lock.try_write().is_ok()));
    let mut writing = Some(lock.write().unwrap());
    in_child(|| {
        let mut guard = writing.take().unwrap();
        guard.mark_consistent();
        drop(guard.downgrade());
        assert!(matches!(
            lock.try_read(),
            Err(TryLockError::WouldBlock { .. })
        ));
    });
    assert!(lock.is_write_locked());
    in_child(|| {
        drop(writing.take());
        assert!(matches!(
            lock.try_read(),
            Err(TryLockError::WouldBlock { .. })
        ));
    });
    drop(writing);
    in_child(|| assert!(matches!(read(&lock, Way::Try), Came::Clean(_))));
}

#[test]
fn a_reader_that_was_expelled_is_passed_over_and_leaves_nobodys_cell() {
    let _watch = watch();
    let (segment, lock) = sample();
    let (line, go) = (Line::new(), Line::new());
    let careless = child(|| {
        let guard = lock.read().unwrap();
        lose_membership(&segment);
        line.say(1);
        go.hear();
        drop(guard);
        line.say(1);
        go.hear();
    });
    line.hear();
    assert!(matches!(write(&lock, Way::Wait), Came::Clean(_)));
    assert_eq!(segment.reap().freed, 1);
    // Another process takes its place in the registry, and reads.
    let others: Vec<_> = (0..4).map(|_| holder(|| lock.read().unwrap())).collect();
    go.say(1);
    line.hear();
    assert!(matches!(
        lock.try_write(),
        Err(TryLockError::WouldBlock { .. })
    ));
    assert!(format!("{lock:?}").contains("readers: 4"));
    others.into_iter().for_each(|other| other.release());
    go.say(1);
    careless.join();
}

#[test]
fn a_writer_that_was_expelled_commits_nothing() {
    let _watch = watch();
    let (segment, lock) = sample();
    drop(lock.read().unwrap());
    for downgrades in [false, true] {
        let (line, go) = (Line::new(), Line::new());
        let careless = child(|| {
            let guard = lock.write().unwrap();
            lose_membership(&segment);
            line.say(1);
            go.hear();
            if downgrades {
                drop(guard.downgrade());
            } else {
                drop(guard);
            }
            line.say(1);
            go.hear();
        });
        line.hear();
        let Came::OwnerDied(mut guard) = write(&lock, Way::Wait) else {
            panic!("not told")
        };
        go.say(1);
        line.hear();
        assert!(lock.is_write_locked() && guard.owner_died());
        assert!(matches!(
            lock.try_read(),
            Err(TryLockError::WouldBlock { .. })
        ));
        guard.mark_consistent();
        drop(guard);
        assert!(matches!(read(&lock, Way::Wait), Came::Clean(_)));
        go.say(1);
        careless.join();
    }
}

#[test]
fn one_that_was_expelled_does_not_wait() {
    let _watch = watch();
    let (segment, lock) = sample();
    let writer = holder(|| lock.write().unwrap());
    in_child(|| {
        assert!(lock.try_read().is_err());
        lose_membership(&segment);
        assert!(matches!(
            lock.read(),
            Err(LockError::Fault(Fault::NotMember(_)))
        ));
        let again = lock.read_timeout(SHORT);
        assert!(matches!(again, Err(LockTimeoutError::Timeout { .. })));
    });
    writer.release();
    let reader = holder(|| lock.read().unwrap());
    in_child(|| {
        assert!(lock.try_write().is_err());
        lose_membership(&segment);
        assert!(matches!(
            lock.write(),
            Err(LockError::Fault(Fault::NotMember(_)))
        ));
        assert!(lock.read().is_ok(), "as a new participant");
    });
    reader.release();
    assert!(matches!(write(&lock, Way::Wait), Came::Clean(_)));
}
