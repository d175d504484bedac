//! The table of kinds of entries: a line for each kind.
//!
//! A line has the number of the kind, its name, its handle with the bounds on its types, the
//! algorithm that recovers what a dead participant held in an entry, the algorithm that hands an
//! end of the entry over to another participant, and the function that says what is seen of an
//! entry from outside. From the table follow [`Kind`](crate::segment::Kind) and its name, the
//! dispatch of recovery, of ends and of views, handles as arguments and results of processes, and
//! the tests of the byte layout.

/// Calls the macro `$then` with the table.
macro_rules! kinds {
    ($then:ident) => {
        $then! {
            /// A [`sync::Mutex`](crate::sync::Mutex).
            Mutex = 1, [T: Payload, bytemuck::Pod] crate::sync::Mutex<T>, mutex::entry, region::no_ends, mutex::view::view;
            // 2 was the mutex without data of layout version 1. It stays unused.
            /// A [`Counter`](crate::Counter).
            Counter = 3, [N: Number] crate::Counter<N>, element::entry::counter, region::no_ends, element::view::counter;
            /// A [`ShardedCounter`](crate::ShardedCounter).
            ShardedCounter = 4, [] crate::ShardedCounter, region::unowned, region::no_ends, counter::view::sharded;
            /// A [`queue::spsc::Spsc`](crate::queue::spsc::Spsc).
            Spsc = 5, [T: Payload, NoUninit, CheckedBitPattern] crate::queue::spsc::Spsc<T>, spsc::entry, spsc::ends, spsc::view::view;
            /// A [`queue::Queue`](crate::queue::Queue).
            Queue = 6, [T: Payload, NoUninit, CheckedBitPattern] crate::queue::Queue<T>, mpmc::entry, mpmc::entry, mpmc::view::view;
            /// A [`queue::WorkQueue`](crate::queue::WorkQueue).
            WorkQueue = 7, [T: Payload, bytemuck::Pod] crate::queue::WorkQueue<T>, work::entry, work::entry, work::view::view;
            /// A [`queue::ByteQueue`](crate::queue::ByteQueue).
            ByteQueue = 8, [] crate::queue::ByteQueue, work::entry, work::entry, work::view::view;
            /// A [`queue::Channel`](crate::queue::Channel).
            Channel = 9, [T: Serialize, DeserializeOwned, Any] crate::queue::Channel<T>, work::entry, work::entry, work::view::view;
            /// A [`sync::RwLock`](crate::sync::RwLock).
            RwLock = 10, [T: Payload, bytemuck::Pod] crate::sync::RwLock<T>, rwlock::entry, region::no_ends, rwlock::view::view;
            /// An [`Array`](crate::Array).
            Array = 11, [T: Payload, bytemuck::Pod] crate::Array<T>, chunks::entry, region::no_ends, chunks::view::view;
            /// An [`AtomicArray`](crate::AtomicArray).
            AtomicArray = 12, [T: Atomic] crate::AtomicArray<T>, element::entry::array, region::no_ends, element::view::array;
            /// A [`Snapshot`](crate::Snapshot).
            Snapshot = 13, [T: Payload, bytemuck::Pod] crate::Snapshot<T>, snapshot::entry, region::no_ends, snapshot::view::view;
            /// A [`sync::Semaphore`](crate::sync::Semaphore).
            Semaphore = 14, [] crate::sync::Semaphore, semaphore::entry, region::no_ends, semaphore::view::view;
            /// A [`sync::Event`](crate::sync::Event).
            Event = 15, [] crate::sync::Event, event::entry, region::no_ends, event::view::view;
            /// A [`sync::Condvar`](crate::sync::Condvar).
            Condvar = 16, [] crate::sync::Condvar, condvar::entry, region::no_ends, condvar::view::view;
            /// A [`sync::Barrier`](crate::sync::Barrier).
            Barrier = 17, [] crate::sync::Barrier, barrier::entry, region::no_ends, barrier::view::view;
            /// A [`sync::Promise`](crate::sync::Promise).
            Promise = 18, [T: Payload, bytemuck::Pod] crate::sync::Promise<T>, promise::entry, region::no_ends, promise::view::view;
            /// A [`sync::ReentrantMutex`](crate::sync::ReentrantMutex).
            ReentrantMutex = 19, [T: Payload, bytemuck::Pod] crate::sync::ReentrantMutex<T>, mutex::entry, region::no_ends, mutex::view::view;
            /// A [`Dict`](crate::Dict).
            Dict = 20, [K: Stored; V: Stored] crate::Dict<K, V>, blocks::entry, region::no_ends, blocks::view::index;
            /// A [`Shared`](crate::Shared).
            Shared = 21, [T: Stored] crate::Shared<T>, blocks::entry, region::no_ends, blocks::view::single;
            /// A [`List`](crate::List).
            List = 22, [T: Stored] crate::List<T>, blocks::entry, region::no_ends, blocks::view::list;
            /// A [`Set`](crate::Set).
            Set = 23, [T: Stored] crate::Set<T>, blocks::entry, region::no_ends, blocks::view::index;
            /// A [`Namespace`](crate::Namespace).
            Namespace = 24, [] crate::Namespace, blocks::entry, region::no_ends, blocks::view::index;
            /// A [`Manager`](crate::Manager).
            Manager = 25, [] crate::Manager, manager::entry, region::no_ends, manager::view::view;
            /// The tasks of a [`process::Pool`](crate::process::Pool), in the pool's own segment.
            PoolTasks = 26, [] crate::process::pool::PoolTasks, region::unowned, region::no_ends, tasks::view::view;
            /// The counters of a segment that was created with
            /// [`SegmentOptions::stats`](crate::SegmentOptions::stats).
            Stats = 27, [] crate::segment::stats::Stats, region::unowned, region::no_ends, stats::view::view;
        }
    };
}
