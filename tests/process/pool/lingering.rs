//! Workers whose memory outlives them, so that what they held is found a while after their exits.

use std::fmt;
use std::time::{Duration, Instant};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crossdock::process::{Pool, State, TaskError};

use super::{NEVER, builder, kill};

/// For how long the memory of a worker outlives it, at most; in nanoseconds.
const LINGERS: libc::c_long = 50_000_000;

extern "C" fn sleep(_: *mut libc::c_void) -> libc::c_int {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: LINGERS,
    };
    // SAFETY: the pause outlives the call.
    unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    0
}

/// Keeps a child in this process's memory, as after vfork(2), one after the other.
fn linger((): ()) {
    std::thread::spawn(|| {
        let mut stack = vec![0_u128; 1 << 12];
        loop {
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            let top = stack.as_mut_ptr_range().end.cast();
            // SAFETY: the stack is the child's alone, and stays as long as this waits for it.
            let child = unsafe { libc::clone(sleep, top, flags, std::ptr::null_mut()) };
            // SAFETY: a null status pointer asks for none.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
    });
}

/// Bytes that are copied as a whole, and not one after the other as those of a vector: that would
/// take until long after the last of the kills.
struct Whole(Vec<u8>);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Whole, E> {
                Ok(Whole(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

fn len(_: &mut (), bytes: Whole) -> usize {
    bytes.0.len()
}

/// A message of so many bytes takes a while to be copied, before its task begins.
const LONG: usize = 8 << 20;

fn message() -> Whole {
    Whole(vec![1; LONG])
}

fn lingering_pool() -> Pool<State<()>> {
    builder(1)
        .initializer(linger, ())
        .memory(64 << 20)
        .build()
        .expect("built")
}

/// Kills the worker at different times after a message was sent, from before it is taken to after
/// its task has begun.
fn kill_after(pool: &Pool<State<()>>, round: u32) {
    let until = Instant::now() + Duration::from_millis(1) * round;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    pool.worker_ids().into_iter().for_each(kill);
}

#[test]
fn a_task_that_a_lingering_worker_had_not_begun_ends() {
    let pool = lingering_pool();
    for round in 0..16 {
        let mut task = pool.submit(len, message()).expect("submitted");
        kill_after(&pool, round);
        match task.wait_timeout(NEVER / 4) {
            Ok(Some(len)) => assert_eq!(len, LONG),
            Ok(None) => panic!("round {round}: the task hangs"),
            Err(error) => assert!(matches!(error, TaskError::WorkerDied { .. }), "{error}"),
        }
    }
    pool.join();
}

#[test]
fn a_task_that_was_cancelled_with_a_lingering_worker_leaves_the_pool() {
    let pool = lingering_pool();
    for round in 0..16 {
        let task = pool.submit(len, message()).expect("submitted");
        let until = Instant::now() + Duration::from_millis(1) * round;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let cancelled = task.cancel();
        kill_after(&pool, 0);
        assert!(
            pool.wait_idle_timeout(NEVER / 4),
            "round {round}: it is in flight"
        );
        assert!(!cancelled || task.wait() == Err(TaskError::Cancelled));
    }
    pool.join();
}
