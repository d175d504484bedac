//! The bytes of a condition variable.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossdock::Mutex;
use crossdock::sync::Condvar;

use crate::support::image::{Window, u64_at};
use crate::support::process::asleep;
use crate::{ARENA, bytes, recorded, segment, support};

#[test]
fn a_condition_variable_counts_its_notifications_and_names_its_mutex() {
    assert_eq!(recorded::<Condvar>(()), (16, 128, 0, 1));
    let segment = segment();
    let condvar = segment.create::<Condvar>("c", ()).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let word = |at| u64_at(&bytes(&segment), ARENA + at);
    assert_eq!((word(0), word(8)), (0, 0));
    condvar.notify_one();
    condvar.notify_all();
    assert_eq!((word(0), word(8)), (2, 0));
    let soon = Duration::ZERO;
    drop(condvar.wait_timeout(mutex.lock().unwrap(), soon).unwrap());
    let offset = segment.entries().unwrap()[1].offset;
    assert_eq!((word(0), word(8)), (2, offset));
    let bytes = bytes(&segment);
    assert!((ARENA + 20..ARENA + 128).all(|at| bytes[at] == 0));
}

#[test]
fn a_waiter_that_sleeps_shows_behind_the_words() {
    let _watch = support::watch();
    let segment = segment();
    let condvar = segment.create::<Condvar>("c", ()).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let window = Window::of(&segment);
    let sleeps = || window.word(ARENA + 16).load(Ordering::Relaxed) & 1 == 1;
    let waiter = asleep(|| {
        let guard = mutex.lock().unwrap();
        drop(condvar.wait_while(guard, |ready| *ready == 0).unwrap());
    });
    assert!(sleeps());
    *mutex.lock().unwrap() = 1;
    condvar.notify_all();
    waiter.join();
    assert!(!sleeps());
}
