//! The suites, with bytes drawn at random. `cargo xtask fuzz` looks for worse ones.

use std::sync::mpsc;
use std::time::Duration;

use crossdock_verify::{names, run};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Runs a suite many times, and ends the process if it hangs.
fn holds(name: &str) {
    let (ended, hangs) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if hangs.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("it hangs");
            std::process::abort();
        }
    });
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    };
    // A byte or two, then steps of four.
    let bytes = proptest::collection::vec(any::<u8>(), 1..260);
    let mut runner = TestRunner::new(config);
    runner
        .run(&bytes, |bytes| {
            run(name, &bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    drop(ended);
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
    array atomic_array channel header inspect objects objects_model queue ring rwlock snapshot sync work
    work_model
}
