//! Each kind over bytes that it has never written: each bit of its entry flipped, what a dead
//! process held recovered, and its record with other numbers under a right checksum.
//! `tests/suites.rs` writes any bytes.

use std::sync::mpsc;
use std::time::Duration;

use crossdock::segment::Kind;
use crossdock_verify::{flip_each_bit, kinds, recover_garbage, refuse_forged_records};

/// Does something, and ends the process if it hangs.
fn watched(test: impl FnOnce(&str), kind: &'static str) {
    let (ended, hangs) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if hangs.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{kind} hangs");
            std::process::abort();
        }
    });
    test(kind);
    drop(ended);
}

/// Three tests of each kind.
macro_rules! kinds {
    ($($test:ident: $kind:ident,)*) => {
        mod any_bit_of_the_words_flipped_is_an_error_or_works {
            use super::*;
            $(
                #[test]
                fn $test() {
                    watched(flip_each_bit, stringify!($kind));
                }
            )*
        }

        mod what_a_dead_process_left_in_garbage_is_recovered {
            use super::*;
            $(
                #[test]
                fn $test() {
                    watched(recover_garbage, stringify!($kind));
                }
            )*
        }

        mod a_record_whose_numbers_are_forged_is_an_error_though_its_checksum_is_right {
            use super::*;
            $(
                #[test]
                fn $test() {
                    watched(refuse_forged_records, stringify!($kind));
                }
            )*
        }

        #[test]
        fn each_kind_is_listed_and_tested() {
            let mut tested = vec![$(stringify!($kind).to_owned()),*];
            tested.sort();
            let mut listed: Vec<String> = kinds().collect();
            listed.sort();
            assert_eq!(tested, listed);
            // Only pools and segments create these two.
            let created = Kind::ALL.iter();
            let created = created.filter(|kind| !matches!(kind, Kind::PoolTasks | Kind::Stats));
            let mut created: Vec<String> = created.map(Kind::to_string).collect();
            created.sort();
            assert_eq!(tested, created);
        }
    };
}

kinds! {
    array: Array,
    atomic_array: AtomicArray,
    barrier: Barrier,
    byte_queue: ByteQueue,
    channel: Channel,
    condvar: Condvar,
    counter: Counter,
    dict: Dict,
    event: Event,
    list: List,
    manager: Manager,
    mutex: Mutex,
    namespace: Namespace,
    promise: Promise,
    queue: Queue,
    reentrant: ReentrantMutex,
    ring: Spsc,
    rwlock: RwLock,
    semaphore: Semaphore,
    set: Set,
    sharded: ShardedCounter,
    shared: Shared,
    snapshot: Snapshot,
    work: WorkQueue,
}
