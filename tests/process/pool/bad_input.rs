//! What pools refuse, and what tasks do that they should not.

use crossdock::process::{BuildError, SubmitError, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{builder, pool, square};

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
