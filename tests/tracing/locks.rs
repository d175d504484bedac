//! Events of locks and participants whose process died.

use crossdock::process::{self, JoinError};
use crossdock::sync::LockError;
use crossdock::{Mutex, Segment};

use crate::support::{lines, record};

#[test]
fn a_lock_that_is_taken_over_is_an_event_and_so_is_the_reaping() {
    record();
    process::init_test("crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let stock = segment
        .create::<Mutex<u64>>("traced stock", 1)
        .expect("a mutex");
    let owner = |stock: Mutex<u64>| {
        let guard = stock.lock().expect("locked");
        std::mem::forget(guard);
        // SAFETY: raise takes an integer.
        unsafe { libc::raise(libc::SIGKILL) };
    };
    let worker = process::spawn(owner, stock.clone()).expect("spawned");
    let pid = worker.id();
    let killed = worker.join();
    assert!(matches!(
        killed,
        Err(JoinError::Killed {
            signal: libc::SIGKILL
        })
    ));

    assert!(matches!(stock.lock(), Err(LockError::OwnerDied(_))));
    let taken_over = lines()
        .into_iter()
        .filter(|line| line.contains("traced stock"));
    let [line] = &taken_over.collect::<Vec<_>>()[..] else {
        panic!("one event of the lock: {:#?}", lines());
    };
    assert!(line.contains("lock taken over"), "{line}");
    assert!(
        line.contains("kind=Mutex") || line.contains("kind=mutex"),
        "{line}"
    );

    segment.reap();
    let pid = format!("pid={pid}");
    let reaped = |line: &String| line.contains("participant reaped") && line.contains(&pid);
    assert_eq!(
        lines().iter().filter(|line| reaped(line)).count(),
        1,
        "{:#?}",
        lines()
    );
}
