//! Locks of readers and writers between processes that live.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossdock::sync::{
    LockError, LockTimeoutError, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use crossdock::{Counter, RwLock, Segment};

use crate::support::PATIENCE;
use crate::support::process::{Line, asleep, child, holder, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

/// A segment with one lock, over two numbers that are equal while nobody writes.
pub(crate) fn sample() -> (Segment, RwLock<[u64; 2]>) {
    let segment = Segment::anonymous().unwrap();
    let lock = segment.create::<RwLock<[u64; 2]>>("l", [0, 0]).unwrap();
    (segment, lock)
}

/// What an attempt came to, whichever it was.
#[derive(Debug)]
pub(crate) enum Came<G> {
    Clean(G),
    OwnerDied(G),
    Poisoned(G),
    Busy,
    Refused(String),
}

/// The ways to lock that give a guard, under one name each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Wait,
    Try,
    Timed,
    Deadline,
}

pub(crate) const WAYS: [Way; 4] = [Way::Wait, Way::Try, Way::Timed, Way::Deadline];
pub(crate) type Read<'a> = RwLockReadGuard<'a, [u64; 2]>;
pub(crate) type Write<'a> = RwLockWriteGuard<'a, [u64; 2]>;

fn waited<G>(result: Result<G, LockError<G>>) -> Came<G> {
    match result {
        Ok(guard) => Came::Clean(guard),
        Err(LockError::OwnerDied(guard)) => Came::OwnerDied(guard),
        Err(LockError::Poisoned(guard)) => Came::Poisoned(guard),
        Err(error) => Came::Refused(error.to_string()),
    }
}

fn tried<G>(result: Result<G, TryLockError<G>>) -> Came<G> {
    match result {
        Ok(guard) => Came::Clean(guard),
        Err(TryLockError::Lock(LockError::OwnerDied(guard))) => Came::OwnerDied(guard),
        Err(TryLockError::Lock(LockError::Poisoned(guard))) => Came::Poisoned(guard),
        Err(TryLockError::WouldBlock { .. }) => Came::Busy,
        Err(error) => Came::Refused(error.to_string()),
    }
}

fn timed<G>(result: Result<G, LockTimeoutError<G>>) -> Came<G> {
    match result {
        Ok(guard) => Came::Clean(guard),
        Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Came::OwnerDied(guard),
        Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => Came::Poisoned(guard),
        Err(LockTimeoutError::Timeout { .. }) => Came::Busy,
        Err(error) => Came::Refused(error.to_string()),
    }
}

/// Reads in one of the ways. Waits for `patience`, where there is an end.
pub(crate) fn read_for(lock: &RwLock<[u64; 2]>, way: Way, patience: Duration) -> Came<Read<'_>> {
    match way {
        Way::Wait => waited(lock.read()),
        Way::Try => tried(lock.try_read()),
        Way::Timed => timed(lock.read_timeout(patience)),
        Way::Deadline => timed(lock.read_timeout(Instant::now() + patience)),
    }
}

/// Writes in one of the ways. Waits for `patience`, where there is an end.
pub(crate) fn write_for(lock: &RwLock<[u64; 2]>, way: Way, patience: Duration) -> Came<Write<'_>> {
    match way {
        Way::Wait => waited(lock.write()),
        Way::Try => tried(lock.try_write()),
        Way::Timed => timed(lock.write_timeout(patience)),
        Way::Deadline => timed(lock.write_timeout(Instant::now() + patience)),
    }
}

pub(crate) fn read(lock: &RwLock<[u64; 2]>, way: Way) -> Came<Read<'_>> {
    read_for(lock, way, PATIENCE)
}

pub(crate) fn write(lock: &RwLock<[u64; 2]>, way: Way) -> Came<Write<'_>> {
    write_for(lock, way, PATIENCE)
}

/// Panics while it writes, without a word on standard error.
pub(crate) fn poison(lock: &RwLock<[u64; 2]>) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = match write(lock, Way::Wait) {
            Came::Clean(guard) | Came::OwnerDied(guard) | Came::Poisoned(guard) => guard,
            other => panic!("{other:?}"),
        };
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
}

