//! What is counted: a function for each path, which runs its operation once.
//!
//! They are called, never inlined, so that their symbols are where counting begins and ends. What
//! the compiler inlines into them is what it inlines into a user's function.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crossdock::array::Init;
use crossdock::object::ObjectOptions;
use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::queue::{Queue, WorkQueue};
use crossdock::snapshot::{Reader, Writer};
use crossdock::sync::{Barrier, Condvar, Event, Promise, ReentrantMutex, Semaphore};
use crossdock::{
    AtomicArray, Counter, Dict, Error, List, Mutex, RwLock, Segment, SegmentOptions,
    ShardedCounter, Shared, Snapshot,
};

/// Runs an operation; whether it did what the path is named for.
pub(crate) type Operation = fn(&World) -> bool;

/// The places for participants, which is how many cells a [`ShardedCounter`] has.
const PARTICIPANTS: u32 = 128;
/// A key.
const PAGE: &str = "/pages/index.htm";
/// How long arrays are, and what they are held to: the paths that end with it are as long.
const LEN: usize = 1024;

/// What the operations work on.
pub(crate) struct World {
    segment: Segment,
    mutex: Mutex<u64>,
    held: Mutex<u64>,
    raw: Mutex<()>,
    reentrant: ReentrantMutex<u64>,
    semaphore: Semaphore,
    event: Event,
    promise: Promise<u64>,
    rwlock: RwLock<u64>,
    condvar: Condvar,
    /// Of one party, which is all of them.
    barrier: Barrier,
    counter: Counter,
    sharded: ShardedCounter,
    array: AtomicArray<u64>,
    floats: AtomicArray<f64>,
    /// Where many elements are copied to and from.
    values: RefCell<Vec<u64>>,
    /// What std has.
    plain: Box<[AtomicU64]>,
    ring: RefCell<(Producer<u64>, Consumer<u64>)>,
    queue: Queue<u64>,
    work: WorkQueue<u64>,
    /// Of as many seats as there are unless something else is asked for.
    snapshot: RefCell<(Writer<u64>, Reader<u64>)>,
    /// With the keys 0 to 63.
    dict: Dict<u64, u64>,
    /// With the key `PAGE` and a value of 100 bytes.
    pages: Dict<String, String>,
    list: List<u64>,
    shared: Shared<u64>,
    encoded: RefCell<Vec<u8>>,
}

impl World {
    /// A segment of this process's own, with an entry of each kind, one of them locked.
    pub(crate) fn new() -> Result<Self, Error> {
        let segment = SegmentOptions::new()
            .participants(PARTICIPANTS)
            .anonymous()?;
        let held = segment.create::<Mutex<u64>>("held", 0)?;
        std::mem::forget(held.lock());
        let ring = segment.create::<Spsc<u64>>("ring", 64)?;
        Ok(Self {
            mutex: segment.create("mutex", 0)?,
            held,
            raw: segment.create("raw", ())?,
            counter: segment.create("counter", 0)?,
            sharded: segment.create("sharded", ())?,
            array: segment.create("array", Init::zeroed(LEN))?,
            floats: segment.create("floats", Init::zeroed(LEN))?,
            values: RefCell::new(vec![1; LEN]),
            plain: (0..LEN).map(|_| AtomicU64::new(1)).collect(),
            ring: RefCell::new((ring.producer()?, ring.consumer()?)),
            queue: segment.create("queue", 64)?,
            work: segment.create("work", 64)?,
            // Behind `counter`, which is opened by its name: the figure of that is older than
            // these.
            snapshot: {
                let snapshot = segment.create::<Snapshot<u64>>("snapshot", 0)?;
                RefCell::new((snapshot.writer()?, snapshot.reader()?))
            },
            rwlock: segment.create("rwlock", 0)?,
            reentrant: segment.create("reentrant", 0)?,
            semaphore: segment.create("semaphore", 4)?,
            event: segment.create("event", false)?,
            promise: {
                let promise = segment.create::<Promise<u64>>("promise", ())?;
                promise.set(7)?;
                promise
            },
            condvar: segment.create("condvar", ())?,
            barrier: segment.create("barrier", 1)?,
            dict: {
                let dict = segment.create::<Dict<u64, u64>>("dict", 128)?;
                (0..64).try_for_each(|key| dict.insert(&key, &key).map(drop))?;
                dict
            },
            pages: {
                let pages = segment
                    .create::<Dict<_, _>>("pages", ObjectOptions::new(16).bytes_each(128))?;
                pages.insert(&PAGE.to_owned(), &"x".repeat(100))?;
                pages
            },
            list: segment.create("list", 16)?,
            shared: segment.create("shared", 7)?,
            encoded: RefCell::default(),
            segment,
        })
    }
}

