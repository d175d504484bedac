//! The suites, with bytes drawn at random. `cargo xtask fuzz` looks for worse ones.

use std::sync::mpsc;
use std::time::Duration;

use crossdock_verify::{names, run, run_with_bug, seeded};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Calls `run` with many bytes, and ends the process if it hangs. Returns the failure, if there is
/// one.
fn drawn(run: impl Fn(&[u8]), shrinks: bool) -> Result<(), String> {
    let (ended, hangs) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if hangs.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("it hangs");
            std::process::abort();
        }
    });
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    };
    if !shrinks {
        config.max_shrink_iters = 0;
    }
    // A byte or two, then steps of four.
    let bytes = proptest::collection::vec(any::<u8>(), 1..260);
    let failed = TestRunner::new(config).run(&bytes, |bytes| {
        run(&bytes);
        Ok(())
    });
    drop(ended);
    failed.map_err(|error| error.to_string())
}

/// Runs a suite many times.
fn holds(name: &str) {
    drawn(|bytes| run(name, bytes), true).unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn seeded_bugs_are_noticed() {
    for name in seeded() {
        let noticed = drawn(|bytes| run_with_bug(name, bytes), false);
        assert!(noticed.is_err(), "the seeded bug of {name} was not noticed");
    }
}

/// A test of each suite.
macro_rules! suites {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )*

        #[test]
        fn each_suite_has_a_test_and_a_fuzz_target() {
            let listed: Vec<&str> = names().collect();
            assert_eq!(listed, [$(stringify!($name)),*]);
            let targets = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/fuzz_targets");
            for name in listed {
                let target = std::fs::exists(format!("{targets}/{name}.rs"));
                assert!(target.unwrap_or(false), "{name}");
            }
        }
    };
}

suites! {
    array atomic_array barrier channel condvar event header inspect managers objects objects_model promise queue
    reentrant ring rwlock semaphore snapshot sync work work_model
}
