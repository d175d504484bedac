//! Every kind of entry as an object of a manager.

use crossdock::array::Init;
use crossdock::queue::{ByteQueue, Channel, Queue, WorkQueue, spsc::Spsc};
use crossdock::segment::IntoConfig;
use crossdock::sync::{
    Barrier, BarrierOptions, Condvar, Event, Mutex, Promise, ReentrantMutex, RwLock, Semaphore,
    SemaphoreOptions,
};
use crossdock::{
    Array, AtomicArray, Counter, Dict, List, Namespace, Placeable, Set, ShardedCounter, Shared,
    Snapshot, SnapshotOptions,
};

use crate::manager;
use crate::support::process::in_child;
use crate::support::watch;

/// Creates an object, uses it in a child, and removes it: all room is there again.
fn comes_and_goes<P: Placeable>(
    config: impl IntoConfig<P::Config>,
    change: impl Fn(&P),
    is_changed: impl Fn(&P) -> bool,
) {
    let manager = manager(1 << 18);
    let all = manager.room().unwrap();
    let object = manager.create::<P>("x", config).unwrap();
    in_child(|| change(&manager.open::<P>("x").unwrap()));
    assert!(is_changed(&object), "{object:?}");
    assert!(manager.remove("x").unwrap());
    drop(object);
    assert_eq!(manager.room().unwrap(), all);
}

#[test]
fn locks() {
    let _watch = watch();
    comes_and_goes::<Mutex<u64>>(
        1_u64,
        |lock| *lock.lock().unwrap() += 1,
        |lock| *lock.lock().unwrap() == 2,
    );
    comes_and_goes::<ReentrantMutex<u64>>(
        1_u64,
        |lock| drop(lock.lock().unwrap()),
        |lock| lock.lock().unwrap().get() == 1,
    );
    comes_and_goes::<RwLock<u64>>(
        1_u64,
        |lock| *lock.write().unwrap() += 1,
        |lock| *lock.read().unwrap() == 2,
    );
    comes_and_goes::<Promise<u64>>(
        (),
        |promise| assert!(promise.set(2).is_ok()),
        |promise| promise.get() == Some(&2),
    );
    comes_and_goes::<Event>(false, |event| assert!(event.set()), Event::is_set);
    comes_and_goes::<Semaphore>(
        SemaphoreOptions::new(1),
        |permits| permits.try_acquire().unwrap().forget(),
        |permits| permits.try_acquire().is_err(),
    );
    comes_and_goes::<Condvar>((), Condvar::notify_all, |_| true);
    comes_and_goes::<Barrier>(BarrierOptions::new(2), |_| (), |_| true);
}

#[test]
fn numbers_and_arrays() {
    let _watch = watch();
    comes_and_goes::<Counter>(
        1_u64,
        |count| assert_eq!(count.add(1), 2),
        |count| count.load() == 2,
    );
    comes_and_goes::<ShardedCounter>((), |count| count.add(2), |count| count.load() == 2);
    comes_and_goes::<AtomicArray<u32>>(
        Init::zeroed(100),
        |numbers| numbers[99].store(2),
        |numbers| numbers[99].load() == 2,
    );
    comes_and_goes::<Array<u64>>(
        Init::zeroed(100),
        |numbers| numbers.write().unwrap()[99] = 2,
        |numbers| numbers.read().unwrap()[99] == 2,
    );
    comes_and_goes::<Snapshot<u64>>(
        SnapshotOptions::new(1),
        |latest| assert!(latest.writer().unwrap().publish(2).is_ok()),
        |latest| latest.reader().unwrap().load().unwrap() == 2,
    );
}

#[test]
fn queues() {
    let _watch = watch();
    comes_and_goes::<Queue<u64>>(
        4,
        |queue| queue.send(2).unwrap(),
        |queue| queue.recv() == Ok(2),
    );
    comes_and_goes::<WorkQueue<u64>>(
        4,
        |queue| queue.send(2).unwrap(),
        |queue| queue.recv().unwrap().ack().is_ok(),
    );
    comes_and_goes::<ByteQueue>(
        4,
        |queue| queue.send(b"two").unwrap(),
        |queue| queue.recv().unwrap().ack().is_ok(),
    );
    comes_and_goes::<Channel<String>>(
        4,
        |queue| queue.send(&"two".to_owned()).unwrap(),
        |queue| queue.recv().unwrap().ack().is_ok(),
    );
    comes_and_goes::<Spsc<u64>>(
        4,
        |ring| ring.producer().unwrap().push(2).unwrap(),
        |ring| ring.consumer().unwrap().pop() == Ok(2),
    );
}

#[test]
fn objects() {
    let _watch = watch();
    comes_and_goes::<Dict<u8, String>>(
        9,
        |dict| assert!(dict.insert(&1, &"b".into()).unwrap()),
        |dict| dict.get(&1) == Ok(Some("b".into())),
    );
    comes_and_goes::<List<String>>(
        9,
        |list| list.push(&"b".into()).unwrap(),
        |list| list.get(0) == Ok(Some("b".into())),
    );
    comes_and_goes::<Set<String>>(
        9,
        |set| assert!(set.insert(&"b".into()).unwrap()),
        |set| set.contains("b") == Ok(true),
    );
    comes_and_goes::<Namespace>(
        9,
        |names| names.set("a", &1_u8).unwrap(),
        |names| names.get::<u8>("a") == Ok(Some(1)),
    );
    comes_and_goes::<Shared<String>>(
        "a".to_owned(),
        |value| assert_eq!(value.store(&"b".into()), Ok(1)),
        |value| value.load() == Ok("b".into()),
    );
}

#[test]
fn a_later_lock_at_the_same_place_is_another_one() {
    let _watch = watch();
    let manager = manager(1 << 12);
    for _ in 0..5 {
        let lock = manager.create::<ReentrantMutex<u64>>("x", 0).unwrap();
        let guard = lock.lock().unwrap();
        // Never given back: the process still has it, in its private words.
        std::mem::forget(guard);
        manager.remove("x").unwrap();
        drop(lock);
    }
    let lock = manager.create::<ReentrantMutex<u64>>("x", 0).unwrap();
    in_child(|| {
        assert!(
            manager
                .open::<ReentrantMutex<u64>>("x")
                .unwrap()
                .try_lock()
                .is_ok()
        )
    });
    drop(lock.lock().unwrap());
    in_child(|| {
        assert!(
            manager
                .open::<ReentrantMutex<u64>>("x")
                .unwrap()
                .try_lock()
                .is_ok()
        )
    });
}