#[test]
fn readers_of_several_processes_read_at_once_and_nobody_writes() {
    let _watch = watch();
    let (_segment, lock) = sample();
    let others = [
        holder(|| lock.read().unwrap()),
        holder(|| lock.read().unwrap()),
    ];
    for way in WAYS {
        assert!(matches!(read(&lock, way), Came::Clean(_)), "{way:?}");
        if way != Way::Wait {
            assert!(
                matches!(write_for(&lock, way, SHORT), Came::Busy),
                "{way:?}"
            );
        }
        assert!(matches!(read(&lock, way), Came::Clean(_)), "{way:?}");
    }
    assert!(lock.is_locked() && !lock.is_write_locked());
    others.into_iter().for_each(|other| other.release());
    for way in WAYS {
        assert!(matches!(write(&lock, way), Came::Clean(_)), "{way:?}");
    }
    assert!(!lock.is_locked());
}

#[test]
fn a_writer_is_alone() {
    let _watch = watch();
    let (_segment, lock) = sample();
    drop(lock.read().unwrap());
    let writer = holder(|| lock.write().unwrap());
    assert!(lock.is_locked() && lock.is_write_locked());
    for way in WAYS.into_iter().filter(|way| *way != Way::Wait) {
        let begin = Instant::now();
        assert!(matches!(read_for(&lock, way, SHORT), Came::Busy), "{way:?}");
        assert!(
            matches!(write_for(&lock, way, SHORT), Came::Busy),
            "{way:?}"
        );
        assert!(way == Way::Try || begin.elapsed() >= 2 * SHORT);
    }
    writer.release();
    for way in WAYS {
        assert!(matches!(read(&lock, way), Came::Clean(_)), "{way:?}");
    }
}

#[test]
fn who_waits_gets_the_lock_when_it_is_left() {
    let _watch = watch();
    let (_segment, lock) = sample();
    for way in WAYS.into_iter().filter(|way| *way != Way::Try) {
        let owner = holder(|| lock.write().unwrap());
        let readers: Vec<_> = (0..2)
            .map(|_| asleep(|| assert!(matches!(read(&lock, way), Came::Clean(_)))))
            .collect();
        let writer = asleep(|| assert!(matches!(write(&lock, way), Came::Clean(_))));
        owner.release();
        readers.into_iter().for_each(|reader| reader.join());
        writer.join();
        let reader = holder(|| lock.read().unwrap());
        let writer = asleep(|| assert!(matches!(write(&lock, way), Came::Clean(_))));
        reader.release();
        writer.join();
    }
}

