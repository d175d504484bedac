//! What pools refuse, and what tasks do that they should not.

use crossdock::process::{BuildError, Pool, StartMethod, SubmitError, TaskError};
use crossdock::segment::CreateError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{NEVER, builder, pool, square};
use crate::support::{call, has_children};

#[test]
fn sizes_that_no_pool_has_are_refused() {
    let most = 500;
    for found in [0, 501, u32::MAX] {
        let refused = builder(found).build().expect_err("refused");
        assert_eq!(refused, BuildError::Workers { found, most });
    }
    let most = 4096;
    for found in [0, 4097] {
        let refused = builder(1).in_flight(found).build().expect_err("refused");
        assert_eq!(refused, BuildError::InFlight { found, most });
    }
    let refused = builder(1).memory(u64::MAX).build().expect_err("refused");
    assert!(
        matches!(refused, BuildError::Segment(CreateError::TooLarge { .. })),
        "{refused:?}"
    );
}

/// A value that cannot be encoded, or not be decoded.
struct Refuses(bool);

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            true => serializer.serialize_bool(true),
            false => Err(serde::ser::Error::custom("not this one")),
        }
    }
}

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("never"))
    }
}

#[test]
fn values_that_do_not_encode_or_decode_are_errors_of_their_tasks() {
    let pool = pool(1);
    let take = |_: Refuses| ();
    let refused = pool.submit(take, Refuses(false)).expect_err("no argument");
    assert!(matches!(refused, SubmitError::Encode(_)), "{refused}");
    let error = pool.call(take, Refuses(true)).expect_err("no argument");
    assert!(matches!(error, TaskError::Arguments(_)), "{error}");
    let error = pool.call(Refuses, false).map(drop).expect_err("no result");
    assert!(matches!(error, TaskError::Encode(_)), "{error}");
    let error = pool.call(Refuses, true).map(drop).expect_err("no result");
    assert!(matches!(error, TaskError::Decode(_)), "{error}");
    assert_eq!(pool.call(square, 3), Ok(9));
}

#[test]
fn values_that_are_longer_than_the_memory_are_errors_of_their_tasks() {
    let pool = builder(1)
        .in_flight(8)
        .memory(1 << 16)
        .build()
        .expect("built");
    let size = 1 << 17;
    let refused = pool
        .submit(|bytes: Vec<u8>| bytes.len(), vec![7; size])
        .expect_err("too long");
    assert!(matches!(refused, SubmitError::TooLarge { .. }), "{refused}");
    let make = |size: usize| vec![7_u8; size];
    let error = pool.call(make, size).expect_err("too long");
    assert!(
        matches!(error, TaskError::TooLarge { size: found, .. } if found > size as u64),
        "{error}"
    );
    // Among others of a chunk.
    let sizes = [3, size, 5];
    let lengths: Vec<_> = pool
        .options()
        .chunk_size(3)
        .imap(make, sizes)
        .map(|result| result.map(|bytes| bytes.len()).ok())
        .collect();
    assert_eq!(lengths, [Some(3), None, Some(5)]);
}

#[test]
fn a_task_that_closes_all_descriptors_costs_no_other_its_result() {
    let pool = pool(1);
    let close = |(): ()| {
        for fd in 3..1024 {
            // SAFETY: it is what the test is about: other code closes what it does not own.
            unsafe { libc::close(fd) };
        }
    };
    let _ = pool.options().retries(1).call(close, ());
    for number in 0..10 {
        let result = pool.options().retries(3).call(square, number);
        assert_eq!(result, Ok(number * number));
    }
}

#[test]
fn a_task_that_forks_is_answered_once() {
    let pool = pool(1);
    let fork = |number: u64| {
        // SAFETY: the child ends at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::_exit(0) };
        }
        // SAFETY: waits for the child above; its status is not asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        number
    };
    for number in 0..5 {
        assert_eq!(pool.call(fork, number), Ok(number));
    }
}

#[test]
fn the_child_of_a_task_that_forks_and_returns_answers_nothing() {
    let pool = pool(1);
    let fork = |number: u64| {
        // SAFETY: the child returns, with one thread, as its parent does.
        let child = unsafe { libc::fork() };
        if child == 0 {
            return number + 1000;
        }
        // SAFETY: waits for the child above; its status is not asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        number
    };
    let numbers: Vec<_> = pool.options().chunk_size(3).imap(fork, 0..9).collect();
    assert_eq!(numbers, (0..9).map(Ok).collect::<Vec<_>>());
    assert_eq!(pool.call(fork, 9), Ok(9));
    assert_eq!(pool.progress().restarts, 0);
}

#[test]
fn a_task_that_exits_is_an_error_and_the_pool_goes_on() {
    let pool = pool(1);
    let exit = |code: i32| -> u64 { std::process::exit(code) };
    for code in [0, 85, 1] {
        let error = pool.call(exit, code).expect_err("no result");
        assert!(matches!(error, TaskError::WorkerDied { .. }), "{error}");
        assert_eq!(pool.call(square, 3), Ok(9));
    }
}

#[test]
fn replaced_workers_leave_no_process_descriptor_or_memory_file() {
    /// Returns what this process has more of after so many replacements.
    fn replace(workers: u64) -> (usize, bool) {
        let descriptors = || {
            let files = std::fs::read_dir("/proc/thread-self/fd").expect("a folder");
            files.count()
        };
        let pool = |tasks| {
            let pool = Pool::builder()
                .workers(2)
                .start(StartMethod::ForkServer)
                .max_tasks_per_worker(1);
            let pool = pool.build().expect("built");
            let results = pool.options().chunk_size(1).map(square, 0..tasks);
            assert_eq!(results.map(|results| results.len() as u64), Ok(tasks));
            pool.join();
        };
        // The server and its connection, and the thread that polls, are there from now on.
        pool(4);
        let before = descriptors();
        pool(workers);
        // The thread that polls for exits closes the last of them a moment later.
        let end = std::time::Instant::now() + NEVER;
        while descriptors() > before && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        (descriptors().saturating_sub(before), has_children())
    }
    let (descriptors, children) = call(replace, 100).expect("replaced");
    assert_eq!(descriptors, 0);
    assert!(!children);
}

#[test]
fn a_value_that_panics_in_its_drop_is_a_panic_of_its_task() {
    /// Panics when it is dropped, in a worker.
    #[derive(Serialize, Deserialize)]
    struct Explodes(u32);
    impl Drop for Explodes {
        fn drop(&mut self) {
            assert_eq!(self.0, std::process::id(), "in the drop");
        }
    }
    let pool = pool(1);
    let take = |argument: Explodes| drop(argument);
    let error = pool.call(take, Explodes(std::process::id()));
    let error = error.expect_err("a panic");
    assert!(matches!(error, TaskError::Panicked(_)), "{error}");
    let make = |id: u32| Explodes(id);
    let error = pool.call(make, std::process::id()).map(drop);
    let error = error.expect_err("a panic");
    assert!(matches!(error, TaskError::Panicked(_)), "{error}");
    assert_eq!(pool.call(square, 3), Ok(9));
}
