//! A subscriber that uses what it is told of: no lock of the library is held while it is told.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossdock::process::{self, Pool, TaskError};
use crossdock::{List, Manager};

use crate::support::{call_at_events, record};

const LONG: Duration = Duration::from_secs(30);

/// How often the subscriber has done what it does.
static DONE: AtomicU32 = AtomicU32::new(0);

/// The result of a check that has a process, and so a subscriber, of its own. It is killed if it
/// hangs.
fn alone<R>(check: fn(()) -> R) -> R
where
    R: serde::Serialize + serde::de::DeserializeOwned,
{
    record();
    process::init_test("crossdock_worker");
    let mut process = process::spawn(check, ()).expect("spawned");
    let result = process.join_timeout(LONG);
    if result.is_err() {
        process.kill().expect("killed");
    }
    result.expect("no deadlock")
}

/// Kills the process that runs it.
fn die() {
    // SAFETY: raise takes an integer.
    unsafe { libc::raise(libc::SIGKILL) };
}

#[test]
fn a_subscriber_may_use_the_pool_whose_worker_has_died() {
    static POOL: OnceLock<Pool> = OnceLock::new();
    let (died, next, done) = alone(|()| {
        let pool = Pool::builder().workers(1).build().expect("built");
        let pool = POOL.get_or_init(|| pool);
        call_at_events(|line| {
            if line.contains("process exited") || line.contains("participant reaped") {
                let progress = POOL.get().expect("built").progress();
                assert_eq!(progress.submitted, 1);
                process::active_children();
                DONE.fetch_add(1, Relaxed);
            }
        });
        let died = pool.call(|()| die(), ());
        // The thread that freed the place tells of it, which may be another one.
        let began = Instant::now();
        while DONE.load(Relaxed) < 2 && began.elapsed() < LONG {
            std::thread::yield_now();
        }
        let done = DONE.load(Relaxed);
        (
            matches!(died, Err(TaskError::WorkerDied { .. })),
            pool.call(|number: u32| number + 1, 1).ok(),
            done,
        )
    });
    assert!(died);
    assert_eq!(next, Some(2));
    assert_eq!(
        done, 2,
        "an exit, and a reaping in which two threads may have had a part"
    );
}

#[test]
fn a_subscriber_may_change_the_list_that_finds_no_room_to_grow() {
    static LOG: OnceLock<List<u64>> = OnceLock::new();
    let (full, done) = alone(|()| {
        let manager = Manager::new(64 << 10).expect("made");
        let log = manager.list::<u64>("log", 10).expect("created");
        let log = LOG.get_or_init(|| log);
        let pushes = |log: List<u64>| {
            log.push(&0).expect("room");
            die();
        };
        let pusher = process::spawn(pushes, log.clone()).expect("spawned");
        pusher.join().expect_err("killed");
        call_at_events(|line| {
            if line.contains("participant reaped") {
                let _ = LOG.get().expect("made").push(&1);
                DONE.fetch_add(1, Relaxed);
            }
        });
        let full = (0..100_000).any(|number| log.push(&number).is_err());
        (full, DONE.load(Relaxed))
    });
    assert_eq!((full, done), (true, 1));
}