#[test]
fn increments_of_many_processes_are_all_there_and_no_reader_sees_half_of_one() {
    let _watch = watch();
    const EACH: u64 = 3000;
    let (_segment, lock) = sample();
    let writers: Vec<_> = (0..2)
        .map(|_| {
            child(|| {
                for _ in 0..EACH {
                    let mut pair = lock.write().unwrap();
                    pair[0] += 1;
                    pair[1] += 1;
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            child(|| {
                let mut last = 0;
                while last < 2 * EACH {
                    let pair = lock.read().unwrap();
                    assert_eq!(pair[0], pair[1], "half a write");
                    assert!(pair[0] >= last, "the past");
                    last = pair[0];
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|child| child.join());
    readers.into_iter().for_each(|child| child.join());
    assert_eq!(*lock.read().unwrap(), [2 * EACH; 2]);
}

#[test]
fn threads_and_processes_in_every_way_exclude_each_other() {
    let _watch = watch();
    const EACH: u64 = 200;
    let (_segment, lock) = sample();
    let work = || {
        std::thread::scope(|scope| {
            for way in WAYS {
                let lock = &lock;
                scope.spawn(move || {
                    let mut left = EACH;
                    while left > 0 {
                        match write(lock, way) {
                            Came::Clean(mut guard) => {
                                guard[0] += 1;
                                guard[1] += 1;
                                left -= 1;
                            }
                            Came::Busy if way == Way::Try => std::thread::yield_now(),
                            other => panic!("{other:?}"),
                        }
                        match read(lock, way) {
                            Came::Clean(guard) => assert_eq!(guard[0], guard[1]),
                            Came::Busy if way == Way::Try => {}
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
    };
    let children = [child(work), child(work)];
    work();
    children.into_iter().for_each(|child| child.join());
    assert_eq!(*lock.read().unwrap(), [3 * 4 * EACH; 2]);
}

#[test]
fn a_stream_of_readers_does_not_starve_a_writer() {
    let _watch = watch();
    let (_segment, lock) = sample();
    // Of the readers of each process there is always one inside, but for the writer.
    let stream = || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let guard = lock.read().unwrap();
                        if guard[0] >= 50 {
                            break;
                        }
                        let begin = Instant::now();
                        while begin.elapsed() < Duration::from_micros(200) {
                            std::hint::spin_loop();
                        }
                    }
                });
            }
        });
    };
    let readers = [child(stream), child(stream)];
    for _ in 0..50 {
        lock.write().unwrap()[0] += 1;
    }
    readers.into_iter().for_each(|reader| reader.join());
}

#[test]
fn a_reader_that_comes_after_a_writer_that_waits_reads_what_it_wrote() {
    let _watch = watch();
    let (_segment, lock) = sample();
    for round in 1..=20 {
        let first = lock.read().unwrap();
        let writer = asleep(|| lock.write().unwrap()[0] = round);
        let late = asleep(|| assert_eq!(lock.read().unwrap()[0], round));
        // Nobody new comes in while one waits to write, also of this process.
        assert!(matches!(
            lock.try_read(),
            Err(TryLockError::WouldBlock { .. })
        ));
        drop(first);
        writer.join();
        late.join();
    }
}

#[test]
fn nobody_writes_while_a_writer_goes_on_to_read_and_others_read_beside_it() {
    let _watch = watch();
    let (_segment, lock) = sample();
    for round in 1..=50 {
        let mut guard = lock.write().unwrap();
        let writer = asleep(|| {
            let mut guard = lock.write().unwrap();
            guard[0] += 100;
        });
        guard[0] = round;
        let guard = guard.downgrade();
        assert!(!lock.is_write_locked());
        assert_eq!(guard[0], round, "somebody wrote in between");
        drop(guard);
        writer.join();
    }
    let guard = lock.write().unwrap().downgrade();
    let before = *guard;
    in_child(|| assert_eq!(*lock.read().unwrap(), before));
    in_child(|| {
        assert!(matches!(
            lock.try_write(),
            Err(TryLockError::WouldBlock { .. })
        ))
    });
    drop(guard);
}

#[test]
fn a_writer_that_gives_up_lets_readers_in_again() {
    let _watch = watch();
    let (_segment, lock) = sample();
    drop(lock.read().unwrap());
    let reader = holder(|| lock.read().unwrap());
    for _ in 0..3 {
        let late = child(|| {
            for _ in 0..100 {
                drop(lock.read().unwrap());
            }
        });
        assert!(matches!(
            lock.write_timeout(SHORT),
            Err(LockTimeoutError::Timeout { .. })
        ));
        assert!(lock.try_read().is_ok());
        late.join();
    }
    reader.release();
}

#[test]
fn a_timeout_of_nothing_and_a_deadline_in_the_past_try_once() {
    let _watch = watch();
    let (_segment, lock) = sample();
    let past = Instant::now();
    assert!(lock.read_timeout(Duration::ZERO).is_ok());
    assert!(lock.read_timeout(past).is_ok());
    assert!(lock.write_timeout(Duration::ZERO).is_ok());
    assert!(lock.write_timeout(past).is_ok());
    let writer = holder(|| lock.write().unwrap());
    let timed_out = lock.read_timeout(past);
    assert!(matches!(timed_out, Err(LockTimeoutError::Timeout { .. })));
    let timed_out = lock.write_timeout(Duration::ZERO);
    assert!(matches!(timed_out, Err(LockTimeoutError::Timeout { .. })));
    writer.kill();
    let died = lock.read_timeout(Duration::ZERO);
    assert!(matches!(
        died,
        Err(LockTimeoutError::Lock(LockError::OwnerDied(_)))
    ));
}

#[test]
fn a_panic_of_a_writer_poisons_and_is_told_in_every_way_until_it_is_cleared() {
    let (_segment, lock) = sample();
    drop(lock.read().unwrap());
    poison(&lock);
    assert!(lock.is_poisoned());
    for way in [WAYS, WAYS].concat() {
        let Came::Poisoned(guard) = read(&lock, way) else {
            panic!("{way:?}")
        };
        assert!(guard.is_poisoned() && !guard.owner_died());
        drop(guard);
        let Came::Poisoned(guard) = write(&lock, way) else {
            panic!("{way:?}")
        };
        assert!(guard.is_poisoned() && !guard.owner_died());
        assert!(guard.downgrade().is_poisoned());
    }
    let refused = lock.read_or_repair(|_| panic!("nobody died")).unwrap_err();
    assert!(matches!(refused, LockError::Poisoned(())));
    let refused = lock.write_or_repair(|_| panic!("nobody died")).unwrap_err();
    assert!(matches!(refused, LockError::Poisoned(())));
    let Came::Poisoned(guard) = read(&lock, Way::Wait) else {
        panic!("not told")
    };
    lock.clear_poison();
    assert!(!guard.is_poisoned() && !lock.is_poisoned());
    drop(guard);
    for way in WAYS {
        assert!(matches!(read(&lock, way), Came::Clean(_)), "{way:?}");
        assert!(matches!(write(&lock, way), Came::Clean(_)), "{way:?}");
    }
}

#[test]
fn a_panic_of_a_reader_poisons_nothing() {
    let (_segment, lock) = sample();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = lock.read().unwrap();
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err() && !lock.is_poisoned() && !lock.is_locked());
    assert!(lock.write().is_ok());
}

#[test]
fn poison_that_is_cleared_while_somebody_writes_stays_cleared() {
    let (_segment, lock) = sample();
    poison(&lock);
    let Came::Poisoned(guard) = write(&lock, Way::Wait) else {
        panic!("not told")
    };
    lock.clear_poison();
    assert!(!guard.is_poisoned());
    drop(guard);
    assert!(matches!(read(&lock, Way::Wait), Came::Clean(_)));
}

#[test]
fn no_more_readers_of_a_process_are_let_in_than_can_be_counted() {
    let (_segment, lock) = sample();
    let guards: Vec<_> = (0..1023).map(|_| lock.read().unwrap()).collect();
    let text = "1023 threads of this process read already, and no more can be counted";
    for way in WAYS {
        let Came::Refused(said) = read(&lock, way) else {
            panic!("{way:?}")
        };
        assert_eq!(said, text);
    }
    let refused = lock.read_or_repair(|_| ()).unwrap_err();
    assert!(matches!(
        refused,
        LockError::TooManyReaders { most: 1023, .. }
    ));
    in_child(|| assert!(lock.read().is_ok(), "another process is counted by itself"));
    drop(guards);
    assert!(!lock.is_locked() && lock.read().is_ok());
}

#[test]
fn nobody_reads_or_writes_beside_a_writer() {
    let _watch = watch();
    let (segment, lock) = sample();
    let writers = segment.create::<Counter>("writers", 0).unwrap();
    let readers = segment.create::<Counter>("readers", 0).unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| {
            child(|| {
                for _ in 0..2000 {
                    let guard = lock.write().unwrap();
                    assert_eq!((writers.add(1), readers.load()), (1, 0));
                    writers.sub(1);
                    let guard = guard.downgrade();
                    readers.add(1);
                    assert_eq!(writers.load(), 0);
                    readers.sub(1);
                    drop(guard);
                    let guard = lock.read().unwrap();
                    readers.add(1);
                    assert_eq!(writers.load(), 0);
                    readers.sub(1);
                    drop(guard);
                }
            })
        })
        .collect();
    children.into_iter().for_each(|child| child.join());
}

#[test]
fn a_process_that_comes_for_the_first_time_is_seen_by_a_writer() {
    let _watch = watch();
    let (_segment, lock) = sample();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut guard = lock.write().unwrap();
                guard[0] += 1;
                guard[1] += 1;
            }
        });
        for _ in 0..100 {
            in_child(|| {
                let guard = lock.read().unwrap();
                assert_eq!(guard[0], guard[1], "half a write");
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_is_shown_of_a_lock_never_waits() {
    let (_segment, lock) = sample();
    let free = "RwLock { write_locked: false, readers: 0, owner_died: false, poisoned: false, .. }";
    assert_eq!(format!("{lock:?}"), free);
    let reading = [lock.read().unwrap(), lock.read().unwrap()];
    assert_eq!(format!("{lock:?}"), free.replace('0', "2"));
    assert_eq!(format!("{:?}", reading[0]), "[0, 0]");
    drop(reading);
    let writing = lock.write().unwrap();
    let written = free.replacen("false", "true", 1);
    assert_eq!(format!("{lock:?}"), written);
    drop(writing);
    holder(|| lock.write().unwrap()).kill();
    let error = lock.read().unwrap_err();
    assert_eq!(format!("{error:?}"), "OwnerDied(..)");
}

#[test]
fn a_reader_that_sleeps_is_woken_by_a_process_that_never_read() {
    let _watch = watch();
    let (_segment, lock) = sample();
    drop(lock.read().unwrap());
    let (line, go) = (Line::new(), Line::new());
    let writer = child(|| {
        let mut guard = lock.write().unwrap();
        line.say(1);
        go.hear();
        guard[0] = 1;
    });
    line.hear();
    let readers: Vec<_> = (0..2)
        .map(|_| asleep(|| assert_eq!(lock.read().unwrap()[0], 1)))
        .collect();
    go.say(1);
    assert_eq!(lock.read().unwrap()[0], 1);
    readers.into_iter().for_each(|reader| reader.join());
    writer.join();
}