/// Defines the functions, and the table of them.
macro_rules! paths {
    ($(fn $name:ident($world:ident) $body:block)+) => {
        $(
            #[inline(never)]
            fn $name($world: &World) -> bool $body
        )+

        /// The paths, by the names of their functions.
        pub(crate) const PATHS: &[(&str, Operation)] = &[$((stringify!($name), $name)),+];
    };
}

paths! {
    fn mutex_lock_unlock(world) {
        let Ok(mut data) = world.mutex.lock() else {
            return false;
        };
        *data += 1;
        true
    }

    fn mutex_lock_or_repair_unlock(world) {
        let Ok(mut data) = world.mutex.lock_or_repair(|data| *data = 0) else {
            return false;
        };
        *data += 1;
        true
    }

    fn mutex_try_lock_unlock(world) {
        let Ok(mut data) = world.mutex.try_lock() else {
            return false;
        };
        *data += 1;
        true
    }

    fn mutex_try_lock_refused(world) {
        world.held.try_lock().is_err()
    }

    fn raw_mutex_lock_unlock(world) {
        world.raw.lock().is_ok()
    }

    fn reentrant_mutex_lock_unlock(world) {
        world.reentrant.lock().is_ok_and(|data| data.replace(1) < 2)
    }

    fn reentrant_mutex_lock_again_unlock(world) {
        let (outer, inner) = (world.reentrant.lock(), world.reentrant.lock());
        outer.is_ok() && inner.is_ok()
    }

    fn semaphore_acquire_release(world) {
        world.semaphore.acquire().is_ok()
    }

    fn event_set(world) {
        world.event.set();
        true
    }

    fn promise_get(world) {
        world.promise.get() == Some(&7)
    }

    fn rwlock_read_unlock(world) {
        world.rwlock.read().is_ok_and(|data| black_box(*data) == 0)
    }

    fn rwlock_read_or_repair_unlock(world) {
        let data = world.rwlock.read_or_repair(|data| *data = 0);
        data.is_ok_and(|data| black_box(*data) == 0)
    }

    fn rwlock_write_unlock(world) {
        let Ok(mut data) = world.rwlock.write() else {
            return false;
        };
        *data += 1;
        true
    }

    fn condvar_notify_one(world) {
        world.condvar.notify_one();
        true
    }

    fn condvar_notify_all(world) {
        world.condvar.notify_all();
        true
    }

    fn barrier_wait_of_the_last(world) {
        world.barrier.wait().is_ok_and(|result| result.is_leader())
    }

    fn counter_add(world) {
        world.counter.add(1) != u64::MAX
    }

    fn counter_add_and_notify(world) {
        world.counter.add_and_notify(1) != u64::MAX
    }

    fn counter_get(world) {
        world.counter.load() != u64::MAX
    }

    fn sharded_counter_add(world) {
        world.sharded.add(1);
        true
    }

    fn sharded_counter_get(world) {
        world.sharded.load() != u64::MAX
    }

    fn atomic_array_load(world) {
        world.array[7].load() != u64::MAX
    }

    fn atomic_array_fetch_add(world) {
        world.array[7].fetch_add(1) != u64::MAX
    }

    fn atomic_array_fetch_add_float(world) {
        world.floats[7].fetch_add(1.0) >= 0.0
    }

    fn atomic_array_load_slice_1024(world) {
        world.array.load_slice(0, &mut world.values.borrow_mut());
        true
    }

    fn atomic_array_store_slice_1024(world) {
        world.array.store_slice(0, &world.values.borrow());
        true
    }

    fn atomic_array_fill_1024(world) {
        world.array.fill(black_box(1));
        true
    }

    fn atomic_array_sum_1024(world) {
        world.array.values().fold(0, u64::wrapping_add) != u64::MAX
    }

    fn yardstick_relaxed_load_1024(world) {
        let mut values = world.values.borrow_mut();
        for (value, atomic) in values[..LEN].iter_mut().zip(&world.plain) {
            *value = atomic.load(Ordering::Relaxed);
        }
        true
    }

    fn yardstick_relaxed_store_1024(world) {
        for (atomic, value) in world.plain.iter().zip(&world.values.borrow()[..LEN]) {
            atomic.store(*value, Ordering::Relaxed);
        }
        true
    }

    fn yardstick_relaxed_fill_1024(world) {
        let value = black_box(1);
        for atomic in &world.plain {
            atomic.store(value, Ordering::Relaxed);
        }
        true
    }

    fn yardstick_relaxed_sum_1024(world) {
        let values = world.plain.iter().map(|atomic| atomic.load(Ordering::Relaxed));
        values.fold(0, u64::wrapping_add) != u64::MAX
    }

    fn spsc_try_push_try_pop(world) {
        let mut ring = world.ring.borrow_mut();
        ring.0.try_push(1).is_ok() && ring.1.try_pop() == Ok(1)
    }

    fn queue_try_send_try_recv(world) {
        world.queue.try_send(1).is_ok() && world.queue.try_recv().is_ok_and(|item| item == 1)
    }

    fn work_try_send_try_recv_ack(world) {
        let received = || {
            let delivery = world.work.try_recv().ok()?;
            (*delivery == 1 && delivery.ack().is_ok()).then_some(())
        };
        world.work.try_send(1).is_ok() && received().is_some()
    }

    fn snapshot_publish(world) {
        world.snapshot.borrow_mut().0.publish(1).is_ok()
    }

    fn snapshot_publish_read(world) {
        let mut snapshot = world.snapshot.borrow_mut();
        snapshot.0.publish(1).is_ok() && snapshot.1.read().is_ok_and(|value| *value == 1)
    }

    fn snapshot_read_again(world) {
        world.snapshot.borrow_mut().1.read().is_ok()
    }

    fn dict_get(world) {
        world.dict.get(&7).is_ok_and(|value| value.is_some())
    }

    fn dict_get_into(world) {
        let mut encoded = world.encoded.borrow_mut();
        world.dict.get_into(&7, &mut encoded).is_ok_and(|found| found)
    }

    fn dict_get_into_of_100_bytes(world) {
        let mut encoded = world.encoded.borrow_mut();
        world.pages.get_into(PAGE, &mut encoded).is_ok_and(|found| found)
    }

    fn dict_insert(world) {
        world.dict.insert(&7, &7).is_ok()
    }

    fn dict_update(world) {
        world.dict.update(&7, |value| *value += 1).is_ok_and(|found| found.is_some())
    }

    fn list_push_pop(world) {
        world.list.push(&7).is_ok() && world.list.pop().is_ok_and(|popped| popped == Some(7))
    }

    fn shared_load(world) {
        world.shared.load().is_ok()
    }

    fn shared_store(world) {
        world.shared.store(&7).is_ok()
    }

    fn segment_open_entry(world) {
        black_box(world.segment.open::<Counter>("counter")).is_ok()
    }
}
