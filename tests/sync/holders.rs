//! Which process holds a lock: alive, and killed and not reaped yet.

use crossdock::sync::{Holder, LockError, ReentrantMutex};
use crossdock::{RwLock, Segment, SegmentOptions};

use crate::sample;
use crate::support::process::{Child, holder, in_child};
use crate::support::watch;

fn process(child: &Child) -> Holder {
    Holder::Process { pid: child.pid() }
}

#[test]
fn the_holder_of_a_mutex_is_told_until_the_lock_is_taken_over() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    assert_eq!(mutex.holder(), None);
    let owner = holder(|| mutex.lock().unwrap());
    let expected = Some(process(&owner.child));
    assert_eq!(mutex.holder(), expected);
    in_child(|| assert_eq!(mutex.holder(), expected));
    owner.child.kill_to_zombie();
    assert_eq!(mutex.holder(), expected, "it was not reaped");
    let Err(LockError::OwnerDied(guard)) = mutex.lock() else {
        panic!("its owner died");
    };
    assert_eq!(mutex.holder(), Some(Holder::ThisProcess));
    drop(guard);
    assert_eq!(mutex.holder(), None);
}

#[test]
fn the_holder_of_a_reentrant_mutex_is_told_until_it_is_reaped() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<ReentrantMutex<u64>>("m", 0).unwrap();
    let owner = holder(|| (mutex.lock().unwrap(), mutex.lock().unwrap()));
    let expected = Some(process(&owner.child));
    assert_eq!(mutex.holder(), expected);
    owner.child.kill_to_zombie();
    assert_eq!(mutex.holder(), expected, "it was not reaped");
    assert_eq!(segment.reap().stuck, 0);
    assert_eq!(mutex.holder(), None);
}

#[test]
fn the_writer_of_a_lock_is_told_until_the_lock_is_taken_over() {
    let _watch = watch();
    let segment = SegmentOptions::new().participants(2).anonymous().unwrap();
    let lock = segment.create::<RwLock<u64>>("l", 0).unwrap();
    let other = segment.create::<RwLock<u64>>("o", 0).unwrap();
    assert_eq!((lock.writer(), lock.readers()), (None, Vec::new()));
    let owner = holder(|| lock.write().unwrap());
    let expected = (Some(process(&owner.child)), Vec::new());
    assert_eq!((lock.writer(), lock.readers()), expected);
    owner.child.kill_to_zombie();
    assert_eq!((lock.writer(), lock.readers()), expected);
    assert_eq!(segment.reap().stuck, 0);
    // Its place in the registry is the next one's, which does not write.
    let next = holder(|| other.read().unwrap());
    assert_eq!(other.readers(), [process(&next.child)]);
    assert_eq!(lock.writer(), Some(Holder::Other));
    next.release();
    let Err(LockError::OwnerDied(guard)) = lock.write() else {
        panic!("its writer died");
    };
    assert_eq!(lock.writer(), Some(Holder::ThisProcess));
    drop(guard);
    assert_eq!((lock.writer(), lock.readers()), (None, Vec::new()));
}

#[test]
fn each_process_that_reads_is_told_once() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let lock = segment.create::<RwLock<u64>>("l", 0).unwrap();
    let own = lock.read().unwrap();
    let one = holder(|| [lock.read().unwrap(), lock.read().unwrap()]);
    let two = holder(|| lock.read().unwrap());
    let readers = lock.readers();
    assert_eq!(readers.len(), 3, "{readers:?}");
    for expected in [
        Holder::ThisProcess,
        process(&one.child),
        process(&two.child),
    ] {
        assert!(readers.contains(&expected), "{readers:?}");
    }
    assert_eq!(lock.writer(), None);
    two.child.kill_to_zombie();
    assert!(lock.readers().contains(&process(&two.child)));
    assert_eq!(segment.reap().stuck, 0);
    assert!(!lock.readers().contains(&process(&two.child)));
    one.release();
    drop(own);
    assert_eq!(lock.readers(), []);
}
