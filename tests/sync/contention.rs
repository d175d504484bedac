//! Many at once.

use crossdock::sync::LockError;
use crossdock::{Counter, Fault, Mutex, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{Line, at_once, child, holder, in_child};
use crate::support::watch;
use crate::{WAYS, Way, lock, sample};

#[test]
fn increments_of_many_processes_are_all_there() {
    let _watch = watch();
    const PROCESSES: u64 = 4;
    const EACH: u64 = 100_000;
    let (_segment, mutex) = sample();
    at_once(0..PROCESSES, |_| {
        for _ in 0..EACH {
            *mutex.lock().unwrap() += 1;
        }
    });
    assert_eq!(*mutex.lock().unwrap(), PROCESSES * EACH);
}

#[test]
fn increments_of_many_threads_and_processes_are_all_there() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let work = || {
        std::thread::scope(|scope| {
            for way in WAYS {
                let mutex = &mutex;
                scope.spawn(move || {
                    let mut left = 2000;
                    while left > 0 {
                        match lock(mutex, way) {
                            crate::Came::Clean(mut guard) => {
                                *guard += 1;
                                left -= 1;
                            }
                            crate::Came::Busy if way == Way::Try => std::thread::yield_now(),
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
    assert_eq!(*mutex.lock().unwrap(), 3 * 4 * 2000);
}

#[test]
fn nobody_is_in_a_critical_section_with_another() {
    let _watch = watch();
    let (segment, _mutex) = sample();
    let raw = segment.create::<Mutex<()>>("raw", ()).unwrap();
    let inside = segment.create::<Counter>("inside", 0).unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| {
            child(|| {
                for _ in 0..20_000 {
                    let _guard = raw.lock().unwrap();
                    assert_eq!(inside.add(1), 1);
                    assert_eq!(inside.sub(1), 0);
                }
            })
        })
        .collect();
    children.into_iter().for_each(|child| child.join());
}

#[test]
fn a_waiter_gets_the_lock_when_the_owner_unlocks() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    for way in WAYS.into_iter().filter(|way| *way != Way::Try) {
        let holder = holder(|| mutex.lock().unwrap());
        let line = Line::new();
        let waiter = child(|| {
            line.say(1);
            assert!(matches!(lock(&mutex, way), crate::Came::Clean(_)));
        });
        line.hear();
        holder.release();
        waiter.join();
    }
}

#[test]
fn handing_over_between_two_processes_never_stops() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let turns = 2000;
    let play = |parity: u64| {
        loop {
            let mut turn = mutex.lock().unwrap();
            if *turn >= turns {
                break;
            }
            if *turn % 2 == parity {
                *turn += 1;
            } else {
                drop(turn);
                std::thread::yield_now();
            }
        }
    };
    let other = child(|| play(1));
    play(0);
    other.join();
    assert_eq!(*mutex.lock().unwrap(), turns);
}

#[test]
fn programs_that_share_only_a_name_share_the_lock() {
    let _watch = watch();
    let name = Unique::new();
    let work = || {
        let options = SegmentOptions::new().size(1 << 16);
        let segment = options.open_or_create(&name).unwrap();
        let mutex = segment.open_or_create::<Mutex<u64>>("m", 0).unwrap();
        for _ in 0..1000 {
            *mutex.lock_or_repair(|_| panic!("nobody dies")).unwrap() += 1;
        }
    };
    let children: Vec<_> = (0..4).map(|_| child(work)).collect();
    children.into_iter().for_each(|child| child.join());
    let segment = SegmentOptions::new().open(&name).unwrap();
    let mutex = segment.open::<Mutex<u64>>("m").unwrap();
    assert_eq!(*mutex.lock().unwrap(), 4000);
}

#[test]
fn several_locks_can_be_held_at_once() {
    let (segment, first) = sample();
    let second = segment.create::<Mutex<u64>>("second", 0).unwrap();
    let one = first.lock().unwrap();
    let two = second.lock().unwrap();
    in_child(|| assert!(first.try_lock().is_err() && second.try_lock().is_err()));
    drop(one);
    in_child(|| assert!(first.try_lock().is_ok() && second.try_lock().is_err()));
    drop(two);
}

#[test]
fn a_word_that_is_no_lock_is_an_error_in_every_way() {
    use crate::support::image::Window;
    use std::sync::atomic::Ordering;
    let (segment, mutex) = sample();
    let place = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    let window = Window::of(&segment);
    // An index beyond the registry, then a generation of 0, each under every flag.
    for tag in [1 << 10 | 128, 5 << 10 | 1023, 3] {
        for flags in 0..8 {
            let word = flags << 29 | tag;
            window.word(place).store(word, Ordering::Relaxed);
            let text = format!("expected the state of a Mutex, found {word:#x}");
            for way in WAYS {
                let crate::Came::Refused(said) = lock(&mutex, way) else {
                    panic!("{way:?}: {word:#x}")
                };
                assert_eq!(said, text);
            }
            let error = mutex.lock_or_repair(|_| panic!("no lock")).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert!(matches!(
                mutex.lock(),
                Err(LockError::Fault(Fault::Corrupt { word: found, .. })) if found == u64::from(word)
            ));
            assert_eq!(window.word(place).load(Ordering::Relaxed), word);
        }
    }
}
